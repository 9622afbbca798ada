/**
 * Nodes with a group of one VLAN each, in folders of their own; jobs are done on the test's thread, without the pool.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatPeerId } from '../../../identity/peer-id.ts';
import { privateKeyFromRaw, rawPublicKey } from '../../../vlan/raw-keys.ts';
import type {
  Group,
  GroupErrorCode,
  GroupJob,
  GroupResult,
  GroupResults,
  GroupState,
  StateId,
} from '../group-port.ts';
import type { JobContext, NodeSigner } from './group-context.ts';
import { doJob, restoreStates } from './group-jobs.ts';
import type { GroupSuite } from './suites.ts';

/** A new node key. */
export function freshSigner(): NodeSigner {
  const seed = new Uint8Array(randomBytes(32));
  return { seed, publicKey: rawPublicKey(privateKeyFromRaw('ed25519', seed)) };
}

/** A folder that goes at the end. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'peertap-mls-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** One node's group. */
export class TestNode {
  readonly peer: string;
  readonly context: JobContext;

  constructor(
    folder: string,
    options: { vlanId?: Uint8Array; suite?: GroupSuite; signer?: NodeSigner } = {},
  ) {
    const signer = options.signer ?? freshSigner();
    this.peer = formatPeerId(signer.publicKey);
    this.context = {
      signer,
      vlanId: options.vlanId ?? VLAN_ID,
      suite: options.suite ?? 'x25519',
      directory: mkdtempSync(join(folder, 'node-')),
      nowMs: Date.now(),
    };
  }

  /** Does a job that must succeed. */
  async ok<Job extends GroupJob>(job: Job): Promise<GroupResults[Job['op']]> {
    const result = await doJob(this.context, job);
    assert.ok(result.ok, result.ok ? '' : `${job.op}: ${result.code}: ${result.reason}`);
    return result.value as GroupResults[Job['op']];
  }

  /** Does a job that must fail, by this code and for this reason. */
  async fails(job: GroupJob, code: GroupErrorCode, reason: RegExp): Promise<void> {
    const result = await doJob(this.context, job);
    assert.ok(!result.ok, `${job.op} succeeded`);
    assert.equal(result.code, code, result.reason);
    assert.match(result.reason, reason);
  }

  async create(policy = Uint8Array.of(1)): Promise<GroupState> {
    return (await this.ok({ op: 'create', policy })).state;
  }

  async keyPackage(): Promise<Uint8Array> {
    return (await this.ok({ op: 'key-package' })).keyPackage;
  }

  commit(
    base: StateId,
    change: { add?: readonly TestNode[]; remove?: readonly TestNode[]; policy?: Uint8Array } = {},
  ): Promise<GroupResults['commit']> {
    const make = async (): Promise<GroupResults['commit']> => {
      const add = await Promise.all(
        (change.add ?? []).map(async (node) => ({ peer: node.peer, keyPackage: await node.keyPackage() })),
      );
      const remove = (change.remove ?? []).map(({ peer }) => peer);
      const policy = change.policy === undefined ? {} : { policy: change.policy };
      return this.ok({ op: 'commit', base, add, remove, ...policy });
    };
    return make();
  }

  async process(base: StateId, commit: Uint8Array): Promise<GroupState> {
    const { state } = await this.ok({ op: 'process', base, commit });
    assert.ok(state !== undefined, 'the commit removed this node');
    return state;
  }

  async join(welcome: Uint8Array | undefined): Promise<GroupState> {
    assert.ok(welcome !== undefined, 'no Welcome');
    return (await this.ok({ op: 'join', welcome })).state;
  }

  restore(states: readonly StateId[]): Promise<readonly GroupState[]> {
    return restoreStates(this.context, states);
  }

  /** The port, done on this thread: what a simulation takes. */
  port(): Group {
    return {
      run: async <Job extends GroupJob>(job: Job) =>
        (await doJob(this.context, job)) as GroupResult<Job['op']>,
      restore: (states) => this.restore(states),
    };
  }
}

/** A group of some nodes, all in one state. */
export async function groupOf(nodes: readonly TestNode[]): Promise<GroupState> {
  const [first, ...others] = nodes;
  assert.ok(first !== undefined);
  const created = await first.create();
  if (others.length === 0) return created;
  const { welcome, state } = await first.commit(created.id, { add: others });
  for (const other of others) assertSame(await other.join(welcome), state);
  return state;
}

/** Two nodes' views of one state: everything but where they sit. */
export function assertSame(state: GroupState, other: GroupState): void {
  assert.deepEqual({ ...state, ownLeaf: 0 }, { ...other, ownLeaf: 0 });
}

const VLAN_ID = Uint8Array.from({ length: 16 }, (_, index) => index);
