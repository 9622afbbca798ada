/**
 * Owns a fabric under test: daemons on single links (links.ts), some of them on one open VLAN, some of them relays.
 *
 *   a ──to_b═══to_a── b ──to_c═══to_b── c        each knows its direct neighbours only, by `bootstrap`
 *   10.7.0.1        (relay)       10.7.0.3       a member's TAP is ptap0, with 10.7.0.n and fd07::n
 *   fd07::1                        fd07::3
 *
 * Runs on the main thread of a test process.
 */

import * as v from 'valibot';

import { LabDaemon, type LabDaemonOptions } from './daemon.ts';
import { type RelayConfig, randomVlanId } from './daemon-config.ts';
import { waitFor } from './deadline.ts';
import { type Edge, Links, type LinksOptions } from './links.ts';
import { answers, waitForAllPairs } from './pairs.ts';
import { type PingOptions, type PingResult, ping } from './ping.ts';

/** The interface on every member. */
export const FABRIC_TAP = 'ptap0';

/** Carries for anyone. */
export const RELAY_FOR_ALL: RelayConfig = { enabled: true, allow: ['*'] };

/** What a fabric may differ in. */
export interface FabricOptions {
  readonly count: number;
  readonly edges: readonly Edge[];
  /** Who is on the VLAN, by number; all unless given. */
  readonly members?: readonly number[];
  /** Who relays, and for whom; nobody unless given. */
  readonly relays?: Readonly<Record<number, RelayConfig>>;
  readonly links?: LinksOptions;
  readonly daemon: LabDaemonOptions;
}

const peersSchema = v.object({
  peers: v.array(
    v.object({
      peer: v.string(),
      state: v.string(),
      carrier: v.nullable(v.string()),
      address: v.nullable(v.string()),
      datagramMtuBytes: v.nullable(v.number()),
    }),
  ),
});

const READY_TIMEOUT_MS = 30_000;

/** See the file's head. */
export class FabricNet {
  readonly links: Links;
  readonly nodes: readonly LabDaemon[];
  /** In the order of their numbers. */
  readonly members: readonly LabDaemon[];
  readonly vlanId = randomVlanId();

  constructor(options: FabricOptions) {
    const { count, edges, relays, daemon } = options;
    this.links = new Links(count, edges, options.links);
    const memberNumbers = options.members ?? Array.from({ length: count }, (_, index) => index);
    this.nodes = this.links.machines.map((machine, index) => {
      const relay = relays?.[index];
      const vlans = memberNumbers.includes(index) ? [this.#vlanOf(index)] : [];
      const own = { vlans, ...(relay === undefined ? {} : { relay }) };
      return new LabDaemon(machine, { ...daemon, anyAddress: true, ...own });
    });
    this.members = memberNumbers.map((index) => this.node(index));
    this.nodes.forEach((node, index) => {
      const towards = (other: number) => this.node(other).multiaddrAt(this.links.addressOf(other, index));
      node.writeConfig({ bootstrap: this.links.neighboursOf(index).map(towards) });
    });
  }

  node(index: number): LabDaemon {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** In the VLAN, without the prefix length. */
  addressOf(node: LabDaemon): string {
    return `10.7.0.${this.nodes.indexOf(node) + 1}`;
  }

  address6Of(node: LabDaemon): string {
    return `fd07::${this.nodes.indexOf(node) + 1}`;
  }

  /** Starts all daemons and waits until each has a trunk on each link that is not cut. @returns ms that it took */
  async start(): Promise<number> {
    const startMs = performance.now();
    for (const node of this.nodes) node.spawn();
    await Promise.all(this.nodes.map((_, index) => this.waitForTrunks(index)));
    return performance.now() - startMs;
  }

  /** Waits until a node has a trunk on `udp` on each of its links that are not cut. */
  async waitForTrunks(index: number): Promise<void> {
    const wanted = this.links.reachableFrom(index).map((other) => this.node(other).peerId);
    await this.node(index).waitFor(
      'trunks to all neighbours',
      ({ trunks }) =>
        wanted.every((peer) => trunks.some((trunk) => trunk.peer === peer && trunk.carrier === 'udp')),
      READY_TIMEOUT_MS,
    );
  }

  /** Pings through the VLAN, by numbers. */
  ping(from: number, to: number, options: PingOptions): Promise<PingResult> {
    return ping(this.node(from).machine.namespace, this.addressOf(this.node(to)), options);
  }

  /** Waits until one member answers another's ping. @returns ms that it took */
  async waitForPing(from: number, to: number, timeoutMs = READY_TIMEOUT_MS): Promise<number> {
    const startMs = performance.now();
    const ends = [this.node(from), this.node(to)] as const;
    const look = (): Promise<boolean> => {
      for (const node of this.nodes) node.assertRunning();
      return answers(ends[0], this.addressOf(ends[1]));
    };
    const explain = (): Promise<string> => this.explain(this.nodes);
    await waitFor(`a ping from ${from} to ${to}`, look, { timeoutMs, intervalMs: 20, explain });
    return performance.now() - startMs;
  }

  /** Waits until all members answer each other. @returns ms that it took */
  waitForAllPairs(timeoutMs = READY_TIMEOUT_MS): Promise<number> {
    const explain = (missing: readonly (readonly [LabDaemon, LabDaemon])[]): Promise<string> => {
      const names = missing.map(([from, to]) => `${this.addressOf(from)}→${this.addressOf(to)}`);
      return this.explain(this.nodes, `without an answer: ${names.join(' ')}\n`);
    };
    return waitForAllPairs(this.members, (node) => this.addressOf(node), { timeoutMs, explain });
  }

  /** What nodes and their logs say, for a failure. */
  async explain(nodes: readonly LabDaemon[], head = ''): Promise<string> {
    const parts = await Promise.all(
      nodes.map(async (node) => {
        const said = await this.#sayTrunks(node).catch((error: unknown) => String(error));
        return `${this.addressOf(node)} ${node.peerId}\n${said}\n${node.logTail(25)}`;
      }),
    );
    return head + parts.join('\n');
  }

  async #sayTrunks(node: LabDaemon): Promise<string> {
    const { peers } = v.parse(peersSchema, JSON.parse(await node.get('/v1/peers')));
    const lines = peers.map(({ peer, state, carrier, address, datagramMtuBytes }) => {
      const index = this.nodes.findIndex(({ peerId }) => peerId === peer);
      return `  to ${index}: ${state} ${carrier} ${address} ${datagramMtuBytes}`;
    });
    const { drops } = await node.status();
    const counted = Object.entries(drops).filter(([, count]) => count > 0);
    return `${lines.join('\n')}\n  drops ${JSON.stringify(Object.fromEntries(counted))}`;
  }

  /** Ends all daemons and removes the links. */
  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    this.links.remove();
  }

  #vlanOf(index: number) {
    const addresses = [`10.7.0.${index + 1}/24`, `fd07::${index + 1}/64`];
    return { id: this.vlanId, interface: FABRIC_TAP, addresses };
  }
}

/** Makes a fabric, starts it, works with it, and removes it however that ends. */
export async function withFabric(
  options: FabricOptions,
  work: (net: FabricNet) => Promise<void>,
): Promise<void> {
  const net = new FabricNet(options);
  try {
    await net.start();
    await work(net);
  } finally {
    await net.remove();
  }
}

/** A member at both ends of a line, and between them a relay that is none: the usual case. */
export function relayedLine(daemon: LabDaemonOptions, relay: RelayConfig = RELAY_FOR_ALL): FabricOptions {
  return {
    count: 3,
    edges: [
      [0, 1],
      [1, 2],
    ],
    members: [0, 2],
    relays: { 1: relay },
    daemon,
  };
}
