/**
 * Token announcements passed on over trees in a simulated network of members and relays: lines, stars, random graphs. Trees
 * change, each end of an edge learning it at another moment; trunks are cut and come back, streams break, members want other
 * tokens, nodes start anew, and some neighbours lie. Soon after each change all members are known everywhere, each token
 * leads the right way and no other, with the size of the path; and nothing is said for ever.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePaths, keyOf, PATH_MTU_ANY, withHead } from '../../control/token/route-message.ts';
import { forwardingToken } from '../../control/token/token.ts';
import { PassNode, type PassWorld, routeOf, SEGMENT } from './pass-node.ts';
import { Simulation } from './simulation.ts';

const SEEDS = process.env['PEERTAP_SEED'] === undefined ? 12 : 1;
const FIRST_SEED = Number(process.env['PEERTAP_SEED'] ?? 1);
/** Values of routes that anybody may want; 0: every member does. */
const ROUTES = 12;
const TOKENS = Array.from({ length: ROUTES }, (_, value) => forwardingToken(SEGMENT.id, routeOf(value)));
const STREAM_DELAY_MS = { least: 1, most: 60 };
/** Both ends of an edge, or of a trunk, know by then that it has changed. */
const KNOWN_MS = 200;
/** After the last change everything is known: some dozens of hops, one question and answer, and what was asked for again. */
const SETTLED_MS = 3_000;
/** What one change may make a tree say, for each node and announcer; what goes in circles says more. */
const MESSAGES_A_CHANGE = 40;

interface Edge {
  readonly ends: readonly [PassNode, PassNode];
  readonly mtuBytes: number;
  isUp: boolean;
  isInTree: boolean;
  generation: number;
  readonly clearMs: Map<string, number>;
}

class World implements PassWorld {
  readonly simulation: Simulation;
  readonly nodes: PassNode[];
  readonly edges: Edge[] = [];
  /** What was ever said, for those who replay it. */
  readonly recorded: Uint8Array[] = [];
  messages = 0;

  constructor(seed: number) {
    this.simulation = new Simulation(seed);
    const count = 3 + Math.floor(this.simulation.random() * 18);
    this.nodes = Array.from({ length: count }, (_, index) => {
      return new PassNode(this, `n${index}`, index < 2 || this.simulation.random() < 0.6);
    });
    this.#connect();
    for (const node of this.nodes) {
      node.start();
    }
    for (const edge of this.edges) {
      this.up(edge);
    }
    this.grow();
  }

  /** A line, a star or a random graph, by the seed. */
  #connect(): void {
    const form = this.simulation.seed % 3;
    for (const [index, node] of this.nodes.entries()) {
      const before = this.nodes.slice(0, index);
      const [first, last] = [before[0], before.at(-1)];
      const other = form === 0 ? last : form === 1 ? first : undefined;
      if (before.length > 0) {
        this.#addEdge(node, other ?? this.pick(before));
      }
    }
    const more = form === 2 ? this.nodes.length * 1.5 : 2;
    for (let extra = 0; extra < more; extra++) {
      const [one, other] = [this.pick(this.nodes), this.pick(this.nodes)];
      if (one !== other && this.edgeOf(one, other.name) === undefined) {
        this.#addEdge(one, other);
      }
    }
  }

  #addEdge(one: PassNode, other: PassNode): void {
    const mtuBytes = this.pick([1_232, 1_372, 1_472, 8_972]);
    const state = { isUp: false, isInTree: false, generation: 0, clearMs: new Map<string, number>() };
    this.edges.push({ ends: [one, other], mtuBytes, ...state });
  }

  pick<T>(values: readonly T[]): T {
    const value = values[Math.floor(this.simulation.random() * values.length)];
    assert.ok(value !== undefined);
    return value;
  }

  edgeOf(node: PassNode, peer: string): Edge | undefined {
    return this.edges.find(
      ({ ends: [one, other] }) =>
        (one === node && other.name === peer) || (other === node && one.name === peer),
    );
  }

  edgesOf(node: PassNode): Edge[] {
    return this.edges.filter(({ ends, isUp }) => isUp && ends.includes(node));
  }

  other(edge: Edge, node: PassNode): PassNode {
    return edge.ends[0] === node ? edge.ends[1] : edge.ends[0];
  }

  /** In order, unless the stream breaks meanwhile. */
  send(from: PassNode, peer: string, bytes: Uint8Array): void {
    const edge = this.edgeOf(from, peer);
    assert.ok(edge !== undefined && from.partners.has(peer), 'sent to one who is no partner');
    this.messages++;
    this.recorded.push(bytes);
    const to = this.other(edge, from);
    const { generation } = edge;
    const delayMs = this.simulation.between(STREAM_DELAY_MS.least, STREAM_DELAY_MS.most);
    const clearMs = Math.max(edge.clearMs.get(peer) ?? 0, this.simulation.nowMs + delayMs);
    edge.clearMs.set(peer, clearMs);
    this.simulation.after(clearMs - this.simulation.nowMs, () => {
      if (edge.isUp && edge.generation === generation) {
        to.handle({ kind: 'message', peer: from.name, bytes });
      }
    });
  }

  soon(act: () => void): void {
    this.simulation.after(this.simulation.between(0, KNOWN_MS), act);
  }

  up(edge: Edge): void {
    edge.isUp = true;
    edge.generation++;
    const { generation } = edge;
    for (const node of edge.ends) {
      const peer = this.other(edge, node).name;
      this.soon(() => {
        if (edge.isUp && edge.generation === generation) {
          this.#hearDown(node, peer);
          this.#hearUp(node, peer, edge.mtuBytes);
        }
      });
    }
  }

  #hearUp(node: PassNode, peer: string, datagramMtuBytes: number): void {
    node.partners.add(peer);
    node.handle({ kind: 'trunk-size', peer, datagramMtuBytes });
    node.tellPartners();
    node.tellPorts(node.ports);
  }

  #hearDown(node: PassNode, peer: string): void {
    if (node.partners.delete(peer)) {
      node.handle({ kind: 'trunk-down', peer });
    }
  }

  down(edge: Edge): void {
    edge.isUp = false;
    edge.isInTree = false;
    edge.generation++;
    const { generation } = edge;
    for (const node of edge.ends) {
      const peer = this.other(edge, node).name;
      this.soon(() => {
        if (edge.generation === generation) {
          this.#hearDown(node, peer);
        }
      });
    }
  }

  /** Another tree over what is up, from any root; each end learns it when it does. */
  grow(): void {
    for (const edge of this.edges) {
      edge.isInTree = false;
    }
    const reached = new Set<PassNode>();
    for (const root of this.nodes.toSorted(() => this.simulation.random() - 0.5)) {
      this.#growFrom(root, reached);
    }
    for (const node of this.nodes) {
      this.soon(() => {
        node.tellPorts(
          this.edgesOf(node)
            .filter(({ isInTree }) => isInTree)
            .map((edge) => this.other(edge, node).name),
        );
      });
    }
  }

  #growFrom(root: PassNode, reached: Set<PassNode>): void {
    if (reached.has(root)) {
      return;
    }
    reached.add(root);
    const open = [root];
    while (open.length > 0) {
      const node = open.splice(Math.floor(this.simulation.random() * open.length), 1)[0] ?? root;
      for (const edge of this.edgesOf(node)) {
        const next = this.other(edge, node);
        if (!reached.has(next)) {
          reached.add(next);
          edge.isInTree = true;
          open.push(next);
        }
      }
    }
  }

  /** One thing that happens to the network. */
  upset(): void {
    const { simulation } = this;
    const dice = simulation.random();
    const edge = this.pick(this.edges);
    if (dice < 0.3) {
      if (edge.isUp) {
        this.down(edge);
      } else {
        this.up(edge);
      }
      this.grow();
    } else if (dice < 0.5) {
      this.grow();
    } else if (dice < 0.6) {
      this.restart(this.pick(this.nodes));
    } else if (dice < 0.75 && edge.isUp) {
      this.#breakStream(edge);
    } else {
      const member = this.pick(this.nodes.filter(({ isMember }) => isMember));
      const count = Math.floor(simulation.random() * 6);
      member.want(Array.from({ length: count }, () => Math.floor(simulation.random() * ROUTES)));
    }
  }

  #breakStream(edge: Edge): void {
    edge.generation++;
    const { generation } = edge;
    for (const node of edge.ends) {
      this.soon(() => {
        const peer = this.other(edge, node).name;
        if (edge.isUp && edge.generation === generation && node.partners.has(peer)) {
          node.handle({ kind: 'again', peer });
        } else if (edge.isUp && edge.generation === generation) {
          this.#hearUp(node, peer, edge.mtuBytes);
        }
      });
    }
  }

  /** A node starts anew, and so do its trunks. */
  restart(node: PassNode): void {
    const edges = this.edgesOf(node);
    for (const edge of edges) {
      const other = this.other(edge, node);
      edge.generation++;
      this.#hearDown(other, node.name);
    }
    node.partners.clear();
    node.start();
    for (const edge of edges) {
      this.up(edge);
    }
    this.grow();
  }

  /** A neighbour says what it likes: what it once heard, with another head, and paths to everybody. */
  lie(liar: PassNode): void {
    const { simulation } = this;
    for (const edge of this.edgesOf(liar)) {
      const to = this.other(edge, liar);
      const head = {
        pathMtuBytes: this.pick([1_232, 9_000, PATH_MTU_ANY]),
        hops: Math.floor(simulation.random() * 70),
      };
      const replayed = this.pick(this.recorded);
      const bytes = replayed[0] === 1 ? withHead(replayed, head) : replayed;
      const paths = this.nodes.map(({ nonce }) => {
        return { nonce, sequence: Math.floor(simulation.random() * 2 ** 42), ...head };
      });
      to.handle({ kind: 'message', peer: liar.name, bytes });
      to.handle({
        kind: 'message',
        peer: liar.name,
        bytes: encodePaths(SEGMENT.id, paths, simulation.random() < 0.5),
      });
    }
  }

  settle(): void {
    this.simulation.runFor(SETTLED_MS);
  }

  /** From a node to all that the tree connects it with: the first step, the nodes between, the least trunk. */
  reach(from: PassNode): Map<PassNode, { step: string; hops: number; mtuBytes: number }> {
    const reached = new Map<PassNode, { step: string; hops: number; mtuBytes: number }>();
    const walk = (node: PassNode, by: Edge | undefined): void => {
      for (const edge of this.edgesOf(node)) {
        if (edge.isInTree && edge !== by) {
          const next = this.other(edge, node);
          const before = reached.get(node);
          reached.set(next, {
            step: before?.step ?? next.name,
            hops: before === undefined ? 0 : before.hops + 1,
            mtuBytes: Math.min(before?.mtuBytes ?? PATH_MTU_ANY, edge.mtuBytes),
          });
          walk(next, edge);
        }
      }
    };
    walk(from, undefined);
    return reached;
  }

  assertExact(): void {
    for (const node of this.nodes) {
      const reached = this.reach(node);
      const known = [...reached].filter(([{ isMember }]) => isMember);
      for (const [value, token] of TOKENS.entries()) {
        const wanting = known.filter(([{ wanted }]) => value === 0 || wanted.includes(value));
        const ports = new Map<string, number>();
        for (const [, { step, mtuBytes }] of wanting) {
          ports.set(step, Math.min(ports.get(step) ?? PATH_MTU_ANY, mtuBytes));
        }
        const routes = node.machine.routesOf(token).map(({ peer, pathMtuBytes }) => [peer, pathMtuBytes]);
        assert.deepEqual(routes.toSorted(), [...ports].toSorted(), `${node.name}, token ${value}`);
      }
      for (const [member, { step, hops, mtuBytes }] of known) {
        const path = node.machine.pathOf(SEGMENT.id, member.nonce);
        assert.deepEqual(
          path,
          { peer: step, hops, pathMtuBytes: mtuBytes },
          `${node.name} to ${member.name}`,
        );
      }
      const names = known.map(([{ nonce }]) => keyOf(nonce)).toSorted();
      const announcers = node.machine.announcers(SEGMENT.id).map(({ nonce }) => nonce);
      assert.deepEqual(announcers.toSorted(), names, `${node.name} knows those who are there, and no more`);
    }
  }
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  test(`tokens lead the right way soon after each change of the tree; PEERTAP_SEED=${seed}`, () => {
    const world = new World(seed);
    world.settle();
    world.assertExact();
    for (let round = 0; round < 12; round++) {
      const before = world.messages;
      const changes = 1 + Math.floor(world.simulation.random() * 5);
      for (let change = 0; change < changes; change++) {
        world.upset();
        world.simulation.runFor(world.simulation.between(0, 400));
      }
      world.settle();
      world.assertExact();
      const most = MESSAGES_A_CHANGE * changes * world.nodes.length ** 2;
      assert.ok(world.messages - before < most, `${world.messages - before} messages`);
    }
    world.messages = 0;
    world.simulation.runFor(3 * 3_600_000);
    world.assertExact();
    const refreshes = 19 * world.nodes.length * (world.nodes.length + world.edges.length);
    assert.ok(world.messages < refreshes, `${world.messages} messages in three idle hours`);
  });

  test(`neighbours that lie change nothing that lasts; PEERTAP_SEED=${seed}`, () => {
    const world = new World(seed);
    world.settle();
    const liars = world.nodes.filter(({ isMember }) => !isMember).slice(0, 3);
    for (let turn = 0; turn < 300; turn++) {
      for (const liar of liars) {
        world.lie(liar);
      }
      world.simulation.runFor(world.simulation.between(0, 40));
    }
    for (const liar of liars) {
      world.restart(liar);
    }
    world.settle();
    world.assertExact();
  });
}
