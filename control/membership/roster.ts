/**
 * Who else is in the VLAN, and what of an announcement is new.
 *
 *   nobody ──announced──▶ candidate ──signed our challenge──▶ proven ──silent, left, restarted──▶ nobody
 *
 * A recorded announcement makes a candidate at most: nothing is opened, claimed or sealed for one. Only a
 * signature over our own fresh challenge shows that the announcer speaks now. Within an incarnation, sequence
 * numbers keep old announcements out; another incarnation must prove itself anew, and then the challenge
 * changes, so that what proved the former one is worthless from then on.
 *
 * Main thread; no clock, no I/O, no secrets.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { formatPeerId } from '../identity/peer-id.ts';
import type { Announce, MessageHeader } from './member-message.ts';
import type { MemberId, SenderId } from './membership-port.ts';
import { MEMBERSHIP_LIMIT, TIMING } from './timing.ts';

/** A sender of a member whose frames are opened. */
export interface BoundSender {
  readonly id: SenderId;
  readonly day: number;
  readonly lane: number;
  readonly salt: Uint8Array;
}

/** What is known of another node in the VLAN. */
export interface Member {
  readonly id: MemberId;
  readonly publicKey: Uint8Array;
  /** PeerId, text form. */
  readonly peer: string;
  readonly incarnation: number;
  readonly leaf: number;
  readonly agreementKey: Uint8Array;
  proven: boolean;
  /** Result of the key agreement with it; set when it is proven. */
  shared: Uint8Array | undefined;
  sequence: number;
  /** Bit i: part i of the announcement of this sequence number has come. */
  partsSeen: number;
  pullSequence: number;
  challenge: Uint8Array;
  /** The challenge of this member that we signed last, as a key. */
  answered: string;
  lastHeardMs: number;
  pullTries: number;
  nextPullMs: number;
  /** Claimed addresses by number, each with the sequence number that last named it. */
  readonly macs: Map<number, { readonly mac: Uint8Array; sequence: number }>;
  readonly senders: Map<string, BoundSender>;
}

/** What an announcement, verified before, means. */
export type Acceptance =
  | { readonly kind: 'ignored' | 'refused' }
  /** Not proven: answer its challenge, and ask it for an answer to ours. */
  | { readonly kind: 'candidate'; readonly member: Member }
  /** A live member's key under another incarnation, not proven: likewise, but the member stays as it is. */
  | { readonly kind: 'rival'; readonly member: Member }
  | {
      readonly kind: 'accepted';
      readonly member: Member;
      readonly joined: boolean;
      /** The member's former incarnation, which is out of the roster now. */
      readonly replaced: Member | undefined;
    };

/** Members and candidates of one VLAN; see the file's head. */
export class Roster {
  readonly #nextId: () => MemberId;
  readonly #byKey = new Map<string, Member>();

  constructor(nextId: () => MemberId) {
    this.#nextId = nextId;
  }

  find(publicKey: Uint8Array): Member | undefined {
    return this.#byKey.get(keyText(publicKey));
  }

  all(): readonly Member[] {
    return [...this.#byKey.values()];
  }

  proven(): readonly Member[] {
    return this.all().filter((member) => member.proven);
  }

  /** Whether a leaf is some member's or candidate's. */
  hasLeaf(leaf: number): boolean {
    return this.all().some((member) => member.leaf === leaf);
  }

  remove(member: Member): void {
    this.#byKey.delete(keyText(member.publicKey));
  }

  /** Members and candidates that were not heard for too long; they are still in the roster. */
  silent(nowMs: number): readonly Member[] {
    return this.all().filter((member) => nowMs - member.lastHeardMs > TIMING.memberExpiryMs);
  }

  /**
   * Takes a verified announcement.
   *
   * @param announce - its signature holds, and it is not our own
   * @param answersUs - it signs our present challenge
   */
  accept(announce: Announce, answersUs: boolean, nowMs: number): Acceptance {
    const present = this.find(announce.publicKey);
    if (present === undefined) {
      return this.#admit(announce, answersUs, nowMs);
    }
    if (present.incarnation !== announce.incarnation) {
      return this.#acceptOtherIncarnation(present, announce, { answersUs, nowMs });
    }
    if (present.leaf !== announce.leaf || !sameBytes(present.agreementKey, announce.agreementKey)) {
      return { kind: 'refused' };
    }
    if (!isNew(present, announce)) {
      return { kind: 'ignored' };
    }
    return update(present, announce, { answersUs, nowMs });
  }

  /** Whether a pull or withdrawal of a member is a new one; notes it. */
  acceptHeader(member: Member, header: MessageHeader): boolean {
    if (header.incarnation !== member.incarnation || header.sequence <= member.pullSequence) {
      return false;
    }
    member.pullSequence = header.sequence;
    return true;
  }

  #acceptOtherIncarnation(
    present: Member,
    announce: Announce,
    facts: { readonly answersUs: boolean; readonly nowMs: number },
  ): Acceptance {
    if (!facts.answersUs) {
      // A former incarnation is most likely a recording; if it is not, it will answer our challenge.
      if (announce.incarnation < present.incarnation) {
        return { kind: 'ignored' };
      }
      if (present.proven) {
        return { kind: 'rival', member: newMember(present.id, announce, facts.nowMs) };
      }
    }
    this.remove(present);
    const accepted = this.#admit(announce, facts.answersUs, facts.nowMs);
    return accepted.kind === 'accepted' && present.proven ? { ...accepted, replaced: present } : accepted;
  }

  #admit(announce: Announce, answersUs: boolean, nowMs: number): Acceptance {
    if (this.#byKey.size >= MEMBERSHIP_LIMIT.members) {
      return { kind: 'refused' };
    }
    const member = newMember(this.#nextId(), announce, nowMs);
    member.proven = answersUs;
    this.#byKey.set(keyText(member.publicKey), member);
    return answersUs
      ? { kind: 'accepted', member, joined: true, replaced: undefined }
      : { kind: 'candidate', member };
  }
}

/** Whether all parts of the member's last announcement have come. */
export function hasAllParts(member: Member, parts: number): boolean {
  return member.partsSeen === allParts(parts);
}

/** Bytes as a key of a map. */
export function keyText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function newMember(id: MemberId, announce: Announce, nowMs: number): Member {
  return {
    id,
    publicKey: announce.publicKey,
    peer: formatPeerId(announce.publicKey),
    incarnation: announce.incarnation,
    leaf: announce.leaf,
    agreementKey: announce.agreementKey,
    proven: false,
    shared: undefined,
    sequence: announce.sequence,
    partsSeen: partBit(announce.part),
    pullSequence: 0,
    challenge: announce.challenge,
    answered: '',
    lastHeardMs: nowMs,
    pullTries: 0,
    nextPullMs: nowMs + TIMING.pullDelayMs,
    macs: new Map(),
    senders: new Map(),
  };
}

function isNew(member: Member, announce: Announce): boolean {
  if (announce.sequence !== member.sequence) {
    return announce.sequence > member.sequence;
  }
  return (member.partsSeen & partBit(announce.part)) === 0;
}

function update(
  member: Member,
  announce: Announce,
  facts: { readonly answersUs: boolean; readonly nowMs: number },
): Acceptance {
  if (announce.sequence > member.sequence) {
    member.sequence = announce.sequence;
    member.partsSeen = 0;
  }
  member.partsSeen = (member.partsSeen | partBit(announce.part)) >>> 0;
  member.challenge = announce.challenge;
  member.lastHeardMs = facts.nowMs;
  if (!member.proven && !facts.answersUs) {
    return { kind: 'candidate', member };
  }
  const joined = !member.proven;
  member.proven = true;
  if (joined) {
    // Parts that came before it was proven were not taken over.
    member.partsSeen = partBit(announce.part);
  }
  return { kind: 'accepted', member, joined, replaced: undefined };
}

function partBit(part: number): number {
  return (1 << part) >>> 0;
}

function allParts(parts: number): number {
  return parts >= 32 ? 0xffff_ffff : (1 << parts) - 1;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
