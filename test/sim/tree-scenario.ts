/**
 * Graphs and troubles for the tree's simulations, all decided by the seed.
 */
import type { TreeWorld } from './tree-world.ts';
import { type TreeNode, type Trunk } from './tree-world.ts';

/** How large, and who is what. */
export interface GraphOptions {
  readonly nodes: number;
  /** How many are no members. */
  readonly relayShare: number;
  readonly liars?: number;
}

/** A random graph of degree 3 to 8, in one piece. */
export function growGraph(world: TreeWorld, { nodes, relayShare, liars = 0 }: GraphOptions): void {
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
export function startAll(world: TreeWorld): void {
  const { simulation } = world;
  for (const node of world.nodes) {
    simulation.after(simulation.between(0, 300), () => {
      if (node.machine === undefined && !node.isLiar) world.start(node);
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
export function disturb(world: TreeWorld): void {
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
    world.setCost(trunk, trunk.cost === 65_535 ? 100 : 65_535);
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

function toggle(world: TreeWorld, trunk: Trunk): void {
  if (trunk.isUp) world.cut(trunk);
  else world.raise(trunk);
}

/** It dies, and comes back with its trunks after a while. */
function restart(world: TreeWorld, node: TreeNode): void {
  const trunks = world.trunksAt(node).filter(({ isUp }) => isUp);
  const wasThere = node.machine !== undefined;
  world.crash(node);
  world.simulation.after(world.simulation.between(0, 400), () => {
    if (wasThere && node.machine === undefined) world.start(node);
    for (const trunk of trunks) {
      world.raise(trunk);
    }
  });
  world.simulation.runFor(400);
}

function leaveOrReturn(world: TreeWorld, node: TreeNode): void {
  if (node.machine === undefined) world.start(node);
  else world.leave(node);
}

/** The loop guard's word, for so short that it is over before the rest. */
function blockPort(world: TreeWorld, node: TreeNode): void {
  const trunk = pick(world, world.trunksAt(node));
  if (trunk !== undefined) {
    const peer = world.neighbourAt(node, trunk).name;
    world.input(node, { kind: 'block', peer, untilMs: world.simulation.nowMs + 100 });
  }
}

/** Every trunk between two halves is cut. */
function partOff(world: TreeWorld): void {
  const half = new Set(world.nodes.filter(() => world.simulation.random() < 0.5));
  for (const trunk of world.trunks) {
    if (half.has(trunk.ends[0]) !== half.has(trunk.ends[1])) {
      world.cut(trunk);
    }
  }
}

/** All trunks are there again, within a moment. */
export function healAll(world: TreeWorld): void {
  for (const trunk of world.trunks) {
    world.simulation.after(world.simulation.between(0, 100), () => {
      world.raise(trunk);
    });
  }
  world.simulation.runFor(100);
}

export function pick<Item>(world: TreeWorld, items: readonly Item[]): Item | undefined {
  return items[Math.floor(world.simulation.random() * items.length)];
}
