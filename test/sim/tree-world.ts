/**
 * Nodes of one segment, trunks between them, and the trees that they make: what the tree's simulations run in.
 *
 *   node ── TreeMachine ──▶ trunk: reliable and in order while its stream lives, with a delay of its own each time
 *
 * Both ends learn of a trunk's or a stream's end at different times, and what was on its way is lost. Signatures are a fast
 * fake that only the key's owner can make. At each port that opens, the world looks whether the edges that both ends have
 * open still are a forest.
 */
import assert from 'node:assert/strict';
import { TreeMachine } from '../../control/tree/tree-machine.ts';
import type { TreeEffect, TreeInput, TreeNow, TreePorts } from '../../control/tree/tree-port.ts';
import type { Simulation } from './simulation.ts';

const UNIX_MS = 1_790_000_000_000;
/** Ends notice a trunk's end by silence, its begin by a handshake. */
const NOTICE_DOWN_MS = 300;
const NOTICE_UP_MS = 100;

/** What a node is in a segment. */
export interface NodeKind {
  readonly isMember: boolean;
  /** It tells what it likes, and is no part of what must hold. */
  readonly isLiar: boolean;
}

/** What runs on a node that lies. */
export interface Liar {
  hear(from: string, bytes: Uint8Array): void;
}

export interface TreeNode extends NodeKind {
  readonly name: string;
  readonly priority: Uint8Array;
  readonly clockOffsetMs: number;
  machine: TreeMachine | undefined;
  liar: Liar | undefined;
  ports: ReadonlySet<string>;
  tickAtMs: number;
}

/** What one end of a trunk knows of it. */
interface TrunkEnd {
  /** The stream that it uses; 0: none. */
  stream: number;
  life: number;
  lastArrivalMs: number;
}

export interface Trunk {
  readonly ends: readonly [TreeNode, TreeNode];
  readonly views: readonly [TrunkEnd, TrunkEnd];
  readonly delayMs: number;
  cost: number;
  isUp: boolean;
  /** Rises at each new stream. */
  stream: number;
  /** Rises at each new trunk. */
  life: number;
}

/** See the file's head. */
export class TreeWorld {
  readonly simulation: Simulation;
  readonly nodes: TreeNode[] = [];
  readonly trunks: Trunk[] = [];
  readonly #byName = new Map<string, TreeNode>();
  readonly #trunksOf = new Map<string, Map<string, Trunk>>();
  readonly #segmentKey: Uint8Array;
  readonly #ports: TreePorts;
  messages = 0;
  bytes = 0;
  lastPortChangeMs = 0;
  verifications = 0;

  constructor(simulation: Simulation) {
    this.simulation = simulation;
    this.#segmentKey = simulation.bytes(32);
    this.#ports = {
      sign: (seed, bytes) => seal(seed, bytes),
      verify: (key, bytes, signature) => {
        this.verifications++;
        return Buffer.compare(seal(key, bytes), signature) === 0;
      },
    };
  }

  get segmentKey(): Uint8Array {
    return this.#segmentKey;
  }

  addNode(kind: NodeKind): TreeNode {
    const node: TreeNode = {
      ...kind,
      name: `n${this.nodes.length}`,
      priority: this.simulation.bytes(16),
      clockOffsetMs: Math.floor(this.simulation.between(-20_000, 20_000)),
      machine: undefined,
      liar: undefined,
      ports: new Set(),
      tickAtMs: Number.POSITIVE_INFINITY,
    };
    this.nodes.push(node);
    this.#byName.set(node.name, node);
    this.#trunksOf.set(node.name, new Map());
    return node;
  }

  addTrunk(one: TreeNode, other: TreeNode): Trunk | undefined {
    if (one === other || this.trunkOf(one, other) !== undefined) {
      return undefined;
    }
    const view = (): TrunkEnd => ({ stream: 0, life: 0, lastArrivalMs: 0 });
    const trunk: Trunk = {
      ends: [one, other],
      views: [view(), view()],
      delayMs: this.simulation.between(1, 25),
      cost: Math.ceil(this.simulation.between(1, 500)),
      isUp: false,
      stream: 0,
      life: 0,
    };
    this.trunks.push(trunk);
    this.#trunksOf.get(one.name)?.set(other.name, trunk);
    this.#trunksOf.get(other.name)?.set(one.name, trunk);
    return trunk;
  }

  trunkOf(one: TreeNode, other: TreeNode): Trunk | undefined {
    return this.#trunksOf.get(one.name)?.get(other.name);
  }

  trunksAt(node: TreeNode): Trunk[] {
    return [...(this.#trunksOf.get(node.name)?.values() ?? [])];
  }

  neighbourAt(node: TreeNode, trunk: Trunk): TreeNode {
    return trunk.ends[0] === node ? trunk.ends[1] : trunk.ends[0];
  }

  /** The node begins to carry the segment, with a machine that knows nothing. */
  start(node: TreeNode, previous?: TreeMachine): void {
    assert.ok(node.machine === undefined);
    const member = { seed: this.#segmentKey, priority: node.priority, rank: 0 };
    node.machine = new TreeMachine(
      node.isMember ? { segmentKey: this.#segmentKey, member } : { segmentKey: this.#segmentKey },
      this.#ports,
      previous,
    );
    for (const trunk of this.trunksAt(node)) {
      if (this.#isKnownUp(node, trunk)) {
        this.input(node, { kind: 'peer', peer: this.neighbourAt(node, trunk).name, cost: trunk.cost });
      }
    }
    this.input(node, { kind: 'tick' });
  }

  /** It leaves the segment with a goodbye; its trunks stay. */
  leave(node: TreeNode): void {
    const { machine } = node;
    if (machine !== undefined) {
      this.#apply(node, machine.stop());
      node.machine = undefined;
    }
  }

  /** It dies with all that it knew, and its trunks. */
  crash(node: TreeNode): void {
    node.machine = undefined;
    node.ports = new Set();
    for (const trunk of this.trunksAt(node)) {
      this.cut(trunk);
      const view = this.#viewOf(node, trunk);
      view.stream = trunk.stream;
      view.life = trunk.life;
    }
  }

  raise(trunk: Trunk): void {
    if (!trunk.isUp) {
      trunk.isUp = true;
      trunk.stream++;
      trunk.life++;
      this.#noticeLater(trunk, NOTICE_UP_MS);
    }
  }

  cut(trunk: Trunk): void {
    if (trunk.isUp) {
      trunk.isUp = false;
      trunk.stream++;
      trunk.life++;
      this.#noticeLater(trunk, NOTICE_DOWN_MS);
    }
  }

  /** The control stream is another one; the trunk goes on. */
  replaceStream(trunk: Trunk): void {
    if (trunk.isUp) {
      trunk.stream++;
      this.#noticeLater(trunk, NOTICE_DOWN_MS);
    }
  }

  setCost(trunk: Trunk, cost: number): void {
    trunk.cost = cost;
    for (const node of trunk.ends) {
      this.simulation.after(this.simulation.between(0, NOTICE_UP_MS), () => {
        if (this.#isKnownUp(node, trunk)) {
          this.input(node, { kind: 'peer', peer: this.neighbourAt(node, trunk).name, cost: trunk.cost });
        }
      });
    }
  }

  now(node: TreeNode): TreeNow {
    const { nowMs } = this.simulation;
    return { nowMs, unixMs: UNIX_MS + nowMs + node.clockOffsetMs };
  }

  input(node: TreeNode, input: TreeInput): void {
    const { machine } = node;
    if (machine === undefined) {
      return;
    }
    this.#apply(node, machine.handle(input, this.now(node)));
    this.#schedule(node, machine);
  }

  /** Puts a message on a trunk, as its end sees it. */
  transmit(from: TreeNode, toName: string, bytes: Uint8Array): void {
    const to = this.#byName.get(toName);
    const trunk = to === undefined ? undefined : this.trunkOf(from, to);
    assert.ok(to !== undefined && trunk !== undefined, `${from.name} has no trunk to ${toName}`);
    this.messages++;
    this.bytes += bytes.length;
    const { stream } = this.#viewOf(from, trunk);
    const view = this.#viewOf(to, trunk);
    const delayMs = trunk.delayMs * this.simulation.between(0.8, 2);
    view.lastArrivalMs = Math.max(view.lastArrivalMs, this.simulation.nowMs + delayMs);
    this.simulation.after(view.lastArrivalMs - this.simulation.nowMs, () => {
      if (trunk.isUp && trunk.stream === stream) {
        this.#notice(to, trunk); // bytes on a new stream are how an end may learn of it
        this.#deliver(from, to, bytes);
      }
    });
  }

  #deliver(from: TreeNode, to: TreeNode, bytes: Uint8Array): void {
    to.liar?.hear(from.name, bytes);
    this.input(to, { kind: 'message', peer: from.name, bytes });
  }

  #schedule(node: TreeNode, machine: TreeMachine): void {
    const dueMs = machine.nextTimeoutMs();
    if (dueMs >= node.tickAtMs || dueMs === Number.POSITIVE_INFINITY) {
      return;
    }
    node.tickAtMs = dueMs;
    this.simulation.after(dueMs - this.simulation.nowMs, () => {
      if (node.tickAtMs !== dueMs) {
        return; // an earlier one came between
      }
      node.tickAtMs = Number.POSITIVE_INFINITY;
      if (node.machine !== undefined && node.machine.nextTimeoutMs() <= this.simulation.nowMs) {
        this.input(node, { kind: 'tick' });
      } else if (node.machine !== undefined) {
        this.#schedule(node, node.machine);
      }
    });
  }

  #apply(node: TreeNode, effects: readonly TreeEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') {
        this.transmit(node, effect.peer, effect.bytes);
        continue;
      }
      const opened = effect.ports.filter((peer) => !node.ports.has(peer));
      node.ports = new Set(effect.ports);
      this.lastPortChangeMs = this.simulation.nowMs;
      for (const peer of opened) {
        this.#assertNoCycle(node, this.#byName.get(peer));
      }
    }
  }

  /** The neighbours with which both ends have the edge open; only of nodes that do not lie. */
  edgesOf(node: TreeNode): TreeNode[] {
    const edges: TreeNode[] = [];
    for (const name of node.ports) {
      const other = this.#byName.get(name);
      if (other !== undefined && !other.isLiar && other.ports.has(node.name)) {
        edges.push(other);
      }
    }
    return edges;
  }

  #assertNoCycle(node: TreeNode, other: TreeNode | undefined): void {
    if (other === undefined || node.isLiar || other.isLiar || !other.ports.has(node.name)) {
      return;
    }
    const cameFrom = new Map<TreeNode, TreeNode>([[node, other]]);
    const open = [node];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const next of this.edgesOf(at)) {
        const isSameEdge: boolean = at === node && next === other;
        assert.ok(isSameEdge || next !== other, `${node.name} and ${other.name} closed a loop`);
        if (!isSameEdge && !cameFrom.has(next)) {
          cameFrom.set(next, at);
          open.push(next);
        }
      }
    }
  }

  /** Nodes that carry the segment, parted by the trunks that carry frames. */
  components(): TreeNode[][] {
    const left = new Set(this.nodes.filter(({ machine, isLiar }) => machine !== undefined && !isLiar));
    const components: TreeNode[][] = [];
    for (const first of left) {
      left.delete(first);
      const component = [first];
      for (let index = 0; index < component.length; index++) {
        const node = component[index] ?? first;
        for (const trunk of this.trunksAt(node)) {
          const other = this.neighbourAt(node, trunk);
          if (trunk.isUp && trunk.cost < 65_535 && left.delete(other)) {
            component.push(other);
          }
        }
      }
      components.push(component);
    }
    return components;
  }

  /** At rest: one tree joins every component that has a member. @returns what is wrong */
  faults(): string[] {
    const faults: string[] = [];
    for (const component of this.components()) {
      const [first] = component;
      if (first === undefined || !component.some(({ isMember }) => isMember)) {
        continue;
      }
      const reached = new Set([first]);
      for (const node of reached) {
        for (const next of this.edgesOf(node)) {
          reached.add(next);
        }
      }
      const missing = component.filter((node) => !reached.has(node));
      if (missing.length > 0) {
        const names = missing.slice(0, 5).map(({ name }) => name);
        faults.push(
          `${missing.length} of ${component.length} are not joined to ${first.name}: ${names.join(' ')}`,
        );
      }
    }
    return faults;
  }

  #viewOf(node: TreeNode, trunk: Trunk): TrunkEnd {
    return trunk.ends[0] === node ? trunk.views[0] : trunk.views[1];
  }

  /** Odd lives are lives: a trunk is first raised, then cut, and so on. */
  #isKnownUp(node: TreeNode, trunk: Trunk): boolean {
    return this.#viewOf(node, trunk).life % 2 === 1;
  }

  #noticeLater(trunk: Trunk, withinMs: number): void {
    for (const node of trunk.ends) {
      this.simulation.after(this.simulation.between(0, withinMs), () => {
        this.#notice(node, trunk);
      });
    }
  }

  #notice(node: TreeNode, trunk: Trunk): void {
    const view = this.#viewOf(node, trunk);
    if (view.stream === trunk.stream) {
      return;
    }
    const wasUp = this.#isKnownUp(node, trunk);
    const isSameTrunk = view.life === trunk.life;
    view.stream = trunk.stream;
    view.life = trunk.life;
    const peer = this.neighbourAt(node, trunk).name;
    if (wasUp && isSameTrunk) {
      this.input(node, { kind: 'again', peer });
      return;
    }
    if (wasUp) {
      this.input(node, { kind: 'peer-gone', peer });
    }
    if (trunk.isUp) {
      this.input(node, { kind: 'peer', peer, cost: trunk.cost });
    }
  }
}

/** 64 bytes that depend on key and message; quick, and no more than that. */
export function seal(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  let hash = 0x811c9dc5;
  for (const byte of key) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  for (const byte of bytes) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  const sealed = new Uint8Array(64);
  new DataView(sealed.buffer).setUint32(0, hash >>> 0, true);
  return sealed;
}
