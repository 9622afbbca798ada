/**
 * A model of an MLS group for simulations: a tree of commits, and for each node what it holds of it.
 *
 *   GroupModel   all states that were ever made, by digest of their commit: the truth that invariants are checked on
 *   ModelGroup   one node's group, behind the Group port's jobs: only states that it made or entered, on its own disk
 *
 * A secret is a hash over the parent's secret, the commit and a fresh path secret, which only members of the new
 * state are given, and only from a base that they hold. So nobody computes the secret of a state that it is not in,
 * nobody processes its own commit, and a commit that was tampered with is refused, as with RFC 9420.
 */
import assert from 'node:assert/strict';
import { hash as digestOf } from 'node:crypto';
import { objectDigest } from '../../control/exchange/object-exchange.ts';
import type {
  CommitFacts,
  GroupJob,
  GroupMember,
  GroupResult,
  GroupState,
  StateId,
} from '../../control/membership/group/group-port.ts';

/** A state as the model knows it. */
export interface ModelState {
  readonly id: StateId;
  readonly parent: StateId | undefined;
  readonly committer: string;
  readonly epoch: number;
  readonly secret: Uint8Array;
  readonly members: readonly GroupMember[];
  readonly policy: Uint8Array;
  readonly facts: CommitFacts;
}

interface CommitContent {
  readonly kind: 'commit';
  readonly base: StateId;
  readonly nonce: string;
}
interface WelcomeContent {
  readonly kind: 'welcome';
  readonly state: StateId;
  readonly keyPackages: readonly string[];
}
interface GroupInfoContent {
  readonly kind: 'group-info';
  readonly state: StateId;
}
interface KeyPackageContent {
  readonly kind: 'key-package';
  readonly peer: string;
  readonly nonce: string;
}
type Content = CommitContent | WelcomeContent | GroupInfoContent | KeyPackageContent;

/** See the file's head. */
export class GroupModel {
  readonly states = new Map<StateId, ModelState>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  nonce(): string {
    return Math.floor(this.#random() * 2 ** 48).toString(16);
  }

  required(id: StateId): ModelState {
    const state = this.states.get(id);
    assert.ok(state !== undefined, `no state ${id}`);
    return state;
  }

  /** From a state back to the first. */
  *ancestors(id: StateId): Generator<ModelState> {
    for (let state = this.states.get(id); state !== undefined; state = this.states.get(state.parent ?? ''))
      yield state;
  }

  create(peer: string, policy: Uint8Array): ModelState {
    const id = text(encode({ kind: 'commit', base: '', nonce: `group ${this.nonce()}` }));
    const facts = { committer: peer, added: [peer], removed: [], isExternal: false };
    return this.#put({
      id,
      parent: undefined,
      committer: peer,
      epoch: 0,
      secret: sha(`secret ${this.nonce()}`),
      members: [{ leaf: 0, peer }],
      policy,
      facts,
    });
  }

  /** @returns the new state and the commit's bytes */
  commit(
    base: ModelState,
    change: { readonly policy: Uint8Array | undefined; readonly facts: CommitFacts },
  ): { readonly state: ModelState; readonly commit: Uint8Array } {
    const { facts, policy } = change;
    const commit = encode({ kind: 'commit', base: base.id, nonce: `${facts.committer} ${this.nonce()}` });
    const id = text(commit);
    const secret = sha(`${hex(base.secret)} ${id} path ${this.nonce()}`);
    let members = base.members.filter(({ peer }) => !facts.removed.includes(peer));
    for (const peer of facts.added) members = [...members, { leaf: freeLeaf(members), peer }];
    members = [...members].sort((one, other) => one.leaf - other.leaf);
    const state = this.#put({
      id,
      parent: base.id,
      committer: facts.committer,
      epoch: base.epoch + 1,
      secret,
      members,
      policy: policy ?? base.policy,
      facts,
    });
    return { state, commit };
  }

  #put(state: ModelState): ModelState {
    this.states.set(state.id, state);
    return state;
  }
}

/** See the file's head. */
export class ModelGroup {
  readonly #model: GroupModel;
  readonly #self: string;
  /** States on this node's disk. */
  readonly disk = new Set<StateId>();
  /** Key packages whose private half this node has. */
  readonly #keyPackages = new Set<string>();

  constructor(model: GroupModel, self: string) {
    this.#model = model;
    this.#self = self;
  }

  /** What this node sees of a state that it holds. */
  view(id: StateId): GroupState {
    assert.ok(this.disk.has(id), `${this.#self} does not hold ${id}`);
    const { epoch, secret, members, policy } = this.#model.required(id);
    const own = members.find(({ peer }) => peer === this.#self);
    assert.ok(own !== undefined, `${this.#self} is not in ${id}`);
    return {
      id,
      epoch,
      secret,
      tag: sha(`tag ${hex(secret)}`).slice(0, 16),
      ownLeaf: own.leaf,
      members,
      policy,
    };
  }

  restore(ids: readonly StateId[]): readonly GroupState[] {
    for (const id of this.disk) if (!ids.includes(id)) this.disk.delete(id);
    return [...this.disk].map((id) => this.view(id));
  }

  run(job: GroupJob): GroupResult {
    switch (job.op) {
      case 'create':
        return this.#ok('create', { state: this.#enter(this.#model.create(this.#self, job.policy)) });
      case 'key-package': {
        const keyPackage = encode({ kind: 'key-package', peer: this.#self, nonce: this.#model.nonce() });
        this.#keyPackages.add(hex(keyPackage));
        return this.#ok('key-package', { keyPackage });
      }
      case 'drop':
        for (const id of job.states) this.disk.delete(id);
        return this.#ok('drop', {});
      case 'join':
        return this.#join(job.welcome);
      case 'external-commit':
        return this.#external(job.groupInfo);
      default:
        return this.#onBase(job);
    }
  }

  #onBase(job: Extract<GroupJob, { op: 'commit' | 'process' | 'group-info' }>): GroupResult {
    if (!this.disk.has(job.base)) return failed(job.op, 'unknown-state', 'not held');
    const base = this.#model.required(job.base);
    if (job.op === 'process') return this.#process(base, job.commit);
    if (job.op === 'group-info') {
      return this.#ok('group-info', { groupInfo: encode({ kind: 'group-info', state: base.id }) });
    }
    const packages = job.add.map(({ keyPackage }) => decode(keyPackage));
    for (const [index, { peer }] of job.add.entries()) {
      const content = packages[index];
      const isMember = base.members.some((member) => member.peer === peer) && !job.remove.includes(peer);
      if (content?.kind !== 'key-package' || content.peer !== peer || isMember) {
        return failed('commit', 'invalid', 'a key package of another');
      }
    }
    const facts = {
      committer: this.#self,
      added: job.add.map(({ peer }) => peer),
      removed: job.remove,
      isExternal: false,
    };
    const { state, commit } = this.#model.commit(base, { policy: job.policy, facts });
    const keyPackages = job.add.map(({ keyPackage }) => hex(keyPackage));
    const welcome =
      keyPackages.length === 0 ? undefined : encode({ kind: 'welcome', state: state.id, keyPackages });
    const welcomeDigest = welcome === undefined ? undefined : objectDigest(welcome);
    return this.#ok('commit', { commit, state: this.#enter(state), facts, welcome, welcomeDigest });
  }

  #process(base: ModelState, commit: Uint8Array): GroupResult {
    const content = decode(commit);
    const state = this.#model.states.get(text(commit));
    if (content?.kind !== 'commit' || state === undefined || content.base !== base.id) {
      return failed('process', 'invalid', 'no commit on that state');
    }
    if (state.committer === this.#self) return failed('process', 'invalid', 'an own commit');
    const isIn =
      state.members.some(({ peer }) => peer === this.#self) && !state.facts.added.includes(this.#self);
    return this.#ok('process', { state: isIn ? this.#enter(state) : undefined, facts: state.facts });
  }

  #join(welcome: Uint8Array): GroupResult {
    const content = decode(welcome);
    if (content?.kind !== 'welcome') return failed('join', 'invalid', 'no Welcome');
    const own = content.keyPackages.find((keyPackage) => this.#keyPackages.has(keyPackage));
    if (own === undefined) return failed('join', 'not-for-us', 'no key package of ours');
    return this.#ok('join', { state: this.#enter(this.#model.required(content.state)) });
  }

  #external(groupInfo: Uint8Array): GroupResult {
    const content = decode(groupInfo);
    const base = content?.kind === 'group-info' ? this.#model.states.get(content.state) : undefined;
    if (base === undefined) return failed('external-commit', 'invalid', 'no group info');
    const isMember = base.members.some(({ peer }) => peer === this.#self);
    const facts = {
      committer: this.#self,
      added: [this.#self],
      removed: isMember ? [this.#self] : [],
      isExternal: true,
    };
    const { state, commit } = this.#model.commit(base, { policy: undefined, facts });
    return this.#ok('external-commit', { commit, state: this.#enter(state), facts });
  }

  #enter(state: ModelState): GroupState {
    this.disk.add(state.id);
    return this.view(state.id);
  }

  #ok(op: GroupJob['op'], value: object): GroupResult {
    return { ok: true, op, value };
  }
}

function failed(
  op: GroupJob['op'],
  code: 'invalid' | 'unknown-state' | 'not-for-us',
  reason: string,
): GroupResult {
  return { ok: false, op, code, reason };
}

function freeLeaf(members: readonly GroupMember[]): number {
  const taken = new Set(members.map(({ leaf }) => leaf));
  let leaf = 0;
  while (taken.has(leaf)) leaf++;
  return leaf;
}

function encode(content: Content): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(content));
}

function decode(bytes: Uint8Array): Content | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Content;
  } catch {
    return undefined;
  }
}

function sha(input: string): Uint8Array {
  return new Uint8Array(digestOf('sha256', input, 'buffer'));
}

function text(bytes: Uint8Array): string {
  return objectDigest(bytes);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
