/**
 * An epoch as the frame path has it, whatever its secret came from; and what keeps a VLAN's epochs.
 *
 *   open     the calendar: one epoch a UTC day, its number is the day            open-calendar.ts
 *   private  the group: one epoch for each settled commit, numbered as they come  group-epochs.ts
 *
 * Types only.
 */
import type { EpochKeys } from '../vlan/epoch-keys.ts';
import type { GroupState } from './group/group-port.ts';
import type { Announce } from './member-message.ts';
import type { SaltId } from './membership-port.ts';
import type { Member } from './roster.ts';

/** Names an epoch of a VLAN within this start; later epochs have higher ones. */
export type EpochId = number;

/** One epoch of a VLAN, with its secrets and our place in it. */
export interface Epoch extends EpochKeys {
  readonly id: EpochId;
  /** What others call it: the UTC day, or the group's epoch number. */
  readonly number: number;
  /** The UTC day whose token periods are its; undefined: the periods of any time, for as long as it lives. */
  readonly day: number | undefined;
  /** Under which this node seals. */
  readonly ownLeaf: number;
  /** Who is in it: leaves by node key (`keyText`). Undefined in an open VLAN: whoever knows the id. */
  readonly roster: ReadonlyMap<string, number> | undefined;
}

/** How an announcement stood with us. */
export interface Heard {
  /** It signs our present challenge. */
  readonly fresh: boolean;
  /** All senders that it names are open here. */
  readonly opened: boolean;
  readonly nowMs: number;
}

/** Which epochs are live, and which is sealed under; the two kinds of VLAN differ in nothing else. */
export interface EpochKeeper {
  /** An epoch whose tokens are accepted. */
  find(id: EpochId): Epoch | undefined;
  /** The epoch that this node takes for the present one. */
  newest(): Epoch | undefined;
  /** The epochs in which to announce, the present one first. */
  announced(): readonly Epoch[];
  /** The epochs in which to ask others and to say goodbye. */
  asked(): readonly Epoch[];
  /** What else to sign in an epoch's announcements, beside answers; 16 bytes each. */
  remarks(epoch: Epoch): readonly Uint8Array[];
  /** The group behind this VLAN has settled on a state; an open VLAN has none. */
  adopt(state: GroupState, options: { readonly removedAtOnce: boolean; readonly nowMs: number }): void;
  /** A member has proven itself, in this epoch; its stations are not known to the tables yet. */
  welcomed(member: Member, epoch: Epoch): void;
  /** A member or candidate is gone. */
  dismissed(member: Member): void;
  /** A proven member announced itself in an epoch. */
  heard(member: Member, epoch: Epoch, announce: Announce, how: Heard): void;
  /** Carries out what the calendar or a time limit wants; called a few times a second. */
  advance(unixMs: number, nowMs: number): void;
  /** Goes on with work that is done in pieces, and with what is due to the millisecond. */
  step(nowMs: number): void;
  /** When `step` has something to do. */
  nextTimeoutMs(): number;
  /** A salt nears its end. */
  succeed(salt: SaltId, nowMs: number): void;
  /** A worker died, and with it what it knew of its counters. */
  restartWorker(worker: number): void;
  /** Takes all epochs back. */
  stop(): void;
}

/** Whether a node key is in an epoch: anybody's is, in an open VLAN's. */
export function isInEpoch(epoch: Epoch, key: string): boolean {
  return epoch.roster?.has(key) ?? true;
}
