/**
 * Owns the format of the bench's result files: what stands in them, and the check of what is read from one.
 *
 *   run { format, version, startedAt, machine, quiet, sections [ { groups [ { figures } ], verdicts, notes, files } ] }
 *
 * Pure: text in, a run or a sentence out. Runs on the main thread of the bench. It must never let a value through that
 * the reports would have to check again.
 */

import * as v from 'valibot';
import { reasonOf } from '../dataplane/base/error-reason.ts';

import { SECTION_NAMES } from './section.ts';

/** Raised when a reader of the older format would misread the newer. */
export const RUN_VERSION = 1;
const FORMAT = 'peertap-bench';

const finite = v.pipe(v.number(), v.finite());
const share = v.pipe(finite, v.minValue(0));
const strings = list(v.string());
const when = v.pipe(v.string(), v.isoTimestamp());

const figureSchema = v.object({
  title: v.string(),
  unit: v.string(),
  digits: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(20)),
  better: v.picklist(['higher', 'lower', 'none']),
  subject: v.string(),
  x: v.exactOptional(finite),
  median: finite,
  spread: share,
  samples: v.pipe(v.array(finite), v.minLength(1), v.readonly()),
});

const groupSchema = v.object({
  title: v.string(),
  plot: v.picklist(['bars', 'curve']),
  xTitle: v.exactOptional(v.string()),
  figures: list(figureSchema),
});

const verdictSchema = v.object({
  title: v.string(),
  measured: finite,
  sense: v.picklist(['at least', 'at most']),
  wanted: finite,
  unit: v.string(),
  met: v.boolean(),
  stretch: v.boolean(),
});

const settingsSchema = v.object({
  seconds: finite,
  repeatCount: v.pipe(v.number(), v.integer(), v.minValue(1)),
  engines: list(v.picklist(['native', 'typescript'])),
  wires: list(v.picklist(['gso', 'mtu'])),
  short: v.boolean(),
  smoke: v.boolean(),
  peers: v.boolean(),
  memoryGigabytes: finite,
  limitsOnly: v.boolean(),
});

const sectionSchema = v.object({
  section: v.picklist(SECTION_NAMES),
  startedAt: when,
  seconds: finite,
  settings: settingsSchema,
  stealShare: share,
  groups: list(groupSchema),
  verdicts: list(verdictSchema),
  notes: strings,
  files: strings,
});

const machineSchema = v.object({
  cpuModel: v.string(),
  coreCount: v.number(),
  architecture: v.string(),
  cpuFlags: strings,
  microcode: v.string(),
  virtual: v.boolean(),
  kernel: v.string(),
  memoryGiB: v.number(),
  nodeVersion: v.string(),
  governor: v.string(),
});

const runSchema = v.object({
  format: v.literal(FORMAT),
  version: v.literal(RUN_VERSION),
  startedAt: when,
  /** As it was typed after `npm run bench --`. */
  commandLine: strings,
  /** The commit that was measured, with a `+` where files differed from it. */
  source: v.exactOptional(v.string()),
  machine: machineSchema,
  quiet: v.object({ loadAverage: finite, busyShare: share, stealShare: share }),
  sections: list(sectionSchema),
  /** Sections that could not run here or failed, and why. */
  absences: list(v.object({ section: v.picklist(SECTION_NAMES), failed: v.boolean(), reasons: strings })),
});

/** One run of the bench. */
export type BenchRun = v.InferOutput<typeof runSchema>;
/** What one section found, and when and for how many seconds it ran. */
export type SectionRun = v.InferOutput<typeof sectionSchema>;
/** A section that has no figures in this run. */
export type Absence = BenchRun['absences'][number];

/** A result file that cannot be used; the message is for the user. */
export class RunFileError extends Error {
  override readonly name = 'RunFileError';
}

/** A run without sections. */
export function emptyRun(about: Omit<BenchRun, 'format' | 'version' | 'sections' | 'absences'>): BenchRun {
  return { format: FORMAT, version: RUN_VERSION, ...about, sections: [], absences: [] };
}

/** What is written to a file. */
export function formatRun(run: BenchRun): string {
  return `${JSON.stringify(run, undefined, 1)}\n`;
}

/**
 * Reads what {@link formatRun} wrote.
 *
 * @param file - for the messages
 * @throws {@link RunFileError} which names the place that is wrong
 */
export function parseRun(text: string, file: string): BenchRun {
  const json = parseJson(text, file);
  const head = v.safeParse(v.object({ format: v.literal(FORMAT), version: v.number() }), json);
  if (!head.success)
    throw new RunFileError(`${file}: not a result of this bench; it writes them to bench/results`);
  if (head.output.version !== RUN_VERSION)
    throw new RunFileError(
      `${file}: written in version ${head.output.version} of the format, and this bench reads version ${RUN_VERSION}; run it anew`,
    );
  const run = v.safeParse(runSchema, json);
  if (run.success) return run.output;
  const [issue] = run.issues;
  throw new RunFileError(`${file}: ${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`);
}

function list<TItem extends v.GenericSchema>(item: TItem) {
  return v.pipe(v.array(item), v.readonly());
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RunFileError(`${file}: not JSON: ${reasonOf(error)}`);
  }
}
