/**
 * Graphs and troubles for the simulations of the tree and of the fabric, all decided by the seed.
 */
import { COST_INFINITE, type MeshNode, type MeshWorld, type Trunk } from './mesh-world.ts';
import type { Simulation } from './simulation.ts';

/** Any of the worlds. */
type World<Node extends MeshNode, Message> = MeshWorld<Node, Message>;

/** Up to it ways are short whatever is cut. */
const SMALL_NODES = 50;

/** How large, and who is what. */
export interface GraphOptions {
  readonly nodes: number;
  /** How many are no members. */
  readonly relayShare: number;
  readonly liars?: number;
}

/** A random graph of degree 3 to 8, in one piece. */
export function growGraph<Node extends MeshNode, Message>(
  world: World<Node, Message>,
  { nodes, relayShare, liars = 0 }: GraphOptions,
): void {
  const { simulation } = world;
  for (let index = 0; index < nodes; index++) {
    const isLiar = index > 0 && index <= liars;
    const isMember = index === 0 || (!isLiar && simulation.random() >= relayShare);
    const node = world.addNode({ isMember, isLiar });
    if (index > 0) {
      world.addTrunk(node, pick(world, world.nodes.slice(0, index)) ?? node);
    }
  }
  for (const node of world.nodes) {
    const degree = Math.min(nodes - 1, 3 + Math.floor(simulation.random() * 3));
    for (let attempt = 0; world.trunksAt(node).length < degree && attempt < 20; attempt++) {
      const other = pick(world, world.nodes);
      if (other !== undefined && world.trunksAt(other).length < 8) {
        world.addTrunk(node, other);
      }
    }
  }
}

/** Nodes and trunks come up within half a second. */
export function startAll<Node extends MeshNode, Message>(world: World<Node, Message>): void {
  const { simulation } = world;
  for (const node of world.nodes) {
    simulation.after(simulation.between(0, 300), () => {
      if (!world.isRunning(node) && !node.isLiar) world.start(node);
    });
  }
  for (const trunk of world.trunks) {
    simulation.after(simulation.between(0, 500), () => {
      world.raise(trunk);
    });
  }
  simulation.runFor(600);
}

/** One trouble, or the end of one. */
export function disturb<Node extends MeshNode, Message>(world: World<Node, Message>): void {
  const { simulation } = world;
  const trunk = pick(world, world.trunks);
  const node = pick(
    world,
    world.nodes.filter(({ isLiar }) => !isLiar),
  );
  if (trunk === undefined || node === undefined) {
    return;
  }
  const which = simulation.random();
  if (which < 0.3) {
    toggle(world, trunk);
  } else if (which < 0.42) {
    world.setCost(trunk, Math.ceil(simulation.between(1, 2_000)));
  } else if (which < 0.48) {
    world.setCost(trunk, trunk.cost === COST_INFINITE ? 100 : COST_INFINITE);
  } else if (which < 0.58) {
    world.replaceStream(trunk);
  } else if (which < 0.68) {
    restart(world, node);
  } else if (which < 0.78) {
    leaveOrReturn(world, node);
  } else if (which < 0.84) {
    blockPort(world, node);
  } else if (which < 0.92) {
    partOff(world);
  } else {
    healAll(world);
  }
}

function toggle<Node extends MeshNode, Message>(world: World<Node, Message>, trunk: Trunk<Node>): void {
  if (trunk.isUp) world.cut(trunk);
  else world.raise(trunk);
}

/** It dies, and comes back with its trunks after a while. */
function restart<Node extends MeshNode, Message>(world: World<Node, Message>, node: Node): void {
  const trunks = world.trunksAt(node).filter(({ isUp }) => isUp);
  const wasThere = world.isRunning(node);
  world.crash(node);
  world.simulation.after(world.simulation.between(0, 400), () => {
    if (wasThere && !world.isRunning(node)) world.start(node);
    for (const trunk of trunks) {
      world.raise(trunk);
    }
  });
  world.simulation.runFor(400);
}

function leaveOrReturn<Node extends MeshNode, Message>(world: World<Node, Message>, node: Node): void {
  if (!world.isRunning(node)) world.start(node);
  else world.leave(node);
}

/** The loop guard's word, for so short that it is over before the rest. */
function blockPort<Node extends MeshNode, Message>(world: World<Node, Message>, node: Node): void {
  const trunk = pick(world, world.trunksAt(node));
  if (trunk !== undefined) {
    const peer = world.neighbourAt(node, trunk).name;
    world.block(node, peer, world.simulation.nowMs + 100);
  }
}

/**
 * Every trunk between two parts is cut. In a large graph one part is a neighbourhood: random halves would leave so few trunks
 * that ways get longer than a tree may be deep.
 */
function partOff<Node extends MeshNode, Message>(world: World<Node, Message>): void {
  const { nodes, simulation } = world;
  const part =
    nodes.length > SMALL_NODES
      ? neighbourhood(world, nodes.length * simulation.between(0.1, 0.9))
      : new Set(nodes.filter(() => simulation.random() < 0.5));
  for (const trunk of world.trunks) {
    if (part.has(trunk.ends[0]) !== part.has(trunk.ends[1])) {
      world.cut(trunk);
    }
  }
}

function neighbourhood<Node extends MeshNode, Message>(world: World<Node, Message>, size: number): Set<Node> {
  const part = new Set<Node>();
  const first = pick(world, world.nodes);
  const queue = first === undefined ? [] : [first];
  for (const node of queue) {
    if (part.size >= size) break;
    if (part.has(node)) continue;
    part.add(node);
    queue.push(...world.trunksAt(node).map((trunk) => world.neighbourAt(node, trunk)));
  }
  return part;
}

/** All trunks are there again, within a moment. */
export function healAll<Node extends MeshNode, Message>(world: World<Node, Message>): void {
  for (const trunk of world.trunks) {
    world.simulation.after(world.simulation.between(0, 100), () => {
      world.raise(trunk);
    });
  }
  world.simulation.runFor(100);
}

export function pick<Item>(
  world: { readonly simulation: Simulation },
  items: readonly Item[],
): Item | undefined {
  return items[Math.floor(world.simulation.random() * items.length)];
}
