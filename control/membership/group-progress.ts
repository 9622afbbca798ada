/**
 * What the keeper of a group's epochs remembers beside the epochs: who is where in the tree, and how far each member
 * has come in the change to a new epoch.
 *
 * Main thread; no clock, no I/O.
 */
import { publicKeyOfPeerId } from '../identity/peer-id.ts';
import { deriveEpochKeys } from '../vlan/epoch-keys.ts';
import type { Epoch, EpochId } from './epoch.ts';
import type { EpochHost } from './epoch-lanes.ts';
import type { GroupState } from './group/group-port.ts';
import { keyText, type Member } from './roster.ts';

/** Before the first epoch. */
export const NO_EPOCH: EpochId = 0;

/** What a group's keeper needs of the machine. */
export interface GroupEpochHost extends EpochHost {
  /** Signs 16 bytes in the next announcement of an epoch. */
  answer(value: Uint8Array, epoch: EpochId): void;
  /** Announces as soon as the least gap allows; in one epoch, or in all. */
  announceSoon(nowMs: number, epoch?: EpochId): void;
}

/** How far a member has come. */
export interface Progress {
  /** The live epochs in which it was heard. */
  readonly heardIn: Set<EpochId>;
  /** The live epochs in which our lanes are open there: it gave receipts, or came in by one. */
  readonly opensIn: Set<EpochId>;
  /** What goes to it alone was switched to this epoch, ahead of the rest. */
  switched: EpochId;
  /** It seals nothing under this epoch any more, nor under those before. */
  left: EpochId;
  /** When its challenge was last answered so that it opens our lanes in an epoch. */
  readonly toldAtMs: Map<EpochId, number>;
  /** The receipt that we gave it last, as a key, and when. */
  receipt: string;
  receiptAtMs: number;
}

/** Members' progress. */
export class MemberProgress {
  readonly #members = new Map<Member, Progress>();

  /** A member's; a new one for a member that has none. */
  of(member: Member): Progress {
    let progress = this.#members.get(member);
    if (progress === undefined) {
      progress = {
        heardIn: new Set(),
        opensIn: new Set(),
        switched: NO_EPOCH,
        left: NO_EPOCH,
        toldAtMs: new Map(),
        receipt: '',
        receiptAtMs: Number.NEGATIVE_INFINITY,
      };
      this.#members.set(member, progress);
    }
    return progress;
  }

  /** An epoch is over. */
  forgetEpoch(epoch: EpochId): void {
    for (const { heardIn, opensIn, toldAtMs } of this.#members.values()) {
      heardIn.delete(epoch);
      opensIn.delete(epoch);
      toldAtMs.delete(epoch);
    }
  }

  forget(member: Member): void {
    this.#members.delete(member);
  }
}

/** Makes epochs of group states. PeerIds are decoded once: a group changes by a few members at a time. */
export class GroupRosters {
  #keys = new Map<string, string>();

  epochOf(state: GroupState, id: EpochId): Epoch {
    const keys = new Map<string, string>();
    const roster = new Map<string, number>();
    for (const { peer, leaf } of state.members) {
      const publicKey = this.#keys.has(peer) ? undefined : publicKeyOfPeerId(peer);
      const key = publicKey === undefined ? this.#keys.get(peer) : keyText(publicKey);
      if (key !== undefined) {
        keys.set(peer, key);
        roster.set(key, leaf);
      }
    }
    this.#keys = keys;
    const { epoch: number, ownLeaf } = state;
    return { ...deriveEpochKeys(state.secret), id, number, day: undefined, ownLeaf, roster };
  }
}
