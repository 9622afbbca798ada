/**
 * Two drivers over two real libp2p nodes on loopback, with real key exchange.
 *
 *   driver A ── libp2p, 127.0.0.1 tcp ── driver B
 *      └─ LoopbackDataplane ── in memory ──┘        datagrams without ciphers, between two fake UDP ports
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LOOPBACK_TCP, testPrivateKey } from '../network/libp2p-fixture.ts';
import { type Libp2pNetwork, startNetwork } from '../network/libp2p-network.ts';
import type { NetworkOptions } from '../network/libp2p-node.ts';
import { Swarm } from '../swarm/swarm.ts';
import { TrunkDriver } from './trunk-driver.ts';
import type {
  DatagramAddress,
  DataplaneEffect,
  InstallLane,
  LaneAllocation,
  LaneStats,
  NoticeEffect,
  TrunkDataplane,
  TrunkDataplaneHost,
  TrunkId,
} from './trunk-port.ts';

const HEADER_BYTES = 64;

/** Lanes without ciphers: a datagram names its receiver index, and its body is in the clear. */
class LoopbackDataplane implements TrunkDataplane {
  readonly workerCount = 2;
  readonly lanes = new Map<
    number,
    { readonly index: number; installed: InstallLane | undefined; isAccepted: boolean }
  >();
  readonly effects: DataplaneEffect[] = [];
  readonly ports: Map<number, LoopbackDataplane>;
  readonly basePort: number;
  isUdpBlocked = false;
  #host: TrunkDataplaneHost | undefined;
  #next = 1;

  constructor(ports: Map<number, LoopbackDataplane>, basePort: number) {
    this.ports = ports;
    this.basePort = basePort;
    for (let worker = 0; worker < this.workerCount; worker++) {
      ports.set(basePort + worker, this);
    }
  }

  attach(host: TrunkDataplaneHost): void {
    this.#host = host;
  }

  allocateLane(): LaneAllocation {
    const handle = this.#next++;
    this.lanes.set(handle, { index: handle + 1_000, installed: undefined, isAccepted: false });
    return { handle, receiverIndex: handle + 1_000 };
  }

  perform(effect: DataplaneEffect): void {
    this.effects.push(effect);
    if (effect.kind === 'install-lane') {
      const lane = this.lanes.get(effect.handle) ?? assert.fail('install of an unknown lane');
      lane.installed = effect;
    } else if (effect.kind === 'remove-lane') {
      this.lanes.delete(effect.handle);
    } else if (effect.kind === 'send-probe') {
      this.#send(effect.handle, effect.address, effect.body);
    }
  }

  laneStats(): LaneStats[] {
    return [];
  }

  deliverStream(_trunk: TrunkId, bytes: Uint8Array, offset: number, length: number): void {
    this.receive(bytes.slice(offset, offset + length), undefined);
  }

  receive(datagram: Uint8Array, source: DatagramAddress | undefined): void {
    const receiver = new DataView(datagram.buffer, datagram.byteOffset).getUint32(4, true);
    for (const [handle, lane] of this.lanes) {
      if (lane.index === receiver && lane.installed !== undefined) {
        this.#host?.input({ kind: 'probe', handle, source, body: datagram.slice(HEADER_BYTES) });
      }
    }
  }

  #send(handle: number, address: DatagramAddress | undefined, body: Uint8Array): void {
    const lane = this.lanes.get(handle)?.installed ?? assert.fail('probe on a lane that is not installed');
    const datagram = new Uint8Array(HEADER_BYTES + body.length);
    new DataView(datagram.buffer).setUint32(4, lane.peerIndex, true);
    datagram.set(body, HEADER_BYTES);
    if (address === undefined) {
      this.#host?.sendStream(lane.trunk, datagram, 0, datagram.length);
    } else if (!this.isUdpBlocked && address.ip === '127.0.0.1') {
      const source = { ip: '127.0.0.1', port: this.basePort + lane.worker };
      queueMicrotask(() => this.ports.get(address.port)?.receive(datagram, source));
    }
  }
}

interface TestNode {
  readonly network: Libp2pNetwork;
  readonly dataplane: LoopbackDataplane;
  readonly driver: TrunkDriver;
  readonly notices: NoticeEffect[];
  /** Resolves with the first notice of the kind that fits, past ones included. */
  until(fits: (notice: NoticeEffect) => boolean): Promise<NoticeEffect>;
}

async function createNode(
  t: TestContext,
  ports: Map<number, LoopbackDataplane>,
  basePort: number,
  options: Partial<NetworkOptions> = {},
): Promise<TestNode> {
  const network = await startNetwork({ privateKey: testPrivateKey(), listen: [LOOPBACK_TCP], ...options });
  const dataplane = new LoopbackDataplane(ports, basePort);
  const notices: NoticeEffect[] = [];
  const waiters: {
    readonly fits: (notice: NoticeEffect) => boolean;
    readonly resolve: (notice: NoticeEffect) => void;
  }[] = [];
  const notify = (notice: NoticeEffect): void => {
    notices.push(notice);
    for (const waiter of waiters.filter(({ fits }) => fits(notice))) {
      waiter.resolve(notice);
    }
  };
  const driver = new TrunkDriver({ self: network.peerId, network, dataplane, notify });
  driver.start();
  t.after(async () => {
    driver.stop();
    await network.stop();
  });
  driver.input({
    kind: 'set-addresses',
    datagramPort: basePort,
    datagram: [],
    listen: network.listenAddresses(),
  });
  const until = (fits: (notice: NoticeEffect) => boolean): Promise<NoticeEffect> => {
    const past = notices.find(fits);
    return past === undefined
      ? new Promise((resolve) => waiters.push({ fits, resolve }))
      : Promise.resolve(past);
  };
  return { network, dataplane, driver, notices, until };
}

const isCarrier = (carrier: string) => (notice: NoticeEffect) =>
  notice.kind === 'log' && notice.message === `trunk carrier is now ${carrier}`;

function installs(node: TestNode): Map<string, InstallLane> {
  const found = node.dataplane.effects.filter((effect) => effect.kind === 'install-lane');
  return new Map(found.map((effect) => [`${effect.carrier}/${effect.lane}/${effect.generation}`, effect]));
}

test('two nodes make a trunk with the same keys, find their shared VLAN, and part in order', {
  timeout: 20_000,
}, async (t) => {
  const ports = new Map<number, LoopbackDataplane>();
  const [a, b] = [await createNode(t, ports, 20_000), await createNode(t, ports, 21_000)];
  const [shared, lonely] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
  a.driver.input({ kind: 'set-vlans', vlans: [shared, lonely] });
  b.driver.input({ kind: 'set-vlans', vlans: [shared] });
  a.driver.input({ kind: 'set-peers', peers: [], unnamed: b.network.listenAddresses() });
  const met = await Promise.all([
    a.until((notice) => notice.kind === 'vlans-shared'),
    b.until((notice) => notice.kind === 'vlans-shared'),
  ]);
  for (const notice of met) {
    assert.deepEqual(notice.kind === 'vlans-shared' && notice.vlans, [shared]);
  }
  await Promise.all([a.until(isCarrier('udp')), b.until(isCarrier('udp'))]);

  const [ofA, ofB] = [installs(a), installs(b)];
  assert.deepEqual([...ofA.keys()].sort(), [...ofB.keys()].sort());
  for (const [name, lane] of ofA) {
    assert.deepEqual(lane.tx, ofB.get(name)?.rx, name);
    assert.deepEqual(lane.rx, ofB.get(name)?.tx, name);
    assert.equal(lane.peerIndex, ofB.get(name)?.localIndex);
  }
  assert.equal(ofA.size, 4);
  assert.equal(a.driver.status()[0]?.state, 'up');

  b.driver.stop();
  await a.until((notice) => notice.kind === 'trunk-down');
  a.driver.stop();
  assert.equal(a.dataplane.lanes.size, 0);
  assert.equal(b.dataplane.lanes.size, 0);
});

for (const listen of [LOOPBACK_TCP, `${LOOPBACK_TCP}/ws`, '/ip4/127.0.0.1/udp/0/quic-v1']) {
  test(`${listen}: a trunk comes up, without datagrams over the carrier stream`, {
    timeout: 20_000,
  }, async (t) => {
    for (const carrier of ['udp', 'stream']) {
      const ports = new Map<number, LoopbackDataplane>();
      const options = { listen: [listen] };
      const [a, b] = [
        await createNode(t, ports, 20_000, options),
        await createNode(t, ports, 21_000, options),
      ];
      a.dataplane.isUdpBlocked = carrier === 'stream';
      b.dataplane.isUdpBlocked = carrier === 'stream';
      b.driver.input({
        kind: 'set-peers',
        peers: [{ peer: a.network.peerId, addresses: a.network.listenAddresses() }],
      });
      await Promise.all([a.until(isCarrier(carrier)), b.until(isCarrier(carrier))]);
      assert.equal(b.driver.status()[0]?.carrier, carrier);
    }
  });
}

function joinedSwarm(t: TestContext, key?: string): Swarm {
  const path = mkdtempSync(join(tmpdir(), 'peertap-trunk-swarm-'));
  t.after(() => rmSync(path, { recursive: true }));
  const swarm = Swarm.open(path);
  if (key === undefined) swarm.configure();
  else swarm.join(key);
  return swarm;
}

test('the end of a rotation ends the trunks of those without the new key, and moves no other', {
  timeout: 20_000,
}, async (t) => {
  const ports = new Map<number, LoopbackDataplane>();
  const swarm = joinedSwarm(t);
  const a = await createNode(t, ports, 20_000, { swarm });
  const swarms = [joinedSwarm(t, swarm.exchange().key), joinedSwarm(t, swarm.exchange().key)] as const;
  const b = await createNode(t, ports, 21_000, { swarm: swarms[0] });
  const c = await createNode(t, ports, 22_000, { swarm: swarms[1] });
  for (const node of [b, c]) {
    node.driver.input({
      kind: 'set-peers',
      peers: [{ peer: a.network.peerId, addresses: a.network.listenAddresses() }],
    });
    await node.until(isCarrier('udp'));
  }
  swarms[0].join(swarm.rotate().key);
  swarm.finishRotation();
  const isDown = (notice: NoticeEffect): boolean => notice.kind === 'trunk-down';
  const [atA, atC] = await Promise.all([a.until(isDown), c.until(isDown)]);
  assert.deepEqual(
    [atA, atC].map((notice) => notice.kind === 'trunk-down' && [notice.peer, notice.reason]),
    [
      [c.network.peerId, 'not-authorised'],
      [a.network.peerId, 'not-authorised'],
    ],
  );
  assert.deepEqual([...a.notices, ...b.notices].filter(isDown).length, 1);
  const rows = new Map(a.driver.status().map((row) => [row.peer, row]));
  assert.equal(rows.get(b.network.peerId)?.state, 'up');
  assert.equal(rows.get(c.network.peerId)?.trunk, undefined);
});
