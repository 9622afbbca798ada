/**
 * Owns the plots of the bench's page: groups of figures as SVG, drawn by Vega without a browser.
 *
 *   bars    a plot for each figure: a bar for each subject, a whisker over its repeats, the median beside it
 *   curve   a plot for each figure: a line for each subject over x, a whisker over the repeats at each place
 *
 * Pure: figures in, SVG out. Colours of text and rules are the page's (`currentColor`), so that a plot follows it into
 * the dark. Runs on the main thread of the bench.
 */

import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

import { isUnsteady } from '../arithmetic.ts';
import type { FigureGroup, FigureResult } from '../section.ts';
import { figuresByTitle, formatTitle, formatValue, placesOf, subjectsOf } from './format.ts';

/** One plot of a group. */
export interface Plot {
  readonly title: string;
  readonly svg: string;
}

/** Narrow enough for a phone held upright. */
const WIDTH_PIXELS = 340;
const CURVE_HEIGHT_PIXELS = 210;
const LEGEND_ROW_PIXELS = 16;
const BAR_STEP_PIXELS = 26;
const BAR_PIXELS = 14;
/** Room for the value beside the longest bar, as a share of the axis. */
const VALUE_ROOM = 1.45;
const SUBJECT_LABEL_PIXELS = 150;
/** Above it, a legend has a row for each subject. */
const SHORT_NAME_CHARACTERS = 18;
/** Where the largest is this many times the smallest, a linear axis shows only the largest. */
const LOG_RATIO = 20;

/** Readable on white and on black; told apart by most colour-blind readers too (Okabe and Ito, darkened yellow). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8a7f00', '#999999'];

const STYLE: NonNullable<TopLevelSpec['config']> = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  text: { color: 'currentColor' },
  rule: { color: 'currentColor' },
  tick: { color: 'currentColor' },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    titleFontWeight: 'normal',
    domainColor: 'currentColor',
    tickColor: 'currentColor',
    gridColor: 'currentColor',
    gridOpacity: 0.15,
    labelFontSize: 11,
    titleFontSize: 11,
    labelLimit: SUBJECT_LABEL_PIXELS,
  },
  legend: {
    labelColor: 'currentColor',
    labelFontSize: 11,
    orient: 'bottom',
    labelLimit: WIDTH_PIXELS - 60,
    title: null,
  },
};

/** Draws a group, a plot for each figure. */
export async function drawGroup(group: FigureGroup): Promise<Plot[]> {
  const plots: Plot[] = [];
  // The same subject has the same colour in every plot of a group.
  const color = colorScale(subjectsOf(group));
  for (const figures of figuresByTitle(group)) {
    const [first] = figures;
    if (first === undefined) continue;
    const spec = group.plot === 'bars' ? barsSpec(figures, color) : curveSpec(group, figures, color);
    plots.push({ title: formatTitle(first), svg: await draw(spec) });
  }
  return plots;
}

type ColorScale = ReturnType<typeof colorScale>;

function colorScale(subjects: readonly string[]) {
  return {
    domain: [...subjects],
    range: subjects.map((_, index) => COLORS[index % COLORS.length] ?? 'gray'),
  };
}

async function draw(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A row of the data behind a plot. */
function datum(figure: FigureResult) {
  return {
    subject: figure.subject,
    x: figure.x ?? 0,
    median: figure.median,
    least: Math.min(...figure.samples),
    greatest: Math.max(...figure.samples),
    shown: `${formatValue(figure.median, figure.digits)}${isUnsteady(figure) ? ' !' : ''}`,
  };
}

function barsSpec(figures: readonly FigureResult[], color: ColorScale): TopLevelSpec {
  const values = figures.map(datum);
  const subjects = [...new Set(values.map(({ subject }) => subject))];
  const most = Math.max(0, ...values.map(({ greatest }) => greatest));
  const least = Math.min(0, ...values.map((value) => value.least));
  const scale = { domain: [least, most === 0 ? 1 : most * VALUE_ROOM], nice: false };
  const along = { type: 'quantitative', scale } as const;
  return {
    width: WIDTH_PIXELS,
    height: BAR_STEP_PIXELS * subjects.length,
    autosize: { type: 'fit-x', contains: 'padding' },
    config: STYLE,
    data: { values },
    encoding: { y: { field: 'subject', type: 'nominal', sort: null, title: null } },
    layer: [
      {
        mark: { type: 'bar', height: BAR_PIXELS },
        encoding: {
          x: { field: 'median', ...along, axis: { title: null, tickCount: 4, format: '~s' } },
          color: { field: 'subject', type: 'nominal', scale: color, legend: null },
        },
      },
      whisker('x', along),
      {
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 11 },
        encoding: { x: { field: 'greatest', ...along }, text: { field: 'shown' } },
      },
    ],
  };
}

function curveSpec(group: FigureGroup, figures: readonly FigureResult[], color: ColorScale): TopLevelSpec {
  const values = figures.map(datum);
  const places = placesOf(figures);
  const across = {
    field: 'x',
    type: 'quantitative',
    title: group.xTitle ?? null,
    scale: { type: spansDecades(places) ? 'log' : 'linear', nice: false, padding: 8 },
    axis: { values: places, format: '.3~s', labelOverlap: true, grid: false },
  } as const;
  const isLog = spansDecades(values.flatMap((value) => [value.least, value.median]));
  const scale = isLog ? ({ type: 'log' } as const) : ({ type: 'linear', zero: true } as const);
  const up = { type: 'quantitative', scale } as const;
  const areShort = values.every(({ subject }) => subject.length <= SHORT_NAME_CHARACTERS);
  const legend = { columns: areShort ? 2 : 1 };
  const legendRows = Math.ceil(new Set(values.map(({ subject }) => subject)).size / legend.columns);
  const hue = { field: 'subject', type: 'nominal', scale: color, legend } as const;
  const axis = { title: null, tickCount: 5, format: '~s' } as const;
  return {
    width: WIDTH_PIXELS,
    height: CURVE_HEIGHT_PIXELS + legendRows * LEGEND_ROW_PIXELS,
    autosize: { type: 'fit', contains: 'padding' },
    config: STYLE,
    data: { values },
    encoding: { x: across },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 2 },
        encoding: { y: { field: 'median', ...up, axis }, color: hue },
      },
      whisker('y', up),
      {
        mark: { type: 'point', filled: true, size: 36, opacity: 1 },
        encoding: { y: { field: 'median', ...up, axis }, color: hue },
      },
    ],
  };
}

type Layer = Extract<TopLevelSpec, { layer: unknown }>['layer'][number];

/** From the least to the greatest of the repeats. */
function whisker(
  direction: 'x' | 'y',
  along: { type: 'quantitative'; scale: Record<string, unknown> },
): Layer {
  const mark = { type: 'rule', strokeWidth: 1.5, opacity: 0.75 } as const;
  const from = { field: 'least', ...along };
  return direction === 'x'
    ? { mark, encoding: { x: from, x2: { field: 'greatest' } } }
    : { mark, encoding: { y: from, y2: { field: 'greatest' } } };
}

function spansDecades(values: readonly number[]): boolean {
  const least = Math.min(...values);
  return least > 0 && Math.max(...values) >= least * LOG_RATIO;
}
