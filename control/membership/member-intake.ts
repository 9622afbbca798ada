/**
 * Takes what other members say: opens, decodes, verifies, and then lets it count.
 *
 *   control datagram → open under the epoch's K_control → decode → roster → budget → signature
 *                    → announce │ pull │ withdraw
 *
 * Nothing of a message counts before its signature has been verified. Bad input is counted, never thrown.
 *
 * Main thread; no clock of its own, no I/O.
 *
 * @see docs/protocol.md, "Sealed frame" and "Membership"
 */

import { TokenBucket } from '../limit/token-bucket.ts';
import { openControl } from './control-seal.ts';
import { type Epoch, type EpochId, type EpochKeeper, isInEpoch } from './epoch.ts';
import type { MemberBook } from './member-book.ts';
import type { MemberKeys } from './member-keys.ts';
import {
  type Announce,
  decodeMessage,
  type MemberMessage,
  type Pull,
  type Withdraw,
} from './member-message.ts';
import type {
  ControlInput,
  MemberDown,
  MembershipCounters,
  MembershipOptions,
  MembershipPorts,
  NoticeCode,
} from './membership-port.ts';
import { hasAllParts, keyText, type Member, type Roster } from './roster.ts';
import type { Speaker } from './speaker.ts';
import { MEMBERSHIP_LIMIT, TIMING } from './timing.ts';

const NOT_PLANNED = Number.POSITIVE_INFINITY;

/** What the intake works on. */
export interface IntakeHost {
  readonly options: MembershipOptions;
  readonly ports: MembershipPorts;
  readonly roster: Roster;
  readonly book: MemberBook;
  readonly keys: MemberKeys;
  readonly speaker: Speaker;
  readonly epochs: EpochKeeper;
  readonly counters: MembershipCounters;
  /** Of this start; another one under our own key is another process. */
  readonly incarnation: number;
  notice(code: NoticeCode, message: string): void;
}

/** The intake of one VLAN; see the file's head. */
export class MemberIntake {
  readonly #host: IntakeHost;
  readonly #verifications = new TokenBucket({
    perSecond: MEMBERSHIP_LIMIT.verificationsPerSecond,
    burst: MEMBERSHIP_LIMIT.verificationBurst,
  });
  readonly #strangerPulls = new TokenBucket({
    perSecond: MEMBERSHIP_LIMIT.strangerPullsPerSecond,
    burst: MEMBERSHIP_LIMIT.strangerPullsPerSecond,
  });

  constructor(host: IntakeHost) {
    this.#host = host;
  }

  /** Takes one control datagram; `epoch` is the one that its token named, if it is live. */
  take(input: ControlInput, epoch: Epoch | undefined, nowMs: number): void {
    const opened = epoch === undefined ? undefined : openControl(epoch, input.payload, input.control);
    if (epoch === undefined || opened === undefined) {
      this.#host.counters.controlInvalid++;
      return;
    }
    const message = this.#verified(opened.body, { epoch, leaf: opened.sender.leaf, nowMs });
    if (message === undefined) {
      return;
    }
    if (message.type === 'announce') {
      this.#announced(message, epoch, nowMs);
    } else if (message.type === 'pull') {
      this.#pulled(message, epoch, nowMs);
    } else {
      this.#withdrawn(message);
    }
  }

  /** A worker dropped a frame of an unknown sender: ask, if the leaf is somebody's. */
  senderUnknown(id: EpochId, leaf: number, nowMs: number): void {
    const { roster, epochs, speaker } = this.#host;
    const leaves = epochs.find(id)?.roster;
    const member =
      leaves === undefined ? roster.ofLeaf(leaf) : roster.all().find((each) => leaves.get(each.key) === leaf);
    if (member !== undefined) {
      speaker.pull(member, nowMs);
    }
  }

  /** Takes a member or candidate out of the roster, with all that was its. */
  dismiss(member: Member, reason: MemberDown['reason']): void {
    this.#host.roster.remove(member);
    this.#host.epochs.dismissed(member);
    if (member.proven) {
      this.#host.book.dismiss(member, reason);
    }
  }

  /** Removes who was silent for too long; asks those whose answer or heartbeat is missing. */
  expire(nowMs: number): void {
    for (const member of this.#host.roster.silent(nowMs)) {
      this.#remove(member, 'silent');
    }
    for (const member of this.#host.roster.all()) {
      if (member.nextPullMs === NOT_PLANNED && nowMs - member.lastHeardMs > TIMING.memberQuietMs) {
        member.nextPullMs = nowMs;
      }
      if (member.nextPullMs <= nowMs && member.pullTries < MEMBERSHIP_LIMIT.pullTries) {
        member.pullTries++;
        member.nextPullMs = nowMs + TIMING.pullGapMs * 2 ** member.pullTries;
        this.#host.speaker.pull(member, nowMs);
      }
    }
  }

  #verified(
    body: Uint8Array,
    facts: { readonly epoch: Epoch; readonly leaf: number; readonly nowMs: number },
  ): MemberMessage | undefined {
    const { options, counters, ports } = this.#host;
    const decoded = decodeMessage(body, { vlanId: options.vlanId, epochTag: facts.epoch.tag });
    if (!decoded.ok || (decoded.message.type === 'announce' && decoded.message.leaf !== facts.leaf)) {
      counters.announcementInvalid++;
      return undefined;
    }
    const { message } = decoded;
    if (!this.#isInRoster(message, facts.epoch, facts.leaf)) {
      counters.notInRoster++;
      return undefined;
    }
    const own = keyText(message.publicKey) === keyText(options.publicKey);
    if (own && message.incarnation === this.#host.incarnation) {
      return undefined;
    }
    if (!this.#verifications.take(facts.nowMs)) {
      counters.verificationsRefused++;
      return undefined;
    }
    if (!ports.verify(message.publicKey, decoded.signed, decoded.signature)) {
      counters.announcementInvalid++;
      return undefined;
    }
    if (own) {
      this.#ownKeyElsewhere(message);
      return undefined;
    }
    return message;
  }

  /** In a private VLAN: whether the leaf is its speaker's, and the speaker is in the group still. */
  #isInRoster(message: MemberMessage, epoch: Epoch, leaf: number): boolean {
    if (epoch.roster === undefined) {
      return true;
    }
    const key = keyText(message.publicKey);
    const newest = this.#host.epochs.newest();
    return epoch.roster.get(key) === leaf && newest !== undefined && isInEpoch(newest, key);
  }

  /** A recording of a former start of ours is harmless; a later start under our key is another process. */
  #ownKeyElsewhere(message: MemberMessage): void {
    if (message.incarnation > this.#host.incarnation) {
      this.#host.notice(
        'identity-in-use',
        "Another daemon uses this node's identity: give each node a key of its own.",
      );
    }
  }

  // ── Announcements ────────────────────────────────────────────────────────────────────────────────────

  #announced(announce: Announce, epoch: Epoch, nowMs: number): void {
    const { roster, counters, speaker } = this.#host;
    const fresh = speaker.isAnswered(announce.answers);
    const result = roster.accept(announce, { epoch: epoch.id, answersUs: fresh, nowMs });
    switch (result.kind) {
      case 'ignored':
        return;
      case 'refused':
        counters.membersRefused++;
        return;
      case 'candidate':
        this.#challenged(result.member, nowMs);
        return;
      case 'rival':
        this.#challenged(result.member, nowMs);
        speaker.pull(result.member, nowMs);
        return;
      case 'accepted':
        if (result.replaced !== undefined) {
          this.#host.book.dismiss(result.replaced, 'restarted');
          this.#host.epochs.dismissed(result.replaced);
          speaker.rotateChallenge();
        }
        this.#accepted(result.member, announce, { epoch, fresh, joined: result.joined, nowMs });
    }
  }

  #accepted(
    member: Member,
    announce: Announce,
    facts: {
      readonly epoch: Epoch;
      readonly fresh: boolean;
      readonly joined: boolean;
      readonly nowMs: number;
    },
  ): void {
    const { book, keys, counters, speaker, roster, epochs } = this.#host;
    if (!keys.agree(member)) {
      // An X25519 key that yields all zeros is an attack (RFC 7748 §6.1): nobody joins with it.
      roster.remove(member);
      counters.announcementInvalid++;
      return;
    }
    counters.announcesAccepted++;
    const { epoch, fresh, joined, nowMs } = facts;
    if (joined) {
      book.welcome(member);
      epochs.welcomed(member, epoch);
    }
    const unopened = book.syncSenders(member, epoch, announce, fresh);
    // What stands behind a member is what it said last, in whichever epoch.
    const isLatest = announce.sequence === member.sequence;
    if (isLatest && book.syncStations(member, announce, { epoch: epoch.id, nowMs })) {
      speaker.announceSoon(nowMs);
    }
    const incomplete = joined && !hasAllParts(member, epoch.id, announce.parts);
    this.#scheduleRepair(member, unopened || incomplete, nowMs);
    epochs.heard(member, epoch, announce, {
      fresh,
      opened: book.hasOpened(member, epoch, announce),
      nowMs,
    });
    this.#challenged(member, facts.nowMs);
  }

  #scheduleRepair(member: Member, unopened: boolean, nowMs: number): void {
    if (!unopened) {
      member.nextPullMs = NOT_PLANNED;
      member.pullTries = 0;
    } else if (member.nextPullMs === NOT_PLANNED) {
      member.nextPullMs = nowMs + TIMING.pullDelayMs;
    }
  }

  /**
   * Signs a challenge that we have not signed yet. Who has not proven itself, or just did, waits for it; a
   * member that merely changed its challenge has our senders open and gets it with the next heartbeat.
   */
  #challenged(member: Member, nowMs: number): void {
    const key = keyText(member.challenge);
    if (member.answered === key) {
      return;
    }
    const waits = member.answered === '';
    member.answered = key;
    this.#host.speaker.answer(member.challenge);
    if (waits) {
      this.#host.speaker.announceSoon(nowMs);
    }
  }

  // ── Pulls and withdrawals ────────────────────────────────────────────────────────────────────────────

  #pulled(pull: Pull, epoch: Epoch, nowMs: number): void {
    const { roster, speaker, counters } = this.#host;
    const member = roster.find(pull.publicKey);
    const welcome =
      member === undefined || member.incarnation !== pull.incarnation
        ? this.#strangerPulls.take(nowMs)
        : roster.acceptHeader(member, pull);
    const isMeant = pull.targets.length === 0 || pull.targets.includes(epoch.ownLeaf);
    if (!welcome || !isMeant) {
      return;
    }
    counters.pullsAnswered++;
    speaker.answer(pull.challenge);
    speaker.announceSoon(nowMs);
  }

  #withdrawn(withdraw: Withdraw): void {
    const member = this.#host.roster.find(withdraw.publicKey);
    if (
      member?.incarnation === withdraw.incarnation &&
      withdraw.sequence > member.sequence &&
      this.#host.roster.acceptHeader(member, withdraw)
    ) {
      this.#remove(member, 'left');
    }
  }

  #remove(member: Member, reason: 'left' | 'silent'): void {
    this.dismiss(member, reason);
    if (member.proven) {
      this.#host.speaker.rotateChallenge();
    }
  }
}
