/**
 * The private swarm's gate between real nodes on loopback, on each carrier: who is let in, and that nobody else gets
 * anything of any protocol.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { identify } from '@libp2p/identify';
import type { Connection, Stream } from '@libp2p/interface';
import { kadDHT } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { multiaddr } from '@multiformats/multiaddr';
import { Swarm } from '../swarm/swarm.ts';
import type { NetworkInput } from '../trunk/network-port.ts';
import type { ConnectionGuard } from './guarded-connections.ts';
import { guardedNode, libp2pNode, network, testPrivateKey } from './libp2p-fixture.ts';
import type { Libp2pNetwork } from './libp2p-network.ts';
import { createNode } from './libp2p-node.ts';
import { frameMessage } from './message-framing.ts';

const CARRIERS = {
  TCP: '/ip4/127.0.0.1/tcp/0',
  WebSocket: '/ip4/127.0.0.1/tcp/0/ws',
  QUIC: '/ip4/127.0.0.1/udp/0/quic-v1',
} as const;
const TIMEOUT = { timeout: 60_000 };
const PROTOCOL = '/peertap/test/1.0.0';

function swarmOf(t: TestContext, key?: string): Swarm {
  const path = mkdtempSync(join(tmpdir(), 'peertap-gate-'));
  t.after(() => rmSync(path, { recursive: true }));
  const swarm = Swarm.open(path);
  if (key === undefined) swarm.configure();
  else swarm.join(key);
  return swarm;
}

interface Member {
  readonly swarm: Swarm;
  readonly network: Libp2pNetwork;
  readonly inputs: NetworkInput[];
  until<Kind extends NetworkInput['kind']>(kind: Kind): Promise<Extract<NetworkInput, { kind: Kind }>>;
}

async function member(t: TestContext, swarm: Swarm, listen: string): Promise<Member> {
  const node = await network(t, { swarm, listen: [listen] });
  const inputs: NetworkInput[] = [];
  let wake = (): void => undefined;
  node.attach({ input: (input) => (inputs.push(input), wake()), carrierDatagram: () => undefined });
  const until: Member['until'] = async (kind) => {
    for (;;) {
      const at = inputs.findIndex((input) => input.kind === kind);
      if (at >= 0) return inputs.splice(at, 1)[0] as never;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { swarm, network: node, inputs, until };
}

const addressOf = (node: Libp2pNetwork): string => `${node.listenAddresses()[0] ?? ''}/p2p/${node.peerId}`;

/** Resolves when the connection has ended. */
async function closed(connection: Connection): Promise<void> {
  if (connection.status === 'open') {
    await new Promise((resolve) => connection.addEventListener('close', resolve, { once: true }));
  }
}

for (const [carrier, listen] of Object.entries(CARRIERS)) {
  test(`${carrier}: members connect, and speak every protocol`, TIMEOUT, async (t) => {
    const one = swarmOf(t);
    const [a, b] = [await member(t, one, listen), await member(t, swarmOf(t, one.exchange().key), listen)];
    a.network.perform({ kind: 'dial', peer: b.network.peerId, addresses: [addressOf(b.network)] });
    const { connection } = await a.until('connected');
    a.network.perform({ kind: 'open-stream', connection, protocol: 'trunk' });
    await Promise.all([a.until('stream-opened'), b.until('stream-opened')]);
    const accepted = new Promise<string>((resolve) => {
      void b.network.streams.accept(PROTOCOL, (stream) => {
        stream.onMessage = (message) => resolve(Buffer.from(message).toString());
      });
    });
    const stream = await a.network.streams.open(b.network.peerId, PROTOCOL, []);
    stream.send(Buffer.from('hello'));
    assert.equal(await accepted, 'hello');
    assert.deepEqual([a.swarm.authorised(), b.swarm.authorised()], [[b.network.peerId], [a.network.peerId]]);
  });

  test(
    `${carrier}: a stranger gets nothing of any protocol, and its connection is closed`,
    TIMEOUT,
    async (t) => {
      const swarm = swarmOf(t);
      const { node } = await createNode({
        privateKey: testPrivateKey(),
        listen: [listen],
        swarm,
        services: {
          identify: identify(),
          ping: ping(),
          dht: kadDHT({ protocol: '/peertap/kad/1.0.0', clientMode: false }),
        },
      });
      t.after(() => node.stop());
      let handled = 0;
      let opened = 0;
      node.addEventListener('connection:open', () => (opened += 1));
      for (const protocol of ['/peertap/trunk/1.0.0', '/peertap/carrier/1.0.0', '/peertap/vlan/1.0.0']) {
        await node.handle(protocol, () => void (handled += 1));
      }
      await node.start();
      await node.handle('/later/1.0.0', () => void (handled += 1));
      const protocols = node.getProtocols();
      assert.ok(protocols.length >= 8, protocols.join());
      const stranger = await libp2pNode(t);
      const address = node.getMultiaddrs()[0];
      assert.ok(address !== undefined);
      for (const protocol of [...protocols, '/peertap/none/1.0.0']) {
        const connection = await stranger.dial(address);
        // Without a negotiation's answer, since the stream would wait for it: any byte would be something.
        await assert.rejects(connection.newStream(protocol, { signal: AbortSignal.timeout(10_000) }));
        await closed(connection);
      }
      assert.deepEqual([handled, opened, node.getConnections().length], [0, 0, 0]);
      assert.equal(swarm.report().refusedConnections, protocols.length + 1);
    },
  );

  test(`${carrier}: a node of another swarm is refused at both ends`, TIMEOUT, async (t) => {
    const [a, b] = [await member(t, swarmOf(t), listen), await member(t, swarmOf(t), listen)];
    a.network.perform({ kind: 'dial', peer: b.network.peerId, addresses: [addressOf(b.network)] });
    assert.match((await a.until('dial-failed')).reason, /not in this private swarm/);
    assert.deepEqual([a.inputs, b.inputs], [[], []]);
    assert.equal(a.swarm.report().refusedConnections, 1);
  });

  test(
    `${carrier}: proofs that were recorded from a member open nothing to another peer`,
    TIMEOUT,
    async (t) => {
      const swarm = swarmOf(t);
      const b = await member(t, swarmOf(t, swarm.exchange().key), listen);
      // What a member sends and what it is answered, as one would see it who holds its own connection's keys.
      const recorded: Uint8Array[] = [];
      const thief: ConnectionGuard = {
        isActive: () => true,
        admit: async (_peer, opening) => {
          const stream = await opening();
          if (recorded.length === 0) {
            // The member that dials the thief shows it a nonce first.
            recorded.push((await nextChunk(stream)).slice(1));
            throw new Error('that was all I wanted');
          }
          stream.send(frameMessage(recorded[0] ?? new Uint8Array()));
          const answer = await nextChunk(stream);
          // b's own proofs go back to it, as the opener's.
          stream.send(frameMessage(answer.slice(-64)));
          await closedStream(stream);
        },
      };
      const evil = await guardedNode(t, thief, listen);
      const a = await member(t, swarm, listen);
      const evilAddress = evil.getMultiaddrs()[0]?.toString() ?? '';
      a.network.perform({ kind: 'dial', peer: evil.peerId.toString(), addresses: [evilAddress] });
      await a.until('dial-failed');
      assert.equal(recorded[0]?.length, 33);
      // Whether it is closed before libp2p gives it out or after is a matter of microtasks.
      const connection = await evil.dial(multiaddr(addressOf(b.network))).catch(() => undefined);
      if (connection !== undefined) await closed(connection);
      assert.deepEqual(b.inputs, []);
      assert.equal(b.swarm.report().refusedConnections, 1);
    },
  );

  test(
    `${carrier}: a rotation cuts nobody with both keys, and its end those without the new one`,
    TIMEOUT,
    async (t) => {
      const one = swarmOf(t);
      const [a, b, c] = [
        await member(t, one, listen),
        await member(t, swarmOf(t, one.exchange().key), listen),
        await member(t, swarmOf(t, one.exchange().key), listen),
      ];
      for (const { network: peer } of [b, c]) {
        a.network.perform({ kind: 'dial', peer: peer.peerId, addresses: [addressOf(peer)] });
        await a.until('connected');
      }
      await Promise.all([b.until('connected'), c.until('connected')]);
      const fresh = a.swarm.rotate();
      assert.deepEqual(
        [...(await a.until('authorised')).peers].sort(),
        [b, c].map((m) => m.network.peerId).sort(),
      );
      b.swarm.join(fresh.key);
      await b.until('authorised');
      a.swarm.finishRotation();
      assert.deepEqual((await a.until('authorised')).peers, [b.network.peerId]);
      assert.equal((await a.until('disconnected')).peer, c.network.peerId);
      await c.until('disconnected');
      // The connection of those that both have the new key is the one of before.
      const kept = [a, b].flatMap(({ inputs }) => inputs.filter(({ kind }) => kind === 'disconnected'));
      assert.deepEqual(kept, []);
      // And c, with the new key, comes back.
      c.swarm.join(fresh.key);
      c.network.perform({ kind: 'dial', peer: a.network.peerId, addresses: [addressOf(a.network)] });
      await c.until('connected');
    },
  );
}

test('a stranger that says nothing is not kept, on any carrier', TIMEOUT, async (t) => {
  const stranger = await libp2pNode(t);
  const silent = Object.values(CARRIERS).map(async (listen) => {
    const a = await member(t, swarmOf(t), listen);
    await closed(await stranger.dial(multiaddr(addressOf(a.network))));
    assert.deepEqual([a.inputs, a.swarm.report().refusedConnections], [[], 1]);
  });
  await Promise.all(silent);
});

test('a swarm that is made at run time ends what is open, one that is left as well', TIMEOUT, async (t) => {
  const open = (): Swarm => {
    const swarm = swarmOf(t);
    swarm.leave();
    return swarm;
  };
  const [a, b] = [await member(t, open(), CARRIERS.TCP), await member(t, open(), CARRIERS.TCP)];
  const meet = async (): Promise<void> => {
    a.network.perform({ kind: 'dial', peer: b.network.peerId, addresses: [addressOf(b.network)] });
    await Promise.all([a.until('connected'), b.until('connected')]);
  };
  await meet();
  const { key } = a.swarm.configure();
  assert.deepEqual((await a.until('authorised')).peers, []);
  await Promise.all([a.until('disconnected'), b.until('disconnected')]);
  b.swarm.join(key);
  await meet();
  b.swarm.leave();
  assert.deepEqual((await b.until('authorised')).peers, []);
  await Promise.all([a.until('disconnected'), b.until('disconnected')]);
  a.network.perform({ kind: 'dial', peer: b.network.peerId, addresses: [addressOf(b.network)] });
  assert.match((await a.until('dial-failed')).reason, /private swarm/);
});

function nextChunk(stream: Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    stream.addEventListener('message', ({ data }) => resolve(data.subarray()), { once: true });
    stream.addEventListener('close', () => reject(new Error('closed')), { once: true });
  });
}

async function closedStream(stream: Stream): Promise<void> {
  if (stream.status === 'open') {
    await new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
  }
}

test('who is refused learns why, and leaves the peer alone until its own keys change', TIMEOUT, async (t) => {
  const swarm = swarmOf(t);
  const a = await member(t, swarm, CARRIERS.TCP);
  const outside = swarmOf(t);
  outside.leave();
  const b = await member(t, outside, CARRIERS.TCP);
  const dial = (): void =>
    b.network.perform({ kind: 'dial', peer: a.network.peerId, addresses: [addressOf(a.network)] });
  dial();
  const { connection } = await b.until('connected');
  b.network.perform({ kind: 'open-stream', connection, protocol: 'trunk' });
  assert.match((await b.until('disconnected')).reason ?? '', /private swarm.*peertap swarm join/);
  for (let attempt = 0; attempt < 20; attempt++) {
    dial();
    assert.match((await b.until('dial-failed')).reason, /peertap swarm join/);
    await assert.rejects(b.network.streams.open(a.network.peerId, PROTOCOL, [addressOf(a.network)]));
  }
  assert.equal(a.swarm.report().refusedConnections, 1);
  b.swarm.join(swarm.exchange().key);
  dial();
  await Promise.all([a.until('connected'), b.until('connected')]);
});
