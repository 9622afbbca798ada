/**
 * A group of members as the ordering of commits sees it: states, and jobs that make one state out of another.
 *
 *   order machine ──GroupJob──▶ group (ts-mls in the task pool; a model in the simulator) ──GroupResult──▶ machine
 *
 * A state is immutable and named by the commit that led to it. A group keeps the states that it made until they are
 * dropped; whoever uses it never sees inside one. Jobs of one group may run in any order, each from the state that
 * it names. A result is given only after its state is on disk, so what is used has been written.
 *
 * Types only.
 *
 * @see docs/protocol.md, "Membership"
 * @see RFC 9420
 */

/** Names a state: 32 lower-case hex digits, BLAKE3-128 of the commit that made it (of the group id, for the first). */
export type StateId = string;

/** Who stands where in the tree. */
export interface GroupMember {
  readonly leaf: number;
  /** PeerId, text form; its key has signed the leaf. */
  readonly peer: string;
}

/** What a state says to those who are in it. */
export interface GroupState {
  readonly id: StateId;
  /** MLS epoch number; forks have equal ones. */
  readonly epoch: number;
  /** S, 32 bytes: MLS-Exporter("peertap epoch", VLAN id, 32). Secret. */
  readonly secret: Uint8Array;
  /** 16 bytes, `epochTag(secret)`. */
  readonly tag: Uint8Array;
  readonly ownLeaf: number;
  /** By ascending leaf, this node included. */
  readonly members: readonly GroupMember[];
  /** The policy extension of the GroupContext, as it was put there; opaque here. */
  readonly policy: Uint8Array;
}

/** What a commit changed. */
export interface CommitFacts {
  /** PeerId of the committer. */
  readonly committer: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The committer was outside and came in by it (RFC 9420 §12.4.3.2). */
  readonly isExternal: boolean;
}

/** Makes a group of this node alone. @see GroupResults.create */
export interface CreateJob {
  readonly op: 'create';
  readonly policy: Uint8Array;
}
/** Makes a key package of this node, kept with its private keys until used or dropped. */
export interface KeyPackageJob {
  readonly op: 'key-package';
}
/** Commits from a state. Removes come first; a peer that is both removed and added gets a new leaf. */
export interface CommitJob {
  readonly op: 'commit';
  readonly base: StateId;
  /** Key packages; each must match the PeerId that it is given for. */
  readonly add: readonly { readonly peer: string; readonly keyPackage: Uint8Array }[];
  readonly remove: readonly string[];
  /** Replaces the policy extension when given. */
  readonly policy?: Uint8Array;
}
/** Follows another's commit. */
export interface ProcessJob {
  readonly op: 'process';
  readonly base: StateId;
  readonly commit: Uint8Array;
}
/** Enters by a Welcome to one of this node's key packages. */
export interface JoinJob {
  readonly op: 'join';
  readonly welcome: Uint8Array;
}
/** Writes what an outsider needs for an external commit, ratchet tree included. */
export interface GroupInfoJob {
  readonly op: 'group-info';
  readonly base: StateId;
}
/** Enters by an external commit; an own older leaf is removed by it. */
export interface ExternalCommitJob {
  readonly op: 'external-commit';
  readonly groupInfo: Uint8Array;
}
/** Destroys states or key packages, on disk too. Unknown ones are no error. */
export interface DropJob {
  readonly op: 'drop';
  readonly states: readonly StateId[];
}

export type GroupJob =
  | CreateJob
  | KeyPackageJob
  | CommitJob
  | ProcessJob
  | JoinJob
  | GroupInfoJob
  | ExternalCommitJob
  | DropJob;

/** What each job gives. `commit` bytes are what `process` takes; `StateId` of the new state is their BLAKE3-128. */
export interface GroupResults {
  readonly create: { readonly state: GroupState };
  readonly 'key-package': { readonly keyPackage: Uint8Array };
  /**
   * `welcome` is there when somebody was added; it carries the ratchet tree. Its digest is its name as an object: made
   * here, where a Welcome of half a megabyte keeps no event loop waiting.
   */
  readonly commit: {
    readonly commit: Uint8Array;
    readonly state: GroupState;
    readonly facts: CommitFacts;
    readonly welcome: Uint8Array | undefined;
    readonly welcomeDigest: string | undefined;
  };
  /** `state` is undefined when the commit removes this node. */
  readonly process: { readonly state: GroupState | undefined; readonly facts: CommitFacts };
  readonly join: { readonly state: GroupState };
  readonly 'group-info': { readonly groupInfo: Uint8Array };
  readonly 'external-commit': {
    readonly commit: Uint8Array;
    readonly state: GroupState;
    readonly facts: CommitFacts;
  };
  readonly drop: object;
}

/**
 * Why a job failed: `invalid` bytes of others that do not hold (signature, credential, parent hash, a commit for
 * another state); `unknown-state` the base is not kept; `not-for-us` a Welcome without a key package of ours;
 * `limit` a group at its size limit; `failed` everything else (disk, pool).
 */
export type GroupErrorCode = 'invalid' | 'unknown-state' | 'not-for-us' | 'limit' | 'failed';

/** How a job ended. Never an exception. */
export type GroupResult<Op extends GroupJob['op'] = GroupJob['op']> =
  | { readonly ok: true; readonly op: Op; readonly value: GroupResults[Op] }
  | { readonly ok: false; readonly op: Op; readonly code: GroupErrorCode; readonly reason: string };

/** A group that carries jobs out; in the daemon by the task pool. */
export interface Group {
  run<Job extends GroupJob>(job: Job): Promise<GroupResult<Job['op']>>;
  /** The states that are on disk, after a start: what the machine's stored head may name. */
  restore(states: readonly StateId[]): Promise<readonly GroupState[]>;
}
