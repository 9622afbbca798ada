/** The attacks on open VLAN membership that docs/protocol.md names: each opens nothing, claims nothing, and is counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertKeysMeet, hex, pair, type Recorded, SimVlan } from './membership-fixture.ts';

const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 0xa);

test('recorded announcements open nothing at a fresh node and claim nothing', () => {
  const { vlan, a, b } = pair('replay');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.run(40_000);
  const tape = [...vlan.recorded];
  vlan.kill(a);
  vlan.kill(b);

  const fresh = vlan.join('fresh');
  for (const recorded of tape) vlan.replay(fresh, recorded);
  vlan.run(1_000);
  for (const recorded of tape) vlan.replay(fresh, recorded);
  vlan.run(5_000);

  assert.equal(fresh.senders.size + fresh.peers.size + fresh.stations.size, 0);
  assert.equal(fresh.machine.members().length, 0);
});

test('announcements that proved a former start are worth nothing after the next', () => {
  const { vlan, a, b } = pair('former start');
  vlan.run(40_000);
  const tape = [...vlan.recorded];
  vlan.kill(a);
  const again = vlan.join('a');
  vlan.run(1_000);
  const bound = [...b.senders.keys()];

  for (const recorded of tape) vlan.replay(b, recorded);

  assert.deepEqual([...b.senders.keys()], bound);
  assertKeysMeet(again, b);
});

test('a withdrawn or silent member cannot be brought back by a recording', () => {
  const { vlan, a, b } = pair('brought back');
  vlan.run(20_000);
  const tape = [...vlan.recorded];
  vlan.input(a, { kind: 'leave' });
  vlan.run(500);
  vlan.kill(a);

  for (const recorded of tape) vlan.replay(b, recorded);

  assert.equal(b.senders.size + b.peers.size, 0);
});

test('two members with one leaf, lane and salt have different keys, and the second is refused', () => {
  const vlan = new SimVlan('equal names');
  const same = (count: number): Uint8Array => new Uint8Array(count).fill(7);
  const forced = (): ((count: number) => Uint8Array) => {
    let drawn = 0;
    // Leaf and salts equal; challenges and nonces, of 16 bytes, stay random.
    return (count) =>
      count === 16
        ? crypto.getRandomValues(new Uint8Array(16))
        : count === 6
          ? same(6).fill(++drawn)
          : same(count);
  };
  const a = vlan.join('a', { workers: 1, ports: { randomBytes: forced() } });
  const b = vlan.join('b', { workers: 1, ports: { randomBytes: forced() } });
  const c = vlan.join('c', { workers: 1 });
  vlan.run(1_000);

  assert.equal(a.leaf, b.leaf);
  const [saltA, saltB] = [[...a.salts.values()][0], [...b.salts.values()][0]];
  assert.ok(saltA && saltB);
  assert.equal(hex(saltA.value), hex(saltB.value));
  assert.notEqual(hex([...a.groupKeys.values()][0]), hex([...b.groupKeys.values()][0]));
  const pairwise = [...a.pairKeys.values(), ...b.pairKeys.values()].map(hex);
  assert.equal(new Set(pairwise).size, pairwise.length);
  assert.equal([...c.senders.values()].filter((sender) => hex(sender.salt) === hex(saltA.value)).length, 1);
  assert.ok(c.machine.counters.sendersRefused > 0);
});

test('forged, altered and foreign datagrams change nothing and are counted', () => {
  const { vlan, b } = pair('forged');
  const bound = [...b.senders.keys()];
  const [first] = vlan.recorded.filter((recorded) => recorded.from === 'a');
  assert.ok(first);
  const sample = { ...first, epoch: b.sealing };
  const invalid = (): number => b.machine.counters.controlInvalid;
  const before = invalid();

  for (let index = 0; index < sample.payload.length; index++) {
    const payload = Uint8Array.from(sample.payload);
    payload[index] = (payload[index] ?? 0) ^ 0x10;
    vlan.replay(b, { ...sample, payload });
  }
  for (const length of [0, 15, 16, 63, 64, 100, sample.payload.length - 1]) {
    vlan.replay(b, { ...sample, payload: sample.payload.subarray(0, length) });
  }
  vlan.replay(b, { ...sample, epoch: sample.epoch + 1 });

  assert.equal(invalid() - before, sample.payload.length + 7 + 1);
  assert.deepEqual([...b.senders.keys()], bound);
});

test("an announcement of another's PeerId is refused", () => {
  const { vlan, b } = pair('impostor');
  // The impostor names a's node key but can sign with its own only.
  const impostor = vlan.add('impostor', {
    nodeKey: 'a',
    ports: { sign: (bytes) => new Uint8Array(64).fill(bytes.length & 255) },
  });
  const bound = [...b.senders.keys()];
  vlan.input(impostor, { kind: 'start' });
  vlan.run(5_000);

  assert.deepEqual([...b.senders.keys()], bound);
  assert.ok(b.machine.counters.announcementInvalid > 0);
});

test('an all-zero key agreement admits nobody', () => {
  const vlan = new SimVlan('zero');
  const a = vlan.join('a');
  vlan.join('evil', {
    ports: {
      createAgreement: () => ({ publicKey: new Uint8Array(32), agree: () => new Uint8Array(32).fill(1) }),
    },
  });
  vlan.run(1_000);

  assert.equal(a.senders.size + a.peers.size, 0);
  assert.ok(a.machine.counters.announcementInvalid > 0);
});

test('a flood of announcements costs a bounded number of verifications', () => {
  const { vlan, b } = pair('flood');
  const [sample] = vlan.recorded.filter((recorded) => recorded.from === 'a');
  assert.ok(sample);
  const flood: Recorded = sample;
  for (let index = 0; index < 3_000; index++) vlan.replay(b, flood);

  assert.ok(b.machine.counters.verificationsRefused > 1_500);
});
