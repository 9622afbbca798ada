/** Fragments in any order, and every way in which they may be wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { START_MS } from '../../test/harness/dataplane-fixture.ts';
import {
  createDrivenPair,
  drops,
  egress,
  header,
  ingress,
  setClock,
} from '../../test/harness/engine-driver.ts';
import { ethernetFrame, filler } from '../../test/harness/frame-builder.ts';
import { createReassemblyBench, type ReassemblyBench } from '../../test/harness/reassembly-bench.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import { ArenaHeader, BATCH } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';

test('a fragmented frame comes together in any order, in one batch or in many', () => {
  const { left, right } = createDrivenPair({ tapMtuBytes: 9000, datagramMtuBytes: 600 });
  fc.assert(
    fc.property(fc.integer({ min: 600, max: 8900 }), fc.nat(), fc.boolean(), (length, seed, isOneBatch) => {
      const bytes = ethernetFrame(0x88b5, filler(length, seed % 251));
      const datagrams = shuffled(egress(left, [{ bytes }]), seed);
      const batches = isOneBatch ? [datagrams] : datagrams.map((datagram) => [datagram]);
      const written = batches.flatMap((batch) => ingress(right, batch));
      assert.deepEqual(
        written.map((write) => write.bytes),
        [bytes],
      );
    }),
    { numRuns: 60 },
  );
  assert.deepEqual(drops(right), {});
});

test('fragments of several frames at a time do not mix', () => {
  const { left, right } = createDrivenPair({ datagramMtuBytes: 600 });
  const frames = Array.from({ length: 6 }, (_, index) => ({
    bytes: ethernetFrame(0x88b5, filler(1400, index)),
  }));
  const written = ingress(right, shuffled(egress(left, frames), 5));
  const sort = (list: readonly Uint8Array[]): string[] =>
    list.map((bytes) => Buffer.from(bytes).toString('hex')).sort();
  assert.deepEqual(sort(written.map((write) => write.bytes)), sort(frames.map((frame) => frame.bytes)));
});

test('what is not whole after 500 ms is given up, and counted once', () => {
  const { left, right } = createDrivenPair({ datagramMtuBytes: 600 });
  const [first, ...rest] = egress(left, [{ bytes: ethernetFrame(0x88b5, filler(1400)) }]);
  ingress(right, [first as Uint8Array]);
  setClock(right, START_MS + 501);
  assert.deepEqual(ingress(right, rest), []);
  assert.deepEqual(drops(right), { 'fragment-timeout': 1 });
});

/** Offset, length and total of fragments that must be refused, after a good one of 0 … 99 of 300. */
const WRONG: [string, number, number, number][] = [
  ['past its total', 250, 100, 300],
  ['empty', 100, 0, 300],
  ['a frame shorter than an Ethernet header', 0, 5, 13],
  ['overlapping the first', 50, 100, 300],
  ['the first once more', 0, 100, 300],
  ['of another total', 100, 100, 301],
];

test('a fragment that overlaps, contradicts its siblings or has impossible sizes is refused', () => {
  for (const [name, offset, length, total] of WRONG) {
    const bench = createReassemblyBench();
    assert.equal(bench.take({ frameId: 1, offset: 0, total: 300, piece: filler(100) }), 'held');
    assert.equal(bench.take({ frameId: 1, offset, total, piece: filler(length) }), 'fragment-invalid', name);
  }
});

test('a reassembly that was lied to is gone as a whole', () => {
  const bench = createReassemblyBench();
  bench.take({ frameId: 1, offset: 0, total: 300, piece: filler(100) });
  bench.take({ frameId: 1, offset: 50, total: 300, piece: filler(100) });
  assert.equal(bench.take({ frameId: 1, offset: 100, total: 300, piece: filler(200) }), 'held');
});

test('a sender holds at most its share, and all senders together at most the whole', () => {
  const bench = createReassemblyBench();
  for (let frameId = 0; frameId < BATCH.reassembliesPerSender; frameId++) {
    assert.equal(bench.take({ frameId, offset: 0, total: 300, piece: filler(100) }), 'held');
  }
  assert.equal(bench.take({ frameId: 99, offset: 0, total: 300, piece: filler(100) }), 'fragment-limit');
  for (let sender = 1; sender * BATCH.reassembliesPerSender < BATCH.reassemblies; sender++) {
    for (let frameId = 0; frameId < BATCH.reassembliesPerSender; frameId++) {
      assert.equal(bench.take({ sender, frameId, offset: 0, total: 300, piece: filler(100) }), 'held');
    }
  }
  assert.equal(
    bench.take({ sender: 500, frameId: 0, offset: 0, total: 300, piece: filler(9) }),
    'fragment-limit',
  );
  assert.equal(bench.take({ sender: 1, frameId: 0, offset: 100, total: 300, piece: filler(200) }), 'frame');
});

test('more than 128 fragments of one frame are refused', () => {
  const bench = createReassemblyBench();
  const take = (index: number): string =>
    bench.take({ frameId: 1, offset: index * 10, total: 60_000, piece: filler(10) });
  for (let index = 0; index < 128; index++) assert.equal(take(index), 'held');
  assert.equal(take(128), 'fragment-invalid');
});

test('random fragments of a few frames never yield a frame that nobody sent, and never fail', () => {
  const piece = fc.record({
    frameId: fc.nat(2),
    sender: fc.nat(1),
    offset: fc.nat(120),
    length: fc.nat(80),
    total: fc.constantFrom(100, 120),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const bench: ReassemblyBench = sharedBench();
      for (const { length, offset, ...rest } of pieces) {
        const content = filler(200).slice(offset, offset + length); // each frame is the same bytes
        if (bench.take({ ...rest, offset, piece: content }) !== 'frame') continue;
        assert.deepEqual(bench.frame(), filler(200).slice(0, rest.total));
      }
    }),
    { numRuns: 300 },
  );
});

test('the numbers of fragmented frames count up, and wrap', () => {
  const { left, right } = createDrivenPair({ datagramMtuBytes: 600 });
  const frame = { bytes: ethernetFrame(0x88b5, filler(1400)) };
  egress(left, [frame, frame]);
  assert.equal(header(left, 'nextFragmentId'), 2);
  setFields(left.arena.buffer, ArenaHeader, ARENA.header, { nextFragmentId: 0xffff_ffff });
  assert.equal(ingress(right, egress(left, [frame, frame])).length, 2);
  assert.equal(header(left, 'nextFragmentId'), 1);
});

const bench = createReassemblyBench();
function sharedBench(): ReassemblyBench {
  bench.clear();
  return bench;
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = seed;
  for (let last = out.length - 1; last > 0; last--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const other = state % (last + 1);
    [out[last], out[other]] = [out[other] as T, out[last] as T];
  }
  return out;
}
