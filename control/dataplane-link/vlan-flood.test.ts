/** Behaviour of a VLAN's floods towards multicast groups: by which of the flood's trunks a group goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../dataplane/shm/arena.ts';
import { INITIAL_HOPS } from '../../dataplane/shm/layout.ts';
import { createTables } from '../../dataplane/shm/tables.ts';
import type { Carrier } from '../trunk/trunk-port.ts';
import type { TokenWay } from './fabric-link.ts';
import { Quiescence } from './quiescence.ts';
import { createTableWriters } from './table-writers.ts';
import { DIRECT_HOPS, VlanFlood } from './vlan-flood.ts';
import { PATH_ANY } from './vlan-ways.ts';

const BROADCAST = new Uint8Array(16).fill(1);
const GROUP = new Uint8Array(16).fill(2);
const NONCES = { anna: 'aa', berta: 'bb', clara: 'cc' } as const;

/** A VLAN with three members, each with a trunk of its own, and a fabric that says what the test tells it. */
function bench() {
  const tables = createTables({ workerCount: 1, tokenCapacity: 1_024, hashKey: { key0: 1, key1: 2 } });
  const writers = createTableWriters(tables, new Quiescence([createArena(0)], () => undefined), () => 1);
  const says = {
    ways: new Map<Uint8Array, TokenWay[]>(),
    wanting: [] as string[],
    announcers: Object.values(NONCES) as string[],
    carrier: 'udp' as Carrier | undefined,
  };
  const slots: Readonly<Record<string, number>> = { anna: 4, berta: 5, clara: 6 };
  const flood = new VlanFlood({
    vlan: writers.vlans.add(1_500) ?? -1,
    kind: 'open',
    writers,
    fabric: {
      waysOf: (token) => says.ways.get(token) ?? [],
      wantedBy: () => says.wanting,
      announcers: () => says.announcers,
    },
    trunkOf: (peer) => {
      const slot = slots[peer];
      return slot === undefined ? undefined : { slot, carrier: says.carrier, datagramMtuBytes: 1_472 };
    },
  });
  const update = (): void => {
    const members = new Map(Object.entries(NONCES));
    flood.update({ segmentId: new Uint8Array(16), broadcastToken: BROADCAST, members });
  };
  return { flood, says, update };
}

test('where all members are sent to directly, a group goes by the trunks of those who want it', () => {
  const { flood, says, update } = bench();
  says.wanting = [NONCES.berta];
  update();

  assert.deepEqual(flood.groupWays(GROUP), { hops: DIRECT_HOPS, trunks: [5], pathMtuBytes: PATH_ANY });
  says.wanting = [];
  assert.deepEqual(flood.groupWays(GROUP)?.trunks, []);
});

test('a member that has announced nothing yet may want the group', () => {
  const { flood, says, update } = bench();
  says.wanting = [NONCES.berta];
  says.announcers = [NONCES.anna, NONCES.berta];
  update();

  assert.deepEqual(flood.groupWays(GROUP)?.trunks, [5, 6]);
});

test('along the tree a group goes by the ports behind which somebody wants it', () => {
  const { flood, says, update } = bench();
  says.carrier = 'stream';
  says.ways.set(BROADCAST, [
    { trunk: 4, pathMtuBytes: 1_400 },
    { trunk: 5, pathMtuBytes: 1_300 },
  ]);
  says.ways.set(GROUP, [{ trunk: 4, pathMtuBytes: 1_400 }]);
  update();

  assert.deepEqual(flood.groupWays(GROUP), { hops: INITIAL_HOPS, trunks: [4], pathMtuBytes: 1_400 });
});

test('nothing is said of a group while it is not known who wants what', () => {
  const { flood, says, update } = bench();
  assert.equal(flood.groupWays(GROUP), undefined, 'nothing is sealed yet');

  says.carrier = 'stream';
  update();
  assert.equal(flood.groupWays(GROUP), undefined, 'the segment has no ways yet');
  says.carrier = 'udp';
  update();
  assert.ok(flood.groupWays(GROUP));
  flood.update(undefined);
  assert.equal(flood.groupWays(GROUP), undefined, 'nothing is sealed any more');
});
