import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { LOOPBACK_TCP, libp2pNode, network } from './libp2p-fixture.ts';
import type { Libp2pNetwork } from './libp2p-network.ts';

const TIMEOUT = { timeout: 60_000 };
const addressOf = (node: Libp2pNetwork): string => `${node.listenAddresses()[0] ?? ''}/p2p/${node.peerId}`;

test(
  'a wanted peer finds a place for which a stranger leaves, another stranger finds none',
  TIMEOUT,
  async (t) => {
    // One trunk and the reserve of 64: as many connections as three strangers' nodes open to fill them.
    const places = 65;
    const node = await network(t, { trunksMax: 1, listen: [LOOPBACK_TCP] });
    const connected: string[] = [];
    let disconnected = 0;
    node.attach({
      input: (input) => {
        if (input.kind === 'connected') connected.push(input.peer);
        if (input.kind === 'disconnected') disconnected += 1;
      },
      carrierDatagram: () => undefined,
    });
    const address = multiaddr(addressOf(node));
    for (let filled = 0; filled < places; filled += 4) {
      const stranger = await libp2pNode(t);
      for (let opened = 0; opened < Math.min(4, places - filled); opened++) {
        await stranger.dial(address, { force: true });
        // A host may open 32 connections a second.
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    }
    assert.equal(connected.length, places);

    const wanted = await network(t);
    node.perform({ kind: 'want-peers', peers: [wanted.peerId] });
    const late = await libp2pNode(t);
    const refused = await late.dial(address).catch(() => undefined);
    if (refused?.status === 'open') {
      await new Promise((resolve) => refused.addEventListener('close', resolve, { once: true }));
    }
    assert.deepEqual([connected.length, disconnected], [places, 0]);

    await wanted.streams.open(node.peerId, '/peertap/none/1.0.0', [addressOf(node)]).catch(() => undefined);
    assert.equal(connected.at(-1), wanted.peerId);
    while (disconnected === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(disconnected, 1);
  },
);

test('one peer has four connections at most', TIMEOUT, async (t) => {
  const node = await network(t);
  let connected = 0;
  node.attach({
    input: ({ kind }) => (connected += Number(kind === 'connected')),
    carrierDatagram: () => undefined,
  });
  const peer = await libp2pNode(t);
  const address = multiaddr(addressOf(node));
  for (let count = 0; count < 4; count++) await peer.dial(address, { force: true });
  const fifth = await peer.dial(address, { force: true }).catch(() => undefined);
  if (fifth?.status === 'open') {
    await new Promise((resolve) => fifth.addEventListener('close', resolve, { once: true }));
  }
  assert.equal(connected, 4);
});
