import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PathMtu } from './path-mtu.ts';

const LIMITS = { ceilingBytes: 8_972, tries: 3, raiseMs: 600_000, blackHoleProbes: 4 };
const TIMEOUT_MS = 100;

/** Runs the search over a path of this size until it rests. @returns the number of probes it took */
function search(mtu: PathMtu, pathBytes: number, nowMs: number): number {
  let probes = 0;
  for (let atMs = nowMs; mtu.nextAtMs < nowMs + LIMITS.raiseMs; ) {
    const size = mtu.due(atMs, TIMEOUT_MS);
    if (size !== undefined) {
      probes += 1;
      if (size <= pathBytes) {
        mtu.answered(size, atMs);
      }
    }
    atMs = Math.max(atMs, mtu.nextAtMs);
  }
  return probes;
}

test('the search ends within 60 bytes below any common path size, and never above it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_232, max: 1_472 }), (pathBytes) => {
      const mtu = new PathMtu(LIMITS);
      assert.ok(search(mtu, pathBytes, 0) < 25);
      assert.ok(
        mtu.mtuBytes <= pathBytes && mtu.mtuBytes > pathBytes - 60,
        `${mtu.mtuBytes} of ${pathBytes}`,
      );
    }),
  );
});

test('plain Ethernet and jumbo frames are found with the first probes', () => {
  const ethernet = new PathMtu(LIMITS);
  assert.equal(ethernet.due(0, TIMEOUT_MS), 1_472);
  assert.equal(ethernet.answered(1_472, 1), true);
  assert.equal(ethernet.mtuBytes, 1_472);
  assert.equal(ethernet.due(1, TIMEOUT_MS), 8_972);
  ethernet.answered(8_972, 2);
  assert.equal(ethernet.mtuBytes, 8_972);
});

test('a size that fails is tried three times, and again only after the raise timer', () => {
  const mtu = new PathMtu({ ...LIMITS, ceilingBytes: 1_472 });
  search(mtu, 1_452, 0);
  assert.equal(mtu.mtuBytes, 1_452);
  assert.equal(mtu.due(mtu.nextAtMs - 1, TIMEOUT_MS), undefined);
  mtu.due(mtu.nextAtMs, TIMEOUT_MS);
  search(mtu, 1_472, mtu.nextAtMs);
  assert.equal(mtu.mtuBytes, 1_472);
});

test("the peer's own limit is the ceiling, also between the usual sizes", () => {
  const mtu = new PathMtu({ ...LIMITS, ceilingBytes: 1_500 });
  search(mtu, 9_000, 0);
  assert.equal(mtu.mtuBytes, 1_500);
});

test('full-size probes lost in a row are a black hole; one that is answered ends the row', () => {
  const mtu = new PathMtu(LIMITS);
  search(mtu, 1_472, 0);
  for (let round = 0; round < 3; round++) {
    assert.equal(mtu.fullSizeLost(10), false);
  }
  mtu.answered(1_472, 10);
  for (let round = 0; round < 3; round++) {
    assert.equal(mtu.fullSizeLost(20), false);
  }
  assert.equal(mtu.fullSizeLost(20), true);
  assert.equal(mtu.mtuBytes, 1_232);
  assert.equal(mtu.nextAtMs, 20);
});
