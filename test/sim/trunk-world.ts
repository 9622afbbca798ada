/**
 * Worlds of simulated nodes for the scenarios: making them, traffic in them, and what must hold in all of them.
 */
import assert from 'node:assert/strict';
import { SimNode, type SimWorld } from './sim-node.ts';
import type { Simulation } from './simulation.ts';
import { VirtualNetwork } from './virtual-network.ts';

export const UP_BOUND_MS = 5_000;
/** A lane table of this size would mean that rekeys leave lanes behind: 16 lanes, 2 carriers, old and new, and retired. */
const LANES_PER_TRUNK_MAX = 96;

export interface World extends SimWorld {
  readonly nodes: SimNode[];
}

export function createWorld(
  simulation: Simulation,
  nodeCount: number,
  peersOf: (index: number, nodes: readonly SimNode[]) => readonly SimNode[] = (_, nodes) => nodes,
): World {
  const network = new VirtualNetwork(simulation);
  network.defaults = {
    ...network.defaults,
    delayMs: simulation.between(0.5, 60),
    jitterMs: simulation.between(0, 10),
    mtuBytes: [1_280, 1_400, 1_472, 8_972][Math.floor(simulation.random() * 4)] ?? 1_472,
  };
  const world = { simulation, network, sealed: new Set<string>() };
  const nodes = Array.from(
    { length: nodeCount },
    (_, index) =>
      new SimNode(world, {
        id: `n${index}`,
        ip: `10.0.0.${index + 1}`,
        workerCount: 1 + Math.floor(simulation.random() * 4),
      }),
  );
  for (const [index, node] of nodes.entries()) {
    node.setPeers(peersOf(index, nodes).filter((peer) => peer !== node));
  }
  return { ...world, nodes };
}

export function startAll(world: World): void {
  for (const node of world.nodes) {
    world.simulation.after(world.simulation.between(0, 300), () => node.start());
  }
}

export function pairs(nodes: readonly SimNode[]): [SimNode, SimNode][] {
  return nodes.flatMap((one, index) =>
    nodes.slice(index + 1).map((other): [SimNode, SimNode] => [one, other]),
  );
}

export function describe(one: SimNode, other: SimNode): string {
  return `${JSON.stringify(one.statusOf(other.id))} ${JSON.stringify(other.statusOf(one.id))}\n${[...one.logs, ...other.logs].slice(-30).join('\n')}`;
}

export function assertAllUp(world: World, carrier?: 'udp' | 'stream'): void {
  for (const [one, other] of pairs(world.nodes)) {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const status = from.statusOf(to.id);
      assert.equal(status?.state, 'up', `${from.id} to ${to.id} is not up: ${describe(one, other)}`);
      if (carrier !== undefined) {
        assert.equal(status.carrier, carrier, `${from.id} to ${to.id}: ${describe(one, other)}`);
      }
    }
  }
}

export function assertBounded(world: World): void {
  for (const node of world.nodes) {
    const sizes = node.machine.sizes();
    assert.equal(sizes.lanes, node.dataplane.lanes.size, 'the machine and the data plane disagree on lanes');
    assert.ok(sizes.peers <= world.nodes.length, `${sizes.peers} peers remembered`);
    assert.ok(sizes.lanes <= LANES_PER_TRUNK_MAX * (world.nodes.length - 1), `${sizes.lanes} lanes`);
    assert.ok(sizes.streams <= 2 * world.nodes.length, `${sizes.streams} streams`);
    assert.ok(node.dataplane.trunks.size <= world.nodes.length - 1, 'more than one trunk a pair');
  }
}

/** Frames one way on a pair, each counted when it arrives. */
export class Traffic {
  sent = 0;
  refused = 0;
  readonly arrivedAtMs: number[] = [];
  readonly #simulation: Simulation;
  #isRunning = true;

  constructor(simulation: Simulation, from: SimNode, to: SimNode, intervalMs: number, sizeBytes = 200) {
    this.#simulation = simulation;
    const earlier = to.onFrame;
    to.onFrame = (trunk, frame) => {
      earlier(trunk, frame);
      if (frame === this) {
        this.arrivedAtMs.push(simulation.nowMs);
      }
    };
    const send = (): void => {
      if (!this.#isRunning) {
        return;
      }
      this.sent += 1;
      this.refused += from.sendFrame(to.id, this, sizeBytes) ? 0 : 1;
      simulation.after(intervalMs, send);
    };
    send();
  }

  stop(): void {
    this.#isRunning = false;
  }

  /** @returns the longest time without an arrival since `startMs` */
  longestGapMs(startMs: number): number {
    const times = [startMs, ...this.arrivedAtMs.filter((atMs) => atMs >= startMs), this.#simulation.nowMs];
    return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs)));
  }
}

/** Something fails, or comes back. */
export function disturb(world: World): void {
  const { simulation, nodes, network } = world;
  const pick = <T>(items: readonly T[]): T =>
    items[Math.floor(simulation.random() * items.length)] ?? assert.fail('nothing to pick');
  const node = pick(nodes);
  const path = network.path(...(pick(pairs(nodes)).map(({ id }) => id) as [string, string]));
  const acts = [
    () => (node.isAlive ? node.crash() : node.start()),
    () => (path.isCut = !path.isCut),
    () => (path.isUdpBlocked = !path.isUdpBlocked),
    () => (path.lossRatio = simulation.between(0, 0.3)),
    () => (path.mtuBytes = pick([1_280, 1_400, 1_472])),
    () => node.input({ kind: 'worker-restarted', worker: 0 }),
    () => node.setVlans([simulation.bytes(16)]),
  ];
  pick(acts)();
}
