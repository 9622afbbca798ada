/**
 * Owns how long each stage takes: the stages of a cabled pair in the order of the workers' graph, each timed by itself.
 *
 *   (tap) → classify → segment → seal → train → closeLink
 *   (cable) → openLink → forward → openFrame → learn → coalesce
 *
 * The median of the batches counts; what a look at the clock costs is measured and taken off. The calling thread.
 */
import { ArenaHeader, CARRIER_UDP } from '../../dataplane/shm/layout.ts';
import { BatchTimes, clockCostMs } from './batch-times.ts';
import type { CabledPair } from './cable.ts';

/** In the order in which they run; the tap and the cable are what the kernel would do. */
export const STAGE_NAMES = [
  'tap',
  'classify',
  'segment',
  'seal',
  'train',
  'closeLink',
  'cable',
  'openLink',
  'forward',
  'openFrame',
  'learn',
  'coalesce',
] as const;

/** A stage, or one of the kernel's places. */
export type StageName = (typeof STAGE_NAMES)[number];

/** Time of each stage, per datagram. */
export interface StageTimes {
  readonly nsByStage: Readonly<Record<StageName, number>>;
  readonly datagramsABatch: number;
}

const VLAN = 0;
const NS_A_MS = 1e6;

/** Runs batches for as long as asked, at least one. */
export function timeStages(pair: CabledPair, seconds: number): StageTimes {
  const steps = stagesOf(pair);
  const times = steps.map(() => new BatchTimes());
  const endMs = performance.now() + seconds * 1000;
  do {
    for (let step = 0; step < steps.length; step++) times[step]?.time(steps[step] ?? nothing);
  } while (performance.now() < endMs);
  const clockMs = clockCostMs();
  const datagramsABatch = txCount(pair);
  const entries = STAGE_NAMES.map((name, step) => {
    const ms = Math.max(0, (times[step]?.medianMs() ?? 0) - clockMs);
    return [name, (ms * NS_A_MS) / datagramsABatch] as const;
  });
  return { nsByStage: Object.fromEntries(entries) as Record<StageName, number>, datagramsABatch };
}

function nothing(): void {}

/** In the order of {@link STAGE_NAMES}. */
function stagesOf({ left, right, carry }: CabledPair): readonly (() => void)[] {
  const [out, back] = [left.engine, right.engine];
  let frames = 0;
  let datagrams = 0;
  let trains = 0;
  return [
    () => {
      frames = out.readTap(VLAN);
    },
    () => out.classify(frames),
    () => {
      out.segment(0, frames);
      datagrams = left.node.arena.u32[ArenaHeader.at.txDatagramCount >> 2] ?? 0;
    },
    () => out.seal(datagrams),
    () => {
      trains = out.train(datagrams);
    },
    () => {
      for (let train = 0; train < trains; train++) out.closeLink(train);
    },
    () => void carry(),
    () => back.openLink(datagrams, CARRIER_UDP),
    () => back.forward(datagrams),
    () => back.openFrame(datagrams),
    () => back.learn(datagrams),
    () => void back.coalesce(datagrams),
  ];
}

function txCount({ left }: CabledPair): number {
  return left.node.arena.u32[ArenaHeader.at.txDatagramCount >> 2] ?? 0;
}
