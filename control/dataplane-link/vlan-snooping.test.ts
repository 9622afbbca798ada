/** Behaviour of the driver of snooping: what an interface wants is received, and its hosts are asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_GROUPS_MAC } from '../multicast/group-address.ts';
import { hex, leave, macOf, oldReport, pimHello, TAP_MAC } from '../multicast/multicast-frames.fixture.ts';
import { VlanSnooping } from './vlan-snooping.ts';

const ALL = hex(ALL_GROUPS_MAC);

function bench() {
  const clock = { nowMs: 1_000 };
  const seen = { groups: [] as readonly string[], queries: 0, vlan: -1 };
  const snooping = new VlanSnooping({
    vlan: 5,
    tokens: {
      setGroups: (macs) => {
        seen.groups = macs.map(hex);
      },
    },
    injector: {
      tapFrame: (vlan) => {
        seen.queries++;
        seen.vlan = vlan;
        return true;
      },
    },
    nowMs: () => clock.nowMs,
  });
  const wait = (ms: number): void => {
    for (const endMs = clock.nowMs + ms; clock.nowMs < endMs; ) {
      clock.nowMs += 100;
      snooping.poll();
    }
  };
  return { snooping, seen, wait };
}

test('hosts are asked as soon as there is an interface, and what they report is received', () => {
  const { snooping, seen, wait } = bench();
  snooping.attach(TAP_MAC, 'snoop');
  assert.deepEqual([seen.queries, seen.vlan], [2, 5]);

  snooping.snooped(oldReport('239.1.2.3'));
  assert.deepEqual(seen.groups, [macOf('239.1.2.3')]);
  snooping.snooped(leave('239.1.2.3'));
  wait(2_500);
  assert.deepEqual(seen.groups, []);
  assert.equal(snooping.counters?.heard, 2);
});

test('a router makes the interface want all, beside what its hosts want', () => {
  const { snooping, seen, wait } = bench();
  snooping.attach(TAP_MAC, 'snoop');
  snooping.snooped(oldReport('239.1.2.3'));
  snooping.snooped(pimHello());
  wait(200);

  assert.deepEqual(seen.groups, [ALL, macOf('239.1.2.3')]);
  assert.deepEqual([snooping.wanted, snooping.wantsAll], [1, true]);
});

test('an interface that takes all asks nobody', () => {
  const { snooping, seen, wait } = bench();
  snooping.attach(TAP_MAC, 'flood');
  snooping.snooped(oldReport('239.1.2.3'));
  wait(40_000);

  assert.deepEqual(seen.groups, [ALL]);
  assert.equal(seen.queries, 0);
  snooping.attach(TAP_MAC, 'snoop');
  assert.deepEqual(seen.groups, []);
});

test('an interface that is gone wants nothing', () => {
  const { snooping, seen, wait } = bench();
  snooping.attach(TAP_MAC, 'snoop');
  snooping.snooped(oldReport('239.1.2.3'));
  snooping.detach();
  const { queries } = seen;
  wait(40_000);

  assert.deepEqual(seen.groups, []);
  assert.equal(seen.queries, queries);
});
