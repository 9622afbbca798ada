/** Behaviour towards queriers and routers: who asks, and who gets all groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { igmp, leave, MODE, oldReport, pimHello, query } from './multicast-frames.fixture.ts';
import { BATCH_MS, joined, LAST_MEMBER_MS, record, World } from './snooper-world.fixture.ts';

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
