/**
 * Circuits between real nodes on loopback: reservations, dials through a relay, every protocol over it, and who is kept
 * out: by the relay's own policy, and by the swarm's gate.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { createLibp2p, type Libp2p } from 'libp2p';
import { Swarm } from '../swarm/swarm.ts';
import type { NetworkInput } from '../trunk/network-port.ts';
import { LOOPBACK_TCP, network } from './libp2p-fixture.ts';
import type { Libp2pNetwork } from './libp2p-network.ts';
import type { NetworkOptions } from './libp2p-node.ts';

const TIMEOUT = { timeout: 40_000 };
const PROTOCOL = '/peertap/test/1.0.0';

class Node {
  readonly inputs: NetworkInput[] = [];
  readonly datagrams: Uint8Array[] = [];
  readonly network: Libp2pNetwork;
  #waiting: (() => void)[] = [];

  constructor(node: Libp2pNetwork) {
    this.network = node;
    node.attach({
      input: (input) => {
        this.inputs.push(input);
        this.#tell();
      },
      carrierDatagram: (_, bytes, offset, length) => {
        this.datagrams.push(Uint8Array.from(bytes.subarray(offset, offset + length)));
        this.#tell();
      },
    });
  }

  get id(): string {
    return this.network.peerId;
  }

  /** Where it listens itself, named. */
  get address(): string {
    return `${this.network.listenAddresses().find((text) => !text.includes('p2p-circuit')) ?? ''}/p2p/${this.id}`;
  }

  async until<Kind extends NetworkInput['kind']>(kind: Kind): Promise<Extract<NetworkInput, { kind: Kind }>> {
    for (;;) {
      const at = this.inputs.findIndex((input) => input.kind === kind);
      if (at >= 0) return this.inputs.splice(at, 1)[0] as never;
      await this.wake();
    }
  }

  wake(): Promise<void> {
    return new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #tell(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async dial(peer: string, addresses: readonly string[]): Promise<NetworkInput> {
    this.network.perform({ kind: 'dial', peer, addresses });
    for (;;) {
      const at = this.inputs.findIndex(
        (input) => (input.kind === 'connected' || input.kind === 'dial-failed') && input.peer === peer,
      );
      const [found] = at >= 0 ? this.inputs.splice(at, 1) : [];
      if (found !== undefined) return found;
      await this.wake();
    }
  }

  /** Asks a relay for a place, and waits until it can be told. */
  async reserve(relay: Node): Promise<string> {
    await this.dial(relay.id, [relay.address]);
    this.network.perform({ kind: 'want-relays', relays: [{ peer: relay.id, addresses: [] }] });
    const circuit = `/p2p/${relay.id}/p2p-circuit`;
    for (let tries = 0; !this.network.listenAddresses().includes(circuit); tries++) {
      assert.ok(tries < 200, 'no reservation');
      await sleep(50);
    }
    return circuit;
  }
}

async function node(t: TestContext, options: Partial<NetworkOptions> = {}): Promise<Node> {
  return new Node(await network(t, options));
}

const forAll = { relay: { mayRelay: () => true } };

function swarmOf(t: TestContext, key?: string): Swarm {
  const path = mkdtempSync(join(tmpdir(), 'peertap-circuit-'));
  t.after(() => rmSync(path, { recursive: true }));
  const swarm = Swarm.open(path);
  if (key === undefined) swarm.configure();
  else swarm.join(key);
  return swarm;
}

/** An address at which connections are taken, and nothing is ever said. */
async function silence(t: TestContext): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`;
}

/** A relay that nobody guards, as anyone may run one. */
async function plainRelay(t: TestContext): Promise<Libp2p> {
  const relay = await createLibp2p({
    addresses: { listen: [LOOPBACK_TCP] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), relay: circuitRelayServer() },
    connectionMonitor: { enabled: false },
  });
  t.after(() => relay.stop());
  return relay;
}

test('a node is reached through a relay, and every protocol goes by the circuit', TIMEOUT, async (t) => {
  const [relay, a, b] = [await node(t, forAll), await node(t), await node(t)];
  const circuit = await a.reserve(relay);
  await b.dial(relay.id, [relay.address]);
  const connected = await b.dial(a.id, [circuit]);
  assert.ok(connected.kind === 'connected', JSON.stringify(connected));
  assert.deepEqual([connected.transport, connected.remoteIp], ['circuit', undefined]);
  const { connection } = connected;
  for (const protocol of ['trunk', 'carrier'] as const) {
    b.network.perform({ kind: 'open-stream', connection, protocol });
  }
  const opened = [await b.until('stream-opened'), await b.until('stream-opened')];
  const trunk = opened.find(({ protocol }) => protocol === 'trunk');
  const carrier = opened.find(({ protocol }) => protocol === 'carrier');
  assert.ok(trunk !== undefined && carrier !== undefined);
  b.network.perform({ kind: 'send-message', stream: trunk.stream, message: Uint8Array.of(1, 2, 3) });
  assert.deepEqual(Uint8Array.from((await a.until('message')).message), Uint8Array.of(1, 2, 3));
  // More than libp2p's own limit for a circuit, 128 KiB.
  const datagram = new Uint8Array(1_400).fill(7);
  for (let count = 0; count < 400; count++) {
    assert.ok(b.network.sendCarrier(carrier.stream, datagram, 0, datagram.length));
    if (count % 50 === 0) await sleep(5);
  }
  while (a.datagrams.length < 400) await a.wake();
  const heard = new Promise<string>((resolve) => {
    void a.network.streams.accept(PROTOCOL, (stream) => {
      stream.onMessage = (message) => resolve(Buffer.from(message).toString());
    });
  });
  const stream = await b.network.streams.open(a.id, PROTOCOL, []);
  stream.send(Buffer.from('hello'));
  assert.equal(await heard, 'hello');
});

test(
  'a direct address is taken before a circuit, and a circuit when that swallows all',
  TIMEOUT,
  async (t) => {
    const [relay, a, b] = [await node(t, forAll), await node(t), await node(t)];
    const circuit = await a.reserve(relay);
    await b.dial(relay.id, [relay.address]);
    const direct = await b.dial(a.id, [circuit, a.address]);
    assert.ok(direct.kind === 'connected' && direct.transport === 'tcp');
    const c = await node(t);
    await c.dial(relay.id, [relay.address]);
    const startMs = performance.now();
    const far = await c.dial(a.id, [await silence(t), circuit]);
    assert.ok(far.kind === 'connected' && far.transport === 'circuit', JSON.stringify(far));
    assert.ok(performance.now() - startMs < 3_000, 'it waited for what swallows all');
  },
);

test('a connection beside a circuit may be dialled', TIMEOUT, async (t) => {
  const [relay, a, b] = [await node(t, forAll), await node(t), await node(t)];
  const circuit = await a.reserve(relay);
  await b.dial(relay.id, [relay.address]);
  await b.dial(a.id, [circuit]);
  b.network.perform({ kind: 'dial', peer: a.id, addresses: [a.address] });
  const again = await b.until('connected');
  assert.equal(again.transport, 'circuit', 'the one that is there does');
  b.network.perform({ kind: 'dial', peer: a.id, addresses: [a.address], isFresh: true });
  const fresh = await b.until('connected');
  assert.equal(fresh.transport, 'tcp');
  assert.notEqual(fresh.connection, again.connection);
});

test(
  'a relay gives no place to whom its policy refuses, and carries nobody to or from it',
  TIMEOUT,
  async (t) => {
    const refused = new Set<string>();
    const relay = await node(t, { relay: { mayRelay: (peer) => !refused.has(peer) } });
    const [a, b, c] = [await node(t), await node(t), await node(t)];
    const circuit = await a.reserve(relay);
    refused.add(b.id);
    await b.dial(relay.id, [relay.address]);
    assert.equal((await b.dial(a.id, [circuit])).kind, 'dial-failed');
    b.network.perform({ kind: 'want-relays', relays: [{ peer: relay.id, addresses: [] }] });
    await sleep(1_000);
    assert.ok(!b.network.listenAddresses().includes(circuit));
    refused.add(a.id);
    await c.dial(relay.id, [relay.address]);
    assert.equal(
      (await c.dial(a.id, [circuit])).kind,
      'dial-failed',
      'the one that is reached counts as well',
    );
  },
);

test('who relays for nobody is no relay, and a place goes with its connection', TIMEOUT, async (t) => {
  const [relay, other, a, b] = [await node(t, forAll), await node(t), await node(t), await node(t)];
  await a.dial(other.id, [other.address]);
  a.network.perform({ kind: 'want-relays', relays: [{ peer: other.id, addresses: [] }] });
  const circuit = await a.reserve(relay);
  await a.network.stop();
  await b.dial(relay.id, [relay.address]);
  assert.equal((await b.dial(a.id, [circuit])).kind, 'dial-failed');
  assert.ok(!a.network.listenAddresses().some((text) => text.includes(other.id)));
});

test('in a swarm, members reach each other through a relay of it', TIMEOUT, async (t) => {
  const swarm = swarmOf(t);
  const { key } = swarm.exchange();
  const relay = await node(t, { ...forAll, swarm });
  const [a, b] = [await node(t, { swarm: swarmOf(t, key) }), await node(t, { swarm: swarmOf(t, key) })];
  const circuit = await a.reserve(relay);
  await b.dial(relay.id, [relay.address]);
  const connected = await b.dial(a.id, [circuit]);
  assert.ok(connected.kind === 'connected' && connected.transport === 'circuit', JSON.stringify(connected));
});

test('a stranger uses no relay of a swarm, and no relay of its own leads into one', TIMEOUT, async (t) => {
  const swarm = swarmOf(t);
  const { key } = swarm.exchange();
  const [relay, a] = [await node(t, { ...forAll, swarm }), await node(t, { swarm: swarmOf(t, key) })];
  await a.reserve(relay);
  const stranger = await node(t);
  await stranger.dial(relay.id, [relay.address]);
  await stranger.until('disconnected');
  a.inputs.length = 0;
  const through = `${relay.address}/p2p-circuit`;
  assert.equal((await stranger.dial(a.id, [through])).kind, 'dial-failed');
  // A relay outside: a member does not even connect to it.
  const outside = await plainRelay(t);
  const outsideAddress = outside.getMultiaddrs()[0]?.toString() ?? '';
  assert.equal((await a.dial(outside.peerId.toString(), [outsideAddress])).kind, 'dial-failed');
  assert.deepEqual(
    a.inputs.filter(({ kind }) => kind === 'connected' || kind === 'stream-opened'),
    [],
  );
});

test('a member of the swarm that lets strangers through cannot make them members', TIMEOUT, async (t) => {
  const swarm = swarmOf(t);
  const { key } = swarm.exchange();
  // It has the key, and proves it; but asks nobody for a proof.
  const traitor = await node(t, { ...forAll, swarm });
  const own = swarmOf(t, key);
  const a = await node(t, { swarm: own });
  const circuit = await a.reserve(traitor);
  // The swarm's end opens the traitor to all, while a's connection and its place stay.
  swarm.isAuthorised = () => true;
  swarm.keys = () => [];
  const stranger = await node(t);
  const met = await stranger.dial(traitor.id, [traitor.address]);
  assert.equal(met.kind, 'connected', 'the traitor takes it');
  a.inputs.length = 0;
  // Its own end has no gate: the circuit stands there until the other end has waited for a proof.
  const reached = await stranger.dial(a.id, [circuit]);
  if (reached.kind === 'connected') await stranger.until('disconnected');
  assert.deepEqual(
    a.inputs.filter(({ kind }) => kind === 'connected' || kind === 'stream-opened'),
    [],
    'the circuit ends at the gate of its end',
  );
  assert.deepEqual(own.authorised(), [traitor.id]);
});
