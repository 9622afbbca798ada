/**
 * Nodes with VLANs for tests: real registries on disk, real groups by MLS, real desks, clients and order machines over
 * streams in memory; only the data plane and the trunks are not there.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach } from 'node:test';
import type { VlanRequest } from '../dataplane-link/dataplane-options.ts';
import { createPipe } from '../exchange/exchange.fixture.ts';
import { ExchangeHub } from '../exchange/exchange-hub.ts';
import { createIdentity } from '../identity/identity.fixture.ts';
import type { GroupState } from '../membership/group/group-port.ts';
import { GroupPool } from '../membership/group/mls/group-pool.ts';
import { MlsGroup } from '../membership/group/mls/mls-group.ts';
import type { MessageStream, MessageStreams } from '../network/message-streams.ts';
import { formatVlanId } from '../vlan/vlan-id.ts';
import { VlanRegistry } from '../vlan/vlan-registry.ts';
import { createNodeSelf } from './node-self.ts';
import { VlanActs } from './vlan-acts.ts';
import type { VlanAtWork, VlanServiceParts, VlansAtWork } from './vlan-parts.ts';
import { VlanService } from './vlan-service.ts';

const DEADLINE_MS = 20_000;
const root = mkdtempSync(join(tmpdir(), 'peertap-vlans-'));
const worlds: World[] = [];

after(() => {
  rmSync(root, { recursive: true });
});
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.end();
});

/** A data plane that only notes what it is told. */
class NotedVlans implements VlansAtWork {
  readonly epochs = new Map<string, { state: GroupState; atOnce: boolean }>();
  readonly requests = new Map<string, VlanRequest>();

  join(request: VlanRequest): Promise<VlanAtWork> {
    const id = formatVlanId(request.idBytes);
    if (this.requests.get(id)?.attachment !== undefined) return Promise.reject(new Error('already joined'));
    this.requests.set(id, request);
    return Promise.resolve(this.#host(id));
  }

  change(): Promise<void> {
    return Promise.resolve();
  }

  leave(id: string): Promise<void> {
    this.requests.delete(id);
    this.epochs.delete(id);
    return Promise.resolve();
  }

  find(id: string): VlanAtWork | undefined {
    return this.requests.has(id) ? this.#host(id) : undefined;
  }

  all(): readonly VlanAtWork[] {
    return [...this.requests.keys()].map((id) => this.#host(id));
  }

  sharedWith(): readonly string[] {
    return [];
  }

  #host(id: string): VlanAtWork {
    return {
      vlanId: new Uint8Array(16),
      interfaceName: this.requests.get(id)?.attachment?.interface,
      members: [],
      stations: 0,
      multicast: { wanted: 0, wantsAll: false, sentTo: 0, messages: {} },
      counters: {} as VlanAtWork['counters'],
      setGroupEpoch: (state, atOnce) => this.epochs.set(id, { state, atOnce }),
    };
  }
}

/** One node; a restart is another of the same identity and directory. */
class TestNode {
  readonly peerId: string;
  readonly identity: ReturnType<typeof createIdentity>;
  readonly directory: string;
  readonly vlans = new NotedVlans();
  readonly logged: string[] = [];
  readonly hub: ExchangeHub;
  readonly service: VlanService;
  readonly acts: VlanActs;
  accept: ((stream: MessageStream) => void) | undefined;
  readonly #pool: GroupPool;

  constructor(world: World, former?: Pick<TestNode, 'identity' | 'directory'>) {
    this.identity = former?.identity ?? createIdentity();
    this.peerId = this.identity.peerId;
    this.directory = former?.directory ?? join(root, this.peerId);
    const { publicKey, privateKey } = this.identity;
    this.#pool = new GroupPool({ publicKey, seed: privateKey.subarray(0, 32) });
    const self = createNodeSelf(this.identity);
    this.hub = new ExchangeHub({
      streams: world.streamsOf(this),
      self: this.peerId,
      publicKey,
      randomBytes: self.randomBytes,
      nowMs: () => performance.now(),
    });
    const parts: VlanServiceParts = {
      registry: VlanRegistry.open(this.directory, []),
      vlans: this.vlans,
      hub: this.hub,
      self,
      stateDirectory: this.directory,
      openGroup: (vlanId, directory) => new MlsGroup(this.#pool, { vlanId, directory, suite: 'x25519' }),
      peer: () => undefined,
      ownAddresses: () => ['/ip4/192.0.2.1/tcp/7946'],
      nowMs: () => performance.now(),
      unixMs: () => Date.now(),
      events: {
        changed: () => world.share(),
        seek: () => undefined,
        log: (_level, code) => this.logged.push(code),
      },
    };
    this.service = new VlanService(parts, {
      vlan: () => undefined,
      vlanGone: () => undefined,
      peerUp: () => undefined,
      peerDown: () => undefined,
      message: () => undefined,
    });
    this.acts = new VlanActs(parts, this.service);
  }

  state(id: string): string | undefined {
    return this.service.reports().find((vlan) => vlan.id === id)?.state;
  }

  epoch(id: string): GroupState | undefined {
    return this.vlans.epochs.get(id)?.state;
  }

  async stop(): Promise<void> {
    await this.service.stop();
    this.hub.stop();
    await this.#pool.close();
  }
}

/** Nodes with trunks between all of them. */
export class World {
  nodes: TestNode[] = [];

  constructor() {
    worlds.push(this);
  }

  async add(former?: Pick<TestNode, 'identity' | 'directory'>): Promise<TestNode> {
    const node = new TestNode(this, former);
    this.nodes.push(node);
    await node.hub.start();
    await node.service.start();
    this.share();
    return node;
  }

  async restart(node: TestNode): Promise<TestNode> {
    await this.remove(node);
    return this.add(node);
  }

  async remove(node: TestNode): Promise<void> {
    this.nodes = this.nodes.filter((other) => other !== node);
    for (const other of this.nodes) other.hub.share(node.peerId, []);
    await node.stop();
  }

  /** As trunks would: each tells the other which VLANs both have. */
  share(): void {
    for (const node of this.nodes) {
      for (const other of this.nodes.filter((peer) => peer !== node)) {
        const theirs = new Set(other.service.wantedIds().map(formatVlanId));
        const both = node.service.wantedIds().filter((id) => theirs.has(formatVlanId(id)));
        node.hub.share(other.peerId, both);
      }
    }
  }

  streamsOf(node: TestNode): MessageStreams {
    return {
      open: (peer) => {
        const target = this.nodes.find((other) => other.peerId === peer);
        if (target?.accept === undefined) return Promise.reject(new Error('no connection'));
        const [near, far] = createPipe(node.peerId, peer);
        target.accept(far);
        return Promise.resolve(near);
      },
      accept: (_protocol, onStream) => {
        node.accept = onStream;
        return Promise.resolve();
      },
    };
  }

  async end(): Promise<void> {
    for (const node of this.nodes) await node.stop();
  }
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!holds()) {
    assert.ok(performance.now() < endMs, `not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function attachment(name: string) {
  return { interface: name, addresses: [], mtuBytes: 1500 };
}

export async function createPrivate(node: TestNode): Promise<string> {
  const { id } = await node.service.create({ name: 'home', private: true, subnet: null });
  await until('the owner has its group', () => node.epoch(id) !== undefined);
  return id;
}

export async function invite(node: TestNode, id: string, uses = 1): Promise<string> {
  const report = await node.acts.invite({ id, uses, expiresSeconds: 3600, oneTimeSecret: true });
  return report.invite;
}

export function agree(nodes: readonly TestNode[], id: string): boolean {
  const states = nodes.map((node) => node.epoch(id));
  const [first] = states;
  return (
    first !== undefined &&
    first.members.length === nodes.length &&
    states.every((state) => state?.id === first.id)
  );
}
