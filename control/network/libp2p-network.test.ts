/** The real node against peers that misbehave on its streams: two or three libp2p nodes on loopback. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import type { NetworkInput } from '../trunk/network-port.ts';
import { network as startedNetwork, libp2pNode as stranger, testPrivateKey } from './libp2p-fixture.ts';
import { type Libp2pNetwork, startNetwork } from './libp2p-network.ts';
import { frameMessage } from './message-framing.ts';
import { NetworkError } from './network-error.ts';

const TRUNK = '/peertap/trunk/1.0.0';

interface Observed {
  readonly network: Libp2pNetwork;
  readonly datagrams: Uint8Array[];
  until<Kind extends NetworkInput['kind']>(kind: Kind): Promise<Extract<NetworkInput, { kind: Kind }>>;
  untilDatagrams(count: number): Promise<void>;
}

async function observed(t: TestContext): Promise<Observed> {
  const network = await startedNetwork(t);
  const inputs: NetworkInput[] = [];
  const datagrams: Uint8Array[] = [];
  let wake = (): void => undefined;
  const until = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) {
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  network.attach({
    input: (input) => {
      inputs.push(input);
      wake();
    },
    carrierDatagram: (_stream, bytes, offset, length) => {
      datagrams.push(new Uint8Array(bytes.subarray(offset, offset + length)));
      wake();
    },
  });
  return {
    network,
    datagrams,
    untilDatagrams: (count) => until(() => datagrams.length >= count),
    async until(kind) {
      await until(() => inputs.some((input) => input.kind === kind));
      const index = inputs.findIndex((input) => input.kind === kind);
      return inputs.splice(index, 1)[0] as never;
    },
  };
}

test('a check leaves a connection that lives', async (t) => {
  const [one, node] = [await observed(t), await stranger(t)];
  await openTrunkStream(node, one.network);
  await one.until('stream-opened');
  one.network.perform({ kind: 'check-connections' });
  const [connection] = node.getConnections();
  await connection?.newStream(TRUNK, { negotiateFully: true });
  await one.until('stream-opened');

  assert.equal(connection?.status, 'open');
});

async function openTrunkStream(node: Libp2p, target: Libp2pNetwork): Promise<Stream> {
  const address = multiaddr(`${target.listenAddresses()[0] ?? ''}/p2p/${target.peerId}`);
  return node.dialProtocol(address, TRUNK);
}

test('a dial to another peer than expected, and one to nobody, fail with a reason', {
  timeout: 20_000,
}, async (t) => {
  const [a, b, c] = [await observed(t), await observed(t), await observed(t)];
  a.network.perform({ kind: 'dial', peer: c.network.peerId, addresses: b.network.listenAddresses() });
  assert.equal((await a.until('dial-failed')).peer, c.network.peerId);
  await c.network.stop();
  a.network.perform({
    kind: 'dial',
    peer: c.network.peerId,
    addresses: ['/ip4/127.0.0.1/tcp/1', 'nonsense'],
  });
  assert.match((await a.until('dial-failed')).reason, /ECONNREFUSED/);
});

test('a peer without our protocol: the opening fails and says so', { timeout: 20_000 }, async (t) => {
  const [a, node] = [await observed(t), await stranger(t)];
  const address = node.getMultiaddrs()[0]?.toString() ?? '';
  a.network.perform({ kind: 'dial', peer: node.peerId.toString(), addresses: [address] });
  const { connection } = await a.until('connected');
  a.network.perform({ kind: 'open-stream', connection, protocol: 'trunk' });
  assert.match((await a.until('stream-failed')).reason, /no PeerTap/);
});

test('half a message, then the end: the stream is told closed and no message is', {
  timeout: 20_000,
}, async (t) => {
  const [a, node] = [await observed(t), await stranger(t)];
  const stream = await openTrunkStream(node, a.network);
  stream.send(frameMessage(new Uint8Array(100)).subarray(0, 40));
  await stream.close();
  const opened = await a.until('stream-opened');
  assert.equal((await a.until('stream-closed')).stream, opened.stream);
});

test('a message over 64 KiB closes the stream before it is held', { timeout: 20_000 }, async (t) => {
  const [a, node] = [await observed(t), await stranger(t)];
  const stream = await openTrunkStream(node, a.network);
  stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f));
  assert.ok((await a.until('stream-closed')).reason.length > 0);
});

test('bytes that are no libp2p at all leave no connection', { timeout: 20_000 }, async (t) => {
  const a = await observed(t);
  const port = Number(a.network.listenAddresses()[0]?.split('/')[4]);
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.alloc(4_096, 0x41)));
    socket.on('close', () => resolve());
    socket.on('error', () => undefined);
    socket.resume();
  });
  const node = await stranger(t);
  await openTrunkStream(node, a.network);
  assert.equal((await a.until('connected')).peer, node.peerId.toString());
});

test('a peer that does not read its control stream is closed, not queued for', {
  timeout: 20_000,
}, async (t) => {
  const [a, node] = [await observed(t), await stranger(t)];
  const stream = await openTrunkStream(node, a.network);
  stream.pause();
  const opened = await a.until('stream-opened');
  let sends = 0;
  const closed = a.until('stream-closed').then(() => true);
  for (let isClosed = false; !isClosed; sends++) {
    assert.ok(sends < 2_000, 'a queue without end');
    a.network.perform({ kind: 'send-message', stream: opened.stream, message: new Uint8Array(32_768) });
    isClosed = await Promise.race([closed, new Promise<false>((resolve) => setImmediate(resolve, false))]);
  }
});

test('carrier datagrams arrive whole, in order, and are dropped when the queue is full', {
  timeout: 20_000,
}, async (t) => {
  const [a, b] = [await observed(t), await observed(t)];
  a.network.perform({ kind: 'dial', peer: b.network.peerId, addresses: b.network.listenAddresses() });
  const { connection } = await a.until('connected');
  a.network.perform({ kind: 'open-stream', connection, protocol: 'carrier' });
  const { stream } = await a.until('stream-opened');
  const datagram = new Uint8Array(1_400);
  let accepted = 0;
  while (a.network.sendCarrier(stream, datagram, 0, datagram.length)) {
    accepted += 1;
    new DataView(datagram.buffer).setUint32(0, accepted, true);
    assert.ok(accepted < 10_000, 'a queue without end');
  }
  assert.ok(accepted >= 700, 'a queue of 1 MiB');
  await b.untilDatagrams(accepted);
  assert.deepEqual(
    b.datagrams.map((bytes) => new DataView(bytes.buffer).getUint32(0, true)),
    Array.from({ length: accepted }, (_, index) => index),
  );
  assert.ok(a.network.sendCarrier(stream, datagram, 0, datagram.length));
});

test('a port in use and a malformed address are errors that name the address', {
  timeout: 20_000,
}, async (t) => {
  const a = await observed(t);
  const listen = a.network.listenAddresses();
  await assert.rejects(startNetwork({ privateKey: testPrivateKey(), listen }), (error) => {
    return (
      error instanceof NetworkError &&
      error.code === 'listen-failed' &&
      error.message.includes(listen[0] ?? '?')
    );
  });
  await assert.rejects(startNetwork({ privateKey: testPrivateKey(), listen: ['nonsense'] }), {
    code: 'bad-address',
  });
});
