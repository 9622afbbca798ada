/**
 * Owns the section `scale`: what more workers bring, and what more VLANs, trunks, stations and tokens cost.
 *
 * Everything is up at once and takes turns within each repeat, so that a ratio compares two moments that lie close
 * together. Runs on the main thread of the bench.
 */
import { availableParallelism } from 'node:os';
import { nativeAvailability } from '../../dataplane/native/load.ts';
import { preflightProblems } from '../../test/lab/preflight.ts';
import { RelayChain } from '../relay/chain.ts';
import {
  type BenchEngine,
  type FigureDescription,
  Recorder,
  type Section,
  type SectionFindings,
  type SectionSettings,
  type Verdict,
} from '../section.ts';
import { judgeGrowth } from './growth.ts';
import { measureMemory } from './memory.ts';
import { VlanPair } from './vlan-pair.ts';

const RATE_FIGURE: FigureDescription = { title: 'TCP', unit: 'Gbit/s', digits: 2, better: 'higher' };
const COST_FIGURE: FigureDescription = {
  title: 'CPU per GB, both daemons',
  unit: 's/GB',
  digits: 2,
  better: 'lower',
};
const DATAGRAM_FIGURE: FigureDescription = {
  title: 'CPU a datagram, relay core',
  unit: 'ns',
  digits: 0,
  better: 'lower',
};

/** How many of each; the last is judged beside the first. */
const COUNTS = [1, 10, 100] as const;
const SMOKE_COUNTS = [1, 2] as const;
/** Flows over several workers. */
const STREAMS = 4;
/** Datagrams of a train, so that 100 flows find room at once. */
const TRAIN_DATAGRAMS = 20;
const DATAGRAM_BYTES = 1472;
const SMOKE_BYTES = 5_000_000;
const SMOKE_SECONDS = 0.02;
const SHORT_CHAIN_SECONDS = 0.5;
const WARM_UP_SECONDS = 0.25;

interface Run {
  readonly settings: SectionSettings;
  readonly engine: BenchEngine;
  readonly counts: readonly number[];
  readonly progress: (text: string) => void;
}

/** The section. */
export const scaleSection: Section = {
  name: 'scale',
  title: 'workers, VLANs, trunks: what more of them cost',
  problems: ({ engines }) => {
    const native = nativeAvailability();
    const isMissing = engines.includes('native') && !native.ok;
    const needed = ['ip', 'iperf3', 'ping'];
    return [...preflightProblems(needed), ...(isMissing ? [`the native engine: ${native.reason}`] : [])];
  },
  run: runScale,
};

async function runScale(settings: SectionSettings, progress: Run['progress']): Promise<SectionFindings> {
  const engine = settings.engines[0] ?? 'native';
  const run: Run = { settings, engine, counts: settings.smoke ? SMOKE_COUNTS : COUNTS, progress };
  const workers = settings.limitsOnly ? undefined : await measureWorkers(run);
  const vlans = settings.limitsOnly ? undefined : await measureVlans(run);
  const trunks = await measureTrunks(run);
  const memory = await measureMemory(settings.smoke, vlans?.residentBytes ?? []);
  return {
    groups: [workers, vlans?.recorder, trunks.recorder, memory].flatMap(
      (recorder) => recorder?.group() ?? [],
    ),
    verdicts: [...(vlans?.verdicts ?? []), ...trunks.verdicts],
    notes: notesOf(engine),
  };
}

/** One TCP run; by size in a smoke run, since iperf3 counts whole seconds. */
function lengthOf({ smoke, short, seconds }: SectionSettings): { bytes: number } | { seconds: number } {
  if (smoke) return { bytes: SMOKE_BYTES };
  return { seconds: short ? 1 : Math.max(1, Math.round(seconds)) };
}

async function measureWorkers({ settings, engine, progress }: Run): Promise<Recorder> {
  const recorder = new Recorder(`Workers, ${STREAMS} TCP streams`, { plot: 'curve', xTitle: 'workers' });
  const most = settings.smoke ? 1 : availableParallelism();
  const counts = Array.from({ length: most }, (_, index) => index + 1);
  await withPairs(
    counts.map((workers) => ({ engine, workers, vlanCount: 1 })),
    async (pairs) => {
      for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
        for (const [index, pair] of pairs.entries()) {
          const x = counts[index] ?? 1;
          progress(`[${repeat + 1}/${settings.repeatCount}] ${x} workers … `);
          const transfer = await pair.transfer(0, { ...lengthOf(settings), streams: STREAMS });
          recorder.add({ subject: engine, figure: RATE_FIGURE, x }, transfer.gigabitsPerSecond);
          recorder.add({ subject: engine, figure: COST_FIGURE, x }, transfer.cpuSecondsPerGigabyte);
        }
      }
    },
  );
  progress('\n');
  return recorder;
}

interface VlanFindings {
  readonly recorder: Recorder;
  readonly verdicts: readonly Verdict[];
  /** Of one daemon before any traffic, by number of VLANs. */
  readonly residentBytes: readonly { readonly count: number; readonly bytes: number }[];
}

async function measureVlans({ settings, engine, counts, progress }: Run): Promise<VlanFindings> {
  const recorder = new Recorder('VLANs, one TCP stream', { plot: 'curve', xTitle: 'VLANs' });
  progress(`starting daemons with ${counts.join(', ')} VLANs … `);
  const options = counts.map((vlanCount) => ({ engine, vlanCount, workers: 1 }));
  return withPairs(options, async (pairs) => {
    const residentBytes = pairs.map((pair, index) => {
      return { count: counts[index] ?? 0, bytes: pair.residentBytes() };
    });
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      for (const [index, pair] of pairs.entries()) {
        const x = counts[index] ?? 0;
        progress(`[${repeat + 1}/${settings.repeatCount}] ${x} VLANs … `);
        // Another one each time, from the last on: it is the last in every list, too.
        const transfer = await pair.transfer(x - 1 + repeat * Math.floor(x / 2), lengthOf(settings));
        recorder.add({ subject: engine, figure: RATE_FIGURE, x }, transfer.gigabitsPerSecond);
        recorder.add({ subject: engine, figure: COST_FIGURE, x }, transfer.cpuSecondsPerGigabyte);
      }
    }
    progress('\n');
    const cost = (x: number | undefined): readonly number[] =>
      x === undefined ? [] : recorder.samples({ subject: engine, figure: COST_FIGURE, x });
    const title = `cost of a frame with ${counts.at(-1)} VLANs beside that with 1`;
    return { recorder, residentBytes, verdicts: judgeGrowth(title, cost(counts.at(-1)), cost(counts[0])) };
  });
}

/** Works with pairs of daemons that are all up, and removes them however that ends. */
async function withPairs<T>(
  options: readonly Parameters<typeof VlanPair.start>[0][],
  work: (pairs: readonly VlanPair[]) => Promise<T>,
): Promise<T> {
  const starts = await Promise.allSettled(options.map((each) => VlanPair.start(each)));
  const pairs = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    return await work(pairs);
  } finally {
    await Promise.all(pairs.map((pair) => pair.remove()));
  }
}

async function measureTrunks({ settings, engine, counts, progress }: Run): Promise<{
  readonly recorder: Recorder;
  readonly verdicts: readonly Verdict[];
}> {
  const title = 'Trunks: in on each, out on as many, a token each; trains of 20 × 1,472 B in turn';
  const recorder = new Recorder(title, { plot: 'curve', xTitle: 'trunks' });
  const chain = new RelayChain();
  const { smoke, short, seconds } = settings;
  try {
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      for (const x of counts) {
        const { cpuSeconds, datagrams } = await chain.run({
          subject: engine,
          flowCount: x,
          datagramBytes: DATAGRAM_BYTES,
          trainDatagrams: TRAIN_DATAGRAMS,
          warmUpSeconds: smoke ? 0 : WARM_UP_SECONDS,
          seconds: smoke ? SMOKE_SECONDS : short ? SHORT_CHAIN_SECONDS : seconds,
        });
        const ns = (cpuSeconds * 1e9) / Math.max(1, datagrams);
        recorder.add({ subject: engine, figure: DATAGRAM_FIGURE, x }, ns);
        progress(`[${repeat + 1}/${settings.repeatCount}] ${x} trunks ${ns.toFixed(0)} ns … `);
      }
    }
  } finally {
    await chain.close();
  }
  progress('\n');
  const cost = (x: number): readonly number[] =>
    recorder.samples({ subject: engine, figure: DATAGRAM_FIGURE, x });
  const [most, least] = [counts.at(-1) ?? 1, counts[0] ?? 1];
  return {
    recorder,
    verdicts: judgeGrowth(
      `cost of a datagram with ${most} trunks beside that with 1`,
      cost(most),
      cost(least),
    ),
  };
}

function notesOf(engine: BenchEngine): readonly string[] {
  return [
    `The ${engine} engine. Workers and VLANs: pairs of real daemons in namespaces, all of them up at once; what the others do while they idle is theirs. Workers get ${STREAMS} TCP streams, up to one worker a core.`,
    'VLANs: all have a TAP on both sides and are polled and announced; one TCP stream over one of them at a time, the last one first, so what grows with their number would show.',
    'Trunks: 100 real peers would not fit this machine. A worker with tables written by the bench passes on what comes on each of so many trunks, with lanes and keys and a token for each.',
    'Memory of a VLAN is the growth of a daemon’s resident memory, with its TAP, membership and the other member’s keys; that of trunks, tokens and stations is what their places in the shared tables add to a process, where a page holds several.',
  ];
}
