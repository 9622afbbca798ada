/**
 * Nodes of one segment and the trees that they make: what the tree's simulations run in.
 *
 * Signatures are a fast fake that only the key's owner can make. At each port that opens, the world looks whether the edges
 * that both ends have open still are a forest.
 */
import assert from 'node:assert/strict';
import { TreeMachine } from '../../control/tree/tree-machine.ts';
import type { TreeEffect, TreeInput, TreeNow, TreePorts } from '../../control/tree/tree-port.ts';
import { type MeshNode, MeshWorld, type NodeKind } from './mesh-world.ts';
import type { Simulation } from './simulation.ts';

const UNIX_MS = 1_790_000_000_000;
/** Of one node at one moment: a machine that asks for the present again and again stands still. */
const TICKS_AT_ONCE_MAX = 20;

/** What runs on a node that lies. */
export interface Liar {
  hear(from: string, bytes: Uint8Array): void;
}

export interface TreeNode extends MeshNode {
  readonly priority: Uint8Array;
  readonly clockOffsetMs: number;
  machine: TreeMachine | undefined;
  liar: Liar | undefined;
  ports: ReadonlySet<string>;
  tickAtMs: number;
  ticks: { atMs: number; count: number };
}

/** See the file's head. */
export class TreeWorld extends MeshWorld<TreeNode, Uint8Array> {
  readonly segmentKey: Uint8Array;
  messages = 0;
  bytes = 0;
  lastPortChangeMs = 0;
  verifications = 0;
  readonly #ports: TreePorts;

  constructor(simulation: Simulation) {
    super(simulation);
    this.segmentKey = simulation.bytes(32);
    this.#ports = {
      sign: (seed, bytes) => seal(seed, bytes),
      verify: (key, bytes, signature) => {
        this.verifications++;
        return Buffer.compare(seal(key, bytes), signature) === 0;
      },
    };
  }

  override addNode(kind: NodeKind): TreeNode {
    return this.place({
      ...kind,
      name: `n${this.nodes.length}`,
      priority: this.simulation.bytes(16),
      clockOffsetMs: Math.floor(this.simulation.between(-20_000, 20_000)),
      machine: undefined,
      liar: undefined,
      ports: new Set(),
      tickAtMs: Number.POSITIVE_INFINITY,
      ticks: { atMs: 0, count: 0 },
    });
  }

  override isRunning(node: TreeNode): boolean {
    return node.machine !== undefined;
  }

  override start(node: TreeNode, previous?: TreeMachine): void {
    assert.ok(node.machine === undefined && !node.isLiar);
    const { segmentKey } = this;
    const member = { seed: segmentKey, priority: node.priority, rank: 0 };
    const options = node.isMember ? { segmentKey, member } : { segmentKey };
    node.machine = new TreeMachine(options, this.#ports, previous);
    for (const { peer, trunk } of this.knownUp(node)) {
      this.hearTrunkUp(node, peer, trunk.cost);
    }
    this.input(node, { kind: 'tick' });
  }

  override leave(node: TreeNode): void {
    const { machine } = node;
    if (machine !== undefined) {
      this.#apply(node, machine.stop());
      node.machine = undefined;
    }
  }

  override kill(node: TreeNode): void {
    node.machine = undefined;
    node.ports = new Set();
  }

  override block(node: TreeNode, peer: string, untilMs: number): void {
    this.input(node, { kind: 'block', peer, untilMs });
  }

  protected override hearTrunkUp(node: TreeNode, peer: TreeNode, cost: number): void {
    this.input(node, { kind: 'peer', peer: peer.name, cost });
  }

  protected override hearTrunkDown(node: TreeNode, peer: TreeNode): void {
    this.input(node, { kind: 'peer-gone', peer: peer.name });
  }

  protected override hearAgain(node: TreeNode, peer: TreeNode): void {
    this.input(node, { kind: 'again', peer: peer.name });
  }

  protected override hearCost(node: TreeNode, peer: TreeNode, cost: number): void {
    this.input(node, { kind: 'peer', peer: peer.name, cost });
  }

  protected override hearMessage(node: TreeNode, from: TreeNode, bytes: Uint8Array): void {
    node.liar?.hear(from.name, bytes);
    this.input(node, { kind: 'message', peer: from.name, bytes });
  }

  now(node: TreeNode): TreeNow {
    const { nowMs } = this.simulation;
    return { nowMs, unixMs: UNIX_MS + nowMs + node.clockOffsetMs };
  }

  input(node: TreeNode, input: TreeInput): void {
    const { machine } = node;
    if (machine !== undefined) {
      this.#apply(node, machine.handle(input, this.now(node)));
      this.#schedule(node, machine);
    }
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
      this.#tick(node);
    });
  }

  #tick(node: TreeNode): void {
    const { nowMs } = this.simulation;
    const { machine } = node;
    if (machine === undefined) {
      return;
    }
    if (machine.nextTimeoutMs() > nowMs) {
      this.#schedule(node, machine);
      return;
    }
    node.ticks = node.ticks.atMs === nowMs ? node.ticks : { atMs: nowMs, count: 0 };
    assert.ok(++node.ticks.count < TICKS_AT_ONCE_MAX, `${node.name} ticks on the spot`);
    this.input(node, { kind: 'tick' });
  }

  #apply(node: TreeNode, effects: readonly TreeEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'ports') {
        this.#openPorts(node, effect.ports);
        continue;
      }
      const to = this.nodeOf(effect.peer);
      assert.ok(to !== undefined);
      this.transmit(node, to, effect.bytes);
    }
  }

  override transmit(from: TreeNode, to: TreeNode, bytes: Uint8Array): void {
    this.messages++;
    this.bytes += bytes.length;
    super.transmit(from, to, bytes);
  }

  #openPorts(node: TreeNode, ports: readonly string[]): void {
    const opened = ports.filter((peer) => !node.ports.has(peer));
    node.ports = new Set(ports);
    this.lastPortChangeMs = this.simulation.nowMs;
    for (const peer of opened) {
      this.#assertNoCycle(node, this.nodeOf(peer));
    }
  }

  /** The neighbours with which both ends have the edge open; only of nodes that do not lie. */
  edgesOf(node: TreeNode): TreeNode[] {
    return [...node.ports].flatMap((name) => {
      const other = this.nodeOf(name);
      return other !== undefined && !other.isLiar && other.ports.has(node.name) ? other : [];
    });
  }

  #assertNoCycle(node: TreeNode, other: TreeNode | undefined): void {
    if (other === undefined || node.isLiar || other.isLiar || !other.ports.has(node.name)) {
      return;
    }
    const seen = new Set([node]);
    for (const at of seen) {
      for (const next of this.edgesOf(at)) {
        const isNewEdge: boolean = at === node && next === other;
        assert.ok(isNewEdge || next !== other, `${node.name} and ${other.name} closed a loop`);
        if (!isNewEdge) seen.add(next);
      }
    }
  }

  /** At rest: one tree joins every component that has a member. @returns what is wrong */
  faults(): string[] {
    return this.components().flatMap((component) => {
      const [first] = component;
      if (first === undefined || !component.some(({ isMember }) => isMember)) {
        return [];
      }
      const reached = new Set([first]);
      for (const node of reached) {
        for (const next of this.edgesOf(node)) {
          reached.add(next);
        }
      }
      const missing = component.filter((node) => !reached.has(node)).map(({ name }) => name);
      const names = missing.slice(0, 5).join(' ');
      return missing.length === 0
        ? []
        : [`${missing.length} of ${component.length} are not joined to ${first.name}: ${names}`];
    });
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
