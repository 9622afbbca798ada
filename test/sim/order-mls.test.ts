/**
 * Commits ordered over the real group: ts-mls, on this thread, its files in a temporary folder, on virtual time.
 *
 *   create ─▶ all let in ─▶ some renew at once ─▶ parted, both sides change ─▶ healed ─▶ one crashes, comes again
 *     ─▶ one removed ─▶ all agree, the removed one can follow no more
 *
 * `SIM_SEED=n` replays a seed's events (keys differ); `SIM_SEEDS=n` runs as many; `SIM_MLS_MEMBERS=200` takes a
 * group of that size instead of 20.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshSigner, TestNode, temporaryFolder } from '../../control/membership/group/mls/group.fixture.ts';
import { VLAN_ID } from './order-authority.ts';
import type { SimOrderNode } from './order-node.ts';
import { pick, remove } from './order-scenario.ts';
import { OrderWorld } from './order-world.ts';
import { Simulation } from './simulation.ts';

const FILE = 'test/sim/order-mls.test.ts';
const SEEDS = Number(process.env['SIM_SEEDS'] ?? 20);
const ONLY = process.env['SIM_SEED'];
const LARGE = Number(process.env['SIM_MLS_MEMBERS'] ?? 20);
const PEACE_BOUND_MS = 60_000;

test('three to five real members agree after renewals at once, a partition, a crash and a removal', async () => {
  const seeds = ONLY === undefined ? Array.from({ length: SEEDS }, (_, index) => index + 1) : [Number(ONLY)];
  for (const seed of seeds) await replayable(seed, (simulation) => troubles(simulation, 3 + (seed % 3)));
});

test(`${LARGE} real members let one another in and put one out`, async () => {
  await replayable(1, async (simulation) => {
    await withWorld(simulation, LARGE, async (world) => {
      await found(world);
      await putOut(world);
    });
  });
});

async function replayable(seed: number, scenario: (simulation: Simulation) => Promise<void>): Promise<void> {
  try {
    await scenario(new Simulation(seed));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`seed ${seed}: ${reason}\nreplay: SIM_SEED=${seed} node --test ${FILE}`, { cause });
  }
}

function troubles(simulation: Simulation, members: number): Promise<void> {
  return withWorld(simulation, members, async (world) => {
    await found(world);
    for (const node of world.nodes) if (simulation.random() < 0.7) node.input({ kind: 'renew' });
    await agree(world);
    const isApart = simulation.random() < 0.7;
    if (isApart) world.partition((node) => Number(node.index >= members / 2));
    world.authority.recordSequence++;
    world.nodes[0]?.input({ kind: 'set-policy', record: world.authority.record() });
    pick(simulation, world.nodes.slice(1))?.input({ kind: 'renew' });
    // Long enough apart for the states that they have in common to be destroyed, or not.
    await world.runFor(simulation.random() < 0.3 ? 130_000 : simulation.between(500, 8_000));
    world.heal();
    const victim = pick(simulation, world.nodes);
    if (simulation.random() < 0.7) await world.runFor(simulation.between(0, 400));
    victim?.crash();
    await world.runFor(simulation.between(100, 2_000));
    victim?.restartNow();
    await agree(world);
    await putOut(world);
  });
}

async function withWorld(
  simulation: Simulation,
  members: number,
  act: (world: OrderWorld) => Promise<void>,
): Promise<void> {
  const folder = temporaryFolder();
  try {
    const nodes = Array.from(
      { length: members },
      () => new TestNode(folder.path, { vlanId: VLAN_ID, signer: freshSigner() }),
    );
    const nodeOf = (index: number): TestNode => nodes[index] ?? assert.fail(`no node ${index}`);
    const world = new OrderWorld(simulation, {
      keyOf: (index) => nodeOf(index).context.signer.publicKey,
      groupOf: (index) => nodeOf(index).port(),
    });
    for (let index = 0; index < members; index++) world.addNode();
    await act(world);
  } finally {
    folder.remove();
  }
}

/** The first creates; it lets all others in. */
async function found(world: OrderWorld): Promise<void> {
  const [admin, ...others] = world.nodes;
  assert.ok(admin !== undefined);
  world.authority.admins.add(admin.peer);
  world.connectAll(6);
  admin.admission = world.authority.admit(admin, admin, 'admin');
  admin.start({
    kind: 'start',
    from: 'create',
    record: world.authority.record(),
    admission: admin.admission,
  });
  await world.runFor(500);
  for (const node of others) {
    node.admission = world.authority.admit(node, admin);
    const result = await node.group.run({ op: 'key-package' });
    assert.ok(result.ok && 'keyPackage' in result.value);
    const { keyPackage } = result.value;
    admin.input({ kind: 'propose-add', peer: node.peer, keyPackage, admission: node.admission });
  }
  await agree(world);
}

/** The last one goes, and holds no later epoch. */
async function putOut(world: OrderWorld): Promise<void> {
  const [admin] = world.nodes;
  const victim = world.nodes.at(-1);
  assert.ok(admin !== undefined && victim !== undefined);
  remove(world, victim, admin);
  await world.runFor(3_000);
  await agree(world);
  assert.equal(victim.end, 'expelled');
  const { settled } = admin;
  assert.ok(settled !== undefined && settled.members.every(({ peer }) => peer !== victim.peer));
  const held = await victim.group.restore([settled.id]);
  assert.deepEqual(held, [], 'the removed one holds the epoch after it');
}

/** One state on all nodes that take part. */
async function agree(world: OrderWorld): Promise<void> {
  const startMs = world.simulation.nowMs;
  while (disagreement(world) !== undefined && world.simulation.nowMs - startMs < PEACE_BOUND_MS) {
    await world.runFor(500);
  }
  assert.equal(disagreement(world), undefined);
  const secrets = new Set(
    takingPart(world).map(({ settled }) => Buffer.from(settled?.secret ?? []).toString('hex')),
  );
  assert.equal(secrets.size, 1, 'one state, several secrets');
}

function disagreement(world: OrderWorld): string | undefined {
  const active = takingPart(world);
  const [first] = active;
  for (const { settled, isUp, index } of active) {
    if (!isUp || settled === undefined || settled.id !== first?.settled?.id) return `node ${index} differs`;
    if (settled.members.length !== active.length)
      return `${settled.members.length} of ${active.length} are in`;
  }
  return undefined;
}

function takingPart(world: OrderWorld): readonly SimOrderNode[] {
  return world.nodes.filter(({ end, peer }) => end === undefined && !world.authority.tombstones.has(peer));
}
