/**
 * What happens to a VLAN's members in a simulation: everything, in an order that a seed decides, and then peace.
 *
 *   found ─▶ some 20 times { propose, renew, leave, partition, crash, roll back, lie … ; time passes }
 *     ─▶ heal, restart all ─▶ within a bound: one branch, nobody in it who was put out, everybody else in, nothing left over
 *
 * Tests only.
 */
import assert from 'node:assert/strict';
import { bareItem, signItem } from '../../control/membership/group/order/item.ts';
import { encodePolicy } from '../../control/membership/group/order/policy-extension.ts';
import { Standings } from '../../control/membership/group/order/standings.ts';
import { VLAN_ID } from './order-authority.ts';
import type { SimOrderNode } from './order-node.ts';
import { OrderWorld } from './order-world.ts';
import type { Simulation } from './simulation.ts';

export interface Scenario {
  readonly world: OrderWorld;
  /** Nodes that are no members yet. */
  readonly outside: SimOrderNode[];
  readonly liars: Set<SimOrderNode>;
}

/** A group that stands: `members` in it from the first state on, `outsiders` that may be let in. */
export function foundGroup(simulation: Simulation, sizes: { members: number; outsiders: number }): Scenario {
  const world = new OrderWorld(simulation);
  for (let index = 0; index < sizes.members + sizes.outsiders; index++) world.addNode();
  const members = world.nodes.slice(0, sizes.members);
  const admins = members.slice(0, members.length > 4 ? 2 : 1);
  for (const admin of admins) world.authority.admins.add(admin.peer);
  const [owner] = members;
  assert.ok(owner !== undefined);
  for (const node of members)
    node.admission = world.authority.admit(
      node,
      owner,
      world.authority.admins.has(node.peer) ? 'admin' : 'member',
    );
  const policy = encodePolicy({
    record: world.authority.record(),
    rebuild: undefined,
    standings: Standings.none,
  });
  const first = world.model.create(owner.peer, policy);
  const others = members.slice(1).map(({ peer }) => peer);
  const facts = { committer: owner.peer, added: others, removed: [], isExternal: false };
  const { state } = world.model.commit(first, { policy: undefined, facts });
  world.connectAll(6);
  for (const node of members) {
    node.model.disk.add(state.id);
    const { admission } = node;
    node.start({ kind: 'start', from: 'joined', state: node.model.view(state.id), admission });
  }
  return { world, outside: world.nodes.slice(sizes.members), liars: new Set() };
}

/** One thing that may happen. */
export function disturb(scenario: Scenario): void {
  const { world, outside } = scenario;
  const { simulation } = world;
  const up = world.nodes.filter(({ isUp }) => isUp);
  const node = pick(simulation, up);
  const admin = pick(
    simulation,
    up.filter(({ peer }) => world.authority.admins.has(peer)),
  );
  switch (Math.floor(simulation.random() * 16)) {
    case 0:
    case 1:
      if (admin !== undefined) proposeAdd(scenario, admin, pick(simulation, outside));
      return;
    case 2:
      if (admin !== undefined && node !== undefined && node !== admin && !isLastAdmin(world, node))
        remove(world, node, admin);
      return;
    case 3:
      if (node !== undefined && !world.authority.admins.has(node.peer) && simulation.random() < 0.3)
        node.input({ kind: 'leave' });
      return;
    case 4:
    case 5:
      for (const other of up) if (simulation.random() < 0.5) other.input({ kind: 'renew' });
      return;
    case 6:
      world.authority.recordSequence++;
      admin?.input({ kind: 'set-policy', record: world.authority.record() });
      return;
    case 7:
    case 8:
    case 9:
      divide(world);
      return;
    case 10:
      world.heal();
      return;
    case 11:
      node?.crash();
      return;
    case 12:
      for (const other of world.nodes) if (simulation.random() < 0.7) other.restartNow();
      return;
    case 13:
      if (node !== undefined && node.copies.length > 0) {
        node.crash();
        node.restartNow(pick(simulation, node.copies));
      }
      return;
    case 14:
      world.wire.lossRatio = simulation.random() < 0.5 ? 0 : simulation.between(0, 0.3);
      world.wire.doubleRatio = simulation.between(0, 0.2);
      world.wire.mostDelayMs = simulation.random() < 0.7 ? 40 : simulation.between(40, 900);
      world.failedStoreRatio = simulation.random() < 0.8 ? 0 : 0.2;
      return;
    default:
      if (
        node !== undefined &&
        up.length > 3 &&
        scenario.liars.size === 0 &&
        !world.authority.admins.has(node.peer)
      )
        lie(scenario, node);
  }
}

/** Parts of every shape: halves, one alone, a bridge that two parts share, many. */
export function divide(world: OrderWorld): void {
  const { simulation } = world;
  const shape = simulation.random();
  const lonely = pick(simulation, world.nodes);
  const parts = shape < 0.5 ? 2 : 2 + Math.floor(simulation.random() * 4);
  world.partition((node) => {
    if (shape < 0.25) return node === lonely ? 1 : 0;
    return Math.floor(simulation.random() * parts);
  });
}

/** An admin lets somebody in. */
export function proposeAdd(scenario: Scenario, admin: SimOrderNode, joiner: SimOrderNode | undefined): void {
  if (joiner === undefined || joiner.isUp || joiner.end === 'expelled') return;
  const { world } = scenario;
  joiner.admission = world.authority.admit(joiner, admin);
  const result = joiner.model.run({ op: 'key-package' });
  assert.ok(result.ok && result.op === 'key-package');
  const { keyPackage } = result.value as { keyPackage: Uint8Array };
  admin.input({ kind: 'propose-add', peer: joiner.peer, keyPackage, admission: joiner.admission });
}

/** An admin puts somebody out. */
export function remove(world: OrderWorld, node: SimOrderNode, admin: SimOrderNode): void {
  admin.input({ kind: 'propose-remove', peer: node.peer, tombstone: world.authority.tombstone(node, admin) });
}

/** Heals all and waits. @returns after how long all agreed, in ms */
export function settleDown(scenario: Scenario, boundMs: number): number {
  const { world, liars } = scenario;
  const { simulation } = world;
  for (const liar of liars) liar.tamper = undefined;
  Object.assign(world.wire, { lossRatio: 0, doubleRatio: 0, mostDelayMs: 40 });
  world.failedStoreRatio = 0;
  world.heal();
  for (const node of world.nodes) node.restartNow();
  // Whoever was between two others may have gone for good.
  const left = world.nodes.filter(({ isUp }) => isUp);
  for (const [index, node] of left.entries()) world.connect(node, left[(index + 1) % left.length] ?? node);
  world.syncLinks();
  const startMs = simulation.nowMs;
  let fault: string | undefined = 'not looked at';
  while (fault !== undefined && simulation.nowMs - startMs < boundMs) {
    simulation.runFor(1_000);
    fault = disagreement(scenario);
  }
  assert.equal(fault, undefined, `${fault} after ${boundMs} ms`);
  return simulation.nowMs - startMs;
}

/** What is not as it should be among those who can all talk; undefined when all is well. */
function disagreement({ world, liars }: Scenario): string | undefined {
  const active = world.nodes.filter((node) => node.isUp && !liars.has(node));
  const [first] = active;
  if (first?.settled === undefined) return active.length === 0 ? undefined : 'nothing settled';
  for (const node of active) {
    if (node.settled?.id !== first.settled.id) return `nodes ${first.index} and ${node.index} differ`;
    const { pending, phase } = node.machine?.status(world.simulation.nowMs) ?? {};
    if (phase !== 'active') return `node ${node.index} is ${phase}`;
    if (pending === undefined || pending.remove.length > 0 || pending.policy)
      return `node ${node.index} waits`;
  }
  const members = new Set(first.settled.members.map(({ peer }) => peer));
  for (const { peer, index } of active) if (!members.has(peer)) return `node ${index} is not in`;
  for (const node of world.nodes) {
    if (!isOutForGood(world, node.peer)) continue;
    if (members.has(node.peer)) return `node ${node.index} is in, and was put out`;
    if (node.isUp) return `node ${node.index} has not heard that it is out`;
  }
  return undefined;
}

function isOutForGood(world: OrderWorld, peer: string): boolean {
  const { authority } = world;
  const issuer = authority.issuers.get(peer);
  return authority.isOut(peer) && issuer !== undefined && !authority.isOut(issuer);
}

/** A member that repeats, garbles, makes up branches, and speaks in others' names. */
function lie(scenario: Scenario, liar: SimOrderNode): void {
  const { world } = scenario;
  const { simulation } = world;
  scenario.liars.add(liar);
  const heard: Uint8Array[] = [];
  liar.tamper = (bytes) => {
    if (heard.length < 50) heard.push(bytes);
    const lies: Uint8Array[] = [bytes];
    const old = pick(simulation, heard);
    if (old !== undefined && simulation.random() < 0.3) lies.push(old);
    if (simulation.random() < 0.2) lies.push(garbled(simulation, bytes));
    if (simulation.random() < 0.1) lies.push(simulation.bytes(simulation.between(0, 300)));
    if (simulation.random() < 0.2) lies.push(message(heartbeatLie(world, liar)));
    if (simulation.random() < 0.1) lies.push(message(commitLie(world, liar)));
    return lies;
  };
}

function heartbeatLie(world: OrderWorld, liar: SimOrderNode): Uint8Array {
  const { simulation } = world;
  const claimed = pick(simulation, world.nodes) ?? liar;
  // In its own name, about any head; or in another's, which it cannot sign.
  const self = simulation.random() < 0.6 ? liar.peer : claimed.peer;
  const head =
    simulation.random() < 0.5
      ? hex(simulation.bytes(16))
      : (claimed.settled?.id ?? hex(simulation.bytes(16)));
  return signItem(
    {
      type: 'heartbeat',
      sequence: Math.floor(Date.UTC(2026, 10, 21) + simulation.nowMs + simulation.between(-5_000, 5_000)),
      epoch: Math.floor(simulation.between(0, 60)),
      head,
      tag: simulation.bytes(16),
      rebuildTag: simulation.bytes(16),
    },
    { self, vlanId: VLAN_ID, sign: (bytes) => world.authority.signature(liar.peer, bytes) },
  );
}

function commitLie(world: OrderWorld, liar: SimOrderNode): Uint8Array {
  const { simulation } = world;
  const victim = pick(simulation, world.nodes) ?? liar;
  return signItem(
    {
      type: 'commit',
      base: liar.settled?.id ?? hex(simulation.bytes(16)),
      digest: hex(simulation.bytes(16)),
      epoch: (liar.settled?.epoch ?? 0) + 1,
      isExternal: simulation.random() < 0.3,
      isReturning: false,
      welcome: undefined,
      admissions: [],
      admitted: [],
      keyPackages: [],
      removed: [victim.peer],
      leaves: [],
    },
    { self: liar.peer, vlanId: VLAN_ID, sign: (bytes) => world.authority.signature(liar.peer, bytes) },
  );
}

/** One item as a gossip message. */
function message(item: Uint8Array): Uint8Array {
  const bytes = item.length > 0 ? item : bareItem('record', item);
  return new Uint8Array([1, bytes[0] ?? 0, bytes.length & 0xff, bytes.length >>> 8, ...bytes]);
}

function garbled(simulation: Simulation, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice(0, Math.floor(simulation.between(1, bytes.length + 1)));
  for (let count = 0; count < 3; count++) {
    const at = Math.floor(simulation.random() * copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(simulation.random() * 8));
  }
  return copy;
}

function isLastAdmin(world: OrderWorld, node: SimOrderNode): boolean {
  const left = [...world.authority.admins].filter(
    (peer) => !world.authority.tombstones.has(peer) && peer !== node.peer,
  );
  return world.authority.admins.has(node.peer) && left.length === 0;
}

export function pick<T>(simulation: Simulation, items: readonly T[]): T | undefined {
  return items[Math.floor(simulation.random() * items.length)];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
