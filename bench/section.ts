/**
 * Owns what a section of the bench is: what it is asked for, and what it hands to the reports (table, JSON, HTML page).
 *
 *   section ──readings──▶ Recorder ──▶ groups of figures ──▶ report/ (terminal, JSON, HTML, comparison)
 *
 * Types and a collector without I/O. Runs on the main thread of the bench.
 */

import { type Summary, summarize } from './arithmetic.ts';

/** Every section, in the order in which the bench runs them. */
export const SECTION_NAMES = [
  'micro',
  'path',
  'tunnel',
  'relay',
  'scale',
  'control',
  'api',
  'flame',
] as const;

/** Name of a section on the command line. */
export type SectionName = (typeof SECTION_NAMES)[number];

/** Data-plane engines that can be measured. */
export type BenchEngine = 'native' | 'typescript';

/** What a section was asked for. */
export interface SectionSettings {
  /** Length of one measurement. */
  readonly seconds: number;
  readonly repeatCount: number;
  /** Engines to measure, all of which run on this machine; never empty. */
  readonly engines: readonly BenchEngine[];
  /** Underlays of `tunnel`: gso, the veth as it is; mtu, cut to the MTU as on a card's wire. */
  readonly wires: readonly ('gso' | 'mtu')[];
  /** The short form of a run of all sections: what is left out is said in the notes. */
  readonly short: boolean;
  /** The least that runs every step once, for a test of the bench itself: its figures mean nothing. */
  readonly smoke: boolean;
  /** Other tunnels found on the PATH join in. */
  readonly peers: boolean;
  /** Sent through each daemon before its memory is read; 0 leaves that figure out. */
  readonly memoryGigabytes: number;
  /** Measure the limits only: no daemon is started. */
  readonly limitsOnly: boolean;
}

/** How a figure is shown and compared. */
export interface FigureDescription {
  /** Its name in tables, without the unit. */
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  /** Which way is better; `none` for what is only stated. */
  readonly better: 'higher' | 'lower' | 'none';
}

/** One figure of one subject: the repeats, their median and spread. */
export interface FigureResult extends FigureDescription, Summary {
  /** What was measured: an engine, a limit, a peer. */
  readonly subject: string;
  /** Place on the x axis of a curve; absent for a bar. */
  readonly x?: number;
}

/** Figures that are shown together: one table, one or more plots. */
export interface FigureGroup {
  readonly title: string;
  /** `bars`: a plot for each figure, a bar for each subject; `curve`: a plot for each figure, a line for each subject. */
  readonly plot: 'bars' | 'curve';
  /** Of the x axis of a curve. */
  readonly xTitle?: string;
  readonly figures: readonly FigureResult[];
}

/** A target beside what was measured. A missed one is shown, never an error. */
export interface Verdict {
  readonly title: string;
  readonly measured: number;
  readonly sense: 'at least' | 'at most';
  readonly wanted: number;
  readonly unit: string;
  readonly met: boolean;
  /** Reported, not demanded. */
  readonly stretch: boolean;
}

/** What a section found. */
export interface SectionResult {
  readonly section: SectionName;
  readonly startedAt: string;
  readonly settings: SectionSettings;
  /** Share of CPU time that a hypervisor gave to others meanwhile, 0 to 1. */
  readonly stealShare: number;
  readonly groups: readonly FigureGroup[];
  readonly verdicts: readonly Verdict[];
  /** Sentences that a reader of the figures needs: what was left out and why. */
  readonly notes: readonly string[];
  /** Files that the section wrote (flame graphs). */
  readonly files: readonly string[];
}

/** What a section yields; the bench adds when it ran and how undisturbed. */
export type SectionFindings = Pick<SectionResult, 'groups' | 'verdicts' | 'notes'> & {
  readonly files?: readonly string[];
};

/** One section of the bench. */
export interface Section {
  readonly name: SectionName;
  /** For the usage text. */
  readonly title: string;
  /** Why it cannot run on this machine, a sentence each; empty when it can. */
  readonly problems: (settings: SectionSettings) => readonly string[];
  /** @param progress - shows a piece of text at once, without a line's end */
  readonly run: (settings: SectionSettings, progress: (text: string) => void) => Promise<SectionFindings>;
}

/** Where a reading belongs. */
export interface Place {
  readonly subject: string;
  readonly figure: FigureDescription;
  readonly x?: number;
}

/** Collects the readings of a group, repeat by repeat. */
export class Recorder {
  readonly #title: string;
  readonly #axis: Pick<FigureGroup, 'plot' | 'xTitle'>;
  readonly #cells = new Map<string, { readonly place: Place; readonly samples: number[] }>();

  constructor(title: string, axis: Pick<FigureGroup, 'plot' | 'xTitle'> = { plot: 'bars' }) {
    this.#title = title;
    this.#axis = axis;
  }

  /** Takes one reading. */
  add(place: Place, value: number): void {
    const key = `${place.subject}\n${place.figure.title}\n${place.x ?? ''}`;
    const cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, { place, samples: [value] });
    else cell.samples.push(value);
  }

  /** The readings of one cell, a repeat each; empty when there are none. */
  samples({ subject, figure, x }: Place): readonly number[] {
    return this.#cells.get(`${subject}\n${figure.title}\n${x ?? ''}`)?.samples ?? [];
  }

  /** The group so far, in the order of first readings. */
  group(): FigureGroup {
    const figures = [...this.#cells.values()].map(({ place, samples }) => ({
      ...place.figure,
      subject: place.subject,
      ...(place.x === undefined ? {} : { x: place.x }),
      ...summarize(samples),
    }));
    return { title: this.#title, ...this.#axis, figures };
  }
}
