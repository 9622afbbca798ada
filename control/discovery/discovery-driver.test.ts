/** Discovery on real libp2p nodes on loopback; a dialled connection stands for a trunk. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DhtServices } from '../network/dht-services.ts';
import { network, testPrivateKey } from '../network/libp2p-fixture.ts';
import type { Libp2pNetwork } from '../network/libp2p-network.ts';
import type { DiscoveryConfig } from './discovery-config.ts';
import { DiscoveryDriver } from './discovery-driver.ts';
import type { DiscoveryRow } from './discovery-port.ts';
import { presenceKeyOf } from './presence.ts';

const VLAN = new Uint8Array(16).fill(9);
const QUICK: Partial<DiscoveryConfig> = {
  mdns: false,
  decideDelayMs: 10,
  reviewMs: 100,
  lookupMinMs: 200,
  lookupMaxMs: 400,
  dhtRetryMs: 200,
};

interface TestNode {
  readonly libp2p: Libp2pNetwork;
  readonly driver: DiscoveryDriver;
  readonly wanted: Map<string, readonly string[]>;
  readonly log: string[];
}

async function node(
  t: TestContext,
  setup: {
    readonly vlans: readonly Uint8Array[];
    readonly bootstrap?: TestNode;
    readonly config?: Partial<DiscoveryConfig>;
  },
): Promise<TestNode> {
  const privateKey = testPrivateKey();
  const services = new DhtServices({ dht: true, mdns: false });
  const libp2p = await network(t, { privateKey, services: services.factories });
  const wanted = new Map<string, readonly string[]>();
  const log: string[] = [];
  const ports = {
    self: libp2p.peerId,
    seed: privateKey.slice(0, 32),
    network: services,
    streams: libp2p.streams,
    setPeers: (peers: readonly { readonly peer: string; readonly addresses: readonly string[] }[]) => {
      for (const { peer, addresses } of peers) {
        if (!wanted.has(peer)) libp2p.perform({ kind: 'dial', peer, addresses });
        wanted.set(peer, addresses);
      }
    },
    say: () => undefined,
    log: (_level: string, code: string) => log.push(code),
  };
  const driver = new DiscoveryDriver(ports, { ...QUICK, ...setup.config });
  libp2p.attach({
    input: (input) => {
      if (input.kind === 'connected' && input.dialled) {
        driver.trunkNotice({ kind: 'trunk-up', trunk: 1, peer: input.peer, roles: [] });
      } else if (input.kind === 'disconnected') {
        driver.trunkNotice({ kind: 'trunk-down', trunk: 1, peer: input.peer, reason: 'dead' });
      }
    },
    carrierDatagram: () => undefined,
  });
  await driver.start();
  t.after(() => driver.stop());
  driver.setAddresses(libp2p.listenAddresses(), new Set());
  driver.setVlans(
    setup.vlans.map((id) => ({ id, presenceKeys: [presenceKeyOf(id)], members: undefined, segments: [] })),
  );
  const { bootstrap } = setup;
  const address = `${bootstrap?.libp2p.listenAddresses()[0] ?? ''}/p2p/${bootstrap?.libp2p.peerId ?? ''}`;
  driver.setConfigured(bootstrap === undefined ? [] : [address]);
  return { libp2p, driver, wanted, log };
}

function row(of: TestNode, about: TestNode): DiscoveryRow | undefined {
  return of.driver.status().find(({ peer }) => peer === about.libp2p.peerId);
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(what);
}

test('two members that know one bootstrap address find each other at their meeting point, and dial', async (t) => {
  const bootstrap = await node(t, { vlans: [] });
  const one = await node(t, { vlans: [VLAN], bootstrap });
  const two = await node(t, { vlans: [VLAN], bootstrap });
  const other = await node(t, { vlans: [new Uint8Array(16)], bootstrap });

  await until(() => one.wanted.has(two.libp2p.peerId) || two.wanted.has(one.libp2p.peerId), 'they have met');
  await until(
    () => row(one, two)?.hasTrunk === true && row(two, one)?.hasTrunk === true,
    'they have dialled',
  );

  const found = [row(one, two)?.sources, row(two, one)?.sources].flat();
  assert.ok(found.includes('dht'), found.join());
  assert.equal(row(other, one), undefined, 'a node of another VLAN has not heard of them');
});

test('a member for which there is no place is warm: asked for a sign of life over one stream', async (t) => {
  const bootstrap = await node(t, { vlans: [] });
  const config = { connectionLimit: 1, heartbeatIntervalMs: 1_000 };
  const one = await node(t, { vlans: [VLAN], bootstrap, config });
  const two = await node(t, {
    vlans: [VLAN],
    bootstrap,
    config: { connectionLimit: 1, heartbeatIntervalMs: 60_000 },
  });

  await until(() => row(one, two)?.standing === 'warm', 'it is warm');
  await until(() => (one.driver.counters().get('discoveryHeartbeats') ?? 0) >= 3, 'it is asked');

  assert.equal(one.driver.counters().get('discoveryHeartbeatsFailed'), undefined);
  assert.equal(one.wanted.has(two.libp2p.peerId), false);
  await two.libp2p.stop();
  await until(() => (one.driver.counters().get('discoveryHeartbeatsFailed') ?? 0) > 0, 'its end is noticed');
});
