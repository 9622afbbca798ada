/**
 * Owns the figures that single stages give: a cabled pair carries batches made for one figure, and the stages that
 * matter are timed while the others lead up to them. A measuring thread; either engine.
 */
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { CARRIER_UDP } from '../../dataplane/shm/layout.ts';
import type { FixtureOptions, TapFrame } from '../../test/harness/dataplane-fixture.ts';
import { ethernetFrame, filler } from '../../test/harness/frame-builder.ts';
import { BatchTimes, clockCostMs } from '../path/batch-times.ts';
import { type CabledPair, cablePair } from '../path/cable.ts';
import type { MeasuringStart, Reading } from '../path/measuring-thread.ts';
import { type StageName, type StageTimes, timeStages } from '../path/stage-times.ts';
import { makeWorkload, type Workload, type WorkloadName } from '../path/workload.ts';
import type { FigureDescription } from '../section.ts';
import { FIGURE, type MicroGroup, TRAIN_DATAGRAMS } from './micro-figures.ts';

/** A reading of this section. */
export type MicroReading = Reading<MicroGroup>;

const ETHERNET_HEADER_BYTES = 14;
/** No protocol that a stage would parse. */
const ETHER_TYPE = 0x88b5;
/** As much as one read of a TAP returns. */
const BATCH_BYTES = 65_536;
const BATCH_FRAMES = 64;
/** A path and a TAP for which no size of the curve is too large. */
const ROOMY: FixtureOptions = { datagramMtuBytes: 65_507, tapMtuBytes: 65_535 };
const NS_A_MS = 1e6;
const BITS = 8;

/** Frames of one size, as many as a batch takes. */
export function framesOfSize(bytes: number): readonly TapFrame[] {
  const count = Math.max(1, Math.min(BATCH_FRAMES, Math.floor(BATCH_BYTES / bytes)));
  return Array.from({ length: count }, (_, index) => {
    return { bytes: ethernetFrame(ETHER_TYPE, filler(bytes - ETHERNET_HEADER_BYTES, index)) };
  });
}

/** Sealing and opening frames of one size. */
export function measureAead({ engine, seconds }: MeasuringStart, frameBytes: number): MicroReading[] {
  const { nsByStage } = timed(engine, { frames: framesOfSize(frameBytes), options: ROOMY }, seconds);
  return (['seal', 'open'] as const).flatMap((group) => {
    const ns = nsByStage[group === 'seal' ? 'seal' : 'openFrame'];
    const place = { subject: engine, x: frameBytes };
    return [
      { group, place: { ...place, figure: FIGURE.frameRate }, value: (frameBytes * BITS) / ns },
      { group, place: { ...place, figure: FIGURE.frameNs }, value: ns },
    ];
  });
}

/** The link header of one datagram and of a train. */
export function measureLink({ engine, seconds }: MeasuringStart): MicroReading[] {
  const small = makeWorkload('small');
  const one = timed(engine, { ...small, frames: small.frames.slice(0, 1) }, seconds);
  const train = timed(engine, { ...small, frames: small.frames.slice(0, TRAIN_DATAGRAMS) }, seconds);
  const read = (group: MicroGroup, figure: FigureDescription, value: number): MicroReading => {
    return { group, place: { subject: engine, figure }, value };
  };
  return [
    read('link', FIGURE.closeOne, one.nsByStage.closeLink),
    read('link', FIGURE.closeTrain, train.nsByStage.closeLink),
    read('link', FIGURE.openOne, one.nsByStage.openLink),
    read('link', FIGURE.openTrain, train.nsByStage.openLink),
    read('window', FIGURE.fresh, train.nsByStage.forward),
    read('window', FIGURE.replay, measureReplay(engine, small, seconds)),
  ];
}

/** Cutting, laying and merging, for each kind of traffic. */
export function measureCut({ engine, seconds }: MeasuringStart): MicroReading[] {
  const figures: readonly [WorkloadName, StageName, FigureDescription][] = [
    ['super', 'segment', FIGURE.cutSuper],
    ['super', 'coalesce', FIGURE.mergeSuper],
    ['segment', 'segment', FIGURE.layWhole],
    ['small', 'segment', FIGURE.laySmall],
    ['small', 'coalesce', FIGURE.mergeSmall],
  ];
  const times = new Map<WorkloadName, StageTimes>();
  for (const name of ['super', 'segment', 'small'] as const) {
    times.set(name, timed(engine, makeWorkload(name), seconds));
  }
  return figures.map(([workload, stage, figure]) => {
    return {
      group: 'cut',
      place: { subject: engine, figure },
      value: times.get(workload)?.nsByStage[stage] ?? 0,
    };
  });
}

/** Runs once to warm up, for a third of the time. @throws Error when something was dropped: the times would be of nothing */
function timed(
  engine: MeasuringStart['engine'],
  workload: Pick<Workload, 'frames' | 'options'>,
  seconds: number,
): StageTimes {
  const pair = cablePair(engine, workload);
  try {
    timeStages(pair, seconds / 3);
    const times = timeStages(pair, seconds);
    for (const { node } of [pair.left, pair.right]) {
      const dropped = DROP_CODES.filter((_, code) => node.arena.counters[code] !== 0);
      if (dropped.length > 0) throw new Error(`what was to be measured was dropped: ${dropped.join(', ')}`);
    }
    return times;
  } finally {
    pair.close();
  }
}

/** The same closed datagrams arrive a second time; the time of the second openLink, per datagram. */
function measureReplay(engine: MeasuringStart['engine'], workload: Workload, seconds: number): number {
  const pair = cablePair(engine, workload);
  try {
    replayNs(pair, seconds / 3);
    return replayNs(pair, seconds);
  } finally {
    pair.close();
  }
}

function replayNs(pair: CabledPair, seconds: number): number {
  const { engine } = pair.right;
  const times = new BatchTimes();
  const endMs = performance.now() + seconds * 1000;
  let datagrams = 0;
  do {
    timeStages(pair, 0);
    datagrams = pair.carry();
    times.time(() => engine.openLink(datagrams, CARRIER_UDP));
  } while (performance.now() < endMs);
  return (Math.max(0, times.medianMs() - clockCostMs()) * NS_A_MS) / datagrams;
}
