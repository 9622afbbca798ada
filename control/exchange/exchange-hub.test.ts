/** Behaviour of exchange streams between hubs over streams in memory. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import type { MessageStream, MessageStreams } from '../network/message-streams.ts';
import { contactKeyOf, writeOpening } from './contact.ts';
import { createPipe } from './exchange.fixture.ts';
import { EXCHANGE_PROTOCOL, ExchangeHub, type VlanExchange } from './exchange-hub.ts';
import { objectDigest } from './object-exchange.ts';

const VLAN = new Uint8Array(16).fill(1);
const OTHER_VLAN = new Uint8Array(16).fill(2);

interface TestNode {
  readonly self: string;
  readonly hub: ExchangeHub;
  readonly heard: string[];
  accept: ((stream: MessageStream) => void) | undefined;
}

class World {
  readonly nodes: TestNode[] = [];
  nowMs = 0;
  isCut = false;
  opened = 0;

  async add(): Promise<TestNode> {
    const { publicKey } = generateKeyPairSync('ed25519');
    const key = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
    const self = formatPeerId(key);
    const streams = this.#streamsOf(self);
    const hub = new ExchangeHub({
      streams,
      self,
      publicKey: key,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      nowMs: () => this.nowMs,
    });
    const node: TestNode = { self, hub, heard: [], accept: undefined };
    this.nodes.push(node);
    this.nodes.sort((left, right) => (left.self < right.self ? -1 : 1));
    await hub.start();
    return node;
  }

  #streamsOf(self: string): MessageStreams {
    return {
      open: (peer) => {
        const target = this.nodes.find((node) => node.self === peer);
        this.opened++;
        if (this.isCut || target === undefined) return Promise.reject(new Error('no connection'));
        const [near, far] = createPipe(self, peer);
        target.accept?.(far);
        return Promise.resolve(near);
      },
      accept: (protocol, onStream) => {
        assert.equal(protocol, EXCHANGE_PROTOCOL);
        const node = this.nodes.find((candidate) => candidate.self === self);
        if (node !== undefined) node.accept = onStream;
        return Promise.resolve();
      },
    };
  }
}

function join(node: TestNode, vlan: Uint8Array): VlanExchange {
  return node.hub.add(vlan, {
    peerUp: (peer) => node.heard.push(`up ${peer}`),
    peerDown: (peer) => node.heard.push(`down ${peer}`),
    message: (_peer, kind, bytes) => node.heard.push(`${kind} ${Buffer.from(bytes).toString()}`),
    object: (_digest, bytes) => node.heard.push(`object ${bytes?.length}`),
  });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function pair(): Promise<{ world: World; low: TestNode; high: TestNode }> {
  const world = new World();
  await world.add();
  await world.add();
  const [low, high] = world.nodes;
  assert.ok(low && high);
  return { world, low, high };
}

function end(world: World): void {
  for (const node of world.nodes) node.hub.stop();
}

test('two nodes that share a VLAN get one stream, and talk and pull over it', async () => {
  const { world, low, high } = await pair();
  const [a, b] = [join(low, VLAN), join(high, VLAN)];
  low.hub.share(high.self, [VLAN]);
  high.hub.share(low.self, [VLAN]);
  await settle();
  assert.equal(world.opened, 1);
  assert.deepEqual([low.heard, high.heard], [[`up ${high.self}`], [`up ${low.self}`]]);

  a.send(high.self, 'gossip', Buffer.from('hello'));
  const object = new Uint8Array(50_000).fill(3);
  b.offer(objectDigest(object), object, () => true);
  a.fetch(objectDigest(object), [high.self]);
  await settle();
  await settle();
  assert.deepEqual(high.heard.slice(1), ['gossip hello']);
  assert.deepEqual(low.heard.slice(1), ['object 50000']);
  end(world);
});

test('a node that does not have the VLAN hears nothing of it and gets no stream', async () => {
  const { world, low, high } = await pair();
  join(low, VLAN);
  join(high, OTHER_VLAN);
  low.hub.share(high.self, [VLAN]);
  await settle();
  assert.deepEqual([low.heard, high.heard], [[], []]);
  assert.equal(high.hub.counters.contactsRefused, 1);
  end(world);
});

test('a stream that fails or ends is opened again, ever more seldom, while the VLAN is shared', async () => {
  const { world, low, high } = await pair();
  join(low, VLAN);
  join(high, VLAN);
  world.isCut = true;
  low.hub.share(high.self, [VLAN]);
  for (let step = 0; step < 100; step++) {
    world.nowMs += 250;
    low.hub.tick();
    await settle();
  }
  assert.ok(world.opened >= 5 && world.opened <= 8, `${world.opened} attempts in 25 s`);

  world.isCut = false;
  world.nowMs += 30_000;
  low.hub.tick();
  await settle();
  assert.deepEqual(low.heard, [`up ${high.self}`]);

  low.hub.share(high.self, []);
  await settle();
  world.nowMs += 60_000;
  low.hub.tick();
  await settle();
  assert.deepEqual(low.heard, [`up ${high.self}`, `down ${high.self}`]);
  assert.deepEqual(high.heard, [`up ${low.self}`, `down ${low.self}`]);
  end(world);
});

test('what is no message is counted, and a flood is cut', async () => {
  const { world, low, high } = await pair();
  const a = join(low, VLAN);
  join(high, VLAN);
  low.hub.share(high.self, [VLAN]);
  await settle();
  const link = a.links.get(high.self);
  link?.stream.send(Uint8Array.of(99, 1, 2));
  for (let count = 0; count < 3_000; count++) a.send(high.self, 'gossip', Uint8Array.of(1));
  await settle();
  assert.equal(high.hub.counters.messagesInvalid, 1);
  assert.equal(high.hub.counters.messagesRefused, 1_001);
  end(world);
});

test('a stream that was on its way when the VLAN was left does not come up', async () => {
  const { world, low, high } = await pair();
  join(low, VLAN);
  join(high, VLAN);
  low.hub.share(high.self, [VLAN]);
  low.hub.remove(VLAN);
  await settle();
  await settle();
  assert.deepEqual(low.heard, []);
  assert.deepEqual(high.heard.at(-1), `down ${low.self}`);
  end(world);
});

test('a peer whose key is not Ed25519 gets no stream, whatever it proves', async () => {
  const { world, high } = await pair();
  join(high, VLAN);
  // As libp2p names RSA keys. With no key to prove by, zeros would be what both ends have in common.
  const [near, far] = createPipe('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', high.self);
  const acceptor = publicKeyOfPeerId(high.self);
  assert.ok(acceptor);
  const ends = { opener: new Uint8Array(32), acceptor };
  high.accept?.(far);
  near.send(writeOpening(contactKeyOf(VLAN), ends, new Uint8Array(16)));
  await settle();
  assert.deepEqual(high.heard, []);
  assert.equal(high.hub.counters.contactsRefused, 1);
  end(world);
});
