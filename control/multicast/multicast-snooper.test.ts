/** Behaviour of the snooping machine: what an interface wants, for how long, and what its hosts are asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFrame } from './multicast-codec.ts';
import {
  hex,
  igmp,
  ip,
  ipv4,
  leave,
  MODE,
  macOf,
  oldReport,
  pimHello,
  query,
  report,
  TAP_MAC,
  type TestRecord,
} from './multicast-frames.fixture.ts';
import type { Query } from './multicast-message.ts';
import { MulticastSnooper, type SnoopEffect } from './multicast-snooper.ts';
import { MULTICAST_LIMIT } from './multicast-timing.ts';

/** Robustness 2 × 125 s + 10 s, and what the machine may take to say it. */
const MEMBERSHIP_MS = 260_000;
const LAST_MEMBER_MS = 2_000;
const BATCH_MS = 100;

interface Asked {
  readonly atMs: number;
  readonly query: Query;
  readonly tags: string;
  readonly family: number;
}

/** A machine on virtual time. */
class World {
  nowMs = 1_000;
  readonly snooper = new MulticastSnooper(TAP_MAC, this.nowMs);
  macs: readonly string[] = [];
  allGroups = false;
  told = 0;
  asked: Asked[] = [];

  constructor() {
    this.run(0);
  }

  hear(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#take(this.snooper.handle({ kind: 'frame', frame }, this.nowMs));
    this.run(BATCH_MS);
  }

  /** Lets time pass, from one timeout to the next. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let steps = 0; this.snooper.nextTimeoutMs() <= endMs; steps++) {
      assert.ok(steps < 10_000, 'timeouts go on without end');
      this.nowMs = Math.max(this.nowMs, this.snooper.nextTimeoutMs());
      this.#take(this.snooper.handle({ kind: 'tick' }, this.nowMs));
    }
    this.nowMs = endMs;
  }

  wants(group: string): boolean {
    return this.macs.includes(macOf(group));
  }

  #take(effects: readonly SnoopEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'groups') {
        this.macs = effect.macs.map(hex);
        this.allGroups = effect.allGroups;
        this.told++;
        continue;
      }
      const decoded = decodeFrame(effect.frame);
      assert.ok(typeof decoded !== 'string' && decoded.message.kind === 'query');
      const { tags, family } = decoded.packet;
      this.asked.push({ atMs: this.nowMs, query: decoded.message, tags: hex(tags), family });
    }
  }
}

const joined = (group: string, ...sources: string[]): Uint8Array =>
  report([sources.length === 0 ? { mode: MODE.toEx, group } : { mode: MODE.allow, group, sources }]);
const record = (mode: number, group: string, ...sources: string[]): Uint8Array =>
  report([{ mode, group, sources }]);

const JOINS: readonly (readonly [string, Uint8Array, string])[] = [
  ['IGMPv1', igmp([0x12, 0, 0, 0, 239, 1, 2, 3]), '239.1.2.3'],
  ['IGMPv2', oldReport('239.1.2.3'), '239.1.2.3'],
  ['IGMPv3', joined('239.1.2.3'), '239.1.2.3'],
  ['IGMPv3 with a source', joined('232.1.2.3', '10.0.0.1'), '232.1.2.3'],
  ['IGMPv3 without a source', record(MODE.toEx, '239.1.2.3', '10.0.0.1'), '239.1.2.3'],
  ['MLDv1', oldReport('ff15::abcd'), 'ff15::abcd'],
  ['MLDv2', joined('ff15::abcd'), 'ff15::abcd'],
  ['MLDv2 with a source', joined('ff35::abcd', '2001:db8::1'), 'ff35::abcd'],
];

for (const [version, frame, group] of JOINS) {
  test(`a join by ${version} is told at once, and ages when nobody repeats it`, () => {
    const world = new World();
    world.hear(frame);
    assert.deepEqual(world.macs, [macOf(group)]);

    world.run(MEMBERSHIP_MS - 2 * BATCH_MS);
    assert.ok(world.wants(group), 'too early');
    world.run(3 * BATCH_MS);
    assert.ok(!world.wants(group), 'too late');
  });
}

test('groups that always flood are not told', () => {
  const world = new World();
  for (const group of ['224.0.0.251', '239.0.0.7', '224.128.0.9', 'ff02::fb', 'ff02::1:ff00:1', 'ff01::5']) {
    world.hear(joined(group));
  }

  assert.equal(world.told, 0);
  assert.equal(world.snooper.counters.heard, 6);
});

test('two groups of one address are told once, and until the last of them goes', () => {
  const world = new World();
  world.hear(oldReport('239.1.2.3'), oldReport('239.129.2.3'), oldReport('224.1.2.3'));
  assert.deepEqual(world.macs, [macOf('239.1.2.3')]);

  world.hear(leave('239.1.2.3'), leave('224.1.2.3'));
  world.run(LAST_MEMBER_MS + BATCH_MS);
  assert.deepEqual(world.macs, [macOf('239.1.2.3')]);
  world.hear(leave('239.129.2.3'));
  world.run(LAST_MEMBER_MS + BATCH_MS);
  assert.deepEqual(world.macs, []);
});

const LEAVES: readonly (readonly [string, Uint8Array, Uint8Array, string])[] = [
  ['IGMPv2', oldReport('239.1.2.3'), leave('239.1.2.3'), '239.1.2.3'],
  ['IGMPv3', joined('239.1.2.3'), record(MODE.toIn, '239.1.2.3'), '239.1.2.3'],
  ['MLDv1', oldReport('ff15::abcd'), leave('ff15::abcd'), 'ff15::abcd'],
  ['MLDv2', joined('ff15::abcd'), record(MODE.toIn, 'ff15::abcd'), 'ff15::abcd'],
];

for (const [version, join, left, group] of LEAVES) {
  test(`a leave by ${version} asks the others twice, and ends the group when nobody answers`, () => {
    const world = new World();
    world.hear(join);
    world.asked = [];
    const leftMs = world.nowMs;
    world.hear(left);
    world.run(LAST_MEMBER_MS - 2 * BATCH_MS);

    assert.deepEqual(
      world.asked.map(({ atMs, query: { group: about } }) => [atMs - leftMs, about && hex(about)]),
      [
        [0, hex(ip(group))],
        [1_000, hex(ip(group))],
      ],
    );
    assert.ok(world.wants(group), 'somebody may answer yet');
    world.run(3 * BATCH_MS);
    assert.ok(!world.wants(group));
  });

  test(`a leave by ${version} ends nothing when another answers`, () => {
    const world = new World();
    world.hear(join, left);
    world.run(1_500);
    world.hear(join);
    world.run(MEMBERSHIP_MS - 3_000);

    assert.ok(world.wants(group));
  });
}

test('leaves in a row make no more than a query a second, and do not put off the end', () => {
  const world = new World();
  world.hear(oldReport('239.1.2.3'));
  world.asked = [];
  for (let round = 0; round < 15; round++) world.hear(leave('239.1.2.3'));

  assert.ok(world.asked.length <= 3, `${world.asked.length} queries`);
  world.run(3_000);
  assert.ok(!world.wants('239.1.2.3'));
});

test('an IGMPv1 host never leaves, so a leave by another ends nothing', () => {
  const world = new World();
  world.hear(igmp([0x12, 0, 0, 0, 239, 1, 2, 3]), oldReport('239.1.2.3'), leave('239.1.2.3'));
  world.run(10_000);

  assert.ok(world.wants('239.1.2.3'));
  world.run(MEMBERSHIP_MS);
  assert.ok(!world.wants('239.1.2.3'));
});

test('a group is wanted while any of its sources is', () => {
  const world = new World();
  world.hear(joined('232.1.2.3', '10.0.0.1', '10.0.0.2'));
  world.asked = [];
  world.hear(record(MODE.block, '232.1.2.3', '10.0.0.1'));
  world.run(5_000);
  assert.deepEqual(
    world.asked.map(({ query: { sources } }) => sources.map(hex)),
    [['0a000001'], ['0a000001']],
  );
  assert.ok(world.wants('232.1.2.3'));

  world.hear(record(MODE.block, '232.1.2.3', '10.0.0.2', '10.0.0.9'));
  world.run(LAST_MEMBER_MS + BATCH_MS);
  assert.ok(!world.wants('232.1.2.3'));
});

test('who goes over from all sources to one keeps the group', () => {
  const world = new World();
  world.hear(joined('239.1.2.3'), record(MODE.toIn, '239.1.2.3', '10.0.0.1'));
  world.run(10_000);
  assert.ok(world.wants('239.1.2.3'), 'for its one source');

  world.hear(record(MODE.toIn, '239.1.2.3'));
  world.run(LAST_MEMBER_MS + BATCH_MS);
  assert.ok(!world.wants('239.1.2.3'));
});

test('a source that one host leaves stays for another that answers for it', () => {
  const world = new World();
  world.hear(joined('232.1.2.3', '10.0.0.1'), record(MODE.block, '232.1.2.3', '10.0.0.1'));
  world.run(1_200);
  world.hear(record(MODE.isIn, '232.1.2.3', '10.0.0.1'));
  world.run(60_000);

  assert.ok(world.wants('232.1.2.3'));
});

test('more sources than can be told apart are any source', () => {
  const world = new World();
  const sources = Array.from({ length: MULTICAST_LIMIT.sources + 1 }, (_, index) => `10.0.1.${index}`);
  world.hear(joined('232.1.2.3', ...sources));
  world.hear(record(MODE.block, '232.1.2.3', ...sources));
  world.run(10_000);

  assert.ok(world.wants('232.1.2.3'));
});

const WANTS_NOTHING: readonly (readonly [string, number])[] = [
  ['an INCLUDE of nothing', MODE.isIn],
  ['a change to it', MODE.toIn],
  ['an ALLOW of nothing', MODE.allow],
  ['a BLOCK', MODE.block],
];
for (const [name, mode] of WANTS_NOTHING) {
  test(`${name} of an unknown group wants nothing and asks nothing`, () => {
    const world = new World();
    world.asked = [];
    world.hear(record(mode, '239.1.2.3', ...(mode === MODE.block ? ['10.0.0.1'] : [])));

    assert.equal(world.told, 0);
    assert.deepEqual(world.asked, []);
  });
}

test('all are asked for all at the start, after 31 s, and then every 125 s, by both protocols', () => {
  const world = new World();
  world.run(300_000);
  const generals = world.asked.map(({ atMs, query: { group } }) => [(atMs - 1_000) / 1_000, group]);

  assert.deepEqual(
    generals,
    [0, 31.25, 156.25, 281.25].flatMap((second) => [
      [second, undefined],
      [second, undefined],
    ]),
  );
});

test('what is answered to each general query stays', () => {
  const world = new World();
  world.hear(joined('239.1.2.3'));
  for (let round = 0; round < 10; round++) {
    world.run(125_000);
    world.hear(record(MODE.isEx, '239.1.2.3'));
  }

  assert.ok(world.wants('239.1.2.3'));
  assert.equal(world.told, 1);
});

const QUERIERS: readonly (readonly [string, Uint8Array])[] = [
  ['IGMPv3', query('0.0.0.0', '10.7.0.1')],
  ['IGMPv2', igmp([0x11, 100, 0, 0, 0, 0, 0, 0], { destination: '224.0.0.1' })],
  ['MLDv2', query('::', 'fe80::1')],
];
for (const [version, frame] of QUERIERS) {
  test(`a querier of ${version} silences this one, and all groups are wanted while it is there`, () => {
    const world = new World();
    world.run(10_000);
    world.asked = [];
    world.hear(frame, oldReport('239.1.2.3'), oldReport('ff15::1'));
    assert.ok(world.allGroups);
    assert.ok(world.wants('239.1.2.3') && world.wants('ff15::1'), 'it still learns');

    world.run(254_000);
    const other = version === 'MLDv2' ? 4 : 6;
    assert.deepEqual(
      world.asked.map(({ family }) => family),
      [other, other],
      'the other protocol has no other querier',
    );
    assert.ok(world.allGroups);
    world.run(12_000);
    assert.ok(!world.allGroups, 'it is gone, and what is wanted was asked for');
    assert.ok(world.asked.some(({ family }) => family !== other));
  });
}

test('under another querier a leave waits for its query', () => {
  const world = new World();
  world.hear(query('0.0.0.0', '10.7.0.1'), oldReport('239.1.2.3'));
  world.asked = [];
  world.hear(leave('239.1.2.3'));
  world.run(10_000);
  assert.deepEqual(world.asked, []);
  assert.ok(world.wants('239.1.2.3'));

  world.hear(query('239.1.2.3', '10.7.0.1', { flags: 0x0a }));
  world.run(10_000);
  assert.ok(world.wants('239.1.2.3'), 'a suppressed query gives nobody up');
  world.hear(query('239.1.2.3', '10.7.0.1'));
  world.run(LAST_MEMBER_MS + BATCH_MS);
  assert.ok(!world.wants('239.1.2.3'));
});

test('queries of other snooping switches silence nobody', () => {
  const world = new World();
  world.hear(query('0.0.0.0', '0.0.0.0'), query('::', 'fe80::ffff:ffff:ffff:ffff'));

  assert.ok(!world.allGroups);
  world.asked = [];
  world.run(32_000);
  assert.equal(world.asked.length, 2);
});

test('of two snooping switches on a LAN the one with the lower address asks, and neither is a router', () => {
  const world = new World();
  world.asked = [];
  world.hear(query('::', 'fe80::ffff:0:0:1'));
  world.run(32_000);

  assert.equal(world.asked.length, 1, 'IGMP, which has no order without addresses');
  assert.ok(!world.allGroups);
});

test('a router that says hello by PIM wants all groups until it is silent for long', () => {
  const world = new World();
  world.hear(pimHello());
  assert.ok(world.allGroups);
  world.run(254_000);
  assert.ok(world.allGroups);
  world.run(2_000);
  assert.ok(!world.allGroups);
});

test('an inner VLAN is asked by itself, and what it wants counts', () => {
  const world = new World();
  world.asked = [];
  world.hear(oldReport('239.1.2.3', { tags: [0xe005] }));
  world.run(1_000);

  assert.ok(world.wants('239.1.2.3'));
  assert.deepEqual(
    world.asked.map(({ tags }) => tags),
    ['81000005'],
  );
  world.run(3 * MEMBERSHIP_MS);
  world.asked = [];
  world.run(MEMBERSHIP_MS);
  assert.ok(world.asked.every(({ tags }) => tags === ''));
});

test('more groups than have room make the interface want all, until they are fewer', () => {
  const world = new World();
  const records: TestRecord[] = Array.from({ length: MULTICAST_LIMIT.groups + 1 }, (_, index) => ({
    mode: MODE.toEx,
    group: `239.1.${index >> 8}.${index & 255}`,
  }));
  world.hear(report(records));

  assert.ok(world.allGroups);
  assert.equal(world.macs.length, MULTICAST_LIMIT.groups);
  assert.equal(world.snooper.counters.overLimit, 1);
  world.run(MEMBERSHIP_MS + BATCH_MS);
  assert.ok(!world.allGroups);
});

test('more inner VLANs than have room make the interface want all', () => {
  const world = new World();
  for (let vlan = 1; vlan < MULTICAST_LIMIT.lans; vlan++) {
    world.hear(oldReport('239.1.2.3', { tags: [vlan] }));
  }

  assert.ok(world.allGroups);
  assert.equal(world.snooper.counters.overLimit, 1);
});

test('messages beyond the budget are not read, but then all is wanted', () => {
  const world = new World();
  const frame = oldReport('239.1.2.3');
  for (let index = 0; index < MULTICAST_LIMIT.messages.burst + 10; index++) {
    world.snooper.handle({ kind: 'frame', frame }, world.nowMs);
  }
  world.run(BATCH_MS);

  assert.equal(world.snooper.counters.overBudget, 10);
  assert.ok(world.allGroups);
});

test('what is refused is counted and changes nothing', () => {
  const world = new World();
  world.hear(ipv4(17, new Uint8Array(8), {}), oldReport('239.1.2.3', { hopLimit: 2 }), new Uint8Array(9));

  assert.equal(world.told, 0);
  assert.equal(world.snooper.counters.other, 2);
  assert.equal(world.snooper.counters['hop-limit'], 1);
});

test('changes that come together are told together', () => {
  const world = new World();
  world.hear(oldReport('239.1.2.3'));
  const told = world.told;
  for (let index = 0; index < 20; index++) {
    world.snooper.handle({ kind: 'frame', frame: oldReport(`239.2.2.${index}`) }, world.nowMs);
  }
  world.run(BATCH_MS);

  assert.ok(world.told - told <= 2, `${world.told - told} times`);
  assert.equal(world.macs.length, 21);
});
