/**
 * Owns a private VLAN under test: daemons on one LAN that know each other, made and joined by the commands alone.
 *
 *   node 0 10.7.0.1 … node n 10.7.0.n+1, each with ptap0, on a lan (topology.ts); node 0 makes the VLAN
 *
 * What it reads is written apart from control/admin on purpose, as in daemon-config.ts. Runs on the main thread of a
 * test process.
 */

import * as v from 'valibot';

import { LabDaemon, type LabDaemonOptions } from './daemon.ts';
import { waitFor } from './deadline.ts';
import { answers, waitForAllPairs } from './pairs.ts';
import { type Lan, makeLan } from './topology.ts';
import { getOverSocket } from './unix-http.ts';

/** The interface on every node. */
export const MEMBER_TAP = 'ptap0';

const vlanSchema = v.object({
  id: v.string(),
  name: v.nullable(v.string()),
  kind: v.string(),
  state: v.string(),
  epoch: v.nullable(v.number()),
  members: v.number(),
  requests: v.number(),
});

const memberSchema = v.object({ peer: v.string(), role: v.string(), state: v.string() });

/** A VLAN as its node sees it. */
export type SeenVlan = v.InferOutput<typeof vlanSchema>;

/** A member as a node sees it. */
export type SeenMember = v.InferOutput<typeof memberSchema>;

const SUBNET = '10.7.0.0/24';
const JOIN_TIMEOUT_MS = 40_000;

/** See the file's head. */
export class MemberNet {
  readonly lan: Lan;
  readonly nodes: readonly LabDaemon[];
  /** Of the VLAN, once it was made. */
  id = '';

  constructor(count: number, options: LabDaemonOptions) {
    this.lan = makeLan(count);
    this.nodes = this.lan.machines.map((machine) => new LabDaemon(machine, options));
    for (const node of this.nodes) {
      const others = this.nodes.filter((other) => other !== node);
      node.writeConfig({ bootstrap: others.map((other) => other.multiaddr) });
    }
  }

  /** The first node, which makes the VLAN. */
  get owner(): LabDaemon {
    return this.node(0);
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

  /** Starts all daemons; the first makes a private VLAN and attaches to it. */
  async start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
    this.id = await this.owner.succeed('vlan', 'create', 'lab', '--private', '--subnet', SUBNET);
    await this.join(this.owner, this.id);
    await this.waitForState(this.owner, 'active');
  }

  /** Has nodes come in by one invite. */
  async admit(...nodes: readonly LabDaemon[]): Promise<void> {
    const invite = await this.owner.succeed('vlan', 'invite', this.id, '--uses', String(nodes.length));
    await Promise.all(nodes.map((node) => this.join(node, invite)));
    await Promise.all(nodes.map((node) => this.waitForState(node, 'active')));
  }

  /** Joins, without waiting to be let in. @param target - an id or an invite */
  async join(node: LabDaemon, target: string): Promise<void> {
    const where = ['--interface', MEMBER_TAP, '--address', `${this.addressOf(node)}/24`];
    await node.succeed('vlan', 'join', target, ...where, '--no-wait');
  }

  /** The VLAN as a node sees it; undefined where it is not listed. */
  async seenBy(node: LabDaemon): Promise<SeenVlan | undefined> {
    const text = await getOverSocket(node.config.controlSocket, '/v1/vlans');
    const { vlans } = v.parse(v.object({ vlans: v.array(vlanSchema) }), JSON.parse(text));
    return vlans.find((vlan) => vlan.id === this.id);
  }

  async membersSeenBy(node: LabDaemon): Promise<readonly SeenMember[]> {
    const text = await getOverSocket(node.config.controlSocket, `/v1/vlans/members?id=${this.id}`);
    return v.parse(v.object({ members: v.array(memberSchema) }), JSON.parse(text)).members;
  }

  async waitForState(node: LabDaemon, state: string, timeoutMs = JOIN_TIMEOUT_MS): Promise<void> {
    const look = async (): Promise<boolean> => {
      node.assertRunning();
      return (await this.seenBy(node))?.state === state;
    };
    await waitFor(`the VLAN to be ${state}`, look, {
      timeoutMs,
      explain: () => this.explain([node, this.owner]),
    });
  }

  /** Waits until each of the nodes answers each other's ping through the VLAN. @returns ms that it took */
  async waitForAllPairs(nodes: readonly LabDaemon[], timeoutMs: number): Promise<number> {
    const explain = (missing: readonly (readonly [LabDaemon, LabDaemon])[]): Promise<string> => {
      const names = missing.map(([from, to]) => `${this.addressOf(from)}→${this.addressOf(to)}`);
      return this.explain([...new Set(missing.flat())], `without an answer: ${names.join(' ')}\n`);
    };
    return waitForAllPairs(nodes, (node) => this.addressOf(node), { timeoutMs, explain });
  }

  /** Whether one ping is answered. */
  reaches(from: LabDaemon, to: LabDaemon, waitSeconds = 0.5): Promise<boolean> {
    return answers(from, this.addressOf(to), waitSeconds);
  }

  /** What nodes and their logs say, for a failure. */
  async explain(nodes: readonly LabDaemon[], head = ''): Promise<string> {
    const parts = await Promise.all(
      nodes.map(async (node) => {
        const vlan = await this.seenBy(node).catch((error: unknown) => String(error));
        const inside = await insideOf(node).catch((error: unknown) => String(error));
        return `${this.addressOf(node)} ${JSON.stringify(vlan)}\n${inside}\n${node.logTail(25)}`;
      }),
    );
    return head + parts.join('\n');
  }

  /** Ends all daemons and removes the LAN. */
  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    this.lan.remove();
  }
}

/** Makes a net, works with it, and removes it however that ends. */
export async function withMemberNet(
  count: number,
  options: LabDaemonOptions,
  work: (net: MemberNet) => Promise<void>,
): Promise<void> {
  const net = new MemberNet(count, options);
  try {
    await work(net);
  } finally {
    await net.remove();
  }
}

/** What a node dropped, and each segment's tree as it sees it. */
async function insideOf(node: LabDaemon): Promise<string> {
  const read = (path: string): Promise<string> => getOverSocket(node.config.controlSocket, path);
  const { drops } = v.parse(
    v.object({ drops: v.record(v.string(), v.number()) }),
    JSON.parse(await read('/v1/status')),
  );
  const dropped = Object.entries(drops).filter(([, count]) => count > 0);
  return `drops ${dropped.map(([name, count]) => `${name} ${count}`).join(', ')}\n${await node.succeed('topology')}`;
}
