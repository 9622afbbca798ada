/**
 * When this node says what: announcements, heartbeats, pulls, and the answers to challenges.
 *
 * An announcement is due soon when something changed, and as a heartbeat otherwise; those that come due
 * together go as one. Pulls go at most once a second. Challenges that wait for an answer go with the next
 * announcement, in each epoch that is announced; what concerns one epoch alone is said in that one alone.
 *
 * Main thread; no clock of its own.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { splitAnnouncement } from './announcer.ts';
import type { ControlOutlet } from './control-outlet.ts';
import type { Epoch, EpochId, EpochKeeper } from './epoch.ts';
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
  readonly agreementKey: Uint8Array;
  readonly local: LocalStations;
  readonly epochs: Pick<EpochKeeper, 'announced' | 'asked' | 'remarks'>;
  salts(epoch: EpochId): readonly OwnSalt[];
  /** Private VLANs: everybody announces at a change of epoch, and again for those that come to it later. */
  membersToAnswer(): number;
  unixMs(): number;
  emit(effect: SendControl): void;
}

/** Sixteen bytes that wait to be signed. */
interface PendingAnswer {
  readonly value: Uint8Array;
  /** In which alone; undefined: in each. */
  readonly epoch: EpochId | undefined;
}

/** Speaks in one VLAN; see the file's head. */
export class Speaker {
  readonly #host: SpeakerHost;
  /** What waits to be signed: in every epoch, or in one. */
  readonly #pending = new Map<string, PendingAnswer>();
  readonly #pullTargets = new Set<Member>();
  #pullsAll = false;
  #challenge: Uint8Array;
  /** The epochs that are due; heartbeats and news go in all. */
  #dueEpochs: Set<EpochId> | 'all' = 'all';
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

  /** Announce as soon as the least gap allows; in one epoch, or in all. */
  announceSoon(nowMs: number, epoch?: EpochId): void {
    const dueMs = Math.max(nowMs, this.#announcedAtMs + this.#gapMs());
    if (this.#announceDueMs === NEVER) {
      this.#dueEpochs = epoch === undefined ? 'all' : new Set([epoch]);
    } else if (epoch === undefined) {
      this.#dueEpochs = 'all';
    } else if (this.#dueEpochs !== 'all') {
      this.#dueEpochs.add(epoch);
    }
    this.#announceDueMs = Math.min(this.#announceDueMs, dueMs);
  }

  /** Sign this challenge, or other 16 bytes, in the next announcement; in one epoch, or in all. */
  answer(value: Uint8Array, epoch?: EpochId): void {
    if (this.#pending.size < MEMBERSHIP_LIMIT.pendingAnswers) {
      const answer = { value, epoch };
      this.#pending.set(pendingKey(answer), answer);
    }
  }

  /** Sign everybody's challenge in the next announcement. */
  answerAll(members: readonly Member[]): void {
    for (const member of members) {
      this.answer(member.challenge);
      member.answered = keyText(member.challenge);
    }
  }

  /** Ask a member to announce itself and to sign our challenge. */
  pull(member: Member, nowMs: number): void {
    if (this.#pullTargets.size <= MESSAGE_LIMIT.pullTargets) {
      this.#pullTargets.add(member);
    }
    this.#pullDueMs = Math.min(this.#pullDueMs, Math.max(nowMs, this.#pulledAtMs + TIMING.pullGapMs));
  }

  /** Asks everybody to announce himself. */
  pullAll(nowMs: number): void {
    this.#pullsAll = true;
    this.#pullDueMs = Math.min(this.#pullDueMs, Math.max(nowMs, this.#pulledAtMs + TIMING.pullGapMs));
  }

  /** Says goodbye. */
  withdraw(): void {
    const { outlet, epochs } = this.#host;
    for (const epoch of epochs.asked()) {
      this.#host.emit(outlet.say(epoch, this.#host.unixMs(), outlet.nextSequence(), { type: 'withdraw' }));
    }
  }

  /** Forgets what belongs to an epoch that is over. */
  forgetEpoch(epoch: EpochId): void {
    this.#host.outlet.forgetEpoch(epoch);
    for (const [key, pending] of [...this.#pending]) {
      if (pending.epoch === epoch) {
        this.#pending.delete(key);
      }
    }
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
    const announced = this.#host.epochs.announced();
    const due = this.#dueEpochs;
    const isDue = (epoch: Epoch): boolean => due === 'all' || due.has(epoch.id);
    const isWhole = nowMs >= this.#heartbeatDueMs || announced.every(isDue);
    const epochs = isWhole ? announced : announced.filter(isDue);
    const pending = [...this.#pending.values()].filter((one) => isWhole || one.epoch !== undefined);
    const left = new Set<PendingAnswer>();
    for (const epoch of epochs) {
      this.#announceIn(epoch, pending, left);
    }
    for (const one of pending) {
      const isSaid = one.epoch === undefined || epochs.some((epoch) => epoch.id === one.epoch);
      if (isSaid && !left.has(one)) {
        this.#pending.delete(pendingKey(one));
      }
    }
    this.#host.local.announced(nowMs);
    this.#announcedAtMs = nowMs;
    this.#announceDueMs = NEVER;
    if (isWhole) {
      this.#heartbeatDueMs = nowMs + TIMING.heartbeatMs + this.#jitterMs();
    }
    if (left.size > 0) {
      this.announceSoon(nowMs);
    }
  }

  /** Says one announcement, with what waits for this epoch; `left` is told what found no room. */
  #announceIn(epoch: Epoch, pending: readonly PendingAnswer[], left: Set<PendingAnswer>): void {
    const { outlet, ports, agreementKey } = this.#host;
    const lanes = this.#host
      .salts(epoch.id)
      .slice(-MESSAGE_LIMIT.lanes)
      .map((salt) => ({
        lane: salt.lane,
        salt: salt.salt,
        counter: ports.saltCounter(salt.id),
      }));
    const here = pending.filter((one) => one.epoch === undefined || one.epoch === epoch.id);
    const remarks = this.#host.epochs.remarks(epoch);
    const values = [...remarks, ...here.map(({ value }) => value)];
    const parts = splitAnnouncement(lanes, this.#host.local.macs(), values);
    const sequence = outlet.nextSequence();
    const whole = {
      leaf: epoch.ownLeaf,
      agreementKey,
      challenge: this.#challenge,
      parts: parts.length,
      lanes,
    };
    for (const [part, { macs, answers }] of parts.entries()) {
      this.#host.emit(
        outlet.say(epoch, this.#host.unixMs(), sequence, { type: 'announce', ...whole, part, macs, answers }),
      );
    }
    this.#host.counters.announcesSent++;
    const room = parts.reduce((sum, part) => sum + part.answers.length, 0) - remarks.length;
    for (const one of here.slice(room)) {
      left.add(one);
    }
  }

  #pullNow(nowMs: number): void {
    const { outlet, epochs } = this.#host;
    const members = [...this.#pullTargets];
    for (const epoch of epochs.asked()) {
      // Nobody to name, or too many: an empty list asks everybody.
      const targets =
        this.#pullsAll || members.length > MESSAGE_LIMIT.pullTargets
          ? []
          : members.map((member) => leafIn(epoch, member));
      const message = { type: 'pull', challenge: this.#challenge, targets } as const;
      this.#host.emit(outlet.say(epoch, this.#host.unixMs(), outlet.nextSequence(), message));
      this.#host.counters.pullsSent++;
    }
    this.#pullTargets.clear();
    this.#pullsAll = false;
    this.#pulledAtMs = nowMs;
    this.#pullDueMs = NEVER;
  }

  /** Least time between two announcements: what comes due together goes together. */
  #gapMs(): number {
    const { announceGapMs, announceGapPerMemberMs, announceGapMostMs } = TIMING;
    const wantedMs = announceGapPerMemberMs * this.#host.membersToAnswer();
    return Math.min(announceGapMostMs, Math.max(announceGapMs, wantedMs));
  }

  #jitterMs(): number {
    const [byte = 0] = this.#host.ports.randomBytes(1);
    return ((byte - 128) / 128) * TIMING.heartbeatJitterMs;
  }

  #drawChallenge(): Uint8Array {
    return Uint8Array.from(this.#host.ports.randomBytes(CHALLENGE_BYTES));
  }
}

function leafIn(epoch: Epoch, member: Member): number {
  return epoch.roster?.get(member.key) ?? member.leaf;
}

function pendingKey({ value, epoch }: PendingAnswer): string {
  return `${epoch ?? ''}:${keyText(value)}`;
}
