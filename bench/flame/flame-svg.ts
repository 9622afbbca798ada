/**
 * Owns the drawing of a flame graph as one SVG file: a box for each function, as wide as its share of the samples,
 * below the one that called it, so that the graph begins where one looks first. A pointer on a box shows its whole name and its share.
 *
 * Pure: a tree in, SVG out; no script is in it. Runs on the main thread of the bench.
 */

import { hierarchy, partition } from 'd3-hierarchy';

import { AREAS, type FlameNode } from './stack.ts';

const WIDTH = 1400;
const ROW = 17;
const HEADER = 44;
/** About the width of a letter of the font below. */
const LETTER_WIDTH = 6.6;
/** Narrower ones could not be seen, and would make most of the file. */
const LEAST_WIDTH = 0.3;
const LEAST_TEXT_LETTERS = 4;

const COLOURS: Readonly<Record<FlameNode['area'], string>> = {
  thread: '#cfd3d6',
  kernel: '#e8935a',
  accelerator: '#8fbf6a',
  JavaScript: '#f0cf5a',
  'Node and libraries': '#9fb8d9',
};

/** Draws the graph. @param heading - what it is of, above it */
export function drawFlameGraph(tree: FlameNode, heading: string): string {
  const root = hierarchy(tree, (node) => node.children).sum(ownValue);
  const rowCount = root.height + 1;
  const boxes = partition<FlameNode>().size([WIDTH, rowCount * ROW])(root);
  const height = HEADER + rowCount * ROW;
  const drawn = boxes
    .descendants()
    .filter((box) => box.x1 - box.x0 >= LEAST_WIDTH)
    .map((box) => {
      const share = tree.value === 0 ? 0 : box.data.value / tree.value;
      return drawBox(box.data, { x: box.x0, y: HEADER + box.y0, width: box.x1 - box.x0 }, share);
    });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="monospace" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="6" y="16" font-size="13">${escapeText(heading)}</text>
${drawLegend()}
${drawn.join('\n')}
</svg>
`;
}

/** Samples in the function itself. */
function ownValue({ value, children }: FlameNode): number {
  return value - children.reduce((sum, child) => sum + child.value, 0);
}

function drawBox(
  { name, area, value }: FlameNode,
  place: { readonly x: number; readonly y: number; readonly width: number },
  share: number,
): string {
  const letters = Math.floor((place.width - 4) / LETTER_WIDTH);
  const shown = name.length <= letters ? name : `${name.slice(0, Math.max(0, letters - 1))}…`;
  const [x, y] = [place.x.toFixed(2), place.y];
  const box = `<rect x="${x}" y="${y}" width="${place.width.toFixed(2)}" height="${ROW - 1}" rx="1" fill="${COLOURS[area]}"/>`;
  const text =
    letters < LEAST_TEXT_LETTERS
      ? ''
      : `<text x="${(place.x + 2).toFixed(2)}" y="${y + 12}">${escapeText(shown)}</text>`;
  const title = `${escapeText(name)} (${(share * 100).toFixed(1)} %, ${value} samples)`;
  return `<g><title>${title}</title>${box}${text}</g>`;
}

function drawLegend(): string {
  return AREAS.map((area, index) => {
    const x = 6 + index * 180;
    return `<rect x="${x}" y="24" width="12" height="12" fill="${COLOURS[area]}"/><text x="${x + 17}" y="34">${area}</text>`;
  }).join('');
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
