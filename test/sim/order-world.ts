/**
 * Nodes that order commits, on virtual time: machines, disks, groups and wires that a seed decides about.
 *
 *   node A ── gossip: lost, doubled, reordered ──▶ node B        links: a graph, cut by partitions and crashes
 *     │  └─── fetch: an object of a neighbour ────┘
 *     ├── group jobs (a model, or ts-mls), 2 to 40 ms
 *     └── disk: the head, after 1 to 5 ms
 *
 * Invariants are checked at each effect; a breach throws, and the seed replays it. Tests only.
 */
import assert from 'node:assert/strict';
import { hash as digestOf } from 'node:crypto';
import { objectDigest } from '../../control/exchange/object-exchange.ts';
import type {
  GroupJob,
  GroupResult,
  GroupState,
  StateId,
} from '../../control/membership/group/group-port.ts';
import { statesOfHead } from '../../control/membership/group/order/head.ts';
import { ORDER_LIMIT, type OrderEffect } from '../../control/membership/group/order/order-port.ts';
import { GroupModel, ModelGroup } from './model-group.ts';
import { OrderAuthority } from './order-authority.ts';
import { type SimGroup, SimOrderNode } from './order-node.ts';
import type { Simulation } from './simulation.ts';

/** Of virtual time between two looks at real work. */
const ASYNC_STEP_MS = 5;

/** Groups that are no models, and the keys of their nodes. */
export interface RealGroups {
  keyOf(index: number): Uint8Array;
  groupOf(index: number): SimGroup;
}

/** What messages meet. */
export interface OrderWire {
  lossRatio: number;
  doubleRatio: number;
  leastDelayMs: number;
  mostDelayMs: number;
}

/** See the file's head. */
export class OrderWorld {
  readonly simulation: Simulation;
  readonly model: GroupModel;
  readonly nodes: SimOrderNode[] = [];
  readonly byPeer = new Map<string, SimOrderNode>();
  readonly wire: OrderWire = { lossRatio: 0, doubleRatio: 0, leastDelayMs: 5, mostDelayMs: 40 };
  /** Which part of a partition each node is in; none: 0. */
  readonly part = new Map<string, number>();
  readonly edges = new Set<string>();
  readonly authority = new OrderAuthority();
  /** What goes on outside of virtual time. */
  readonly jobs = new Set<Promise<void>>();
  failedStoreRatio = 0;
  onSettled: (node: SimOrderNode, state: GroupState) => void = () => undefined;
  readonly #up = new Map<string, number>();
  readonly #real: RealGroups | undefined;
  #links = 0;

  constructor(simulation: Simulation, real?: RealGroups) {
    this.simulation = simulation;
    this.model = new GroupModel(() => simulation.random());
    this.#real = real;
  }

  makeGroup(node: SimOrderNode): SimGroup {
    return this.#real?.groupOf(node.index) ?? new ModelGroup(this.model, node.peer);
  }

  /** A node's public key, 32 bytes. */
  keyOf(index: number): Uint8Array {
    return this.#real?.keyOf(index) ?? sha(`node ${index}`);
  }

  addNode(): SimOrderNode {
    const node = new SimOrderNode(this, this.nodes.length);
    this.nodes.push(node);
    this.byPeer.set(node.peer, node);
    return node;
  }

  // ── Links ────────────────────────────────────────────────────────────────────────────────────────────

  connect(one: SimOrderNode, other: SimOrderNode): void {
    if (one !== other) this.edges.add([one.index, other.index].sort((a, b) => a - b).join(' '));
  }

  /** A few edges to a ring, or all to all while they are few. */
  connectAll(degree: number): void {
    const { nodes } = this;
    for (const [index, node] of nodes.entries()) {
      if (nodes.length <= 10) {
        for (const other of nodes) this.connect(node, other);
        continue;
      }
      const next = nodes[(index + 1) % nodes.length];
      if (next !== undefined) this.connect(node, next);
      for (let count = 0; count < degree / 2; count++) {
        const other = nodes[Math.floor(this.simulation.random() * nodes.length)];
        if (other !== undefined) this.connect(node, other);
      }
    }
    this.syncLinks();
  }

  /** Cuts all links between different parts. */
  partition(partOf: (node: SimOrderNode) => number): void {
    for (const node of this.nodes) this.part.set(node.peer, partOf(node));
    this.syncLinks();
  }

  heal(): void {
    this.partition(() => 0);
  }

  syncLinks(): void {
    const changed: [SimOrderNode, SimOrderNode, number | undefined][] = [];
    for (const edge of this.edges) {
      const [one, other] = edge.split(' ').map((index) => this.nodes[Number(index)]);
      if (one === undefined || other === undefined) continue;
      const isUp =
        one.isUp && other.isUp && (this.part.get(one.peer) ?? 0) === (this.part.get(other.peer) ?? 0);
      const link = `${one.life} ${other.life}`;
      const was = this.#up.get(edge);
      const same = was !== undefined && this.#lives.get(edge) === link;
      if (isUp ? same : was === undefined) continue;
      if (was !== undefined) {
        this.#up.delete(edge);
        changed.push([one, other, undefined]);
      }
      if (isUp) {
        this.#up.set(edge, ++this.#links);
        this.#lives.set(edge, link);
        changed.push([one, other, this.#links]);
      }
    }
    for (const [one, other, link] of changed) {
      for (const [node, peer] of [
        [one, other.peer],
        [other, one.peer],
      ] as const) {
        const rttMs = this.wire.leastDelayMs + this.wire.mostDelayMs;
        this.simulation.after(0, () => {
          if (link === undefined) node.input({ kind: 'peer-down', peer });
          else if (this.#linkOf(one, other) === link) node.input({ kind: 'peer-up', peer, rttMs });
        });
      }
    }
  }

  readonly #lives = new Map<string, string>();

  #linkOf(one: SimOrderNode, other: SimOrderNode): number | undefined {
    return this.#up.get([one.index, other.index].sort((a, b) => a - b).join(' '));
  }

  neighboursOf(node: SimOrderNode): readonly SimOrderNode[] {
    return this.nodes.filter((other) => this.#linkOf(node, other) !== undefined);
  }

  // ── Effects ──────────────────────────────────────────────────────────────────────────────────────────

  effect(node: SimOrderNode, effect: OrderEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(node, effect.peer, effect.bytes);
        return;
      case 'offer':
        node.offers.set(effect.digest, effect.bytes);
        assert.ok(node.offers.size <= 2 * ORDER_LIMIT.commits, 'offers are bounded');
        return;
      case 'withdraw-offer':
        node.offers.delete(effect.digest);
        return;
      case 'fetch':
        this.#fetch(node, effect.digest, effect.from);
        return;
      case 'group-job':
        this.#groupJob(node, effect.id, effect.job);
        return;
      case 'store':
        this.#store(node, effect.id, effect.head);
        return;
      case 'settled':
        this.#settled(node, effect.state);
        return;
      case 'welcome':
        this.#welcome(effect.peer, effect.bytes);
        return;
      case 'expelled':
      case 'left':
        assert.ok(
          effect.kind === 'left' || this.authority.tombstones.has(node.peer),
          `${node.index} was expelled by nobody`,
        );
        node.end = effect.kind;
        node.crash();
        node.head = undefined;
        return;
      case 'notice':
    }
  }

  #send(from: SimOrderNode, peer: string, bytes: Uint8Array): void {
    assert.ok(bytes.length <= ORDER_LIMIT.messageBytes);
    const to = this.byPeer.get(peer);
    const link = to === undefined ? undefined : this.#linkOf(from, to);
    if (to === undefined || link === undefined) return;
    for (const message of from.tamper?.(bytes) ?? [bytes]) {
      const copies = this.simulation.random() < this.wire.doubleRatio ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.simulation.random() < this.wire.lossRatio) continue;
        this.simulation.after(this.#delayMs(), () => {
          if (this.#linkOf(from, to) === link) to.input({ kind: 'message', peer: from.peer, bytes: message });
        });
      }
    }
  }

  #fetch(node: SimOrderNode, digest: string, from: readonly string[]): void {
    const { life } = node;
    this.simulation.after(2 * this.#delayMs(), () => {
      if (node.life !== life) return;
      let bytes: Uint8Array | undefined;
      for (const peer of from) {
        const holder = this.byPeer.get(peer);
        const isLinked = holder !== undefined && this.#linkOf(node, holder) !== undefined;
        const isLost = this.simulation.random() < this.wire.lossRatio;
        if (!isLinked || isLost || holder.machine?.mayFetch(node.peer) !== true) continue;
        bytes ??= holder.offers.get(digest);
      }
      if (bytes !== undefined) assert.equal(objectDigest(bytes), digest);
      node.input({ kind: 'object', digest, bytes });
    });
  }

  #groupJob(node: SimOrderNode, id: number, job: GroupJob): void {
    const { life } = node;
    const result = node.group.run(job);
    const deliver = (ended: GroupResult): void => {
      this.simulation.after(this.simulation.between(2, job.op === 'drop' ? 3 : 40), () => {
        if (node.life === life) node.input({ kind: 'group-done', id, result: ended });
      });
    };
    if (!(result instanceof Promise)) {
      deliver(result);
      return;
    }
    this.await(result.then(deliver));
  }

  /** Runs events and what goes on outside of virtual time, in turns. */
  async runFor(durationMs: number): Promise<void> {
    const endMs = this.simulation.nowMs + durationMs;
    while (this.simulation.nowMs < endMs) {
      this.simulation.runFor(Math.min(ASYNC_STEP_MS, endMs - this.simulation.nowMs));
      while (this.jobs.size > 0) await Promise.all(this.jobs);
    }
  }

  /** Waits for it before virtual time goes on. */
  await(work: Promise<void>): void {
    const done = work.finally(() => this.jobs.delete(done));
    this.jobs.add(done);
  }

  #store(node: SimOrderNode, id: number, head: Uint8Array): void {
    const { life } = node;
    this.simulation.after(this.simulation.between(1, 5), () => {
      if (node.life !== life) return;
      // An admin whose disk fails, or goes back in time, may lose what it alone knew.
      const ok = this.authority.admins.has(node.peer) || this.simulation.random() >= this.failedStoreRatio;
      if (ok) {
        node.head = head;
        this.#copy(node, head);
      }
      node.input({ kind: 'stored', id, ok });
    });
  }

  /** Now and then a copy, for a disk that is rolled back. */
  #copy(node: SimOrderNode, head: Uint8Array): void {
    if (
      !(node.group instanceof ModelGroup) ||
      this.authority.admins.has(node.peer) ||
      this.simulation.random() > 0.3
    )
      return;
    node.copies = [...node.copies.slice(-3), { head, states: [...node.group.disk] }];
  }

  #welcome(peer: string, welcome: Uint8Array): void {
    const joiner = this.byPeer.get(peer);
    if (joiner === undefined) return;
    this.simulation.after(this.#delayMs(), () => {
      if (joiner.isUp || joiner.end !== undefined) return;
      const { life } = joiner;
      const enter = (result: GroupResult): void => {
        if (!result.ok || result.op !== 'join' || joiner.isUp || joiner.life !== life) return;
        const { state } = result.value as { state: GroupState };
        joiner.start({ kind: 'start', from: 'joined', state, admission: joiner.admission });
      };
      const result = joiner.group.run({ op: 'join', welcome });
      if (!(result instanceof Promise)) {
        enter(result);
        return;
      }
      this.await(result.then(enter));
    });
  }

  #delayMs(): number {
    return this.simulation.between(this.wire.leastDelayMs, this.wire.mostDelayMs);
  }

  // ── Invariants ───────────────────────────────────────────────────────────────────────────────────────

  #settled(node: SimOrderNode, state: GroupState): void {
    node.settled = state;
    node.settledAtMs = this.simulation.nowMs;
    const stored = node.head === undefined ? undefined : statesOfHead(node.head);
    assert.equal(stored?.[0], state.id, `node ${node.index} uses ${state.id} before it is stored`);
    assert.ok(
      state.members.some(({ peer }) => peer === node.peer),
      `node ${node.index} is not in its own state`,
    );
    if (node.group instanceof ModelGroup) {
      assert.ok(node.group.disk.has(state.id), 'a state that is used is on disk');
      assert.ok(
        node.group.disk.size <= 4 * ORDER_LIMIT.checkpoints + 8,
        `${node.group.disk.size} states are kept`,
      );
      this.#assertNobodyCameBack(state.id);
    }
    this.onSettled(node, state);
  }

  /** Whoever an admin put out on the way to this state is not in it, unless an admin has let it in again. */
  #assertNobodyCameBack(id: StateId): void {
    const state = this.model.required(id);
    const members = new Set(state.members.map(({ peer }) => peer));
    for (const ancestor of this.model.ancestors(id)) {
      for (const peer of ancestor.facts.removed) {
        const isOut =
          members.has(peer) && this.authority.tombstones.has(peer) && !ancestor.facts.added.includes(peer);
        const isReadmitted =
          (this.authority.readmitted.get(peer) ?? 0) > (this.authority.tombstones.get(peer) ?? 0);
        assert.ok(!isOut || isReadmitted, `removed ${this.byPeer.get(peer)?.index} is in ${id}`);
      }
    }
  }
}

function sha(input: string): Uint8Array {
  return new Uint8Array(digestOf('sha256', input, 'buffer'));
}
