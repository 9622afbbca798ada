/** Behaviour of private VLANs' epochs: who is listened to, and changes of epoch that lose no frame. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberOf, opens, sealTo, sealToAll } from './frame-model.fixture.ts';
import { peerOf, SimGroup } from './group.fixture.ts';
import { hex } from './membership-fixture.ts';
import { controlInput, epochOf, Puppet } from './puppets.fixture.ts';
import type { SimMember } from './sim-member.fixture.ts';
import { macNumber } from './station-claims.ts';

const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 0xa);

function met(seed: string, names: readonly string[]): { group: SimGroup; members: readonly SimMember[] } {
  const group = new SimGroup(seed);
  const members = group.found(names);
  group.vlan.run(1_000);
  return { group, members };
}

/** Every worker of `from` reaches `to`, by what goes to it alone and by what goes to all. */
function assertReaches(from: SimMember, to: SimMember, when = ''): void {
  const member = memberOf(from, peerOf(to.name));
  assert.ok(member !== undefined, `${from.name} does not know ${to.name} ${when}`);
  const unicast = sealTo(from, member);
  assert.equal(unicast.length, 2, `${from.name} has no keys to ${to.name} ${when}`);
  for (const frame of [...unicast, ...sealToAll(from)]) {
    const kind = frame.pairwise ? 'unicast' : 'broadcast';
    assert.ok(opens(to, frame), `${to.name} cannot open ${from.name}'s ${kind} ${when}`);
  }
}

function assertAllReach(members: readonly SimMember[], when = ''): void {
  for (const from of members) {
    for (const to of members) {
      if (from !== to) assertReaches(from, to, when);
    }
  }
}

/** A machine among members that only announce themselves. */
function crowd(
  seed: string,
  names: readonly string[],
): { group: SimGroup; me: SimMember; puppets: readonly Puppet[] } {
  const group = new SimGroup(seed);
  const [own = '', ...others] = names;
  const me = group.start(own);
  group.adopt(me, group.settle(names));
  group.vlan.run(1_000);
  const puppets = others.map((name, index) => new Puppet(name, group.vlan.vlanId, index));
  announceAll(group, me, puppets, me.sealing);
  assert.equal(me.peers.size, others.length);
  return { group, me, puppets };
}

function announceAll(group: SimGroup, me: SimMember, puppets: readonly Puppet[], id: number): void {
  const epoch = epochOf(group.last, id, peerOf);
  const unixMs = group.vlan.nowMs + group.vlan.unixOffsetMs;
  for (const puppet of puppets) {
    const heard = puppet.hear(epoch, me.effects);
    assert.ok(heard);
    group.vlan.input(me, controlInput(id, puppet.announce(epoch, heard, unixMs)));
  }
}

function pairKeyCount(member: SimMember): number {
  return member.pairKeys.size;
}

/** Looks after each millisecond, as frames may be sealed at any time. */
function runChecked(group: SimGroup, members: readonly SimMember[], durationMs: number): void {
  for (let ms = 0; ms < durationMs; ms++) {
    group.vlan.run(1);
    assertAllReach(members, `${ms} ms on`);
  }
}

test('members of one group meet, under the leaves that the group gave them', () => {
  const { group, members } = met('meet', ['a', 'b', 'c']);

  assertAllReach(members);
  for (const member of members) {
    assert.equal(member.leaf, group.last.leaves.get(member.name));
    assert.deepEqual(
      member.machine.members().map(({ epoch }) => epoch),
      [0, 0],
    );
  }
});

test('a change of epoch at different times loses no frame, and takes no member away', () => {
  const { group, members } = met('change', ['a', 'b', 'c']);
  const state = group.settle(['a', 'b', 'c']);
  const downs = (): number =>
    members.flatMap(({ effects }) => effects.filter(({ kind }) => kind === 'member-down')).length;
  for (const member of members) {
    group.adopt(member, state);
    assertAllReach(members, `when ${member.name} went over`);
    runChecked(group, members, 700);
  }

  assert.equal(downs(), 0);
  for (const member of members) {
    assert.equal(member.epochs.get(member.sealing)?.number, 1, `${member.name} seals under the new epoch`);
  }
});

test('members that change together have changed within a tenth of a second', () => {
  const { group, members } = met('together', ['a', 'b', 'c']);
  const state = group.settle(['a', 'b', 'c']);
  for (const member of members) group.adopt(member, state);
  runChecked(group, members, 100);

  assert.ok(members.every((member) => member.epochs.get(member.sealing)?.number === 1));
  runChecked(group, members, 6_000);
  assert.ok(
    members.every((member) => member.epochs.size === 1),
    'the older epoch is dropped when all have said farewell to it',
  );
  assert.ok(members.every((member) => member.salts.size === 2 && member.senders.size === 4));
});

test('unicast goes over member by member, broadcast when all have; one that stays behind is left after 30 s', () => {
  const { group, members } = met('laggard', ['a', 'b', 'c']);
  const [a, b, c] = members as [SimMember, SimMember, SimMember];
  const state = group.settle(['a', 'b', 'c']);
  group.adopt(a, state);
  group.adopt(b, state);
  group.vlan.run(1_000);

  const tag = [...a.epochs.values()].map((epoch) => hex(epoch.tag));
  const epochOf = (from: SimMember, to: SimMember): string | undefined =>
    sealTo(from, memberOf(from, peerOf(to.name)) ?? 0)[0]?.tag;
  assert.equal(epochOf(a, b), tag[1]);
  assert.equal(epochOf(a, c), tag[0]);
  assert.ok(sealToAll(a).every((frame) => frame.tag === tag[0]));
  assertAllReach(members);

  group.vlan.run(28_500);
  assertAllReach(members);
  group.vlan.run(1_000);
  assert.ok(sealToAll(a).every((frame) => frame.tag === tag[1]));
  assert.equal(epochOf(a, c), tag[1]);
  group.vlan.run(5_500);
  assert.ok([a, b].every((member) => member.epochs.size === 1));
});

test('after a settled Remove nothing is sealed under the old epoch, which is opened for a second, and nobody hears the removed', () => {
  const { group, members } = met('remove', ['a', 'b', 'c']);
  const [a, b, c] = members as [SimMember, SimMember, SimMember];
  group.vlan.input(c, { kind: 'interface-mac', mac: MAC_A });
  group.vlan.run(100);
  assert.ok(a.stations.has(macNumber(MAC_A)));
  const old = a.sealing;
  const state = group.settle(['a', 'b']);
  group.adopt(a, state, true);

  assert.deepEqual([...a.peers.values()], [peerOf('b')]);
  assert.ok(!a.stations.has(macNumber(MAC_A)), "the removed member's station is gone");
  assert.ok(
    [...a.salts.values()].every(({ epoch }) => epoch !== old),
    'no salt of the old epoch is left',
  );
  assert.ok([...a.senders.values()].every(({ member }) => a.peers.has(member)));
  const roster = a.effects.findLast((effect) => effect.kind === 'set-roster');
  assert.deepEqual([...(roster?.peers ?? [])].sort(), [peerOf('a'), peerOf('b')].sort());
  for (const frame of [...sealToAll(a), ...sealTo(a, memberOf(a, peerOf('b')) ?? 0)]) {
    assert.notEqual(frame.tag, hex(c.epochs.get(c.sealing)?.tag), 'the removed one has the key of a frame');
  }
  group.adopt(b, state, true);
  group.vlan.run(999);
  assertAllReach([a, b]);
  assert.ok(a.epochs.has(old));
  group.vlan.run(2);
  assert.ok(!a.epochs.has(old) && a.epochs.size === 1);

  const counted = a.machine.counters.notInRoster;
  group.vlan.run(60_000);
  assert.equal(a.peers.size, 1);
  assert.equal(a.machine.counters.notInRoster, counted, 'what the removed one says meets no token');
});

test('a removed member that speaks on is not listened to, not even in the second that is left', () => {
  const { group, members } = met('speaks on', ['a', 'b', 'c']);
  const [a, , c] = members as [SimMember, SimMember, SimMember];
  group.adopt(a, group.settle(['a', 'b']), true);
  group.vlan.input(c, { kind: 'neighbour' });
  group.vlan.run(500);

  assert.ok(a.machine.counters.notInRoster > 0);
  assert.deepEqual([...a.peers.values()], [peerOf('b')]);
});

test("an announcement under another's leaf is dropped and counted", () => {
  const { group, members } = met('leaf', ['a', 'b']);
  const [a] = members as [SimMember];
  const liar = group.start('liar');
  const lie = new Map([
    ['a', 0],
    ['b', 1],
    ['liar', 1],
  ]);
  group.settle(['a', 'b', 'liar']);
  group.adopt(a);
  group.adopt(liar, { ...group.last, leaves: lie });
  group.vlan.run(2_000);

  assert.deepEqual([...a.peers.values()], [peerOf('b')]);
  assert.ok(a.machine.counters.notInRoster > 0);
});

test('a node that is not in the group but has its secret is not listened to', () => {
  const { group, members } = met('outsider', ['a', 'b']);
  const [a] = members as [SimMember];
  const outsider = group.start('x');
  group.adopt(outsider, {
    ...group.last,
    leaves: new Map([
      ['a', 0],
      ['b', 1],
      ['x', 2],
    ]),
  });
  group.vlan.run(2_000);

  assert.deepEqual([...a.peers.values()], [peerOf('b')]);
  assert.ok(a.machine.counters.notInRoster > 0);
});

test('a member that comes in anew under another leaf goes on without a gap', () => {
  const { group, members } = met('rejoin', ['a', 'b', 'c']);
  const state = group.settle(['a', 'b', 'c'], { c: 7 });
  for (const member of members) {
    group.adopt(member, state);
    runChecked(group, members, 200);
  }

  const [, , c] = members as [SimMember, SimMember, SimMember];
  assert.equal(c.leaf, 7);
  assert.ok(members.every(({ effects }) => !effects.some(({ kind }) => kind === 'member-down')));
});

test('a new member is reached at once, although others are not in its first epoch yet', () => {
  const { group, members } = met('joins', ['a', 'b']);
  const [a, b] = members as [SimMember, SimMember];
  const state = group.settle(['a', 'b', 'c']);
  const c = group.start('c');
  group.adopt(a, state);
  group.adopt(c, state);
  group.vlan.run(200);

  const toC = sealTo(a, memberOf(a, peerOf('c')) ?? 0);
  assert.ok(toC.length === 2 && toC.every((frame) => opens(c, frame)));
  assert.ok(sealToAll(c).every((frame) => opens(a, frame)));
  assertReaches(a, b);
  group.adopt(b, state);
  group.vlan.run(200);
  assertAllReach([a, b, c]);
});

test('epochs that follow each other quickly are changed through, four at a time at most', () => {
  const { group, members } = met('quick', ['a', 'b', 'c']);
  for (let round = 0; round < 12; round++) {
    const state = group.settle(['a', 'b', 'c']);
    for (const member of members) {
      group.adopt(member, state);
      assertAllReach(members, `in round ${round}`);
      assert.ok(member.epochs.size <= 4);
      runChecked(group, members, 40);
    }
  }
  runChecked(group, members, 500);

  assert.ok(members.every((member) => member.epochs.get(member.sealing)?.number === 12));
});

test('the same state again changes nothing', () => {
  const { group, members } = met('again', ['a', 'b']);
  const [a] = members as [SimMember];
  const { sealing } = a;
  group.adopt(a);
  group.adopt(a, group.last, true);

  assert.equal(a.sealing, sealing);
  assert.equal(a.epochs.size, 1);
});

test('a machine without a state says nothing and accepts nothing', () => {
  const group = new SimGroup('nothing');
  const a = group.start('a');
  group.vlan.input(a, { kind: 'neighbour' });
  group.vlan.run(60_000);

  assert.ok(!a.effects.some(({ kind }) => kind === 'send-control' || kind === 'add-epoch'));
});

test('that nobody was found is said ten seconds after the group has another member, not before', () => {
  const group = new SimGroup('alone');
  const a = group.start('a');
  group.adopt(a, group.settle(['a']));
  group.vlan.run(60_000);
  const notices = (): readonly string[] =>
    a.effects.flatMap((effect) => (effect.kind === 'notice' ? effect.code : []));
  assert.deepEqual(notices(), []);

  group.adopt(a, group.settle(['a', 'b']));
  group.vlan.run(9_000);
  assert.deepEqual(notices(), []);
  group.vlan.run(2_000);
  assert.deepEqual(notices(), ['no-member-found']);
});

test('announcements and frames of before a restart are worth nothing after it', () => {
  const { group, members } = met('restart', ['a', 'b']);
  const [a, b] = members as [SimMember, SimMember];
  group.vlan.run(20_000);
  const tape = [...group.vlan.recorded];
  const frames = [...sealToAll(b), ...sealTo(b, memberOf(b, peerOf('a')) ?? 0)];
  assert.ok(frames.length > 0 && frames.every((frame) => opens(a, frame)));
  group.vlan.kill(a);
  group.vlan.kill(b);

  const again = group.start('a');
  group.adopt(again);
  for (const recorded of tape) group.vlan.replay(again, recorded);
  group.vlan.run(5_000);

  assert.equal(again.senders.size + again.peers.size, 0);
  assert.ok(frames.every((frame) => !opens(again, frame)));
});

test('two members that are given one leaf, lane, salt and counter have different keys', () => {
  const group = new SimGroup('equal');
  const state = group.settle(['a', 'b', 'c'], { a: 3, b: 3 });
  const forced = (): ((count: number) => Uint8Array) => {
    let drawn = 0;
    return (count) =>
      count === 6 ? new Uint8Array(6).fill(++drawn) : crypto.getRandomValues(new Uint8Array(count));
  };
  const [a, b] = ['a', 'b'].map((name) =>
    group.start(name, { workers: 1, ports: { randomBytes: forced() } }),
  ) as [SimMember, SimMember];
  const c = group.start('c', { workers: 1 });
  for (const member of [a, b, c]) group.adopt(member, state);
  group.vlan.run(1_000);

  const [frameA, frameB] = [sealToAll(a)[0], sealToAll(b)[0]];
  assert.ok(frameA && frameB);
  assert.deepEqual([frameA.leaf, frameA.lane, frameA.salt], [frameB.leaf, frameB.lane, frameB.salt]);
  assert.notEqual(frameA.key, frameB.key);
  const keys = [...a.pairKeys.values(), ...b.pairKeys.values()].map(hex);
  assert.equal(new Set(keys).size, keys.length);
  assert.equal([...c.senders.values()].filter((sender) => hex(sender.salt) === frameA.salt).length, 1);
});

test('with 200 members each turn derives a few keys only, and all are there a few turns later', () => {
  const names = Array.from({ length: 200 }, (_, index) => `m${index}`);
  const { me, group, puppets } = crowd('large', names);
  const before = pairKeyCount(me);
  assert.equal(before, 199 * 2);

  let most = 0;
  group.vlan.afterChange = () => {
    const now = pairKeyCount(me);
    most = Math.max(most, now - counted);
    counted = now;
  };
  let counted = before;
  group.adopt(me, group.settle(names));
  const newest = [...me.epochs.keys()].at(-1) ?? 0;
  group.vlan.run(20);
  assert.equal(pairKeyCount(me), 2 * before);
  assert.ok(most <= 64, `${most} keys in one turn`);

  group.vlan.run(1_000);
  announceAll(group, me, puppets, newest);
  assert.equal(me.sealing, newest, 'all have shown that they can open it');
});
