/**
 * Pairs of nodes under both engines, from seeds: what the differential tests have in common. Tests only.
 */
import { test } from 'node:test';
import { nativeAvailability } from '../../dataplane/native/load.ts';
import {
  ArenaHeader,
  CARRIER_STREAM,
  CARRIER_UDP,
  CIPHER_CHACHA20_POLY1305,
  FrameKey,
  LANE_SENDS,
  Lane,
  OFFLOAD_UDP_GSO,
  Salt,
  Station,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { createPair, type FixtureNode, type FixtureOptions } from '../harness/dataplane-fixture.ts';
import { getField, setFields } from '../harness/table-writer.ts';
import { type Macs, randomFrame, tcpRun } from './random-frames.ts';
import { type Seeded, seeded } from './seeded.ts';
import { Twin } from './twin.ts';

const availability = nativeAvailability();
/** Why the native engine cannot be compared, or false. */
export const skip = availability.ok ? false : availability.reason;

/** PEERTAP_SEED repeats one. */
export const SEEDS =
  process.env['PEERTAP_SEED'] === undefined ? [1, 2, 3] : [Number(process.env['PEERTAP_SEED'])];
const OPTIONS: readonly FixtureOptions[] = [
  {},
  { datagramMtuBytes: 1300, cipher: CIPHER_CHACHA20_POLY1305 },
  { datagramMtuBytes: 256, gsoSegments: 128 },
  { datagramMtuBytes: 65_507, tapMtuBytes: 9000, gsoSegments: 1, offloads: OFFLOAD_UDP_GSO },
  { carrier: CARRIER_STREAM, equalSenders: true },
];

/** Drop codes that the runs so far have met. */
export const reached = new Set<string>();

/** Both ends under both engines. */
export interface Pair {
  readonly left: Twin;
  readonly right: Twin;
  readonly macs: Macs;
}

function createTwins(options: FixtureOptions): Pair {
  const [reference, native] = [createPair(options), createPair(options)];
  return {
    left: new Twin(reference.left, native.left),
    right: new Twin(reference.right, native.right),
    macs: { own: reference.left.mac, peer: reference.right.mac },
  };
}

/** A test for each seed, which runs over every kind of pair and compares the tables at its end. */
export function forEachSeed(name: string, run: (pair: Pair, random: Seeded, carrier: number) => void): void {
  for (const seed of SEEDS) {
    test(`${name}; seed ${seed}`, { skip }, () => {
      for (const options of OPTIONS) {
        const pair = createTwins(options);
        run(pair, seeded(seed), options.carrier ?? CARRIER_UDP);
        pair.left.compareTables();
        pair.right.compareTables();
        for (const twin of [pair.left, pair.right]) {
          for (const name of twin.dropped()) reached.add(name);
          twin.close();
        }
      }
    });
  }
}

/** A batch of a TAP. */
export function randomFrames(random: Seeded, macs: Macs): ReturnType<typeof tcpRun> {
  if (random.oneIn(4)) return tcpRun(random, macs, 2 + random.below(40));
  const frames = [];
  for (let bytes = 0, count = 1 + random.below(20); frames.length < count && bytes < 60_000; ) {
    const frame = randomFrame(random, macs);
    frames.push(frame);
    bytes += frame.bytes.length;
  }
  return frames;
}

/** Puts right what keeps frames from flowing; keys and counters stay as they became. */
export function restore(node: FixtureNode): void {
  const { buffer } = node.tables;
  const lane = TABLE.lanes + node.lane * Lane.size;
  const now = getField(node.arena.buffer, ArenaHeader, ARENA.header, 'nowMs');
  setFields(buffer, Lane, lane, { state: LANE_SENDS, version: 4, rxOpened: 0, notAfterMs: now + 100_000 });
  setFields(buffer, FrameKey, TABLE.frameKeys + FrameKey.size, { version: 4 });
  setFields(buffer, FrameKey, TABLE.frameKeys + 16 * FrameKey.size, { state: 1 });
  setFields(buffer, Salt, TABLE.salts, { worker: 0 });
  setFields(buffer, Station, TABLE.stations + node.peerStation * Station.size, {
    route: 1,
    trunk: 0,
    member: 1,
  });
}
