/**
 * Owns the page of a run: one HTML file with the plots, the tables, the targets and the machine, and nothing to fetch.
 *
 * Pure: a run in, HTML out. Every text from a run is escaped. Runs on the main thread of the bench.
 */

import { relative, resolve } from 'node:path';

import { PROJECT_ROOT } from '../project-root.ts';
import type { BenchRun, SectionRun } from '../run-format.ts';
import type { FigureGroup } from '../section.ts';
import { LEGEND, machineRows, runWarnings, sectionHeading, verdictCells } from './format.ts';
import { PAGE_STYLE } from './page-style.ts';
import { drawGroup } from './plots.ts';
import { groupTables, type TextTable } from './tables.ts';

/** A browser that keeps to this asks nobody for anything and runs nothing. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** How the page looks up what it needs about its place. */
export interface PageContext {
  /** What each section measures, by name. */
  readonly titles: Readonly<Record<string, string>>;
  /** Folder that the page will lie in: links to files start there. */
  readonly folder: string;
}

/** Renders the page. */
export async function renderPage(run: BenchRun, context: PageContext): Promise<string> {
  const sections: string[] = [];
  for (const section of run.sections) sections.push(await renderSection(section, context));
  const title = `PeerTap bench, ${run.startedAt.slice(0, 16).replace('T', ' ')} UTC`;
  const links = run.sections.map(({ section }) => `<a href="#${section}">${section}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escapeText(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<h1>${escapeText(title)}</h1>
<nav>${links.join('\n')}</nav>
${runWarnings(run)
  .map((warning) => `<p class="warning">${escapeText(warning)}</p>\n`)
  .join('')}<h3>Machine</h3>
${renderTable({ header: [], rows: machineRows(run) }, 'words machine')}
<p class="faint">Only ratios within one run carry over to another machine. In the tables: ${escapeText(LEGEND)}. In the plots: medians, and whiskers from the least to the greatest repeat.</p>
${sections.join('\n')}
</body>
</html>
`;
}

async function renderSection(section: SectionRun, { titles, folder }: PageContext): Promise<string> {
  const groups: string[] = [];
  for (const group of section.groups) groups.push(await renderGroup(group));
  const title = titles[section.section];
  return `<section id="${section.section}">
<h2>${section.section}</h2>
<p>${escapeText(title ?? '')}</p>
<p class="faint">${escapeText(sectionHeading(section))}</p>
${renderVerdicts(section)}
${groups.join('\n')}
${renderRemarks(section, folder)}
</section>`;
}

async function renderGroup(group: FigureGroup): Promise<string> {
  if (group.figures.length === 0) return '';
  const plots = await drawGroup(group);
  const drawn = plots.map(
    ({ title, svg }) => `<figure class="plot"><h4>${escapeText(title)}</h4>${svg}</figure>`,
  );
  const tables = groupTables(group).map((table) => renderTable(table, 'figures'));
  return `<h3>${escapeText(group.title)}</h3>
<div class="plots">
${drawn.join('\n')}
</div>
<details><summary>table</summary>
${tables.join('\n')}
</details>`;
}

function renderVerdicts({ verdicts }: SectionRun): string {
  if (verdicts.length === 0) return '';
  const rows = verdicts.map((target) => {
    const [title, measured, wanted, verdict] = verdictCells(target);
    const cells = [title, measured, wanted].map((text) => `<td>${escapeText(text)}</td>`).join('');
    return `<tr${target.stretch ? ' class="stretch"' : ''}>${cells}<td class="${verdict}">${verdict}</td></tr>`;
  });
  const header = ['target', 'measured', 'wanted', ''].map((name) => `<th>${name}</th>`).join('');
  return `<div class="scroll"><table class="words verdicts"><thead><tr>${header}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`;
}

function renderRemarks({ notes, files }: SectionRun, folder: string): string {
  const items = [
    ...notes.map((note) => `<li>${escapeText(note)}</li>`),
    ...files.map((file) => {
      const target = relative(folder, resolve(PROJECT_ROOT, file));
      return `<li><a href="${escapeText(encodeURI(target))}">${escapeText(target)}</a></li>`;
    }),
  ];
  return items.length === 0 ? '' : `<h3>Notes</h3>\n<ul>${items.join('\n')}</ul>`;
}

function renderTable({ title, header, rows }: TextTable, kind: string): string {
  const caption = title === undefined ? '' : `<caption>${escapeText(title)}</caption>`;
  const head =
    header.length === 0
      ? ''
      : `<thead><tr>${header.map((name) => `<th>${escapeText(name)}</th>`).join('')}</tr></thead>`;
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}</tr>`)
    .join('\n');
  return `<div class="scroll"><table class="${kind}">${caption}${head}<tbody>${body}</tbody></table></div>`;
}

function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
