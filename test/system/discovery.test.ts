/**
 * Discovery: nodes of one VLAN that were told nothing of each other meet.
 *
 *   a, b ──[ west ]══uplink══[ east ]── c      a and b share a VLAN; c shares none, and is known to both in one test
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { LabDaemon, type LabDaemonOptions } from '../lab/daemon.ts';
import { type DaemonConfig, randomVlanId } from '../lab/daemon-config.ts';
import { waitFor } from '../lab/deadline.ts';
import { ping } from '../lab/ping.ts';
import { type Lan, makeLan } from '../lab/topology.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const MEET_MS = 60_000;

describeOnce('nodes of one VLAN', (engine) => {
  it('find each other on a LAN without any configuration', BOUND, async (context) => {
    await withNodes({ engine, discovery: { dht: false } }, async ({ a, b }) => {
      for (const node of [a, b]) giveMulticastRoute(node);
      await Promise.all([a.start(), b.start()]);
      context.diagnostic(`first ping after ${await msUntilPing(a, b)} ms`);
    });
  });

  it('find each other through a third node that is not in their VLAN', BOUND, async (context) => {
    await withNodes({ engine, discovery: { mdns: false } }, async ({ a, b, c }) => {
      for (const node of [a, b]) node.writeConfig({ bootstrap: [c.multiaddr] });
      await Promise.all([a, b, c].map((node) => node.start()));
      context.diagnostic(`first ping after ${await msUntilPing(a, b)} ms`);
    });
  });

  it('start without a network, say so, and meet when there is one', BOUND, async (context) => {
    await withNodes({ engine, discovery: { dht: false }, anyAddress: true }, async ({ a, b }) => {
      a.machine.namespace.ip('link', 'set', 'eth0', 'down');
      giveMulticastRoute(b);
      await Promise.all([a.start(), b.start()]);
      await waitFor('a word about the network', () => /no network/i.test(a.log()), {
        timeoutMs: 15_000,
        explain: () => a.logTail(),
      });
      a.assertRunning();
      a.machine.namespace.ip('link', 'set', 'eth0', 'up');
      giveMulticastRoute(a);
      context.diagnostic(`first ping ${await msUntilPing(a, b)} ms after the link came up`);
    });
  });
});

interface Nodes {
  readonly a: LabDaemon;
  readonly b: LabDaemon;
  readonly c: LabDaemon;
}

/** Makes three machines; a and b are configured for one VLAN and know nobody. */
async function withNodes(
  options: Pick<LabDaemonOptions, 'engine' | 'anyAddress'> & Pick<DaemonConfig, 'discovery'>,
  work: (nodes: Nodes) => Promise<void>,
): Promise<void> {
  const { discovery, ...common } = options;
  const lan: Lan = makeLan(3);
  const id = randomVlanId();
  const [a, b, c] = lan.machines.map((machine, index) => {
    const vlan = { id, interface: 'ptap0', addresses: [`10.7.0.${index + 1}/24`] };
    const node = new LabDaemon(machine, { ...common, workers: 1, vlans: index < 2 ? [vlan] : [] });
    node.writeConfig({ discovery: { ...discovery } });
    return node;
  });
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  try {
    await work({ a, b, c });
  } finally {
    await Promise.all([a, b, c].map((node) => node.stop()));
    lan.remove();
  }
}

/** As on a machine with a default route, which these do not have. */
function giveMulticastRoute({ machine }: LabDaemon): void {
  machine.namespace.ip('route', 'replace', '224.0.0.0/4', 'dev', 'eth0');
}

/** Waits for the first ping from a to b. @returns whole ms that it took */
async function msUntilPing(a: LabDaemon, b: LabDaemon): Promise<number> {
  const startMs = performance.now();
  const reached = async (): Promise<boolean> => {
    for (const node of [a, b]) node.assertRunning();
    return (await ping(a.machine.namespace, '10.7.0.2', { count: 1, waitSeconds: 0.3 })).receivedCount > 0;
  };
  await waitFor('a ping', reached, { timeoutMs: MEET_MS, explain: () => `${a.logTail()}\n${b.logTail()}` });
  return Math.round(performance.now() - startMs);
}
