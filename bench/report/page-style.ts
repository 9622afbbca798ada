/**
 * Owns the style sheet of the bench's page: one column on a phone, dark where the reader's system is.
 *
 * Text that goes into the page as it is. Runs on the main thread of the bench.
 */

export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5d9de, #3a3f46); --faint: light-dark(#59636e, #9aa4af);
  --panel: light-dark(#f6f8fa, #1b1f24); --good: light-dark(#116329, #56d364); --bad: light-dark(#a40e26, #ff8182); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
  background: light-dark(#fff, #0e1116); color: light-dark(#1f2328, #e3e7ec); }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .25rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
h4 { font-size: .9rem; font-weight: 600; margin: 0 0 .25rem; }
p { margin: .25rem 0 .75rem; }
.faint, caption { color: var(--faint); font-size: .9rem; }
caption { text-align: left; padding: .25rem 0; }
nav a { margin-right: 1rem; }
a { color: light-dark(#0550ae, #79b8ff); }
.warning { border-left: 4px solid light-dark(#bf8700, #d29922); background: var(--panel); padding: .4rem .75rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 342px), 1fr)); gap: 1.25rem 1rem; }
.plot { margin: 0; min-width: 0; }
.plot svg { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, .words td, .words th { text-align: left; }
.words td { white-space: normal; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
.stretch td { color: var(--faint); font-weight: normal; }
summary { cursor: pointer; color: var(--faint); font-size: .9rem; }
`;
