/**
 * How the membership machine of one VLAN meets the world: its inputs, its effects, and its ports.
 *
 *   daemon, shared tables ──MembershipInput──▶ machine ──MembershipEffect──▶ control/dataplane-link, log
 *
 * The machine has no clock, timer, socket or random source of its own; `nowMs` is a monotonic clock in
 * milliseconds, and Unix time is that plus the last `clock` input's offset. So a thousand members run in one
 * process on virtual time. Types only.
 */
import type { Epoch, EpochId } from './epoch.ts';
import type { GroupState } from './group/group-port.ts';

/** Names a salt of ours between the machine and the tables; small, never used twice in a process. */
export type SaltId = number;

/** Names a sender whose frames we open; small, never used twice in a process. */
export type SenderId = number;

/** Numbers a member of this VLAN within this process; small, never used twice. */
export type MemberId = number;

// ── Ports ──────────────────────────────────────────────────────────────────────────────────────────────

/** What the machine cannot compute from its inputs. */
export interface MembershipPorts {
  /** Unpredictable bytes. */
  randomBytes(count: number): Uint8Array;
  /** Ed25519 signature of the node key over `bytes`. */
  sign(bytes: Uint8Array): Uint8Array;
  /** Whether an Ed25519 signature holds; false for a key that is none. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
  /** A new X25519 key pair of which only this object knows the private half. */
  createAgreement(): KeyAgreement;
  /** The next counter under a salt of ours, as the worker's shared word has it. */
  saltCounter(salt: SaltId): number;
  /** When a frame from a local station last came, in `nowMs` time; undefined when it is not in the table. */
  stationLastSeenMs(mac: Uint8Array): number | undefined;
}

/** An X25519 private key of one start. */
export interface KeyAgreement {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** @returns 32 bytes, or undefined for a key that yields all zeros (RFC 7748 §6.1) */
  agree(theirs: Uint8Array): Uint8Array | undefined;
}

/** An open VLAN's secrets come from its id and the day, a private one's from its group. */
export type VlanKind = 'open' | 'private';

/** What becomes of an address that one member claims while another one holds it. */
export type MovingHosts =
  /** It stays with its holder until that one gives it up, as it does when no frame comes from it any more. */
  | 'refuse'
  /** It moves to whoever claimed it last. */
  | 'allow';

/** What a machine is made for. */
export interface MembershipOptions {
  readonly kind: VlanKind;
  readonly vlanId: Uint8Array;
  /** The node key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly workerCount: number;
  readonly cipher: number;
  readonly tokenPeriodSeconds: number;
  readonly movingHosts: MovingHosts;
  /** Other nodes that may be in the roster, candidates included. */
  readonly membersMax: number;
  /** Unix time minus `nowMs` at the start. */
  readonly unixOffsetMs: number;
}

// ── Inputs ─────────────────────────────────────────────────────────────────────────────────────────────

/** Takes part from now: keys, salts and a first announcement. */
export interface StartInput {
  readonly kind: 'start';
}

/** Leaves: tells the members and takes everything back. The machine does nothing after it. */
export interface LeaveInput {
  readonly kind: 'leave';
}

/** Time has passed; due at `nextTimeoutMs()`. */
export interface TickInput {
  readonly kind: 'tick';
}

/** The clock was compared with others', or set. */
export interface ClockInput {
  readonly kind: 'clock';
  /** Unix time minus `nowMs`. */
  readonly unixOffsetMs: number;
}

/** A trunk to a node that shares this VLAN is up, or gets through again: it has not heard us yet. */
export interface NeighbourInput {
  readonly kind: 'neighbour';
}

/** Somebody takes part whom this node has not heard: everybody is asked. */
export interface StrangersInput {
  readonly kind: 'strangers';
}

/** A members' control datagram came in; its token was one of ours. */
export interface ControlInput {
  readonly kind: 'control';
  /** The epoch that its token named. */
  readonly epoch: EpochId;
  readonly control: { readonly kind: number; readonly flags: number; readonly class: number };
  /** token ‖ masked sender ‖ r ‖ ciphertext ‖ tag. */
  readonly payload: Uint8Array;
}

/** The TAP's own address. */
export interface InterfaceMacInput {
  readonly kind: 'interface-mac';
  /** undefined: the interface is gone, and with it all stations behind it. */
  readonly mac: Uint8Array | undefined;
}

/** A frame from this source came in on the TAP, and the source is no station of ours. */
export interface StationSeenInput {
  readonly kind: 'station-seen';
  readonly mac: Uint8Array;
}

/** A worker dropped a frame of a sender that nobody announced. */
export interface SenderUnknownInput {
  readonly kind: 'sender-unknown';
  readonly epoch: EpochId;
  readonly leaf: number;
}

/** A salt of ours nears 2^32 frames. */
export interface SaltLowInput {
  readonly kind: 'salt-low';
  readonly salt: SaltId;
}

/** A worker was restarted; its counters are not to be trusted. */
export interface WorkerRestartedInput {
  readonly kind: 'worker-restarted';
  readonly worker: number;
}

/** The group of a private VLAN has settled on another state. */
export interface GroupEpochInput {
  readonly kind: 'group-epoch';
  readonly epoch: GroupState;
  /** It settles a Remove: nothing is sealed under the epochs before any more. */
  readonly removedAtOnce: boolean;
}

export type MembershipInput =
  | StartInput
  | LeaveInput
  | TickInput
  | ClockInput
  | NeighbourInput
  | StrangersInput
  | ControlInput
  | InterfaceMacInput
  | StationSeenInput
  | SenderUnknownInput
  | SaltLowInput
  | WorkerRestartedInput
  | GroupEpochInput;

// ── Effects ────────────────────────────────────────────────────────────────────────────────────────────

/** Accept this epoch's tokens. */
export interface AddEpoch {
  readonly kind: 'add-epoch';
  readonly epoch: Epoch;
}
/**
 * Seal under this epoch from now, but to members that were switched to a later one; its salts and keys were given
 * before. Nothing is sealed under an earlier one after it.
 */
export interface UseEpoch {
  readonly kind: 'use-epoch';
  readonly epoch: EpochId;
}
/** Seal what goes to one member alone under this epoch from now: it can open it, others may not yet. */
export interface UseEpochTo {
  readonly kind: 'use-epoch-to';
  readonly member: MemberId;
  readonly epoch: EpochId;
}
/** Forget the epoch. Its salts, senders and pair keys were removed before. */
export interface RemoveEpoch {
  readonly kind: 'remove-epoch';
  readonly epoch: EpochId;
}
/** Nothing of the VLAN goes to nodes that are not among these: the nodes of a private VLAN's newest epoch. */
export interface SetRoster {
  readonly kind: 'set-roster';
  /** PeerIds, text form. */
  readonly peers: ReadonlySet<string>;
}

/** A new salt for a worker, not yet in use. */
export interface AddSalt {
  readonly kind: 'add-salt';
  readonly salt: SaltId;
  readonly epoch: EpochId;
  readonly worker: number;
  readonly leaf: number;
  /** 6 bytes. */
  readonly value: Uint8Array;
}
/** The worker seals this epoch's frames under this salt from now; pair keys under it come with it. */
export interface UseSalt {
  readonly kind: 'use-salt';
  readonly salt: SaltId;
  readonly groupKey: Uint8Array;
  readonly pairKeys: readonly PairKey[];
}
/** The salt is no longer sealed under. */
export interface RemoveSalt {
  readonly kind: 'remove-salt';
  readonly salt: SaltId;
}
/** The key of unicast frames to a member, under one salt. */
export interface PairKey {
  readonly member: MemberId;
  readonly key: Uint8Array;
}
/** A member is there (again): keys to it under each salt in use, of each epoch. */
export interface AddPairKeys {
  readonly kind: 'add-pair-keys';
  readonly member: MemberId;
  readonly keys: readonly { readonly salt: SaltId; readonly key: Uint8Array }[];
}
/** Nothing is sealed to this member any more. */
export interface RemovePairKeys {
  readonly kind: 'remove-pair-keys';
  readonly member: MemberId;
}

/** Open this sender's frames, from `firstCounter` on. */
export interface OpenSender {
  readonly kind: 'open-sender';
  readonly sender: SenderId;
  readonly epoch: EpochId;
  readonly member: MemberId;
  readonly leaf: number;
  readonly lane: number;
  readonly salt: Uint8Array;
  readonly firstCounter: number;
  readonly groupKey: Uint8Array;
  readonly pairKey: Uint8Array;
}
/** Refuse the sender's frames from now. */
export interface CloseSender {
  readonly kind: 'close-sender';
  readonly sender: SenderId;
}

/** A station behind another member. Replaces what was known of the MAC. */
export interface AddStation {
  readonly kind: 'add-station';
  readonly mac: Uint8Array;
  readonly member: MemberId;
}
/** A station of our own. */
export interface AddOwnStation {
  readonly kind: 'add-own-station';
  readonly mac: Uint8Array;
  /** Group-sealed frames to it are refused. Sent again with true when others have had time to learn of it. */
  readonly enforced: boolean;
}
/** The station is nowhere. */
export interface RemoveStation {
  readonly kind: 'remove-station';
  readonly mac: Uint8Array;
}

/** Send a control datagram to all members with whom this node has a trunk. */
export interface SendControl {
  readonly kind: 'send-control';
  /** token ‖ masked sender ‖ r ‖ ciphertext ‖ tag; kind 3, flags 0. */
  readonly payload: Uint8Array;
  readonly class: number;
}

/** A member proved that it is there. */
export interface MemberUp {
  readonly kind: 'member-up';
  readonly member: MemberId;
  /** PeerId, text form. */
  readonly peer: string;
  /** Its X25519 key of this start, 32 bytes. */
  readonly agreementKey: Uint8Array;
}
/** A member left, was taken out of the group, or was not heard for too long. */
export interface MemberDown {
  readonly kind: 'member-down';
  readonly member: MemberId;
  readonly peer: string;
  readonly reason: 'left' | 'silent' | 'restarted' | 'removed' | 'stopped';
}
/** Why a {@link MembershipNotice} is given. */
export type NoticeCode =
  | 'address-conflict'
  | 'identity-in-use'
  | 'no-member-found'
  | 'own-address-limit'
  | 'sender-name-taken';

/** Something that a person should know of, at most once a minute for each code. */
export interface MembershipNotice {
  readonly kind: 'notice';
  readonly code: NoticeCode;
  readonly message: string;
}

export type MembershipEffect =
  | AddEpoch
  | UseEpoch
  | UseEpochTo
  | RemoveEpoch
  | SetRoster
  | AddSalt
  | UseSalt
  | RemoveSalt
  | AddPairKeys
  | RemovePairKeys
  | OpenSender
  | CloseSender
  | AddStation
  | AddOwnStation
  | RemoveStation
  | SendControl
  | MemberUp
  | MemberDown
  | MembershipNotice;

// ── Status ─────────────────────────────────────────────────────────────────────────────────────────────

/** Totals since the start of a machine. */
export interface MembershipCounters {
  announcesSent: number;
  announcesAccepted: number;
  pullsSent: number;
  pullsAnswered: number;
  /** Sealed otherwise, malformed, of a wrong signature, or over the verification budget. */
  controlInvalid: number;
  announcementInvalid: number;
  /** Of a node that is not in the epoch, or under another one's leaf. */
  notInRoster: number;
  verificationsRefused: number;
  membersRefused: number;
  /** Claims beyond the limit of one member. */
  claimsRefused: number;
  addressConflicts: number;
  sendersRefused: number;
}

/** A row of a VLAN's roster. */
export interface MemberStatus {
  readonly member: MemberId;
  readonly peer: string;
  readonly leaf: number;
  readonly stations: number;
  /** What it claims, 6 bytes each. */
  readonly macs: readonly Uint8Array[];
  readonly lastHeardMs: number;
  /** Number of the newest epoch in which it announced itself: the UTC day, or the group's. */
  readonly epoch: number;
}
