/** Nodes for tests on loopback: ours, and plain libp2p ones that may speak as they like. */
import { generateKeyPairSync } from 'node:crypto';
import type { TestContext } from 'node:test';
import { noise } from '@chainsafe/libp2p-noise';
import { quic } from '@chainsafe/libp2p-quic';
import { yamux } from '@chainsafe/libp2p-yamux';
import { tcp } from '@libp2p/tcp';
import { webSockets } from '@libp2p/websockets';
import { createLibp2p, type Libp2p } from 'libp2p';
import { type ConnectionGuard, GuardedConnections } from './guarded-connections.ts';
import { type Libp2pNetwork, startNetwork } from './libp2p-network.ts';
import type { NetworkOptions } from './libp2p-node.ts';
import { Refusals } from './refusals.ts';

export const LOOPBACK_TCP = '/ip4/127.0.0.1/tcp/0';

/** A node key as `NetworkOptions` takes it. */
export function testPrivateKey(): Uint8Array {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return Buffer.concat([jwk.d ?? '', jwk.x ?? ''].map((part) => Buffer.from(part, 'base64url')));
}

/** A node of ours, stopped after the test. */
export async function network(t: TestContext, options: Partial<NetworkOptions> = {}): Promise<Libp2pNetwork> {
  const node = await startNetwork({ privateKey: testPrivateKey(), listen: [LOOPBACK_TCP], ...options });
  t.after(() => node.stop());
  return node;
}

/** A plain libp2p node on all transports. */
export async function libp2pNode(t: TestContext): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: [LOOPBACK_TCP] },
    transports: [tcp(), webSockets(), quic()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
  t.after(() => node.stop());
  return node;
}

/** A libp2p node that proves in its own way. */
export async function guardedNode(t: TestContext, guard: ConnectionGuard, listen: string): Promise<Libp2p> {
  const guarded = new GuardedConnections(guard, new Refusals(() => 0), () => true);
  const node = await createLibp2p({
    addresses: { listen: [listen] },
    transports: [tcp(), webSockets(), quic()].map((transport) =>
      guarded.guardTransport(transport as ReturnType<typeof tcp>),
    ),
    connectionEncrypters: [guarded.guardEncrypter(noise())],
    streamMuxers: [guarded.guardMuxer(yamux())],
    connectionGater: guarded.gater(),
    connectionMonitor: { enabled: false },
  });
  t.after(() => node.stop());
  return node;
}
