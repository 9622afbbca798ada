/**
 * How the order machine of one private VLAN meets the world: its inputs, its effects, and its ports.
 *
 *   commands, admission ──propose…──▶ ┌─────────┐ ──settled──▶ frame path, directory
 *   exchange ──message, object──────▶ │ machine │ ──send, offer, fetch──▶ exchange
 *   group (ts-mls) ──group-done─────▶ └─────────┘ ──group-job──▶ group      ──store──▶ disk
 *
 * The machine has no clock, timer, socket or random source of its own; `nowMs` is a monotonic clock in
 * milliseconds, and Unix time is that plus the last offset that it was given. Types only.
 *
 * @see docs/protocol.md, "Order of commits"
 */
import type { Credential } from '../../../admission/credentials.ts';
import type { GroupJob, GroupResult, GroupState } from '../group-port.ts';

// ── Ports ──────────────────────────────────────────────────────────────────────────────────────────────

/** What the machine cannot compute from its inputs. */
export interface OrderPorts {
  /** Unpredictable bytes. */
  randomBytes(count: number): Uint8Array;
  /** Ed25519 signature of the node key, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /** Whether an Ed25519 signature holds; false for a key that is none. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
  /** Reads an admission or a tombstone; undefined when it is malformed, forged, or not by one of `admins`. */
  readCredential(bytes: Uint8Array, admins: ReadonlySet<string>): Credential | undefined;
  /** Reads the VLAN's signed record; undefined when it is malformed, of another VLAN, or not signed by its owner. */
  readRecord(record: Uint8Array): RecordFacts | undefined;
}

/** What of the VLAN's record matters here. */
export interface RecordFacts {
  /** Newer replaces older. */
  readonly sequence: number;
  /** PeerIds. */
  readonly admins: ReadonlySet<string>;
  readonly rekeyIntervalSeconds: number;
}

/** What a machine is made for. */
export interface OrderOptions {
  /** 16 bytes. */
  readonly vlanId: Uint8Array;
  /** PeerId of this node. */
  readonly self: string;
  /** Unix time minus `nowMs` at the start. */
  readonly unixOffsetMs: number;
}

// ── Inputs ─────────────────────────────────────────────────────────────────────────────────────────────

/** Makes a new group of this node alone. */
export interface StartByCreate {
  readonly kind: 'start';
  readonly from: 'create';
  /** The VLAN's signed record. */
  readonly record: Uint8Array;
  /** This node's admission (a credential), by itself when it is an admin. */
  readonly admission: Uint8Array;
}
/** Continues from what `store` effects have written. */
export interface StartByRestore {
  readonly kind: 'start';
  readonly from: 'restore';
  /** The bytes of the last `store` effect. */
  readonly head: Uint8Array;
  /** What `Group.restore(statesOfHead(head))` gave. With the head's own state missing, it comes in again from outside. */
  readonly states: readonly GroupState[];
}
/** Goes on after a `join` job. */
export interface StartByJoin {
  readonly kind: 'start';
  readonly from: 'joined';
  readonly state: GroupState;
  /** This node's admission (a credential). */
  readonly admission: Uint8Array;
}

/** Comes in from outside: this node is or was a member, has an admission, and has lost its group state. */
export interface StartFromOutside {
  readonly kind: 'start';
  readonly from: 'outside';
  /** The VLAN's signed record. */
  readonly record: Uint8Array;
  readonly admission: Uint8Array;
}

/** Proposes a member, for whoever has its admission; one that is in, and has lost its state, is replaced. */
export interface ProposeAddInput {
  readonly kind: 'propose-add';
  readonly peer: string;
  readonly keyPackage: Uint8Array;
  readonly admission: Uint8Array;
}
/** Puts a member out; the credential is an admin's. */
export interface ProposeRemoveInput {
  readonly kind: 'propose-remove';
  readonly peer: string;
  readonly tombstone: Uint8Array;
}
/** A newer signed record of the VLAN; older and equal ones are ignored. */
export interface SetPolicyInput {
  readonly kind: 'set-policy';
  readonly record: Uint8Array;
}
/** Leaves: the others commit the removal; ends in `left`, at latest after {@link ORDER_TIMING.leaveMs}. */
export interface LeaveInput {
  readonly kind: 'leave';
}
/** `renew`: renews this node's keys by a commit now. `tick`: time has passed; due at `nextTimeoutMs()`. */
export interface PlainInput {
  readonly kind: 'renew' | 'tick';
}
/** The clock was compared with others', or set. */
export interface ClockInput {
  readonly kind: 'clock';
  /** Unix time minus `nowMs`. */
  readonly unixOffsetMs: number;
}

/** A peer that knows the VLAN id can be spoken to; again with another round trip. */
export interface PeerUpInput {
  readonly kind: 'peer-up';
  readonly peer: string;
  readonly rttMs: number;
}
/** It cannot any more. */
export interface PeerDownInput {
  readonly kind: 'peer-down';
  readonly peer: string;
}
/** A neighbour's gossip message. */
export interface MessageInput {
  readonly kind: 'message';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** A fetch has ended; the bytes have the digest (the exchange has compared), or there are none. */
export interface ObjectInput {
  readonly kind: 'object';
  readonly digest: string;
  readonly bytes: Uint8Array | undefined;
}
/** A group job has ended. */
export interface GroupDoneInput {
  readonly kind: 'group-done';
  readonly id: number;
  readonly result: GroupResult;
}
/** A head is on disk, or could not be written. */
export interface StoredInput {
  readonly kind: 'stored';
  readonly id: number;
  readonly ok: boolean;
}

export type OrderInput =
  | StartByCreate
  | StartByRestore
  | StartByJoin
  | StartFromOutside
  | ProposeAddInput
  | ProposeRemoveInput
  | SetPolicyInput
  | LeaveInput
  | PlainInput
  | ClockInput
  | PeerUpInput
  | PeerDownInput
  | MessageInput
  | ObjectInput
  | GroupDoneInput
  | StoredInput;

// ── Effects ────────────────────────────────────────────────────────────────────────────────────────────

/** A gossip message for a neighbour, at most {@link ORDER_LIMIT.messageBytes}; it may be lost. */
export interface SendEffect {
  readonly kind: 'send';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** Keep this object for whoever `mayFetch` allows. */
export interface OfferEffect {
  readonly kind: 'offer';
  readonly digest: string;
  readonly bytes: Uint8Array;
}
export interface WithdrawOfferEffect {
  readonly kind: 'withdraw-offer';
  readonly digest: string;
}
/** Pull an object from one of these neighbours, in this order; ends in one `object` input. */
export interface FetchEffect {
  readonly kind: 'fetch';
  readonly digest: string;
  readonly from: readonly string[];
}
/** Have the group do this; ends in one `group-done` input. */
export interface GroupJobEffect {
  readonly kind: 'group-job';
  readonly id: number;
  readonly job: GroupJob;
}
/** Write the head durably in place of the last one; ends in one `stored` input. One at a time is under way. */
export interface StoreEffect {
  readonly kind: 'store';
  readonly id: number;
  readonly head: Uint8Array;
}
/**
 * The epoch that counts from now; the frame path goes over to it. Its head is on disk. May follow a state that is not
 * its ancestor. Never a state in which somebody is a member whose removal is known here.
 */
export interface SettledEffect {
  readonly kind: 'settled';
  readonly state: GroupState;
  /** The VLAN's signed record, out of the state's policy. */
  readonly record: Uint8Array;
  /** PeerIds, against the last `settled` state; all are added in the first. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** An admin has put one of `removed` out: nothing may be sealed under older epochs any more. */
  readonly removedByAdmin: boolean;
}
/** The Welcome of a peer that `propose-add` named here, its commit settled: bring it there. */
export interface WelcomeEffect {
  readonly kind: 'welcome';
  readonly peer: string;
  /** Its name as an object, 32 hex digits. */
  readonly digest: string;
  readonly bytes: Uint8Array;
}
/** An admin has put this node out. The machine does nothing any more; destroy the group's states. */
export interface ExpelledEffect {
  readonly kind: 'expelled';
  /** PeerId of the admin. */
  readonly by: string;
}
/** This node has left, or stopped waiting for the others to see to it. As with `expelled`. */
export interface LeftEffect {
  readonly kind: 'left';
}
/**
 * For people, at most once a minute each: `stalled` changes wait and nobody settles them; `branches-apart` members
 * follow a branch too far from ours, an admin must come online; `rejoining` this node comes in anew from outside;
 * `add-refused` the group takes no such member (key package, size); `store-failed`, `group-failed` disk or pool.
 */
export interface NoticeEffect {
  readonly kind: 'notice';
  readonly code: 'stalled' | 'branches-apart' | 'rejoining' | 'add-refused' | 'store-failed' | 'group-failed';
  /** PeerId that it is about, or empty. */
  readonly peer: string;
  readonly detail: string;
}

export type OrderEffect =
  | SendEffect
  | OfferEffect
  | WithdrawOfferEffect
  | FetchEffect
  | GroupJobEffect
  | StoreEffect
  | SettledEffect
  | WelcomeEffect
  | ExpelledEffect
  | LeftEffect
  | NoticeEffect;

// ── Reports ────────────────────────────────────────────────────────────────────────────────────────────

/** One member as this node sees it. */
export interface OrderMember {
  readonly peer: string;
  readonly leaf: number;
  readonly state: 'self' | 'live' | 'absent';
  /** Since its last heartbeat; undefined when none was heard since the start. */
  readonly lastHeardMs: number | undefined;
  /** Epoch number that its last heartbeat named. */
  readonly epoch: number | undefined;
}

export interface OrderStatus {
  /** `waiting`: before the first settled state; `rejoining`: comes in again from outside. */
  readonly phase: 'waiting' | 'active' | 'rejoining' | 'expelled' | 'left';
  readonly epoch: number | undefined;
  readonly members: readonly OrderMember[];
  /** Changes that wait for a commit. */
  readonly pending: {
    readonly add: readonly string[];
    readonly remove: readonly string[];
    readonly policy: boolean;
    readonly renewal: boolean;
  };
  /** Heads that live members follow, ours included. */
  readonly branches: number;
  readonly counters: Readonly<Record<OrderCounter, number>>;
}

/** What is counted; all since the start. */
export const ORDER_COUNTERS = [
  'settled',
  'commitsMade',
  'commitsLost',
  'branchSwitches',
  'rejoins',
  /** Malformed messages and items. */
  'malformed',
  /** Items whose signature, credential or epoch tag does not hold. */
  'forged',
  /** Messages of peers that are neither members nor admitted. */
  'strangers',
  /** Items that were known, or older than what is known. */
  'repeated',
  /** Items over a neighbour's verification budget. */
  'overBudget',
  /** Commits that the group or the policy does not allow. */
  'invalidCommits',
  /** Members that signed two things of which they may sign one. */
  'equivocations',
] as const;
export type OrderCounter = (typeof ORDER_COUNTERS)[number];

// ── Times and limits ───────────────────────────────────────────────────────────────────────────────────

/** Times in milliseconds, each with its reason. */
export const ORDER_TIMING = {
  /** Rank k waits k times this, or twice the longest round trip. */
  rankStepMs: 500,
  /** Commits on one base collect for so long after the first. */
  collectMs: 1_000,
  /** Items for a neighbour that come due together go together. */
  flushMs: 20,
  /** An idle VLAN sends little: what has changed is told at once, and a lost neighbour is seen by its stream. */
  heartbeatMs: 60_000,
  heartbeatJitterMs: 6_000,
  /** Three heartbeats are lost before a member that is no neighbour counts as absent. */
  liveMs: 200_000,
  /** Least time between two heartbeats that a change calls for. */
  heartbeatGapMs: 250,
  /** A better branch must have been seen for so long, so that heartbeats that are under way count. */
  branchDelayMs: 1_500,
  /** Old states are destroyed after so long (protocol section 7). */
  checkpointMs: 120_000,
  /** Digests to a neighbour: while something is pending, and else. */
  summaryBusyMs: 2_000,
  summaryIdleMs: 60_000,
  /** A fetch or a question that found nothing is repeated after this. */
  retryMs: 1_500,
  /** A commit that nobody can hand over is given up, and others may commit. */
  fetchMs: 8_000,
  /** After a start: hear the others before committing anything of one's own. */
  settleInMs: 1_500,
  /** A restarted member renews its keys this long after, and up to twice that. */
  restartRenewalMs: 20_000,
  /** An own external commit that no member follows is made anew. */
  rejoinMs: 6_000,
  /** Branches too far apart are seen for so long before an admin rebuilds. */
  rebuildMs: 10_000,
  /** Changes that wait for so long are reported. */
  stalledMs: 30_000,
  noticeGapMs: 60_000,
  leaveMs: 10_000,
} as const;

/** Limits of one VLAN, each with its reason. */
export const ORDER_LIMIT = {
  /** Half of what an exchange message takes. */
  messageBytes: 32_768,
  members: 1_024,
  /** A record with policy and metadata. */
  recordBytes: 16_384,
  /** What the admission desk takes; one with a post-quantum suite has about 3 KiB. */
  keyPackageBytes: 16_384,
  /** Adds, and removes, of one commit: their credentials fit a message. */
  changesPerCommit: 48,
  /** Adds that wait; more are refused until some have settled. */
  pendingAdds: 512,
  /** Peers whose removal or admission after one is remembered: with a record they fit a policy of 64 KiB. */
  standings: 320,
  /** Ancestors that a branch is compared by, and states that are kept (protocol section 7). */
  checkpoints: 5,
  /** Commits of all branches that are known. */
  commits: 128,
  /** Commits of one member on one base; a second one is its own fault. */
  commitsPerMember: 2,
  neighbours: 512,
  /** Neighbours to which items go at once; the others get summaries in turn. */
  eagerNeighbours: 8,
  /** Item hashes that are remembered. */
  seenItems: 16_384,
  /** Signatures verified for a neighbour in a second, and at once. */
  verificationsPerSecond: 250,
  verificationBurst: 2_000,
} as const;
