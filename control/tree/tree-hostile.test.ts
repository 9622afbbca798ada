/** What neighbours may say to the spanning tree machine and must not get through with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Said, TreeBench, UNIX_MS } from './tree-machine.fixture.ts';
import type { PortWord } from './tree-message.ts';
import type { TreeCounters } from './tree-port.ts';

const REFUSED: readonly [name: string, counter: keyof TreeCounters, said: Said][] = [
  ['with a wrong signature', 'forged', { signature: new Uint8Array(64) }],
  ['that has ended', 'expired', { expiresAtUnixMs: UNIX_MS - 30_000 }],
  ['from the future', 'fromFuture', { sequence: UNIX_MS + 3_700_000 }],
  ['that is only referred to and unknown', 'unknownClaims', { isWhole: false }],
];
for (const [name, counter, said] of REFUSED) {
  test(`a claim ${name} is counted and not followed`, () => {
    const bench = new TreeBench(5);
    bench.peer('p');
    bench.announce('p', 1, said);
    assert.equal(bench.counters[counter], 1);
    assert.equal(bench.machine.status().root?.isSelf, true);
  });
}

test('an accepted child is dropped when it says something that cannot be believed', () => {
  const bench = new TreeBench(1);
  bench.peer('c');
  const sequence = bench.last.get('c')?.told?.sequence ?? 0;
  bench.announce('c', 1, { sequence, isWhole: false, distance: 10, port: 'join' });
  assert.deepEqual(bench.ports, ['c']);
  bench.announce('c', 0, { port: 'join', signature: new Uint8Array(64) });
  assert.deepEqual(bench.ports, []);
});

test('a signature is checked once, whoever brings it, and each neighbour has a budget', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'q']) bench.peer(peer);
  bench.announce('p', 1);
  bench.announce('q', 1, { distance: 3 });
  assert.equal(bench.verified, 1);
  for (let sequence = 1; sequence <= 80; sequence++) {
    bench.announce('p', 1, { sequence: UNIX_MS + sequence, signature: new Uint8Array(64) });
  }
  assert.equal(bench.verified, 64);
  assert.equal(bench.counters.overBudget, 17);
  bench.announce('q', 1, { sequence: UNIX_MS + 100 });
  assert.equal(bench.verified, 65);
  bench.wait(1_000);
  assert.equal(bench.last.get('p')?.isFresh, true, 'it is asked to say all again');
});

test('messages beyond the budget are not looked at', () => {
  const bench = new TreeBench(5);
  bench.peer('p');
  for (let count = 0; count < 600; count++) bench.announce('p', 1);
  assert.equal(bench.counters.overBudget, 88);
});

test('neighbours beyond the limit, strangers, and other segments are counted and left out', () => {
  const bench = new TreeBench(5);
  for (let index = 0; index < 1_030; index++) bench.peer(`n${index}`);
  assert.equal(bench.counters.peersRefused, 6);
  bench.announce('stranger', 1);
  const other = bench.encode('n0', 1);
  other[3] = (other[3] ?? 0) ^ 1;
  bench.bytes('n0', other);
  assert.equal(bench.counters.foreign, 2);
});

test('a claim of our own root from a former life, whose clock was ahead, is outdone', () => {
  const bench = new TreeBench(1);
  bench.peer('p');
  bench.announce('p', 1, { sequence: UNIX_MS + 500_000, distance: 9 });
  bench.wait(100);
  assert.equal(bench.machine.status().root?.isSelf, true);
  assert.ok((bench.machine.status().root?.sequence ?? 0) >= UNIX_MS + 500_000);
});

test('whatever a neighbour sends, in whatever order, nothing throws and tables stay small', () => {
  const word = fc.constantFrom<PortWord>('nothing', 'join', 'accept', 'closed');
  const said = fc.record({
    distance: fc.nat(0xffff_ffff),
    hops: fc.nat(255),
    sequence: fc.integer({ min: UNIX_MS - 5, max: UNIX_MS + 5 }),
    port: word,
    heard: fc.nat(5_000),
    isFresh: fc.boolean(),
    isWhole: fc.boolean(),
  });
  const step = fc.oneof(
    fc.record({ peer: fc.constantFrom('p', 'q', 'r'), root: fc.integer({ min: 1, max: 7 }), said }),
    fc.record({ peer: fc.constantFrom('p', 'q', 'r'), bytes: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ waitMs: fc.nat(3_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const bench = new TreeBench(4);
      for (const peer of ['p', 'q', 'r']) bench.peer(peer);
      for (const one of steps) {
        if ('waitMs' in one) bench.wait(one.waitMs);
        else if ('bytes' in one) bench.bytes(one.peer, one.bytes);
        else bench.announce(one.peer, one.root, one.said);
      }
      assert.ok(bench.ports.length <= 3);
      assert.ok(bench.machine.status().ports.length === 3);
    }),
    { numRuns: 300 },
  );
});
