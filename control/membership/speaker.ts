/**
 * When this node says what: announcements, heartbeats, pulls, and the answers to challenges.
 *
 * An announcement is due soon when something changed, and as a heartbeat otherwise; those that come due
 * together go as one. Pulls go at most once a second. Challenges that wait for an answer go with the next
 * announcement, in each epoch that is announced.
 *
 * Main thread; no clock of its own.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import type { OpenEpoch } from '../vlan/open-epoch.ts';
import { splitAnnouncement } from './announcer.ts';
import type { ControlOutlet } from './control-outlet.ts';
import type { LocalStations } from './local-stations.ts';
import { CHALLENGE_BYTES, MESSAGE_LIMIT } from './member-message.ts';
import type { MembershipCounters, MembershipPorts, SendControl } from './membership-port.ts';
import type { OwnSalt } from './own-salts.ts';
import { keyText, type Member } from './roster.ts';
import { MEMBERSHIP_LIMIT, TIMING } from './timing.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** What the speaker needs of the machine. */
export interface SpeakerHost {
  readonly outlet: ControlOutlet;
  readonly ports: MembershipPorts;
  readonly counters: MembershipCounters;
  readonly leaf: number;
  readonly agreementKey: Uint8Array;
  readonly local: LocalStations;
  /** The epochs in which to announce: the present one first. */
  epochs(): readonly OpenEpoch[];
  salts(day: number): readonly OwnSalt[];
  unixMs(): number;
  emit(effect: SendControl): void;
}

/** Speaks in one VLAN; see the file's head. */
export class Speaker {
  readonly #host: SpeakerHost;
  readonly #pending = new Map<string, Uint8Array>();
  readonly #pullTargets = new Set<number>();
  #challenge: Uint8Array;
  #announceDueMs = NEVER;
  #heartbeatDueMs = NEVER;
  #pullDueMs = NEVER;
  #announcedAtMs = Number.NEGATIVE_INFINITY;
  #pulledAtMs = Number.NEGATIVE_INFINITY;

  constructor(host: SpeakerHost) {
    this.#host = host;
    this.#challenge = this.#drawChallenge();
  }

  get incarnation(): number {
    return this.#host.outlet.incarnation;
  }

  /** Whether a list of signed answers holds one to our present challenge. */
  isAnswered(answers: readonly Uint8Array[]): boolean {
    const own = keyText(this.#challenge);
    return answers.some((answer) => keyText(answer) === own);
  }

  /** What answered the former challenge proves nothing any more. */
  rotateChallenge(): void {
    this.#challenge = this.#drawChallenge();
  }

  /** Announce as soon as the least gap allows. */
  announceSoon(nowMs: number): void {
    this.#announceDueMs = Math.min(
      this.#announceDueMs,
      Math.max(nowMs, this.#announcedAtMs + TIMING.announceGapMs),
    );
  }

  /** Sign this challenge in the next announcement. */
  answer(challenge: Uint8Array): void {
    if (this.#pending.size < MEMBERSHIP_LIMIT.pendingAnswers) {
      this.#pending.set(keyText(challenge), challenge);
    }
  }

  /** Sign everybody's challenge in the next announcement. */
  answerAll(members: readonly Member[]): void {
    for (const member of members) {
      this.answer(member.challenge);
      member.answered = keyText(member.challenge);
    }
  }

  /** Ask the member of this leaf to announce itself and to sign our challenge. */
  pull(leaf: number, nowMs: number): void {
    if (this.#pullTargets.size <= MESSAGE_LIMIT.pullTargets) {
      this.#pullTargets.add(leaf);
    }
    this.#pullDueMs = Math.min(this.#pullDueMs, Math.max(nowMs, this.#pulledAtMs + TIMING.pullGapMs));
  }

  /** Says goodbye. */
  withdraw(epoch: OpenEpoch): void {
    const { outlet } = this.#host;
    this.#host.emit(outlet.say(epoch, this.#host.unixMs(), outlet.nextSequence(), { type: 'withdraw' }));
  }

  /** Forgets what belongs to an epoch that is over. */
  forgetDay(day: number): void {
    this.#host.outlet.forgetDay(day);
  }

  nextTimeoutMs(): number {
    return Math.min(this.#announceDueMs, this.#heartbeatDueMs, this.#pullDueMs);
  }

  /** Says what is due. */
  speakDue(nowMs: number): void {
    if (nowMs >= Math.min(this.#announceDueMs, this.#heartbeatDueMs)) {
      this.#announce(nowMs);
    }
    if (nowMs >= this.#pullDueMs) {
      this.#pullNow(nowMs);
    }
  }

  #announce(nowMs: number): void {
    const answers = [...this.#pending.values()];
    let placed = answers.length;
    for (const epoch of this.#host.epochs()) {
      placed = Math.min(placed, this.#announceIn(epoch, answers));
    }
    for (const answer of answers.slice(0, placed)) {
      this.#pending.delete(keyText(answer));
    }
    this.#host.local.announced(nowMs);
    this.#announcedAtMs = nowMs;
    this.#announceDueMs = this.#pending.size > 0 ? nowMs + TIMING.announceGapMs : NEVER;
    this.#heartbeatDueMs = nowMs + TIMING.heartbeatMs + this.#jitterMs();
  }

  /** @returns how many of the answers found room */
  #announceIn(epoch: OpenEpoch, answers: readonly Uint8Array[]): number {
    const { outlet, ports, leaf, agreementKey } = this.#host;
    const lanes = this.#host
      .salts(epoch.day)
      .slice(-MESSAGE_LIMIT.lanes)
      .map((salt) => ({
        lane: salt.lane,
        salt: salt.salt,
        counter: ports.saltCounter(salt.id),
      }));
    const parts = splitAnnouncement(lanes, this.#host.local.macs(), answers);
    const sequence = outlet.nextSequence();
    for (const [part, { macs, answers: signed }] of parts.entries()) {
      const body = { leaf, agreementKey, challenge: this.#challenge, part, parts: parts.length, lanes };
      this.#host.emit(
        outlet.say(epoch, this.#host.unixMs(), sequence, {
          type: 'announce',
          ...body,
          macs,
          answers: signed,
        }),
      );
    }
    this.#host.counters.announcesSent++;
    return parts.reduce((sum, part) => sum + part.answers.length, 0);
  }

  #pullNow(nowMs: number): void {
    const { outlet } = this.#host;
    // Too many to name: an empty list asks everybody.
    const targets = this.#pullTargets.size > MESSAGE_LIMIT.pullTargets ? [] : [...this.#pullTargets];
    const [epoch] = this.#host.epochs();
    if (epoch !== undefined) {
      const message = { type: 'pull', challenge: this.#challenge, targets } as const;
      this.#host.emit(outlet.say(epoch, this.#host.unixMs(), outlet.nextSequence(), message));
      this.#host.counters.pullsSent++;
    }
    this.#pullTargets.clear();
    this.#pulledAtMs = nowMs;
    this.#pullDueMs = NEVER;
  }

  #jitterMs(): number {
    const [byte = 0] = this.#host.ports.randomBytes(1);
    return ((byte - 128) / 128) * TIMING.heartbeatJitterMs;
  }

  #drawChallenge(): Uint8Array {
    return Uint8Array.from(this.#host.ports.randomBytes(CHALLENGE_BYTES));
  }
}
