/**
 * Owns the command line of the bench.
 *
 * Pure: text in, options or a sentence out. Runs on the main thread of the bench.
 */

import { parseArgs } from 'node:util';

import { nearestName } from '../control/config/nearest-name.ts';
import { reasonOf } from '../dataplane/base/error-reason.ts';
import { type BenchEngine, SECTION_NAMES, type SectionName, type SectionSettings } from './section.ts';

/** What the bench was asked for. */
export interface BenchOptions {
  readonly help: boolean;
  /** Sections to run, in the order of {@link SECTION_NAMES}. */
  readonly sections: readonly SectionName[];
  /** All sections were asked for by naming none: each runs in its short form. */
  readonly short: boolean;
  readonly smoke: boolean;
  /** Undefined: as the form of the run has it. */
  readonly seconds: number | undefined;
  readonly repeatCount: number;
  /** Empty: each engine that can run on this machine. */
  readonly engines: readonly BenchEngine[];
  /** Empty: as the form of the run has it. */
  readonly wires: readonly Wire[];
  readonly peers: boolean;
  readonly memoryGigabytes: number | undefined;
  readonly limitsOnly: boolean;
  /** An earlier result file to compare with. */
  readonly compare: string | undefined;
  /** Change for the worse above which the comparison fails; 0.15 is 15 %. */
  readonly threshold: number;
  /** A result file to report on instead of measuring. */
  readonly from: string | undefined;
  /** Where the result goes instead of bench/results. */
  readonly output: string | undefined;
}

type Wire = SectionSettings['wires'][number];

/** A command line that cannot be followed; the message is for the user. */
export class BenchUsageError extends Error {
  override readonly name = 'BenchUsageError';
}

const WIRES = ['gso', 'mtu'] as const;
const ENGINES = ['native', 'typescript'] as const;
const SHORT_FORM = { seconds: 2, wires: ['mtu'], memoryGigabytes: 1 } as const;
const FULL_FORM = { seconds: 5, wires: WIRES, memoryGigabytes: 10 } as const;
const SMOKE_FORM = { seconds: 1, wires: ['mtu'], memoryGigabytes: 0 } as const;
const SMOKE_REPEATS = 1;

/** What `--help` shows. @param titles - what each section measures */
export function benchUsage(titles: Readonly<Record<SectionName, string>>): string {
  const sections = SECTION_NAMES.map((name) => `  ${name.padEnd(23)} ${titles[name]}\n`).join('');
  return `usage: npm run bench -- [SECTION…] [options]

Without a section all of them run in a short form; a section that is named runs in full.

sections
${sections}
measuring
  --seconds N             length of one measurement (5; short form: 2)
  --repeat N              repeats; the median counts (3)
  --engine NAME           native or typescript (both, where both run)
  --wire NAME             gso: the veth as it is; mtu: cut to the MTU as on a card's wire; may be given twice
                          (both; short form: mtu)
  --memory-gigabytes N    sent before memory is read; 0 leaves it out (10; short form: 1)
  --limits-only           what bounds a tunnel alone, such as the bare link and kernel VXLAN: no daemon
  --no-peers              leave out other tunnels that are installed
  --smoke                 every step once, as briefly as it goes: for tests; its figures mean nothing

reporting
  --compare FILE          show ratios against an earlier result; exit status 1 when a figure became worse
  --threshold PERCENT     by more than this (15)
  --from FILE             report on an earlier result instead of measuring
  --output FILE           write the result to this .json file, and the page beside it (bench/results/TIME.json)
`;
}

/** @throws {@link BenchUsageError} */
export function parseBenchOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = readArguments(argv);
  const sections = positionals.map(sectionNamed);
  const options: BenchOptions = {
    help: values.help,
    sections: SECTION_NAMES.filter((name) => sections.length === 0 || sections.includes(name)),
    short: sections.length === 0,
    smoke: values.smoke,
    seconds: optional(values.seconds, (text) => wholeNumber('--seconds', text, { least: 1, most: 600 })),
    repeatCount: values.smoke
      ? SMOKE_REPEATS
      : wholeNumber('--repeat', values.repeat, { least: 1, most: 100 }),
    engines: unique(values.engine.map((name) => oneOf('--engine', name, ENGINES))),
    wires: unique(values.wire.map((name) => oneOf('--wire', name, WIRES))),
    peers: !values['no-peers'],
    memoryGigabytes: optional(values['memory-gigabytes'], (text) =>
      wholeNumber('--memory-gigabytes', text, { least: 0, most: 1000 }),
    ),
    limitsOnly: values['limits-only'],
    compare: values.compare,
    threshold: wholeNumber('--threshold', values.threshold, { least: 1, most: 1000 }) / 100,
    from: values.from,
    output: optional(values.output, resultFileName),
  };
  rejectContradictions(options);
  return options;
}

/**
 * What one section is asked for.
 *
 * @param runnable - engines that run on this machine, of which the options leave at least one
 */
export function settingsFor(
  section: SectionName,
  options: BenchOptions,
  runnable: readonly BenchEngine[],
): SectionSettings {
  const form = options.smoke ? SMOKE_FORM : options.short ? SHORT_FORM : FULL_FORM;
  return {
    seconds: options.seconds ?? form.seconds,
    repeatCount: options.repeatCount,
    engines: enginesFor(section, options, runnable),
    wires: options.wires.length > 0 ? options.wires : form.wires,
    short: options.short,
    smoke: options.smoke,
    peers: options.peers && !options.short && !options.smoke,
    memoryGigabytes: options.memoryGigabytes ?? form.memoryGigabytes,
    limitsOnly: options.limitsOnly,
  };
}

/** The short form has no time for a second pair of daemons. */
function enginesFor(
  section: SectionName,
  { engines, short, smoke }: BenchOptions,
  runnable: readonly BenchEngine[],
): readonly BenchEngine[] {
  if (engines.length > 0) return engines;
  const oneIsEnough = short && !smoke && section === 'tunnel' && runnable.includes('native');
  return oneIsEnough ? ['native'] : runnable;
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        repeat: { type: 'string', default: '3' },
        engine: { type: 'string', multiple: true, default: [] },
        wire: { type: 'string', multiple: true, default: [] },
        'memory-gigabytes': { type: 'string' },
        'limits-only': { type: 'boolean', default: false },
        'no-peers': { type: 'boolean', default: false },
        compare: { type: 'string' },
        threshold: { type: 'string', default: '15' },
        from: { type: 'string' },
        output: { type: 'string' },
      },
    });
  } catch (error) {
    throw new BenchUsageError(reasonOf(error));
  }
}

function sectionNamed(name: string): SectionName {
  const found = SECTION_NAMES.find((known) => known === name);
  if (found !== undefined) return found;
  const near = nearestName(name, SECTION_NAMES);
  const hint = near === undefined ? `there are: ${SECTION_NAMES.join(', ')}` : `did you mean ${near}?`;
  throw new BenchUsageError(`unknown section "${name}"; ${hint}`);
}

function rejectContradictions(options: BenchOptions): void {
  if (options.from === undefined) return;
  if (!options.short) throw new BenchUsageError('--from reports on a file as it is: name no section with it');
  if (options.smoke) throw new BenchUsageError('--from measures nothing: leave out --smoke');
}

function resultFileName(text: string): string {
  if (!text.endsWith('.json'))
    throw new BenchUsageError(`--output: expected a file that ends in .json, got "${text}"`);
  return text;
}

function wholeNumber(option: string, text: string, range: { least: number; most: number }): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < range.least || value > range.most) {
    throw new BenchUsageError(
      `${option}: expected a whole number ${range.least}..${range.most}, got "${text}"`,
    );
  }
  return value;
}

function oneOf<const T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found === undefined)
    throw new BenchUsageError(`${option}: expected ${known.join(' or ')}, got "${text}"`);
  return found;
}

function optional<TIn, TOut>(value: TIn | undefined, read: (value: TIn) => TOut): TOut | undefined {
  return value === undefined ? undefined : read(value);
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
