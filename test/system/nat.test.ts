/**
 * Members behind two NATs: a relay on the internet carries their traffic until they have a way of their own, which comes soon.
 *
 *   a ──ptap0 10.7.0.1 ┈(daemon ─ eth0 ══[ NAT ]══ internet ══[ NAT ]══ eth0 ─ daemon)┈ 10.7.0.2 ptap0── b
 *                                                     ║
 *                                                  relay, on no VLAN                          (lab/nats.ts)
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as v from 'valibot';

import { LabDaemon, type LabDaemonOptions } from '../lab/daemon.ts';
import { randomVlanId } from '../lab/daemon-config.ts';
import { waitFor } from '../lab/deadline.ts';
import { FABRIC_TAP, RELAY_FOR_ALL } from '../lab/fabric-net.ts';
import { makeNats, type Nats } from '../lab/nats.ts';
import { answers } from '../lab/pairs.ts';
import { longestGap, ping } from '../lab/ping.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const UP_TIMEOUT_MS = 30_000;
/** From the moment that both have a trunk to the relay. */
const DIRECT_LIMIT_MS = 5_000;
/** When a first attempt has failed, others follow with a growing pause. */
const AGAIN_LIMIT_MS = 40_000;
/** Traffic may stand still for this long while it changes its way. */
const GAP_LIMIT_MS = 500;
const PING_INTERVAL_SECONDS = 0.05;

const peersSchema = v.object({
  peers: v.array(
    v.object({ peer: v.string(), carrier: v.nullable(v.string()), address: v.nullable(v.string()) }),
  ),
});

describeOnce('two members behind NATs', (engine) => {
  it('come to a direct way', BOUND, async (context) => {
    await withHomes({ engine, workers: 1 }, async (homes) => {
      await homes.start();
      const startMs = performance.now();
      const elapsed = () => Math.round(performance.now() - startMs);
      const [pingMs, directMs] = await Promise.all([
        homes.waitForPing().then(elapsed),
        homes.waitForDirect(UP_TIMEOUT_MS).then(elapsed),
      ]);
      context.diagnostic(`first ping after ${pingMs} ms, direct after ${directMs} ms`);
      assert.ok(directMs <= DIRECT_LIMIT_MS, `direct only after ${directMs} ms\n${homes.explain()}`);
    });
  });

  it(
    'talk by the relay while there is no direct way, and go over to it when there is',
    BOUND,
    async (context) => {
      await withHomes({ engine, workers: 1 }, async (homes) => {
        homes.nats.part();
        await homes.start();
        await homes.waitForPing();
        assert.equal(await homes.isDirect(), false);
        const joinMs = performance.now();
        const count = AGAIN_LIMIT_MS / (PING_INTERVAL_SECONDS * 1000);
        const pinging = homes.nats.a.namespace.start('ping', [
          '-n',
          '-c',
          String(count),
          '-i',
          String(PING_INTERVAL_SECONDS),
          homes.addressOfB,
        ]);
        const output: string[] = [];
        pinging.stdout?.setEncoding('utf8').on('data', (text: string) => output.push(text));
        homes.nats.join();
        await homes.waitForDirect(AGAIN_LIMIT_MS);
        context.diagnostic(`direct ${Math.round(performance.now() - joinMs)} ms after the way was open`);
        const settled = await ping(homes.nats.a.namespace, homes.addressOfB, {
          count: 20,
          intervalSeconds: PING_INTERVAL_SECONDS,
        });
        assert.equal(settled.receivedCount, 20, settled.output);
        pinging.kill('SIGINT');
        const gapMs = longestGap(output.join('')) * PING_INTERVAL_SECONDS * 1000;
        context.diagnostic(`silent for ${gapMs} ms on the way over`);
        assert.ok(gapMs <= GAP_LIMIT_MS, `silent for ${gapMs} ms\n${homes.explain()}`);
      });
    },
  );
});

/** A member in each home, and the relay that both know. */
class Homes {
  readonly addressOfB = '10.7.0.2';
  readonly nats: Nats = makeNats();
  readonly relay: LabDaemon;
  readonly a: LabDaemon;
  readonly b: LabDaemon;

  constructor(options: LabDaemonOptions) {
    const common = { ...options, anyAddress: true };
    this.relay = new LabDaemon(this.nats.relay, { ...common, relay: RELAY_FOR_ALL });
    const id = randomVlanId();
    const member = (machine: Nats['a'], address: string) =>
      new LabDaemon(machine, {
        ...common,
        bootstrap: [this.relay.multiaddr],
        vlans: [{ id, interface: FABRIC_TAP, addresses: [`${address}/24`] }],
      });
    this.a = member(this.nats.a, '10.7.0.1');
    this.b = member(this.nats.b, this.addressOfB);
  }

  /** Until both members have a trunk to the relay. */
  async start(): Promise<void> {
    await this.relay.start();
    await Promise.all([this.a, this.b].map((node) => node.start()));
    for (const node of [this.a, this.b]) {
      const isUp = (trunk: { peer: string; state: string }) =>
        trunk.peer === this.relay.peerId && trunk.state === 'up';
      await node.waitFor('a trunk to the relay', ({ trunks }) => trunks.some(isUp), UP_TIMEOUT_MS);
    }
  }

  async waitForPing(): Promise<void> {
    await waitFor('a ping from home to home', () => answers(this.a, this.addressOfB), {
      timeoutMs: UP_TIMEOUT_MS,
      intervalMs: 20,
      explain: () => this.explain(),
    });
  }

  /** Whether both have a trunk to each other by datagrams, through the other's NAT. */
  async isDirect(): Promise<boolean> {
    const [atA, atB] = await Promise.all([this.#wayTo(this.a, this.b), this.#wayTo(this.b, this.a)]);
    return atA === this.nats.natB.address && atB === this.nats.natA.address;
  }

  async waitForDirect(timeoutMs: number): Promise<void> {
    const options = { timeoutMs, intervalMs: 100, explain: () => this.explain() };
    await waitFor('a direct trunk', () => this.isDirect(), options);
  }

  explain(): string {
    return [this.a, this.b, this.relay].map((node) => node.logTail()).join('\n');
  }

  async remove(): Promise<void> {
    await Promise.all([this.a, this.b, this.relay].map((node) => node.stop()));
    this.nats.remove();
  }

  async #wayTo(from: LabDaemon, to: LabDaemon): Promise<string | undefined> {
    const { peers } = v.parse(peersSchema, JSON.parse(await from.get('/v1/peers')));
    const found = peers.find(({ peer, carrier }) => peer === to.peerId && carrier === 'udp');
    return found?.address?.split(':')[0];
  }
}

async function withHomes(options: LabDaemonOptions, work: (homes: Homes) => Promise<void>): Promise<void> {
  const homes = new Homes(options);
  try {
    await work(homes);
  } finally {
    await homes.remove();
  }
}
