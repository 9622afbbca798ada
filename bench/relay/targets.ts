/**
 * Owns what the relay shall reach, and how that is judged. Pure.
 */
import { median, medianRatio } from '../arithmetic.ts';
import type { BenchEngine, FigureDescription, Recorder, Verdict } from '../section.ts';
import { HOSTILE_KINDS } from './hostile-kinds.ts';

/** The limit: receive and send only. */
export const LOOP = 'loop';

/** Sizes of the datagrams: as large as the wire takes, and small. */
export const DATAGRAM_SIZES = [1472, 200] as const;

/** CPU time of the whole process for one datagram. */
export const CPU_FIGURE: FigureDescription = {
  title: 'CPU a datagram',
  unit: 'ns',
  digits: 0,
  better: 'lower',
};

/** The readings of one size. */
export interface SizeGroup {
  readonly bytes: (typeof DATAGRAM_SIZES)[number];
  readonly recorder: Recorder;
}

/** Tokens in the table: of a small network, and what an issue demands of a large one. */
export const FEW_TOKENS = 10;
export const MANY_TOKENS = 100_000;

/** How the traffic goes over the tokens: as flows come, in trains of one token; and as no cache likes it. */
export const TOKEN_TURNS = [
  { turn: 'train', subjectOf: (engine: BenchEngine): string => `${engine}, a token a train` },
  { turn: 'datagram', subjectOf: (engine: BenchEngine): string => `${engine}, a token a datagram` },
] as const;

/** What hostile traffic is compared with. */
export const BESIDE_VALID = 'valid';

/** What is judged of a transfer beside a neighbour. */
export const HOSTILE_FIGURES = {
  transferCpu: { title: 'CPU a datagram of the transfer', unit: 'ns', digits: 0, better: 'lower' },
  uncounted: { title: 'neither sent nor counted', unit: 'datagrams', digits: 0, better: 'lower' },
  grown: { title: 'memory of the relay, growth', unit: 'MiB', digits: 1, better: 'lower' },
} as const satisfies Record<string, FigureDescription>;

/** What a stream is measured beside, but for {@link BESIDE_VALID}: nobody, and a neighbour that attacks. */
export const BESIDE_NOTHING = 'alone';
export const BESIDE_ATTACK = 'hostile';

/** What is measured of daemons under attack. */
export const ATTACK_FIGURES = {
  tcp: { title: 'TCP, 1 stream, through the relay', unit: 'Gbit/s', digits: 2, better: 'higher' },
  beside: { title: 'sent beside it', unit: 'kpps', digits: 1, better: 'none' },
  counted: { title: 'dropped and counted by the relay, of those', unit: '%', digits: 1, better: 'none' },
  grown: { title: 'memory of the relay, growth', unit: 'MiB', digits: 1, better: 'lower' },
} as const satisfies Record<string, FigureDescription>;

/** What is measured of daemons: a stream, and what each side spends on it. */
export const DAEMON_FIGURES = {
  direct: { title: 'TCP, 1 stream, direct', unit: 'Gbit/s', digits: 2, better: 'higher' },
  relayed: { title: 'TCP, 1 stream, through a relay', unit: 'Gbit/s', digits: 2, better: 'higher' },
  directCpu: { title: 'CPU per GB, direct, both ends', unit: 's/GB', digits: 2, better: 'lower' },
  endsCpu: { title: 'CPU per GB, relayed, both ends', unit: 's/GB', digits: 2, better: 'lower' },
  relayCpu: { title: 'CPU per GB, the relay', unit: 's/GB', digits: 2, better: 'lower' },
} as const satisfies Record<string, FigureDescription>;

/** One of {@link DAEMON_FIGURES}. */
export type DaemonFigure = keyof typeof DAEMON_FIGURES;

const LARGE_RATIO = { wanted: 0.8, stretch: 0.95 } as const;
const SMALL_NS = { wanted: 220, stretch: 160 } as const;
const TOKENS_RATIO = 1.1;
const HOSTILE_RATIO = 0.8;
/** What a garbage collector may hold back in a run; a leak of one byte a datagram is more. */
const GROWTH_MIB = 4;
/** Of a whole daemon, whose heap is not idle meanwhile. */
const DAEMON_GROWTH_MIB = 16;
const RELAYED_RATIO = 0.5;
const RELAY_CPU_RATIO = 0.35;
const RELAY_CPU_SECONDS = 0.8;

/** Judges the native engine's core. */
export function judgeCore(groups: readonly SizeGroup[]): readonly Verdict[] {
  return groups.flatMap(({ bytes, recorder }) => {
    const relay = recorder.samples({ subject: 'native', figure: CPU_FIGURE });
    const loop = recorder.samples({ subject: LOOP, figure: CPU_FIGURE });
    // A core that is busy passes on as many as it has time for: the ratio of rates is that of times, turned round.
    if (bytes === 1472) {
      const title = 'relay core, 1,472 B, a core: of what the receive-and-send loop carries';
      return atLeast({ title, measured: medianRatio(loop, relay), unit: '×' }, LARGE_RATIO);
    }
    return atMost(
      { title: 'relay core, 200 B in trains: CPU a datagram', measured: middle(relay), unit: 'ns' },
      SMALL_NS,
    );
  });
}

/** Judges what a large table costs the native engine, where tokens change by the train. */
export function judgeTokens(recorder: Recorder): readonly Verdict[] {
  const subject = TOKEN_TURNS[0].subjectOf('native');
  const [few, many] = [FEW_TOKENS, MANY_TOKENS].map((x) =>
    recorder.samples({ subject, figure: CPU_FIGURE, x }),
  );
  const title = 'relay core, 200 B in trains: 100,000 tokens in the table, CPU a datagram';
  const measured = medianRatio(many ?? [], few ?? []);
  return atMost({ title, measured, unit: '× 10 tokens' }, { wanted: TOKENS_RATIO });
}

/** Judges a transfer beside hostile traffic: the kind that costs it most, what was not counted, and memory. */
export function judgeHostile(engine: BenchEngine, recorder: Recorder): readonly Verdict[] {
  const samples = (subject: string, figure: keyof typeof HOSTILE_FIGURES): readonly number[] =>
    recorder.samples({ subject, figure: HOSTILE_FIGURES[figure] });
  const valid = samples(BESIDE_VALID, 'transferCpu');
  const ratios = HOSTILE_KINDS.flatMap((kind) => medianRatio(valid, samples(kind, 'transferCpu')) ?? []);
  const uncounted = HOSTILE_KINDS.flatMap((kind) => samples(kind, 'uncounted'));
  // A part of the code that runs for the first time makes the process larger, once.
  const grown = HOSTILE_KINDS.flatMap((kind) => middle(samples(kind, 'grown')) ?? []);
  const name = `relay core, ${engine}, a transfer beside hostile trains`;
  return [
    ...atLeast(
      { title: `${name}: of that beside valid ones`, measured: least(ratios), unit: '×' },
      { wanted: HOSTILE_RATIO },
    ),
    ...atMost(
      { title: `${name}: neither sent nor counted`, measured: largest(uncounted), unit: 'datagrams' },
      { wanted: 0 },
    ),
    ...atMost(
      { title: `${name}: growth of memory`, measured: largest(grown), unit: 'MiB' },
      { wanted: GROWTH_MIB },
    ),
  ];
}

/** Judges the native engine's daemons on one wire. @param samples - one a repeat; empty when there are none */
export function judgeDaemons(
  wire: 'gso' | 'mtu',
  samples: (figure: DaemonFigure) => readonly number[],
): readonly Verdict[] {
  const name = `native, A—R—B, TCP, 1 stream, wire ${wire}`;
  const ratio = (of: DaemonFigure, to: DaemonFigure): number | undefined =>
    medianRatio(samples(of), samples(to));
  return [
    ...atLeast(
      { title: name, measured: ratio('relayed', 'direct'), unit: '× direct' },
      { wanted: RELAYED_RATIO },
    ),
    ...atMost(
      { title: `${name}: the relay’s CPU`, measured: ratio('relayCpu', 'endsCpu'), unit: '× both ends' },
      { wanted: RELAY_CPU_RATIO },
    ),
    ...atMost(
      { title: `${name}: the relay’s CPU`, measured: middle(samples('relayCpu')), unit: 's/GB' },
      { wanted: RELAY_CPU_SECONDS },
    ),
  ];
}

/** Judges daemons under attack: the stream beside that of the valid neighbour, and memory. */
export function judgeAttack(engine: BenchEngine, recorder: Recorder): readonly Verdict[] {
  const samples = (subject: string, figure: keyof typeof ATTACK_FIGURES): readonly number[] =>
    recorder.samples({ subject, figure: ATTACK_FIGURES[figure] });
  const name = `${engine}, A—R—B, TCP beside an attack`;
  const measured = medianRatio(samples(BESIDE_ATTACK, 'tcp'), samples(BESIDE_VALID, 'tcp'));
  return [
    ...atLeast(
      { title: `${name}: of that beside valid datagrams`, measured, unit: '×' },
      { wanted: HOSTILE_RATIO },
    ),
    ...atMost(
      { title: `${name}: growth of memory`, measured: middle(samples(BESIDE_ATTACK, 'grown')), unit: 'MiB' },
      { wanted: DAEMON_GROWTH_MIB },
    ),
  ];
}

/** Something to be judged; what was not measured is not. */
interface Finding {
  readonly title: string;
  readonly measured: number | undefined;
  readonly unit: string;
}

interface Wanted {
  readonly wanted: number;
  readonly stretch?: number;
}

function atLeast(finding: Finding, wanted: Wanted): Verdict[] {
  return judge(finding, wanted, 'at least');
}

function atMost(finding: Finding, wanted: Wanted): Verdict[] {
  return judge(finding, wanted, 'at most');
}

function judge({ title, measured, unit }: Finding, goals: Wanted, sense: Verdict['sense']): Verdict[] {
  if (measured === undefined) return [];
  const against = (wanted: number, stretch: boolean): Verdict => {
    const met = sense === 'at least' ? measured >= wanted : measured <= wanted;
    return { title, measured, sense, wanted, unit, met, stretch };
  };
  const demanded = against(goals.wanted, false);
  return goals.stretch === undefined ? [demanded] : [demanded, against(goals.stretch, true)];
}

function middle(samples: readonly number[]): number | undefined {
  return samples.length === 0 ? undefined : median(samples);
}

function least(samples: readonly number[]): number | undefined {
  return samples.length === 0 ? undefined : Math.min(...samples);
}

function largest(samples: readonly number[]): number | undefined {
  return samples.length === 0 ? undefined : Math.max(...samples);
}
