/**
 * Nodes and the trunks between them, as control machines see them: what simulations of the tree and of the fabric run in.
 *
 *   node ──▶ trunk: messages are reliable and in order while its stream lives, each with a delay of its own
 *
 * Both ends learn of a trunk's or a stream's end at different times, and what was on its way is lost. An end learns of a new
 * stream at the latest by what comes on it; sometimes its machine hears the message before it hears of the stream.
 */
import type { Simulation } from './simulation.ts';

/** Ends notice a trunk's end by silence, its begin by a handshake. */
const NOTICE_DOWN_MS = 300;
const NOTICE_UP_MS = 100;
/** First messages of a stream that come before the word of the stream. */
const EARLY_SHARE = 0.2;
/** Nothing goes through. */
export const COST_INFINITE = 65_535;

/** What a node is in a segment. */
export interface NodeKind {
  readonly isMember: boolean;
  /** It tells what it likes, and is no part of what must hold. */
  readonly isLiar: boolean;
}

export interface MeshNode extends NodeKind {
  readonly name: string;
}

/** What one end of a trunk knows of it. */
interface TrunkEnd {
  /** The stream that it uses; 0: none. */
  stream: number;
  life: number;
  lastArrivalMs: number;
}

export interface Trunk<Node> {
  readonly ends: readonly [Node, Node];
  readonly views: readonly [TrunkEnd, TrunkEnd];
  readonly delayMs: number;
  cost: number;
  isUp: boolean;
  /** Rises at each new stream. */
  stream: number;
  /** Rises when the trunk comes, and when it goes: odd while it is there. */
  life: number;
}

/** See the file's head. */
export abstract class MeshWorld<Node extends MeshNode, Message> {
  readonly simulation: Simulation;
  readonly nodes: Node[] = [];
  readonly trunks: Trunk<Node>[] = [];
  readonly #byName = new Map<string, Node>();
  readonly #trunksOf = new Map<string, Map<string, Trunk<Node>>>();

  constructor(simulation: Simulation) {
    this.simulation = simulation;
  }

  /** A node with nothing that runs on it. */
  abstract addNode(kind: NodeKind): Node;
  /** Whether its machine is there. */
  abstract isRunning(node: Node): boolean;
  /** The node begins, with a machine that knows nothing. */
  abstract start(node: Node): void;
  /** It goes with a goodbye; its trunks stay. */
  abstract leave(node: Node): void;
  /** Its machine is gone at once. */
  abstract kill(node: Node): void;
  abstract block(node: Node, peer: string, untilMs: number): void;

  protected abstract hearTrunkUp(node: Node, peer: Node, cost: number): void;
  protected abstract hearTrunkDown(node: Node, peer: Node): void;
  protected abstract hearAgain(node: Node, peer: Node): void;
  protected abstract hearCost(node: Node, peer: Node, cost: number): void;
  protected abstract hearMessage(node: Node, from: Node, message: Message): void;

  protected place(node: Node): Node {
    this.nodes.push(node);
    this.#byName.set(node.name, node);
    this.#trunksOf.set(node.name, new Map());
    return node;
  }

  nodeOf(name: string): Node | undefined {
    return this.#byName.get(name);
  }

  addTrunk(one: Node, other: Node): Trunk<Node> | undefined {
    if (one === other || this.trunkOf(one, other) !== undefined) {
      return undefined;
    }
    const view = (): TrunkEnd => ({ stream: 0, life: 0, lastArrivalMs: 0 });
    const trunk: Trunk<Node> = {
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

  trunkOf(one: Node, other: Node): Trunk<Node> | undefined {
    return this.#trunksOf.get(one.name)?.get(other.name);
  }

  trunksAt(node: Node): Trunk<Node>[] {
    return [...(this.#trunksOf.get(node.name)?.values() ?? [])];
  }

  neighbourAt(node: Node, trunk: Trunk<Node>): Node {
    return trunk.ends[0] === node ? trunk.ends[1] : trunk.ends[0];
  }

  /** Trunks that the node believes to be up, with who is at their other ends. */
  knownUp(node: Node): { readonly trunk: Trunk<Node>; readonly peer: Node }[] {
    return this.trunksAt(node)
      .filter((trunk) => this.#isKnownUp(node, trunk))
      .map((trunk) => ({ trunk, peer: this.neighbourAt(node, trunk) }));
  }

  /** It dies with all that it knew, and its trunks. */
  crash(node: Node): void {
    this.kill(node);
    for (const trunk of this.trunksAt(node)) {
      this.cut(trunk);
      const view = this.#viewOf(node, trunk);
      view.stream = trunk.stream;
      view.life = trunk.life;
    }
  }

  raise(trunk: Trunk<Node>): void {
    if (!trunk.isUp) {
      trunk.isUp = true;
      trunk.stream++;
      trunk.life++;
      this.#noticeLater(trunk, NOTICE_UP_MS);
    }
  }

  cut(trunk: Trunk<Node>): void {
    if (trunk.isUp) {
      trunk.isUp = false;
      trunk.stream++;
      trunk.life++;
      this.#noticeLater(trunk, NOTICE_DOWN_MS);
    }
  }

  /** The control stream is another one; the trunk goes on. */
  replaceStream(trunk: Trunk<Node>): void {
    if (trunk.isUp) {
      trunk.stream++;
      this.#noticeLater(trunk, NOTICE_DOWN_MS);
    }
  }

  setCost(trunk: Trunk<Node>, cost: number): void {
    trunk.cost = cost;
    for (const node of trunk.ends) {
      this.simulation.after(this.simulation.between(0, NOTICE_UP_MS), () => {
        if (this.#isKnownUp(node, trunk)) {
          this.hearCost(node, this.neighbourAt(node, trunk), trunk.cost);
        }
      });
    }
  }

  /** Puts a message on a trunk's stream, as its end sees it. */
  transmit(from: Node, to: Node, message: Message): void {
    const trunk = this.trunkOf(from, to);
    if (trunk === undefined) {
      throw new Error(`${from.name} has no trunk to ${to.name}`);
    }
    const { stream } = this.#viewOf(from, trunk);
    const view = this.#viewOf(to, trunk);
    const delayMs = trunk.delayMs * this.simulation.between(0.8, 2);
    view.lastArrivalMs = Math.max(view.lastArrivalMs, this.simulation.nowMs + delayMs);
    this.simulation.after(view.lastArrivalMs - this.simulation.nowMs, () => {
      if (trunk.isUp && trunk.stream === stream) {
        const isEarly = view.stream !== stream && this.simulation.random() < EARLY_SHARE;
        if (isEarly) this.hearMessage(to, from, message);
        this.#notice(to, trunk);
        if (!isEarly) this.hearMessage(to, from, message);
      }
    });
  }

  /** Nodes that run and do not lie, parted by the trunks that carry frames. */
  components(): Node[][] {
    const left = new Set(this.nodes.filter((node) => this.isRunning(node) && !node.isLiar));
    const components: Node[][] = [];
    for (const first of left) {
      left.delete(first);
      const component = [first];
      for (const node of component) {
        for (const trunk of this.trunksAt(node)) {
          const other = this.neighbourAt(node, trunk);
          if (trunk.isUp && trunk.cost < COST_INFINITE && left.delete(other)) component.push(other);
        }
      }
      components.push(component);
    }
    return components;
  }

  #viewOf(node: Node, trunk: Trunk<Node>): TrunkEnd {
    return trunk.ends[0] === node ? trunk.views[0] : trunk.views[1];
  }

  #isKnownUp(node: Node, trunk: Trunk<Node>): boolean {
    return this.#viewOf(node, trunk).life % 2 === 1;
  }

  #noticeLater(trunk: Trunk<Node>, withinMs: number): void {
    for (const node of trunk.ends) {
      this.simulation.after(this.simulation.between(0, withinMs), () => {
        this.#notice(node, trunk);
      });
    }
  }

  #notice(node: Node, trunk: Trunk<Node>): void {
    const view = this.#viewOf(node, trunk);
    if (view.stream === trunk.stream) {
      return;
    }
    const wasUp = this.#isKnownUp(node, trunk);
    const isSameTrunk = view.life === trunk.life;
    view.stream = trunk.stream;
    view.life = trunk.life;
    const peer = this.neighbourAt(node, trunk);
    if (wasUp && isSameTrunk) {
      this.hearAgain(node, peer);
      return;
    }
    if (wasUp) {
      this.hearTrunkDown(node, peer);
    }
    if (trunk.isUp) {
      this.hearTrunkUp(node, peer, trunk.cost);
    }
  }
}
