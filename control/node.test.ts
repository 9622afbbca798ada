/** Behaviour of the node at reloads and failures: a real registry on disk, and a data plane that refuses on demand. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { type Config, parseConfig } from './config/config.ts';
import type { VlanAttachmentRequest, VlanRequest } from './dataplane-link/dataplane-options.ts';
import { createIdentity } from './identity/identity.fixture.ts';
import { SubsystemLog } from './inspection/subsystem-log.ts';
import { PeertapNode } from './node.ts';
import type { DataplaneAtWork, NetworkAtWork, NodeParts } from './node-parts.ts';
import { Swarm } from './swarm/swarm.ts';
import { formatVlanId } from './vlan/vlan-id.ts';
import { VlanRegistry } from './vlan/vlan-registry.ts';
import type { VlanAtWork, VlansAtWork } from './vlan-service/vlan-parts.ts';

const ID_A = idOf(1);
const ID_B = idOf(2);
const ID_C = idOf(3);
const COUNTERS = {} as VlanAtWork['counters'];
const IDENTITY = createIdentity();

/** The VLANs of a data plane without a kernel. */
class ListedVlans implements VlansAtWork {
  readonly interfaces = new Map<string, string | undefined>();
  /** What was done, in order. */
  readonly deeds: string[] = [];
  /** Interfaces that the kernel refuses. */
  readonly refused = new Set<string>();

  join({ idBytes, attachment }: VlanRequest): Promise<VlanAtWork> {
    const id = formatVlanId(idBytes);
    return this.#do(`join ${nameOf(id)}`, id, attachment);
  }

  async change(id: string, attachment: VlanAttachmentRequest | undefined): Promise<void> {
    this.interfaces.set(id, undefined);
    await this.#do(`change ${nameOf(id)}`, id, attachment);
  }

  leave(id: string): Promise<void> {
    this.deeds.push(`leave ${nameOf(id)}`);
    this.interfaces.delete(id);
    return Promise.resolve();
  }

  find(id: string): VlanAtWork | undefined {
    if (!this.interfaces.has(id)) return undefined;
    return atWork(this.interfaces.get(id));
  }

  all(): readonly VlanAtWork[] {
    return [...this.interfaces.keys()].flatMap((id) => this.find(id) ?? []);
  }

  sharedWith(): readonly string[] {
    return [];
  }

  #do(deed: string, id: string, attachment: VlanAttachmentRequest | undefined): Promise<VlanAtWork> {
    const name = attachment?.interface;
    if (name !== undefined && this.refused.has(name)) {
      this.deeds.push(`${deed} refused`);
      return Promise.reject(new Error(`${name} exists already`));
    }
    this.deeds.push(deed);
    this.interfaces.set(id, name);
    return Promise.resolve(atWork(name));
  }
}

function atWork(interfaceName: string | undefined): VlanAtWork {
  const vlanId = new Uint8Array(16);
  return {
    vlanId,
    interfaceName,
    members: [],
    stations: 0,
    multicast: { wanted: 0, wantsAll: false, sentTo: 0, messages: {} },
    counters: COUNTERS,
    setGroupEpoch: () => undefined,
  };
}

const root = mkdtempSync(join(tmpdir(), 'peertap-node-'));
let count = 0;
let directory: string;
let vlans: ListedVlans;
let logged: { readonly level: number; readonly msg: string }[];
let node: PeertapNode | undefined;

beforeEach(() => {
  directory = join(root, `${count++}`);
  vlans = new ListedVlans();
  logged = [];
  node = undefined;
});
afterEach(() => node?.stop());
after(() => {
  rmSync(root, { recursive: true });
});

function idOf(seed: number): string {
  return formatVlanId(new Uint8Array(16).fill(seed));
}

function nameOf(id: string): string {
  return { [ID_A]: 'A', [ID_B]: 'B', [ID_C]: 'C' }[id] ?? id;
}

function attachment(id: string, name: string, mtuBytes = 1500) {
  return {
    id,
    interface: name,
    addresses: [],
    mtuBytes,
    multicast: 'snoop' as const,
    paths: 'failover' as const,
    treeRank: 128,
  };
}

function configOf(configured: readonly object[], more: object = {}): Config {
  return parseConfig({ stateDirectory: directory, vlans: configured, ...more });
}

/** A node on its registry; the data plane is in the VLANs of the config already. */
async function createNode(config: Config): Promise<{ node: PeertapNode; registry: VlanRegistry }> {
  const registry = VlanRegistry.open(directory, config.vlans);
  const logger = pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line) as never) });
  const made = new PeertapNode({
    config,
    identity: IDENTITY,
    registry,
    dataplane: createDataplane(),
    network: createNetwork(),
    swarm: Swarm.open(directory),
    finder: createFinder(),
    openGroup: () => ({
      run: (job) => Promise.resolve({ ok: false, op: job.op, code: 'failed', reason: 'no group here' }),
      restore: () => Promise.resolve([]),
    }),
    engine: { name: 'typescript', reason: null },
    log: new SubsystemLog(logger),
  });
  node = made;
  for (const entry of registry.list()) await vlans.join(entry);
  vlans.deeds.length = 0;
  return { node: made, registry };
}

function createDataplane(): DataplaneAtWork {
  return {
    vlans,
    fabric: { forwardingPeers: () => new Set() },
    trunkDataplane: {
      workerCount: 1,
      attach: () => undefined,
      perform: () => undefined,
      laneStats: () => [],
      deliverStream: () => undefined,
      allocateLane: () => undefined,
    },
    sockets: [],
    totals: () => ({ counters: {}, drops: {} }),
    trunkBytes: () => ({ sent: 0, received: 0 }),
    trunkNotice: () => undefined,
    setClockCorrection: () => undefined,
    setOwnAddresses: () => undefined,
    crashWorker: () => false,
    leaveVlans: () => Promise.resolve(),
  };
}

function createNetwork(): NetworkAtWork {
  return {
    attach: () => undefined,
    perform: () => undefined,
    sendCarrier: () => false,
    listen: () => Promise.resolve(),
    listenAddresses: () => [],
    streams: {
      open: () => Promise.reject(new Error('no network')),
      accept: () => Promise.resolve(),
    },
  };
}

function createFinder(): NodeParts['finder'] {
  const nothing = (): Promise<undefined> => Promise.resolve(undefined);
  const nobody = (): Promise<number> => Promise.resolve(0);
  return {
    setAnnounced: () => undefined,
    findProviders: nobody,
    provide: nobody,
    unprovide: nothing,
    startLan: nothing,
    stopLan: nothing,
    askLan: nothing,
    putValue: nobody,
    getValue: nothing,
  };
}

function messages(): readonly string[] {
  return logged.map(({ msg }) => msg);
}

test('a reload leaves what was taken out, changes what differs and joins what is new', async () => {
  const created = await createNode(configOf([attachment(ID_A, 'ptap0'), attachment(ID_B, 'ptap1')]));
  await created.node.reload(configOf([attachment(ID_B, 'ptap1', 1400), attachment(ID_C, 'ptap2')]));
  assert.deepEqual(vlans.deeds, ['leave A', 'change B', 'join C']);
});

test('a reload without a change touches no VLAN', async () => {
  const created = await createNode(configOf([attachment(ID_A, 'ptap0')]));
  await created.node.reload(configOf([attachment(ID_A, 'ptap0')]));
  assert.deepEqual(vlans.deeds, []);
  assert.deepEqual(logged, []);
});

test('a VLAN that cannot come up at a reload is logged, keeps no other back, and is tried at the next one', async () => {
  const created = await createNode(configOf([]));
  const wanted = configOf([attachment(ID_A, 'ptap0'), attachment(ID_B, 'ptap1')]);
  vlans.refused.add('ptap0');
  await created.node.reload(wanted);
  assert.deepEqual(vlans.deeds, ['join A refused', 'join B']);
  assert.match(messages()[0] ?? '', /could not be taken over: ptap0 exists already/);

  vlans.refused.clear();
  await created.node.reload(wanted);
  assert.deepEqual(vlans.deeds.slice(2), ['join A']);
});

test('an interface that could not be changed is made at the next reload, and not tried twice in one', async () => {
  const created = await createNode(configOf([attachment(ID_A, 'ptap0')]));
  const wanted = configOf([attachment(ID_A, 'ptap9')]);
  vlans.refused.add('ptap9');
  await created.node.reload(wanted);
  assert.deepEqual(vlans.deeds, ['change A refused']);

  vlans.refused.clear();
  await created.node.reload(wanted);
  assert.deepEqual(vlans.deeds.slice(1), ['join A']);
  assert.equal(vlans.interfaces.get(ID_A), 'ptap9');
});

test('a reload takes over the log level and names what needs a restart', async () => {
  const created = await createNode(configOf([]));
  await created.node.reload(configOf([], { connectionLimit: 7, log: { level: 'warn' } }));
  assert.deepEqual(messages(), ['changed, but used only after a restart: connectionLimit']);
});

test('what needs a restart is named at each reload until the daemon is started with it', async () => {
  const created = await createNode(configOf([]));
  await created.node.reload(configOf([], { connectionLimit: 7 }));
  await created.node.reload(configOf([], { connectionLimit: 7 }));
  await created.node.reload(configOf([]));
  assert.equal(logged.length, 2);
});

test('a reload with too many VLANs is refused, and all stays as it was', async () => {
  const created = await createNode(configOf([attachment(ID_A, 'ptap0')]));
  const tooMany = Array.from({ length: 257 }, (_, index) => {
    const id = new Uint8Array(16);
    new DataView(id.buffer).setUint32(0, index + 1);
    return attachment(formatVlanId(id), `tap${index}`);
  });
  const config = { ...configOf([]), vlans: tooMany.map((vlan) => ({ ...vlan, private: false })) };
  await assert.rejects(created.node.reload(config), { code: 'too-many-vlans' });
  assert.deepEqual(vlans.deeds, []);
  assert.deepEqual(
    created.node.vlans().map(({ id }) => id),
    [ID_A],
  );
});

test('a join that the kernel refuses is taken back, on disk too', async () => {
  const created = await createNode(configOf([]));
  vlans.refused.add('ptap0');
  await assert.rejects(created.node.joinVlan(attachment(ID_A, 'ptap0')), /exists already/);
  assert.deepEqual(created.node.vlans(), []);
  assert.deepEqual(VlanRegistry.open(directory, []).list(), []);

  vlans.refused.clear();
  assert.equal((await created.node.joinVlan(attachment(ID_A, 'ptap0'))).interface, 'ptap0');
});

test('an owner whose interface the kernel refuses stays a member without one', async () => {
  const created = await createNode(configOf([]));
  const { id } = await created.node.createVlan({ name: 'home', private: false, subnet: null });
  vlans.refused.add('ptap0');
  await assert.rejects(created.node.joinVlan(attachment(id, 'ptap0')), /exists already/);
  assert.deepEqual(
    created.node.vlans().map((vlan) => [vlan.source, vlan.owned, vlan.interface]),
    [['owned', true, null]],
  );
});

test('a VLAN that was left is gone from the registry and the data plane', async () => {
  const created = await createNode(configOf([]));
  await created.node.joinVlan(attachment(ID_A, 'ptap0'));
  await created.node.leaveVlan(ID_A);
  assert.deepEqual(vlans.deeds, ['join A', 'leave A']);
  assert.deepEqual(VlanRegistry.open(directory, []).list(), []);
  await assert.rejects(created.node.leaveVlan(ID_A), { code: 'not-a-member' });
});

test('the node starts without the interface of a VLAN joined earlier, but not without one of the config', async () => {
  const earlier = await createNode(configOf([]));
  await earlier.node.joinVlan(attachment(ID_A, 'ptap0'));
  await earlier.node.stop();

  vlans = new ListedVlans();
  const later = await createNode(configOf([]));
  vlans.interfaces.clear();
  vlans.refused.add('ptap0');
  await later.node.start();
  assert.deepEqual(vlans.deeds, ['join A refused', 'join A']);
  assert.equal(vlans.interfaces.get(ID_A), undefined);
  assert.match(messages().at(-1) ?? '', /without its interface: ptap0 exists already/);
  await later.node.stop();

  vlans = new ListedVlans();
  const configured = await createNode(configOf([attachment(ID_B, 'ptap1')]));
  vlans.refused.add('ptap1');
  await assert.rejects(configured.node.start(), /ptap1 exists already/);
});
