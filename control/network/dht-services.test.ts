/** Three real nodes on loopback: the DHT at work, with one bootstrap address and no other help. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import type { FoundPeer } from '../discovery/discovery-port.ts';
import { meetingPoint, rendezvousKeyOf } from '../discovery/rendezvous.ts';
import { DhtServices, type DhtValueRules } from './dht-services.ts';
import { libp2pNode, network, testPrivateKey } from './libp2p-fixture.ts';
import type { Libp2pNetwork } from './libp2p-network.ts';

interface TestNode {
  readonly network: Libp2pNetwork;
  readonly services: DhtServices;
}

/** The first byte of a value must be 1, the second says how new it is. */
const RULES: DhtValueRules = {
  isValid: (_key, value) => value[0] === 1,
  selectNewest: (_key, values) =>
    values.reduce((best, value, index) => ((value[1] ?? 0) > (values[best]?.[1] ?? 0) ? index : best), 0),
};

async function node(t: TestContext): Promise<TestNode> {
  const services = new DhtServices({ dht: true, mdns: false, values: RULES });
  const libp2p = await network(t, { privateKey: testPrivateKey(), services: services.factories });
  services.setAnnounced(libp2p.listenAddresses());
  return { network: libp2p, services };
}

async function connect(from: TestNode, to: TestNode): Promise<void> {
  const address = to.network.listenAddresses()[0] ?? '';
  from.network.perform({ kind: 'dial', peer: to.network.peerId, addresses: [address] });
  await until(async () => (await from.services.provide(randomBytes(32))) > 0);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail('it did not come about');
}

test('two nodes that know only a third one find each other at a meeting point', async (t) => {
  const [bootstrap, one, two] = [await node(t), await node(t), await node(t)];
  await connect(one, bootstrap);
  await connect(two, bootstrap);
  const digest = meetingPoint(rendezvousKeyOf(new Uint8Array(16).fill(7)), 20_000);

  assert.ok((await one.services.provide(digest)) >= 1, 'somebody took the record');
  const found: FoundPeer[] = [];
  const contacted = await two.services.findProviders(digest, (peers) => found.push(...peers));

  assert.ok(contacted >= 1);
  assert.deepEqual(
    found.map(({ peer, addresses }) => [peer, addresses]),
    [[one.network.peerId, one.network.listenAddresses()]],
  );
});

test('another day’s point and another VLAN’s are empty', async (t) => {
  const [bootstrap, one] = [await node(t), await node(t)];
  await connect(one, bootstrap);
  const key = rendezvousKeyOf(new Uint8Array(16).fill(7));
  await one.services.provide(meetingPoint(key, 20_000));
  const found: FoundPeer[] = [];
  const note = (peers: readonly FoundPeer[]): number => found.push(...peers);
  await bootstrap.services.findProviders(meetingPoint(key, 20_001), note);
  await bootstrap.services.findProviders(meetingPoint(rendezvousKeyOf(new Uint8Array(16)), 20_000), note);
  assert.deepEqual(found, []);
});

test('a node without a DHT to ask says so at once and throws nothing', async (t) => {
  const alone = await node(t);
  const startedMs = performance.now();
  assert.equal(await alone.services.provide(randomBytes(32)), 0);
  assert.equal(await alone.services.findProviders(randomBytes(32), () => undefined), 0);
  assert.equal(await alone.services.getValue(randomBytes(16)), undefined);
  assert.ok(performance.now() - startedMs < 5_000);
});

test('values are held by others if they are valid, and an older one does not replace a newer', async (t) => {
  const [bootstrap, one, two] = [await node(t), await node(t), await node(t)];
  await connect(one, bootstrap);
  await connect(two, bootstrap);
  const key = randomBytes(16);
  assert.ok((await one.services.putValue(key, Uint8Array.of(1, 5))) >= 1);
  assert.deepEqual(await two.services.getValue(key), Uint8Array.of(1, 5));
  await two.services.putValue(key, Uint8Array.of(1, 4));
  assert.deepEqual(await bootstrap.services.getValue(key), Uint8Array.of(1, 5));
  const other = randomBytes(16);
  await one.services.putValue(other, Uint8Array.of(2, 9));
  assert.equal(await two.services.getValue(other), undefined);
});

test('nobody is told addresses that were not announced', async (t) => {
  const [bootstrap, one, two] = [await node(t), await node(t), await node(t)];
  const announced = ['/ip4/192.0.2.7/tcp/7'];
  one.services.setAnnounced(announced);
  await connect(one, bootstrap);
  await connect(two, bootstrap);
  const digest = randomBytes(32);
  await one.services.provide(digest);
  const found: FoundPeer[] = [];
  await two.services.findProviders(digest, (peers) => found.push(...peers));
  assert.deepEqual(
    found.flatMap(({ addresses }) => addresses.map((address) => multiaddr(address).toString())),
    announced,
  );
});

test('garbage on any of its protocols ends that stream and nothing else', async (t) => {
  const [target, other, stranger] = [await node(t), await node(t), await libp2pNode(t)];
  await connect(other, target);
  const connection = await stranger.dial(multiaddr(target.network.listenAddresses()[0] ?? ''));
  for (const protocol of ['kad/1.0.0', 'id/push/1.0.0', 'ping/1.0.0', 'id/1.0.0']) {
    for (const bytes of [
      Uint8Array.of(255, 255, 255, 255, 255),
      Uint8Array.of(3, 8, 1, 18),
      randomBytes(5_000),
    ]) {
      const stream = await connection.newStream(`/peertap/${protocol}`);
      // identify has answered, and closed, before it reads.
      if (stream.writeStatus === 'writable') stream.send(bytes);
      await stream.close().catch(() => undefined);
    }
  }
  const digest = randomBytes(32);
  assert.ok((await other.services.provide(digest)) >= 1);
  const found: FoundPeer[] = [];
  await target.services.findProviders(digest, (peers) => found.push(...peers));
  assert.deepEqual(
    found.map(({ peer }) => peer),
    [other.network.peerId],
  );
});
