/** Behaviour of the trunk link: effects become lanes in the tables, and what workers report becomes inputs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP, DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { ENDPOINT_BYTES, INJECTION } from '../../dataplane/contract/ring-message.ts';
import { type Arena, createArena } from '../../dataplane/shm/arena.ts';
import {
  CARRIER_NONE,
  CARRIER_UDP,
  LANE_FREE,
  LANE_RECEIVES,
  LANE_SENDS,
  Lane,
  NONE,
  Trunk,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { emptyMessage, RingConsumer } from '../../dataplane/shm/ring.ts';
import { createTables, type Tables } from '../../dataplane/shm/tables.ts';
import type { Carrier, DataplaneInput, InstallLane, LaneAllocation, LinkKeys } from '../trunk/trunk-port.ts';
import { encodeEndpoint } from './endpoint.ts';
import { Injector } from './injector.ts';
import { Quiescence } from './quiescence.ts';
import { createTableWriters } from './table-writers.ts';
import { TrunkLink } from './trunk-link.ts';

const PEER = '12D3KooWPeer';
const THERE = { ip: '192.0.2.1', port: 7_947 };

function keys(fill: number): LinkKeys {
  const k = new Uint8Array(32).fill(fill);
  return { k1: k, k2: k, k3: k, k4: k, linkToken: new Uint8Array(16).fill(fill) };
}

class World {
  readonly tables: Tables = createTables({
    workerCount: 2,
    tokenCapacity: 64,
    hashKey: { key0: 1, key1: 2 },
  });
  readonly arenas: readonly Arena[] = [createArena(0), createArena(1)];
  readonly drops = new Float64Array(DROP_CODES.length);
  readonly inputs: DataplaneInput[] = [];
  readonly streamed: { trunk: number; bytes: Uint8Array }[] = [];
  readonly woken: number[] = [];
  readonly routes: { peer: string; body: Uint8Array }[] = [];
  readonly slots = new Map<string, number | undefined>();
  readonly link: TrunkLink;
  streamFull = false;

  constructor() {
    const quiescence = new Quiescence(this.arenas, () => undefined);
    const writers = createTableWriters(this.tables, quiescence, () => 0x1234_5678);
    this.link = new TrunkLink({
      workerCount: 2,
      ipv6: false,
      lanes: writers.lanes,
      trunks: writers.trunks,
      injector: new Injector(this.arenas, (worker) => this.woken.push(worker), this.drops),
      drops: this.drops,
      trunkChanged: (peer, trunk) => this.slots.set(peer, trunk?.slot),
      laneUsed: () => undefined,
    });
    this.link.attach({
      input: (input) => this.inputs.push(input),
      sendStream: (trunk, bytes, offset, length) => {
        this.streamed.push({ trunk, bytes: bytes.slice(offset, offset + length) });
        return !this.streamFull;
      },
      sendBody: (peer, _, body) => this.routes.push({ peer, body }),
    });
    this.link.perform({ kind: 'add-trunk', trunk: 1, peer: PEER });
  }

  install(lane: number, options: { carrier?: Carrier; generation?: number } = {}): LaneAllocation {
    const worker = lane % 2;
    const allocation = this.link.allocateLane(worker);
    assert.ok(allocation);
    const effect: InstallLane = {
      kind: 'install-lane',
      trunk: 1,
      handle: allocation.handle,
      carrier: options.carrier ?? 'udp',
      lane,
      generation: options.generation ?? 1,
      worker,
      localIndex: allocation.receiverIndex,
      peerIndex: 77,
      rx: keys(1),
      tx: keys(2),
      address: undefined,
      notAfterMs: 2 ** 32 + 5_000.5,
    };
    this.link.perform(effect);
    return allocation;
  }

  slot(allocation: LaneAllocation): number {
    return allocation.receiverIndex & 8_191;
  }

  lane(allocation: LaneAllocation, at: number): number {
    return this.tables.u32[(TABLE.lanes + this.slot(allocation) * Lane.size + at) >> 2] ?? 0;
  }

  trunk(at: number): number {
    const slot = this.slots.get(PEER) ?? 0;
    return this.tables.u32[(TABLE.trunks + slot * Trunk.size + at) >> 2] ?? 0;
  }

  injected(worker: number): { type: number; a: number; payload: Uint8Array }[] {
    const ring = new RingConsumer((this.arenas[worker] as Arena).buffer, ARENA.injections);
    const message = emptyMessage();
    const into = new Uint8Array(70_000);
    const out: { type: number; a: number; payload: Uint8Array }[] = [];
    while (ring.take(message, into, 0)) {
      out.push({ type: message.type, a: message.a, payload: into.slice(0, message.payloadBytes) });
    }
    return out;
  }
}

test('a lane receives when installed, sends when used, and is out of the trunk when removed', () => {
  const world = new World();
  const lane = world.install(1);
  world.link.perform({ kind: 'set-trunk', trunk: 1, carrier: 'udp', datagramMtuBytes: 1_472 });
  assert.equal(world.lane(lane, Lane.at.state), LANE_RECEIVES);
  assert.equal(world.trunk(Trunk.at.lanes + 4), NONE);
  assert.equal(world.lane(lane, Lane.at.notAfterMs), 5_000);

  world.link.perform({ kind: 'use-lane', handle: lane.handle });
  assert.equal(world.lane(lane, Lane.at.state), LANE_SENDS);
  assert.equal(world.trunk(Trunk.at.lanes), NONE);
  assert.equal(world.trunk(Trunk.at.lanes + 4), world.slot(lane));
  assert.equal(world.trunk(Trunk.at.laneCount), 2);
  assert.deepEqual(
    [world.trunk(Trunk.at.carrier), world.trunk(Trunk.at.datagramMtuBytes)],
    [CARRIER_UDP, 1_472],
  );

  world.link.perform({ kind: 'remove-lane', handle: lane.handle });
  assert.equal(world.lane(lane, Lane.at.state), LANE_FREE);
  assert.equal(world.trunk(Trunk.at.lanes + 4), NONE);
});

test('the lane used last stands in for the older one of its number, and only the carrier of the trunk counts', () => {
  const world = new World();
  const [older, newer, stream] = [
    world.install(0),
    world.install(0, { generation: 2 }),
    world.install(0, { carrier: 'stream' }),
  ];
  world.link.perform({ kind: 'set-trunk', trunk: 1, carrier: 'udp', datagramMtuBytes: 1_400 });
  for (const lane of [newer, older, newer, stream]) {
    world.link.perform({ kind: 'use-lane', handle: lane.handle });
  }
  assert.equal(world.trunk(Trunk.at.lanes), world.slot(newer));

  world.link.perform({ kind: 'set-trunk', trunk: 1, carrier: 'stream', datagramMtuBytes: 9_000 });
  assert.equal(world.trunk(Trunk.at.lanes), world.slot(stream));
  world.link.perform({ kind: 'set-trunk', trunk: 1, carrier: undefined, datagramMtuBytes: 9_000 });
  assert.deepEqual(
    [world.trunk(Trunk.at.carrier), world.trunk(Trunk.at.datagramMtuBytes)],
    [CARRIER_NONE, 0],
  );
});

test('a probe goes to the worker of its lane, and the answer from where the peer was heard', async () => {
  const world = new World();
  const lane = world.install(1);
  const heard = encodeEndpoint(THERE, Uint8Array.of(10, 0, 0, 9), false) as Uint8Array;
  const payload = new Uint8Array(ENDPOINT_BYTES + 3);
  payload.set(heard);
  payload.set([1, 2, 3], ENDPOINT_BYTES);
  world.link.probeReceived(world.slot(lane), { bytes: payload, offset: 0, length: payload.length });
  assert.deepEqual(world.inputs, [
    { kind: 'lane-accepted', handle: lane.handle },
    { kind: 'probe', handle: lane.handle, source: THERE, body: Uint8Array.of(1, 2, 3) },
  ]);

  world.link.perform({ kind: 'send-probe', handle: lane.handle, address: THERE, body: Uint8Array.of(9) });
  const [probe] = world.injected(1);
  assert.ok(probe);
  assert.deepEqual([probe.type, probe.a], [INJECTION.link, world.slot(lane)]);
  assert.deepEqual(probe.payload.slice(0, ENDPOINT_BYTES), heard);
  await Promise.resolve();
  assert.deepEqual(world.woken, [1]);
});

test('a lane sends from where it is heard, and lets the kernel choose when that address is gone', () => {
  const world = new World();
  const lane = world.install(0);
  const at = TABLE.lanes + world.slot(lane) * Lane.size + Lane.at.sourceAddress;
  const source = (): number[] => [...world.tables.bytes.subarray(at, at + 4)];
  const hear = (...local: number[]): void => {
    const bytes = encodeEndpoint(THERE, Uint8Array.from(local), false) as Uint8Array;
    world.link.probeReceived(world.slot(lane), { bytes, offset: 0, length: bytes.length });
  };
  hear(10, 0, 0, 9);
  world.link.perform({ kind: 'set-lane-address', handle: lane.handle, address: THERE });
  assert.deepEqual(source(), [10, 0, 0, 9]);

  world.link.keepSources(new Set(['10.0.0.8']));
  assert.deepEqual(source(), [0, 0, 0, 0]);
  assert.notEqual(world.lane(lane, Lane.at.addressBytes), 0, 'it still goes to the peer');
  hear(10, 0, 0, 8);
  assert.deepEqual(source(), [10, 0, 0, 8]);
  world.link.keepSources(new Set(['10.0.0.8', '10.0.0.7']));
  assert.deepEqual(source(), [10, 0, 0, 8]);
});

test('an address that these sockets cannot reach is neither set nor probed', () => {
  const world = new World();
  const lane = world.install(0);
  const address = { ip: '2001:db8::1', port: 1 };
  world.link.perform({ kind: 'set-lane-address', handle: lane.handle, address });
  world.link.perform({ kind: 'send-probe', handle: lane.handle, address, body: new Uint8Array(1) });

  assert.equal(world.lane(lane, Lane.at.addressBytes), 0);
  assert.equal(world.injected(0).length, 0);
});

test('the first accepted datagram of a lane is told once', () => {
  const world = new World();
  const lane = world.install(0);
  world.link.pollAccepted();
  assert.equal(world.inputs.length, 0);
  world.tables.f64[(TABLE.lanes + world.slot(lane) * Lane.size + Lane.at.rxAccepted) >> 3] = 1;
  world.link.pollAccepted();
  world.link.pollAccepted();

  assert.deepEqual(world.inputs, [{ kind: 'lane-accepted', handle: lane.handle }]);
});

test('totals are told when they change, probes not counted as traffic', () => {
  const world = new World();
  const lane = world.install(0);
  assert.equal(world.link.laneStats().length, 1);
  assert.equal(world.link.laneStats().length, 0);
  const field = (at: number): number => (TABLE.lanes + world.slot(lane) * Lane.size + at) >> 3;
  world.tables.f64[field(Lane.at.rxAccepted)] = 5;
  world.tables.f64[field(Lane.at.txDatagrams)] = 3;
  world.link.probeReceived(world.slot(lane), {
    bytes: new Uint8Array(ENDPOINT_BYTES),
    offset: 0,
    length: ENDPOINT_BYTES,
  });

  assert.deepEqual(world.link.laneStats(), [
    { handle: lane.handle, txDatagrams: 3, rxDatagrams: 4, highestCounter: 0 },
  ]);
});

test('a datagram of a stream carrier goes to its lane only, from its own trunk only', () => {
  const world = new World();
  const [udp, stream] = [world.install(0), world.install(1, { carrier: 'stream' })];
  const datagram = (lane: LaneAllocation, xor = 0): Uint8Array => {
    const bytes = new Uint8Array(80);
    new DataView(bytes.buffer).setUint32(4, (lane.receiverIndex ^ xor) >>> 0, true);
    return bytes;
  };
  world.link.deliverStream(1, datagram(stream), 0, 80);
  assert.deepEqual(
    world.injected(1).map(({ type, a }) => [type, a]),
    [[INJECTION.carrier, world.slot(stream)]],
  );

  world.link.deliverStream(2, datagram(stream), 0, 80);
  world.link.deliverStream(1, datagram(udp), 0, 80);
  world.link.deliverStream(1, datagram(stream, 0x8000_0000), 0, 80);
  world.link.deliverStream(1, datagram(stream), 0, 63);
  assert.equal(world.injected(1).length + world.injected(0).length, 0);
  assert.equal(world.drops[DROP['carrier-mismatch']], 2);
  assert.equal(world.drops[DROP['receiver-unknown']], 1);
  assert.equal(world.drops[DROP['datagram-short']], 1);
});

test('a datagram for a stream whose queue is full is dropped and counted', () => {
  const world = new World();
  world.install(1, { carrier: 'stream' });
  const bytes = new Uint8Array(100).fill(5);
  world.link.carrierDatagram(world.slots.get(PEER) ?? -1, { bytes, offset: 10, length: 70 });
  assert.deepEqual(world.streamed, [{ trunk: 1, bytes: new Uint8Array(70).fill(5) }]);
  world.streamFull = true;
  world.link.carrierDatagram(world.slots.get(PEER) ?? -1, { bytes, offset: 0, length: 70 });

  assert.equal(world.drops[DROP['carrier-queue-full']], 1);
});

test('a dead worker has no lane that could seal, and the machine is told when it runs again', () => {
  const world = new World();
  const [mine, others] = [world.install(1), world.install(0)];
  world.link.perform({ kind: 'use-lane', handle: mine.handle });
  world.link.workerDied(1);
  assert.equal(world.lane(mine, Lane.at.state), LANE_FREE);
  assert.equal(world.lane(others, Lane.at.state), LANE_RECEIVES);
  world.link.perform({ kind: 'use-lane', handle: mine.handle });
  assert.equal(world.lane(mine, Lane.at.state), LANE_FREE, 'using it does not bring it back');

  world.link.workerRestarted(1);
  assert.deepEqual(world.inputs, [{ kind: 'worker-restarted', worker: 1 }]);
});

test('a full ring refuses and is counted', () => {
  const world = new World();
  const lane = world.install(0, { carrier: 'stream' });
  const bytes = new Uint8Array(60_000);
  new DataView(bytes.buffer).setUint32(4, lane.receiverIndex, true);
  for (let index = 0; index < 100; index++) {
    world.link.deliverStream(1, bytes, 0, bytes.length);
  }
  assert.ok((world.drops[DROP['ring-full']] ?? 0) > 20);
});
