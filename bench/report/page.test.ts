/**
 * Opens a page of the bench in a browser, as wide as a phone, and looks at what is drawn there.
 *
 *   page ─▶ iframe in a wrapper whose script measures it ─▶ chromium --headless --dump-dom ─▶ counts, labels, sizes
 *
 * The page itself runs no script and may fetch nothing; the wrapper is the test's own.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { findTool, run } from '../../test/lab/command.ts';
import { sampleRun } from '../sample-run.fixture.ts';
import { renderPage } from './page.ts';

const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => findTool(name) !== undefined,
);
const mustRun = process.env['PEERTAP_REQUIRE_SYSTEM'] === '1';
const skip =
  CHROMIUM === undefined && !mustRun ? 'there is no Chromium (on Debian: apt-get install chromium)' : false;

const PHONE_WIDTH_PIXELS = 390;
const BROWSER_TIMEOUT_MS = 60_000;

/** What the wrapper's script reports of one plot. */
interface DrawnPlot {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly bars: readonly { label: string; width: number }[];
  readonly points: readonly { label: string; x: number; y: number }[];
  readonly lineCount: number;
  readonly whiskers: readonly { width: number; height: number }[];
  readonly texts: readonly string[];
}

/** What the wrapper's script reports. */
interface DrawnPage {
  readonly plots: readonly DrawnPlot[];
  readonly scrollWidth: number;
  readonly tableTexts: readonly string[];
  readonly links: readonly string[];
  readonly text: string;
  readonly requests: readonly string[];
}

/** Runs in the browser, in the wrapper. */
const MEASURE = `
addEventListener('load', () => {
  const { contentDocument: page, contentWindow } = document.querySelector('iframe');
  const all = (root, selector) => [...root.querySelectorAll(selector)];
  const box = (element) => element.getBoundingClientRect();
  const label = (element) => element.getAttribute('aria-label');
  const marks = (svg, kind) => all(svg, '[aria-roledescription="' + kind + '"]');
  const plots = all(page, '.plot').map((plot) => {
    const svg = plot.querySelector('svg');
    return {
      title: plot.querySelector('h4').textContent, width: box(svg).width, height: box(svg).height,
      bars: marks(svg, 'bar').map((bar) => ({ label: label(bar), width: box(bar).width })),
      points: marks(svg, 'point').map((point) => ({ label: label(point), x: box(point).x, y: box(point).y })),
      lineCount: marks(svg, 'line mark').length,
      whiskers: marks(svg, 'rule mark').map((rule) => ({ width: box(rule).width, height: box(rule).height })),
      texts: all(svg, 'text').map((text) => text.textContent),
    };
  });
  for (const details of all(page, 'details')) details.open = true;
  const report = {
    plots, scrollWidth: page.documentElement.scrollWidth, text: page.body.innerText,
    tableTexts: all(page, 'table.figures td').map((cell) => cell.textContent),
    links: all(page, 'a').map((link) => link.getAttribute('href')),
    requests: contentWindow.performance.getEntriesByType('resource').map(({ name }) => name),
  };
  const output = document.createElement('pre');
  output.id = 'report';
  output.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(report))));
  document.body.append(output);
});`;

describe('the page of a run, in a browser', { skip }, () => {
  let folder = '';
  let page: DrawnPage;

  before(async () => {
    assert.ok(CHROMIUM, 'PEERTAP_REQUIRE_SYSTEM is set, and there is no Chromium');
    folder = mkdtempSync(join(tmpdir(), 'peertap-page-'));
    page = await openInBrowser(
      await renderPage(sampleRun(), { titles: { micro: 'pieces' }, folder }),
      folder,
    );
  });

  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });

  function plot(title: string): DrawnPlot {
    const found = page.plots.find((candidate) => candidate.title === title);
    assert.ok(found, `no plot "${title}"`);
    return found;
  }

  it('has a plot for each figure, drawn and not wider than a phone', () => {
    assert.deepEqual(
      page.plots.map(({ title }) => title),
      ['seal, ns', 'TCP, 1 stream, Gbit/s', 'CPU per GB, s/GB'],
    );
    for (const { title, width, height } of page.plots) {
      assert.ok(width > 200 && width <= PHONE_WIDTH_PIXELS && height > 30, `${title}: ${width} × ${height}`);
    }
    assert.ok(page.scrollWidth <= PHONE_WIDTH_PIXELS, `the page scrolls sideways: ${page.scrollWidth}`);
  });

  it('draws a bar for each subject, as long as its median', () => {
    const [native, vxlan] = plot('TCP, 1 stream, Gbit/s').bars;
    assert.match(native?.label ?? '', /9.*PeerTap native/);
    assert.match(vxlan?.label ?? '', /18.*kernel VXLAN/);
    const ratio = (vxlan?.width ?? 0) / (native?.width ?? 1);
    assert.ok(Math.abs(ratio - 2) < 0.05, `${ratio}`);
    assert.equal(plot('CPU per GB, s/GB').bars.length, 1);
  });

  it('shows the spread as whiskers, and marks what varies too much', () => {
    const { whiskers, texts } = plot('TCP, 1 stream, Gbit/s');
    const [native, vxlan] = whiskers;
    assert.ok((native?.width ?? 0) > 5 * (vxlan?.width ?? 0), JSON.stringify(whiskers));
    assert.ok(texts.includes('9.00 !') && texts.includes('18.00'), texts.join());
  });

  it('draws a curve as a line and points for each subject, on logarithmic axes over decades', () => {
    const { lineCount, points } = plot('seal, ns');
    assert.equal(lineCount, 2);
    assert.equal(points.length, 6);
    const xs = [...new Set(points.map(({ x }) => Math.round(x)))].sort((left, right) => left - right);
    // 64, 1024 and 65536 are 4 and 6 doublings apart.
    const [first = 0, second = 0, third = 0] = xs;
    assert.ok(Math.abs((third - second) / (second - first) - 1.5) < 0.1, xs.join());
  });

  it('has the tables, targets, notes and the machine in words', () => {
    assert.ok(page.tableTexts.includes('9.00 (22 %!)'), page.tableTexts.join());
    assert.ok(page.tableTexts.includes('65,536'));
    for (const text of ['Some CPU <of a kind>', '≥ 0.42 × kernel VXLAN', 'met', '<angle brackets> & more'])
      assert.ok(page.text.includes(text), text);
  });

  it('links to the files of a section and fetches nothing', () => {
    assert.ok(
      page.links.some((link) => link.endsWith('bench/results/some%20flame.svg')),
      page.links.join(),
    );
    assert.deepEqual(page.requests, []);
  });
});

async function openInBrowser(html: string, folder: string): Promise<DrawnPage> {
  const quoted = html.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  const wrapper = join(folder, 'wrapper.html');
  writeFileSync(
    wrapper,
    `<!doctype html><meta charset="utf-8"><iframe width="${PHONE_WIDTH_PIXELS}" height="800" style="border:0" srcdoc="${quoted}"></iframe><script>${MEASURE}</script>`,
  );
  const { stdout } = await run(
    CHROMIUM ?? '',
    [
      ...['--headless', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--dump-dom'],
      // Tests run as root, where Chromium's own sandbox does not start; it opens this one file of ours.
      ...['--no-sandbox', `--user-data-dir=${join(folder, 'profile')}`, '--window-size=800,1000'],
      `file://${wrapper}`,
    ],
    { timeoutMs: BROWSER_TIMEOUT_MS },
  );
  const report = /<pre id="report">([^<]+)<\/pre>/.exec(stdout)?.[1];
  assert.ok(report, `the browser showed no report: ${stdout.slice(0, 2000)}`);
  return JSON.parse(Buffer.from(report, 'base64').toString('utf8')) as DrawnPage;
}
