/**
 * Owns the figures of plain functions: the derivation of tokens, and the TypeScript replay windows by themselves. A
 * measuring thread.
 */
import { stationToken, TOKEN_KIND } from '../../control/token/token.ts';
import { deriveTokensNatively } from '../../dataplane/native/load.ts';
import { insertLaneWindow } from '../../dataplane/pipeline/lane-window.ts';
import { insertSenderWindow, senderWindow } from '../../dataplane/pipeline/sender-window.ts';
import { bytesOf, createPair } from '../../test/harness/dataplane-fixture.ts';
import { BatchTimes } from '../path/batch-times.ts';
import type { MeasuringStart } from '../path/measuring-thread.ts';
import { FIGURE } from './micro-figures.ts';
import type { MicroReading } from './stage-cells.ts';

/** Stations whose tokens are derived together, as a member's announcement asks for. */
const STATIONS = 64;
const MAC_BYTES = 6;
const PERIOD = 489_000;
const COUNTERS = 4096;
const NS_A_MS = 1e6;

/** One station's token, of a batch where the engine takes batches. */
export function measureDerivation({ engine, seconds }: MeasuringStart): MicroReading {
  const tokenKey = bytesOf('token key', 32);
  const segmentId = bytesOf('segment', 16);
  const macs = bytesOf('stations', STATIONS * MAC_BYTES);
  const batch = { tokenKey, segmentId, period: PERIOD, kind: TOKEN_KIND.station };
  const secrets = { tokenKey, segment: { id: segmentId } };
  const derive =
    engine === 'native'
      ? (): void => void deriveTokensNatively(batch, macs, MAC_BYTES)
      : (): void => {
          for (let at = 0; at < macs.length; at += MAC_BYTES) {
            stationToken(secrets, PERIOD, macs.subarray(at, at + MAC_BYTES));
          }
        };
  const place = { subject: engine, figure: FIGURE.token };
  return { group: 'derivation', place, value: nsEach(derive, STATIONS, seconds) };
}

/** Both windows of the TypeScript engine, counter after counter; the native ones show only within their stages. */
export function measureWindows({ engine, seconds }: MeasuringStart): MicroReading[] {
  if (engine !== 'typescript') return [];
  const { right } = createPair();
  const table = new DataView(right.tables.buffer);
  const window = senderWindow(right.peerSender, true);
  let laneCounter = 0;
  let senderCounter = 0;
  const lane = (): void => {
    for (let end = laneCounter + COUNTERS; laneCounter < end; laneCounter++) {
      insertLaneWindow(table, right.lane, laneCounter, 0);
    }
  };
  const sender = (): void => {
    for (let end = senderCounter + COUNTERS; senderCounter < end; senderCounter++) {
      insertSenderWindow(right.tables.u32, window, senderCounter);
    }
  };
  return [
    {
      group: 'window',
      place: { subject: engine, figure: FIGURE.laneWindow },
      value: nsEach(lane, COUNTERS, seconds),
    },
    {
      group: 'window',
      place: { subject: engine, figure: FIGURE.senderWindow },
      value: nsEach(sender, COUNTERS, seconds),
    },
  ];
}

/** Time of one of the `count` that a run does, by the median of the runs; a third of the time warms up. */
function nsEach(run: () => void, count: number, seconds: number): number {
  medianRunMs(run, seconds / 3);
  return (medianRunMs(run, seconds) * NS_A_MS) / count;
}

function medianRunMs(run: () => void, seconds: number): number {
  const times = new BatchTimes();
  const endMs = performance.now() + seconds * 1000;
  do times.time(run);
  while (performance.now() < endMs);
  return times.medianMs();
}
