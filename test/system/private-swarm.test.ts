/**
 * A private swarm: nodes with its key meet, a stranger gets no trunk, and a change of key cuts nothing off.
 *
 *   a, b ──[ west ]══uplink══[ east ]── c      one open VLAN on all; c has no key at first
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { LabDaemon } from '../lab/daemon.ts';
import { randomVlanId } from '../lab/daemon-config.ts';
import { waitFor } from '../lab/deadline.ts';
import { ping } from '../lab/ping.ts';
import { type Lan, makeLan } from '../lab/topology.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 60_000 };
const MEET_MS = 30_000;
/** A stranger dials again and again in that time. */
const STRANGER_MS = 8_000;

describeOnce('a private swarm', (engine) => {
  let lan: Lan;
  let nodes: LabDaemon[];

  before(async () => {
    lan = makeLan(3);
    const id = randomVlanId();
    nodes = lan.machines.map(
      (machine, index) =>
        new LabDaemon(machine, {
          engine,
          workers: 1,
          vlans: [{ id, interface: 'ptap0', addresses: [`10.7.0.${index + 1}/24`] }],
        }),
    );
    for (const node of nodes) {
      node.writeConfig({
        bootstrap: nodes.filter((other) => other !== node).map((other) => other.multiaddr),
      });
    }
    await Promise.all(nodes.map((node) => node.start()));
  }, BOUND);

  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    lan.remove();
  });

  it('is made by one node and joined by another, and whoever has no key is out', BOUND, async () => {
    const [a, b, stranger] = three();
    await waitForPing(a, 3);
    const key = await a.succeed('swarm', 'configure');
    await b.succeed('swarm', 'join', key);
    await waitForPing(a, 2);
    await waitFor('the stranger’s trunks to end', async () => (await trunksUp(stranger)) === 0, {
      timeoutMs: MEET_MS,
    });
    await sleep(STRANGER_MS);
    assert.equal(await trunksUp(stranger), 0);
    for (const node of [a, b]) assert.equal(await trunksUp(node), 1, node.logTail());
    assert.equal(await isReached(a, 3), false);
    assert.match(await a.succeed('swarm', 'status'), /^refused +[1-9]/m);
  });

  it('takes the stranger in once it has the key', BOUND, async () => {
    const [a, , stranger] = three();
    await stranger.succeed('swarm', 'join', await a.succeed('swarm', 'exchange'));
    await waitForPing(a, 3);
  });

  it('changes its key without a break for those that have both', BOUND, async () => {
    const [a, b, c] = three();
    const pinging = ping(a.machine.namespace, '10.7.0.2', { count: 200, intervalSeconds: 0.05 });
    const key = await a.succeed('swarm', 'rotate');
    for (const node of [b, c]) await node.succeed('swarm', 'join', key);
    await a.succeed('swarm', 'rotate', '--finish');
    const { sentCount, receivedCount, output } = await pinging;
    assert.equal(receivedCount, sentCount, output.split('\n').slice(-3).join('\n'));
    await waitForPing(a, 3);
  });

  function three(): [LabDaemon, LabDaemon, LabDaemon] {
    const [a, b, c] = nodes;
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    return [a, b, c];
  }

  async function trunksUp(node: LabDaemon): Promise<number> {
    return (await node.status()).trunks.filter((trunk) => trunk.state === 'up').length;
  }

  async function isReached(from: LabDaemon, host: number): Promise<boolean> {
    const probe = { count: 1, waitSeconds: 0.5 };
    return (await ping(from.machine.namespace, `10.7.0.${host}`, probe)).receivedCount > 0;
  }

  async function waitForPing(from: LabDaemon, host: number): Promise<void> {
    const explain = (): string => nodes.map((node) => node.logTail(15)).join('\n');
    await waitFor(`a ping to 10.7.0.${host}`, () => isReached(from, host), { timeoutMs: MEET_MS, explain });
  }
});
