/** Behaviour of the snooping machine: what an interface wants, for how long, and what is asked before a group ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  hex,
  igmp,
  ip,
  ipv4,
  leave,
  MODE,
  macOf,
  oldReport,
  report,
  type TestRecord,
} from './multicast-frames.fixture.ts';
import { MULTICAST_LIMIT } from './multicast-timing.ts';
import { BATCH_MS, joined, LAST_MEMBER_MS, MEMBERSHIP_MS, record, World } from './snooper-world.fixture.ts';

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
