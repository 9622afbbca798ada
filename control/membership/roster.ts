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
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import { formatPeerId } from '../identity/peer-id.ts';
import type { EpochId } from './epoch.ts';
import type { Announce, MessageHeader } from './member-message.ts';
import type { MemberId, SenderId, VlanKind } from './membership-port.ts';
import { TIMING } from './timing.ts';

/** A sender of a member whose frames are opened. */
export interface BoundSender {
  readonly id: SenderId;
  readonly epoch: EpochId;
  readonly lane: number;
  readonly salt: Uint8Array;
}

/** How far a member's announcements in one epoch have come: those of two epochs may overtake each other. */
export interface AnnounceStream {
  sequence: number;
  /** Bit i: part i of the announcement of this sequence number has come. */
  partsSeen: number;
}

/** What is known of another node in the VLAN. */
export interface Member {
  readonly id: MemberId;
  readonly publicKey: Uint8Array;
  /** The node key as a key of maps, see {@link keyText}. */
  readonly key: string;
  /** PeerId, text form. */
  readonly peer: string;
  readonly incarnation: number;
  /** As it last announced it; in a private VLAN it is another one after the member has come in anew. */
  leaf: number;
  readonly agreementKey: Uint8Array;
  proven: boolean;
  /** Result of the key agreement with it; set when it is proven. */
  shared: Uint8Array | undefined;
  /** Highest of any epoch; what stands behind the member is taken from the announcement that has it. */
  sequence: number;
  readonly streams: Map<EpochId, AnnounceStream>;
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

/** Where, when and how an announcement came. */
export interface AnnounceFacts {
  readonly epoch: EpochId;
  /** It signs our present challenge. */
  readonly answersUs: boolean;
  readonly nowMs: number;
}

/** Members and candidates of one VLAN; see the file's head. */
export class Roster {
  readonly #nextId: () => MemberId;
  readonly #kind: VlanKind;
  readonly #membersMax: number;
  readonly #byKey = new Map<string, Member>();

  constructor(options: {
    readonly nextId: () => MemberId;
    readonly kind: VlanKind;
    readonly membersMax: number;
  }) {
    this.#nextId = options.nextId;
    this.#kind = options.kind;
    this.#membersMax = options.membersMax;
  }

  /** Members and candidates. */
  get size(): number {
    return this.#byKey.size;
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

  /** The member or candidate of a leaf. */
  ofLeaf(leaf: number): Member | undefined {
    return this.all().find((member) => member.leaf === leaf);
  }

  remove(member: Member): void {
    this.#byKey.delete(member.key);
  }

  /** Members and candidates that were not heard for too long; they are still in the roster. */
  silent(nowMs: number): readonly Member[] {
    return this.all().filter((member) => nowMs - member.lastHeardMs > TIMING.memberExpiryMs);
  }

  /**
   * Takes a verified announcement.
   *
   * @param announce - its signature holds, and it is not our own; in a private VLAN its leaf is the epoch's for it
   */
  accept(announce: Announce, facts: AnnounceFacts): Acceptance {
    const present = this.find(announce.publicKey);
    if (present === undefined) {
      return this.#admit(announce, facts);
    }
    if (present.incarnation !== announce.incarnation) {
      return this.#acceptOtherIncarnation(present, announce, facts);
    }
    // The leaf of an open VLAN is drawn once a start; a group gives another one to who comes in anew.
    const sameLeaf = this.#kind === 'private' || present.leaf === announce.leaf;
    if (!sameLeaf || !sameBytes(present.agreementKey, announce.agreementKey)) {
      return { kind: 'refused' };
    }
    if (!isNew(present, announce, facts.epoch)) {
      return { kind: 'ignored' };
    }
    return update(present, announce, facts);
  }

  /** Whether a pull or withdrawal of a member is a new one; notes it. */
  acceptHeader(member: Member, header: MessageHeader): boolean {
    if (header.incarnation !== member.incarnation || header.sequence <= member.pullSequence) {
      return false;
    }
    member.pullSequence = header.sequence;
    return true;
  }

  #acceptOtherIncarnation(present: Member, announce: Announce, facts: AnnounceFacts): Acceptance {
    if (!facts.answersUs) {
      // A former incarnation is most likely a recording; if it is not, it will answer our challenge.
      if (announce.incarnation < present.incarnation) {
        return { kind: 'ignored' };
      }
      if (present.proven) {
        return { kind: 'rival', member: newMember(present.id, announce, facts) };
      }
    }
    this.remove(present);
    const accepted = this.#admit(announce, facts);
    return accepted.kind === 'accepted' && present.proven ? { ...accepted, replaced: present } : accepted;
  }

  #admit(announce: Announce, facts: AnnounceFacts): Acceptance {
    if (this.#byKey.size >= this.#membersMax) {
      return { kind: 'refused' };
    }
    const member = newMember(this.#nextId(), announce, facts);
    member.proven = facts.answersUs;
    this.#byKey.set(member.key, member);
    return facts.answersUs
      ? { kind: 'accepted', member, joined: true, replaced: undefined }
      : { kind: 'candidate', member };
  }
}

/** Whether all parts of the member's last announcement in an epoch have come. */
export function hasAllParts(member: Member, epoch: EpochId, parts: number): boolean {
  return member.streams.get(epoch)?.partsSeen === allParts(parts);
}

/** Bytes as a key of a map. */
export function keyText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function newMember(id: MemberId, announce: Announce, { epoch, nowMs }: AnnounceFacts): Member {
  const stream = { sequence: announce.sequence, partsSeen: partBit(announce.part) };
  return {
    id,
    publicKey: announce.publicKey,
    key: keyText(announce.publicKey),
    peer: formatPeerId(announce.publicKey),
    incarnation: announce.incarnation,
    leaf: announce.leaf,
    agreementKey: announce.agreementKey,
    proven: false,
    shared: undefined,
    sequence: announce.sequence,
    streams: new Map([[epoch, stream]]),
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

function isNew(member: Member, announce: Announce, epoch: EpochId): boolean {
  const stream = member.streams.get(epoch);
  if (stream === undefined || announce.sequence !== stream.sequence) {
    return stream === undefined || announce.sequence > stream.sequence;
  }
  return (stream.partsSeen & partBit(announce.part)) === 0;
}

function update(member: Member, announce: Announce, facts: AnnounceFacts): Acceptance {
  const stream = streamOf(member, announce, facts.epoch);
  stream.partsSeen = (stream.partsSeen | partBit(announce.part)) >>> 0;
  if (announce.sequence >= member.sequence) {
    member.sequence = announce.sequence;
    member.leaf = announce.leaf;
    member.challenge = announce.challenge;
  }
  member.lastHeardMs = facts.nowMs;
  if (!member.proven && !facts.answersUs) {
    return { kind: 'candidate', member };
  }
  const joined = !member.proven;
  member.proven = true;
  if (joined) {
    // Parts that came before it was proven were not taken over.
    stream.partsSeen = partBit(announce.part);
  }
  return { kind: 'accepted', member, joined, replaced: undefined };
}

function streamOf(member: Member, announce: Announce, epoch: EpochId): AnnounceStream {
  let stream = member.streams.get(epoch);
  if (stream === undefined || announce.sequence > stream.sequence) {
    stream = { sequence: announce.sequence, partsSeen: 0 };
    member.streams.set(epoch, stream);
  }
  return stream;
}

function partBit(part: number): number {
  return (1 << part) >>> 0;
}

function allParts(parts: number): number {
  return parts >= 32 ? 0xffff_ffff : (1 << parts) - 1;
}
