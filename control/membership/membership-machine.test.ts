/** Behaviour of open VLAN membership: meeting, keys, stations, salts, epochs. membership-attacks.test.ts has the attacks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utcDay } from '../vlan/open-epoch.ts';
import { assertKeysMeet, hex, pair, SimVlan } from './membership-fixture.ts';
import type { SimMember } from './sim-member.fixture.ts';
import { macNumber } from './station-claims.ts';

const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 0xa);
const MAC_B = Uint8Array.of(2, 0, 0, 0, 0, 0xb);
const MAC_HOST = Uint8Array.of(2, 0, 0, 0, 0, 0xc);

test('two members that meet know each other and have the same keys within half a second', () => {
  const { vlan, a, b } = pair('meet');

  assert.deepEqual(vlan.views(), { a: ['b'], b: ['a'] });
  assertKeysMeet(a, b);
  assertKeysMeet(b, a);
});

test('who was not heard is met when everybody is asked, without waiting for a heartbeat', () => {
  const vlan = new SimVlan('strangers');
  vlan.place('b', 1);
  const a = vlan.join('a');
  vlan.join('b');
  vlan.run(3_000);
  vlan.place('b', 0);
  vlan.run(5_000);
  assert.deepEqual(vlan.views(), { a: [], b: [] });
  vlan.input(a, { kind: 'strangers' });
  vlan.run(1_000);
  assert.deepEqual(vlan.views(), { a: ['b'], b: ['a'] });
});

test('a window opens at the counter that was announced', () => {
  const vlan = new SimVlan('counter');
  const a = vlan.join('a');
  for (const salt of a.salts.keys()) a.counters.set(salt, 1_234);
  const b = vlan.join('b');
  vlan.run(500);

  assert.ok([...b.senders.values()].every((sender) => sender.firstCounter === 1_234));
});

test('the interface address is a station for the others, and enforced here at once', () => {
  const { vlan, a, b } = pair('station');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.run(100);

  assert.equal(a.stations.get(macNumber(MAC_A)), 'enforced');
  const [atB] = [...b.peers.keys()];
  assert.equal(b.stations.get(macNumber(MAC_A)), atB);
});

test('a learned address is claimed at once and enforced a second after it was announced', () => {
  const { vlan, a, b } = pair('learned');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.run(100);
  vlan.input(a, { kind: 'station-seen', mac: MAC_HOST });
  vlan.run(100);

  assert.equal(a.stations.get(macNumber(MAC_HOST)), 'own');
  assert.ok(b.stations.has(macNumber(MAC_HOST)));
  vlan.run(2_000);
  assert.equal(a.stations.get(macNumber(MAC_HOST)), 'enforced');
});

test('a learned address without frames is given up after five minutes', () => {
  const { vlan, a, b } = pair('aging');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.input(a, { kind: 'station-seen', mac: MAC_HOST });
  vlan.run(301_000);

  assert.ok(!a.stations.has(macNumber(MAC_HOST)));
  assert.ok(!b.stations.has(macNumber(MAC_HOST)));
  assert.ok(b.stations.has(macNumber(MAC_A)));
});

test('group addresses and the zero address are never claimed', () => {
  const { vlan, a } = pair('group address');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.input(a, { kind: 'station-seen', mac: Uint8Array.of(1, 0, 0x5e, 0, 0, 1) });
  vlan.input(a, { kind: 'station-seen', mac: new Uint8Array(6) });

  assert.deepEqual([...a.stations.keys()], [macNumber(MAC_A)]);
});

test('a member cannot take a live station of another member', () => {
  const vlan = new SimVlan('theft');
  const [a, b, c] = [vlan.join('a'), vlan.join('b'), vlan.join('c')];
  vlan.run(500);
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.run(500);
  vlan.input(b, { kind: 'interface-mac', mac: MAC_B });
  vlan.input(b, { kind: 'station-seen', mac: MAC_A });
  vlan.run(5_000);

  const holder = c.stations.get(macNumber(MAC_A));
  assert.ok(typeof holder === 'number');
  assert.equal(vlan.peerName(c.peers.get(holder) ?? ''), 'a');
  assert.equal(a.stations.get(macNumber(MAC_A)), 'enforced');
  assert.ok(a.machine.counters.addressConflicts > 0);
});

test('a station that moves is handed over by its old holder', () => {
  const vlan = new SimVlan('move');
  const [a, b, c] = [vlan.join('a'), vlan.join('b'), vlan.join('c')];
  vlan.run(500);
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.input(b, { kind: 'interface-mac', mac: MAC_B });
  vlan.input(a, { kind: 'station-seen', mac: MAC_HOST });
  vlan.run(10_000);

  vlan.input(b, { kind: 'station-seen', mac: MAC_HOST });
  vlan.run(500);

  const holder = c.stations.get(macNumber(MAC_HOST));
  assert.ok(typeof holder === 'number');
  assert.equal(vlan.peerName(c.peers.get(holder) ?? ''), 'b');
  assert.ok(typeof a.stations.get(macNumber(MAC_HOST)) === 'number');
});

test('where hosts may move a station goes to who claims it last, at everybody and at once', () => {
  const vlan = new SimVlan('moving');
  const machine = { movingHosts: 'allow' } as const;
  const [a, b, c] = ['a', 'b', 'c'].map((name) => vlan.join(name, { machine })) as [
    SimMember,
    SimMember,
    SimMember,
  ];
  vlan.run(500);
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.input(b, { kind: 'interface-mac', mac: MAC_B });
  vlan.input(a, { kind: 'station-seen', mac: MAC_HOST });
  vlan.run(500);
  a.lastSeenMs.set(macNumber(MAC_HOST), vlan.nowMs);

  vlan.input(b, { kind: 'station-seen', mac: MAC_HOST });
  vlan.run(500);

  const holderAt = (member: SimMember): string => {
    const holder = member.stations.get(macNumber(MAC_HOST));
    return typeof holder === 'number' ? vlan.peerName(member.peers.get(holder) ?? '') : String(holder);
  };
  assert.equal(holderAt(c), 'b');
  assert.equal(holderAt(a), 'b');
  assert.equal(a.machine.counters.addressConflicts, 0);
  vlan.input(b, { kind: 'station-seen', mac: MAC_A });
  vlan.run(500);
  assert.equal(a.stations.get(macNumber(MAC_A)), 'enforced', "the interface's own address does not move");
});

test('more addresses than one datagram takes reach the others, and none beyond the limit is claimed', () => {
  const { vlan, a, b } = pair('many');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  for (let index = 0; index < 300; index++) {
    vlan.input(a, { kind: 'station-seen', mac: Uint8Array.of(2, 1, 0, 0, index >> 8, index & 255) });
  }
  vlan.run(1_000);

  assert.equal(a.stations.size, 256);
  assert.equal(b.stations.size, 256);
  assert.ok(a.machine.counters.claimsRefused > 0);
});

test('a member that leaves is gone at once, with its senders and stations', () => {
  const { vlan, a, b } = pair('leave');
  vlan.input(a, { kind: 'interface-mac', mac: MAC_A });
  vlan.run(500);
  vlan.input(a, { kind: 'leave' });
  vlan.run(100);

  assert.deepEqual(vlan.views(), { a: [], b: [] });
  assert.equal(b.senders.size, 0);
  assert.ok(!b.stations.has(macNumber(MAC_A)));
  assert.equal(a.stations.size + a.salts.size, 0);
  assert.equal(a.machine.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test('a member that falls silent is gone after 95 seconds', () => {
  const { vlan, a, b } = pair('silent');
  vlan.kill(a);
  vlan.run(94_000);
  assert.equal(b.peers.size, 1);
  vlan.run(2_000);

  assert.equal(b.peers.size, 0);
  assert.equal(b.senders.size, 0);
});

test('a member that was killed and starts again is known again at once, under new salts', () => {
  const { vlan, a, b } = pair('restart');
  const before = [...b.senders.values()].map((sender) => hex(sender.salt));
  vlan.kill(a);
  vlan.run(2_000);
  const again = vlan.join('a');
  vlan.run(1_000);

  assert.deepEqual(vlan.views(), { a: ['b'], b: ['a'] });
  assertKeysMeet(again, b);
  assertKeysMeet(b, again);
  assert.ok([...b.senders.values()].every((sender) => !before.includes(hex(sender.salt))));
});

test('a start with a clock that went back is still believed, since it signs our challenge', () => {
  const { vlan, a, b } = pair('clock back');
  vlan.kill(a);
  vlan.unixOffsetMs -= 60_000;
  const again = vlan.join('a');
  vlan.run(18_000);

  assertKeysMeet(again, b);
  assertKeysMeet(b, again);
});

test('a restarted worker seals under salts that were never used, in each live epoch', () => {
  const { vlan, a, b } = pair('worker');
  const before = [...a.salts.values()].filter((salt) => salt.worker === 1).map((salt) => hex(salt.value));
  vlan.input(a, { kind: 'worker-restarted', worker: 1 });
  vlan.run(200);

  const after = [...a.salts.values()].filter((salt) => salt.worker === 1).map((salt) => hex(salt.value));
  assert.equal(after.length, before.length);
  assert.ok(after.every((salt) => !before.includes(salt)));
  assertKeysMeet(a, b);
});

test('a successor salt is announced before it is used, and the old one is named a while longer', () => {
  const { vlan, a, b } = pair('successor');
  const [old] = [...a.salts.keys()];
  assert.ok(old !== undefined);
  vlan.input(a, { kind: 'salt-low', salt: old });
  vlan.run(200);
  assert.equal(a.salts.size, 3);
  assert.equal(a.groupKeys.size, 2);
  assert.equal(b.senders.size, 3);

  vlan.run(2_000);
  assert.equal(a.groupKeys.size, 3);
  vlan.run(30_000);
  assert.equal(a.salts.size, 2);
  assert.equal(b.senders.size, 2);
});

test('at midnight everybody seals under the new day, and everybody knows the new senders beforehand', () => {
  const vlan = new SimVlan('midnight', Date.UTC(2026, 10, 21, 23, 55));
  const [a, b] = [vlan.join('a'), vlan.join('b')];
  vlan.run(4 * 60_000);
  const day = utcDay(Date.UTC(2026, 10, 22));
  assert.ok([...b.senders.values()].some((sender) => sender.epoch === day));

  vlan.run(61_000 + 500);

  assert.equal(a.sealing, day);
  assert.equal(b.sealing, day);
  assertKeysMeet(a, b);
  assertKeysMeet(b, a);
});

test('a day later nothing of yesterday is left', () => {
  const vlan = new SimVlan('yesterday', Date.UTC(2026, 10, 21, 23, 58));
  const [a, b] = [vlan.join('a'), vlan.join('b')];
  vlan.run(70 * 60_000);

  assert.deepEqual(vlan.views(), { a: ['b'], b: ['a'] });
  assert.equal(b.senders.size, 2);
  assert.equal(a.salts.size, 2);
});

test('a frame of an unknown sender makes a pull, at most one a second, and only for a leaf of the roster', () => {
  const { vlan, a, b } = pair('unknown');
  const pulls = (): number => b.machine.counters.pullsSent;
  const before = pulls();
  for (let index = 0; index < 50; index++) {
    vlan.input(b, { kind: 'sender-unknown', epoch: b.sealing, leaf: a.leaf });
    vlan.input(b, { kind: 'sender-unknown', epoch: b.sealing, leaf: a.leaf ^ 1 });
    vlan.run(20);
  }

  assert.ok(pulls() - before >= 1 && pulls() - before <= 2, `${pulls() - before} pulls`);
});

test('says after ten seconds that nobody answered', () => {
  const vlan = new SimVlan('alone');
  const a = vlan.join('a');
  vlan.run(9_000);
  assert.ok(!a.effects.some((effect) => effect.kind === 'notice'));
  vlan.run(2_000);

  vlan.run(60_000);

  const notices = a.effects.filter((effect) => effect.kind === 'notice');
  assert.deepEqual(
    notices.map(({ code }) => code),
    ['no-member-found'],
  );
  assert.match(notices[0]?.message ?? '', /^no other member was found in 10 s\. .*peertap peers/);
});

test('does not say that nobody was found when somebody was, and has gone', () => {
  const { vlan, a, b } = pair('gone');
  vlan.kill(b);
  vlan.run(120_000);

  assert.ok(a.effects.some((effect) => effect.kind === 'member-down'));
  assert.ok(!a.effects.some((effect) => effect.kind === 'notice'));
});
