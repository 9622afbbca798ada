/**
 * Owns private VLANs of given sizes in the state directory of a daemon that does not run yet: it is their admin, and
 * goes on with them when it starts.
 *
 *   registry (record, interface) ─▶ order machine and group, with nobody to talk to ─▶ states and head on disk
 *
 * The same code, files and keys as the daemon's; only the exchange has no peers. Main thread of the bench.
 */
import { randomBytes } from 'node:crypto';
import { encodeCredential, nextSequence } from '../../control/admission/credentials.ts';
import { loadIdentity, type NodeIdentity } from '../../control/identity/node-identity.ts';
import { GroupDriver, type GroupDriverParts } from '../../control/membership/group/group-driver.ts';
import { GroupPool } from '../../control/membership/group/mls/group-pool.ts';
import { MlsGroup } from '../../control/membership/group/mls/mls-group.ts';
import { DEFAULT_SUITE } from '../../control/membership/group/mls/suites.ts';
import { VlanRegistry } from '../../control/vlan/vlan-registry.ts';
import { groupReaders } from '../../control/vlan-service/group-facts.ts';
import { groupFiles } from '../../control/vlan-service/group-files.ts';
import { createNodeSelf } from '../../control/vlan-service/node-self.ts';
import { type Filler, makeFiller } from './filler.ts';

const SEED_BYTES = 32;
const MTU_BYTES = 1500;
/** A group of 500 takes some seconds. */
const FILL_TIMEOUT_MS = 120_000;
/** As many as a commit takes; more that wait at once cost the order machine time by their square. */
const ADDS_AT_ONCE = 48;

/** A VLAN to prepare. */
export interface GroupPlan {
  /** With the admin. */
  readonly memberCount: number;
  /** Of the admin. */
  readonly interface: string;
  /** In CIDR form, of that interface. */
  readonly address: string;
}

/** A VLAN on disk. */
export interface PreparedGroup extends GroupPlan {
  readonly id: string;
}

/** One VLAN of the admin while it is filled. */
interface Filling {
  readonly identity: NodeIdentity;
  readonly registry: VlanRegistry;
  readonly pool: GroupPool;
  readonly stateDirectory: string;
}

/**
 * Prepares VLANs. The same fillers are in all of them.
 *
 * @param stateDirectory - has an identity, and no daemon that runs on it
 */
export async function prepareGroups(
  stateDirectory: string,
  plans: readonly GroupPlan[],
): Promise<readonly PreparedGroup[]> {
  const identity = await loadIdentity(stateDirectory);
  if (identity === undefined) throw new Error(`there is no identity in ${stateDirectory}`);
  const { publicKey, privateKey } = identity;
  const pool = new GroupPool({ publicKey, seed: privateKey.subarray(0, SEED_BYTES) });
  const filling = { identity, registry: VlanRegistry.open(stateDirectory, []), pool, stateDirectory };
  const fillers: Filler[] = [];
  const prepared: PreparedGroup[] = [];
  try {
    for (const plan of plans) {
      while (fillers.length < plan.memberCount - 1) fillers.push(await makeFiller(DEFAULT_SUITE));
      const id = createVlan(filling, plan);
      await fill(filling, id, fillers.slice(0, plan.memberCount - 1));
      prepared.push({ ...plan, id });
    }
  } finally {
    await pool.close();
  }
  return prepared;
}

function createVlan({ registry, identity }: Filling, plan: GroupPlan): string {
  const facts = { kind: 'private', subnet: null, owner: identity.peerId, unixMs: Date.now() } as const;
  const { id } = registry.create(`of ${plan.memberCount}`, randomBytes(SEED_BYTES), facts);
  registry.join({
    id,
    interface: plan.interface,
    addresses: [plan.address],
    mtuBytes: MTU_BYTES,
    multicast: 'snoop',
    paths: 'failover',
    treeRank: 128,
  });
  return id;
}

/** Has the order machine add all fillers, as many in a commit as it takes. */
async function fill(filling: Filling, id: string, fillers: readonly Filler[]): Promise<void> {
  const { identity, registry, pool, stateDirectory } = filling;
  const entry = registry.find(id);
  if (entry?.record === undefined) throw new Error('the VLAN has no record');
  const { idBytes, record } = entry;
  const self = createNodeSelf(identity);
  const admit = (peer: string, role: 'admin' | 'member'): Uint8Array => {
    const sequence = nextSequence(undefined, Date.now());
    const facts = { kind: 'admission', peer, sequence, admin: self.peerId, role } as const;
    return encodeCredential(facts, idBytes, self.sign);
  };
  const files = groupFiles(stateDirectory, id);
  const group = new MlsGroup(pool, { vlanId: idBytes, directory: files.states, suite: DEFAULT_SUITE });
  const parts: Omit<GroupDriverParts, 'events'> = {
    options: { vlanId: idBytes, self: self.peerId, unixOffsetMs: Date.now() - performance.now() },
    ports: { ...self, ...groupReaders(idBytes) },
    group,
    exchange: NOBODY,
    writeHead: (head) => files.head.write(head),
    rttMs: () => undefined,
    nowMs: () => performance.now(),
  };
  const drive = new LonelyDrive(parts);
  try {
    drive.start(record.bytes, admit(self.peerId, 'admin'));
    await drive.reach(1);
    for (let first = 0; first < fillers.length; first += ADDS_AT_ONCE) {
      const some = fillers.slice(first, first + ADDS_AT_ONCE);
      drive.add(some.map((filler) => ({ ...filler, admission: admit(filler.peer, 'member') })));
      await drive.reach(1 + first + some.length);
    }
  } finally {
    drive.stop();
  }
  await files.head.idle();
}

/** An exchange without a peer. */
const NOBODY: GroupDriverParts['exchange'] = {
  send: () => false,
  offer: () => undefined,
  withdraw: () => undefined,
  fetch: () => undefined,
  peers: () => [],
};

/** A group that is driven where nobody else is. */
class LonelyDrive {
  readonly #driver: GroupDriver;
  readonly #timer: NodeJS.Timeout;
  #memberCount = 0;
  #wanted = 0;
  #end = Promise.withResolvers<undefined>();

  constructor(parts: Omit<GroupDriverParts, 'events'>) {
    this.#driver = new GroupDriver({
      ...parts,
      events: {
        settled: ({ state }) => {
          this.#memberCount = state.members.length;
          if (this.#memberCount >= this.#wanted) this.#end.resolve(undefined);
        },
        welcome: () => undefined,
        expelled: (by) => {
          this.#end.reject(new Error(`put out by ${by}`));
        },
        left: () => undefined,
        notice: ({ code, detail }) => {
          this.#end.reject(new Error(`${code}: ${detail}`));
        },
      },
    });
    this.#timer = setTimeout(() => {
      this.#end.reject(new Error(`a group was not filled within ${FILL_TIMEOUT_MS / 1000} s`));
    }, FILL_TIMEOUT_MS);
  }

  start(record: Uint8Array, admission: Uint8Array): void {
    this.#driver.start({ kind: 'start', from: 'create', record, admission });
  }

  add(admitted: readonly (Filler & { readonly admission: Uint8Array })[]): void {
    for (const one of admitted) this.#driver.input({ kind: 'propose-add', ...one });
  }

  /** Resolves when a state with so many members has settled, which is then on disk. */
  async reach(memberCount: number): Promise<void> {
    this.#wanted = memberCount;
    if (this.#memberCount < memberCount) await this.#end.promise;
    this.#end = Promise.withResolvers<undefined>();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#driver.stop();
  }
}
