/** The spanning tree machine case by case; test/sim/tree.test.ts has the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIFETIME_MS, SEGMENT_ID, TreeBench, UNIX_MS } from './tree-machine.fixture.ts';
import { encodeTreeMessage } from './tree-message.ts';

test('a member alone is its own root, and a relay alone has none', () => {
  const [member, relay] = [new TreeBench(5), new TreeBench()];
  for (const bench of [member, relay]) bench.peer('p');
  assert.equal(member.machine.status().root?.isSelf, true);
  assert.equal(member.last.get('p')?.told?.distance, 0);
  assert.equal(relay.machine.hasRoot, false);
  assert.equal(relay.last.get('p')?.told, undefined);
  assert.equal(relay.last.get('p')?.isFresh, true);
});

test('a node joins the neighbour that tells of a better root, and opens when that accepts', () => {
  const bench = new TreeBench(5);
  bench.peer('p');
  bench.announce('p', 1);
  assert.equal(bench.last.get('p')?.port, 'join');
  assert.deepEqual(bench.ports, []);
  bench.announce('p', 1, { port: 'accept', joinNumber: 1_234 });
  assert.deepEqual(bench.ports, [], 'an accept of another join');
  bench.announce('p', 1, { port: 'accept' });
  assert.deepEqual(bench.ports, ['p']);
  assert.equal(bench.machine.status().distance, 110);
});

test('a root accepts who joins under it, and shuts the port when it follows a better one', () => {
  const bench = new TreeBench(5);
  bench.peer('c');
  bench.peer('p');
  const own = bench.last.get('c')?.told?.sequence ?? 0;
  bench.announce('c', 5, { sequence: own, isWhole: false, distance: 100, hops: 1, port: 'join' });
  assert.equal(bench.last.get('c')?.port, 'accept');
  assert.equal(bench.last.get('c')?.joinNumber, 9);
  assert.deepEqual(bench.ports, ['c']);
  bench.announce('p', 1);
  assert.equal(bench.last.get('c')?.port, 'nothing');
  assert.deepEqual(bench.ports, []);
});

test('a node that was joined by one whom it had joined itself waits until its own join is known to be taken back', () => {
  const bench = new TreeBench(5);
  bench.peer('v');
  bench.peer('p');
  bench.announce('p', 1, { distance: 900 });
  bench.announce('v', 1, { distance: 100 });
  assert.equal(bench.last.get('v')?.port, 'join');
  const joined = bench.last.get('v')?.number ?? 0;
  bench.announce('p', 1, { distance: 10, sequence: UNIX_MS + 1 });
  // v's join was sent before it had heard ours: both would be parents of each other.
  const late = { distance: 500, sequence: UNIX_MS + 1, port: 'join', heard: joined - 1 } as const;
  bench.announce('p', 1, { distance: 10, sequence: UNIX_MS + 1, port: 'accept' });
  bench.announce('v', 1, late);
  assert.deepEqual(bench.ports, ['p']);
  assert.equal(bench.last.get('v')?.isFresh, true, 'it asks for the join again');
  bench.announce('v', 1, { ...late, heard: bench.last.get('v')?.number ?? 0 });
  assert.deepEqual([...bench.ports].sort(), ['p', 'v']);
});

test('a lost parent is replaced by a feasible neighbour at once, within one round trip', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'q']) bench.peer(peer);
  bench.follow('p', { distance: 50 });
  bench.announce('q', 1, { distance: 60 });
  assert.equal(bench.machine.status().ports[1]?.role, 'alternate');
  bench.input({ kind: 'peer-gone', peer: 'p' });
  assert.equal(bench.last.get('q')?.port, 'join');
  assert.equal(bench.last.get('q')?.told?.distance, 160, 'told distances do not rise');
  bench.announce('q', 1, { distance: 60, port: 'accept' });
  assert.deepEqual(bench.ports, ['q']);
});

test('a neighbour that may stand behind is no parent: the root is asked for a new sequence, and waited for a moment', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'c']) bench.peer(peer);
  bench.follow('p', { distance: 50 });
  bench.announce('c', 1, { distance: 260, hops: 2, port: 'join' });
  bench.input({ kind: 'peer-gone', peer: 'p' });
  assert.equal(bench.machine.hasRoot, false);
  assert.equal(bench.last.get('c')?.told, undefined);
  assert.deepEqual(bench.requests(), ['c']);
  bench.wait(999);
  assert.deepEqual(bench.requests(), ['c', 'c', 'c'], 'again after 300 and 900 ms');
  bench.announce('c', 1, { distance: 400, hops: 3, sequence: UNIX_MS + 7 });
  assert.equal(bench.last.get('c')?.port, 'join');
});

test('who waits in vain for a root follows the next best one', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'c']) bench.peer(peer);
  bench.follow('p', { distance: 50 });
  bench.announce('c', 1, { distance: 260, hops: 2 });
  bench.input({ kind: 'peer-gone', peer: 'p' });
  bench.wait(1_001);
  assert.equal(bench.machine.status().root?.isSelf, true);
});

test('the root raises its sequence for requests, once for those that come together', () => {
  const bench = new TreeBench(1);
  for (const peer of ['a', 'b']) bench.peer(peer);
  const before = bench.machine.status().root?.sequence ?? 0;
  const signed = bench.counters.claimsSigned;
  bench.wait(100);
  for (const peer of ['a', 'b']) bench.request(peer, 1, before + 1);
  bench.wait(50);
  assert.ok((bench.machine.status().root?.sequence ?? 0) > before);
  assert.equal(bench.counters.claimsSigned, signed + 1);
  bench.request('a', 1, before + 1);
  bench.wait(1_000);
  assert.equal(bench.counters.claimsSigned, signed + 1, 'it has it already');
});

test('a request goes on towards the root, the same one once in 200 ms', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'a', 'b']) bench.peer(peer);
  bench.follow('p');
  for (const peer of ['a', 'b', 'p']) bench.request(peer, 1, UNIX_MS + 1);
  assert.deepEqual(bench.requests(), ['p']);
  bench.wait(200);
  bench.request('a', 1, UNIX_MS + 1);
  assert.deepEqual(bench.requests(), ['p', 'p']);
});

test('a parent that is a little farther is left after 10 s, a much farther one at once, and only when the next accepts', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'q', 'r']) bench.peer(peer);
  bench.follow('p', { distance: 100 });
  bench.announce('q', 1, { distance: 80 });
  bench.wait(9_999);
  assert.equal(bench.last.get('q')?.port, 'nothing');
  bench.wait(1);
  assert.equal(bench.last.get('q')?.port, 'join');
  assert.deepEqual(bench.ports, ['p']);
  bench.announce('q', 1, { distance: 80, port: 'accept' });
  assert.deepEqual(bench.ports, ['q']);
  bench.announce('r', 1, { distance: 10 });
  assert.equal(bench.last.get('r')?.port, 'join');
  assert.deepEqual(bench.ports, ['q']);
});

test('a neighbour that does not accept is left alone for a while, and another one is asked', () => {
  const bench = new TreeBench(5);
  for (const peer of ['p', 'q']) bench.peer(peer);
  bench.announce('p', 1, { distance: 10 });
  bench.announce('q', 1, { distance: 90 });
  bench.wait(2_000);
  assert.equal(bench.last.get('p')?.port, 'nothing');
  assert.equal(bench.last.get('q')?.port, 'join');
  assert.equal(bench.counters.joinTimeouts, 1);
});

test('a blocked port, and one without a carrier, is neither parent nor accepted, until it is over', () => {
  for (const shut of [
    { kind: 'block', peer: 'p', untilMs: 6_000 },
    { kind: 'peer', peer: 'p', cost: 65_535 },
  ] as const) {
    const bench = new TreeBench(5);
    bench.peer('p');
    bench.follow('p');
    bench.input(shut);
    assert.deepEqual(bench.ports, []);
    assert.equal(bench.last.get('p')?.port, 'closed');
    assert.equal(bench.machine.status().ports[0]?.role, 'blocked');
    bench.wait(5_000);
    if (shut.kind === 'peer') bench.peer('p', 100);
    // Its distance is what it was before, and so is ours: the same way is feasible.
    assert.equal(bench.last.get('p')?.port, 'join');
  }
});

test('a claim ends, and its root with it', () => {
  const bench = new TreeBench(5);
  bench.peer('p');
  bench.follow('p', { expiresAtUnixMs: UNIX_MS + 10 * LIFETIME_MS });
  bench.wait(LIFETIME_MS);
  assert.equal(bench.machine.status().root?.isSelf, false, 'clocks may differ');
  bench.wait(30_000);
  assert.equal(bench.machine.status().root?.isSelf, true, 'a longer life is cut');
});

test('a root signs its claim anew in time, and sends nothing else while nothing happens', () => {
  const bench = new TreeBench(1);
  bench.peer('c');
  bench.announce('c', undefined);
  const count = bench.told.length;
  bench.wait(2_000_000);
  assert.equal(bench.told.length - count, 10);
});

test('a neighbour whose stream is another one is told all anew, and forgotten if it stays silent', () => {
  const bench = new TreeBench(5);
  bench.peer('p');
  bench.follow('p');
  bench.told.length = 0;
  bench.input({ kind: 'again', peer: 'p' });
  assert.equal(bench.last.get('p')?.port, 'join');
  assert.notEqual(bench.last.get('p')?.told?.claim, undefined);
  assert.deepEqual(bench.ports, ['p'], 'nothing is interrupted');
  bench.wait(1_000);
  assert.deepEqual(bench.ports, []);
});

test('a neighbour that says goodbye is gone, and told again what comes next', () => {
  const bench = new TreeBench(5);
  bench.peer('p');
  bench.follow('p');
  const count = bench.told.length;
  bench.bytes('p', encodeTreeMessage(SEGMENT_ID, { kind: 'goodbye' }));
  assert.equal(bench.machine.status().root?.isSelf, true);
  assert.equal(bench.told.length, count);
  bench.wait(200_000);
  assert.equal(bench.told.length, count + 1);
  assert.notEqual(bench.last.get('p')?.told?.claim, undefined);
});

test('a node that stops says goodbye to all and shuts its ports', () => {
  const bench = new TreeBench(5);
  bench.peer('p');
  bench.follow('p');
  bench.perform(bench.machine.stop());
  assert.deepEqual(bench.told.at(-1), { peer: 'p', message: { kind: 'goodbye' } });
  assert.deepEqual(bench.ports, []);
  assert.deepEqual(bench.input({ kind: 'tick' }), []);
});

test('the next epoch prefers edges of the one before, and keeps what is blocked', () => {
  const former = new TreeBench(5);
  for (const peer of ['p', 'q']) former.peer(peer);
  former.follow('p');
  former.input({ kind: 'block', peer: 'q', untilMs: 9_000 });
  const bench = new TreeBench(5, former.machine);
  for (const peer of ['p', 'q', 'r']) bench.peer(peer);
  bench.announce('r', 1, { distance: 90 });
  bench.announce('q', 1, { distance: 10 });
  bench.announce('p', 1, { distance: 100 });
  assert.equal(bench.machine.status().ports[1]?.role, 'blocked');
  bench.input({ kind: 'peer-gone', peer: 'r' });
  assert.equal(bench.last.get('p')?.port, 'join');
});
