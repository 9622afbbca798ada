/**
 * How a node gets into a private VLAN: finds an admin, asks, waits for a word, takes the Welcome.
 *
 *   start ─▶ make-key-package ─▶ looking ─join─▶ waiting ─▶ admitted ─welcome─▶ joined
 *              ▲                    │ who, referral            │
 *              └── join-failed ─────┴──────────────────────────┘        refused: asks no more
 *
 * The secret of an invite is shown to the admin that issued it alone; others are asked without it, and only when that
 * one cannot be reached for a while. Without an invite every admin that is reached is asked: whichever looks first
 * approves.
 *
 * Main thread, sans-I/O: time comes in as Unix milliseconds. After a restart a new client starts from the registry's
 * membership, with a new key package. Must never show a secret or a key package to one who is no admin, and never
 * throw for what a peer sent.
 *
 * @see docs/protocol.md, "Admission"
 */
import { Backoff } from '../trunk/backoff.ts';
import { isNewer, openRecord, type SignedRecord } from '../vlan/vlan-record.ts';
import {
  type AdmissionMessage,
  type AnswerMessage,
  decodeAdmissionMessage,
  encodeAdmissionMessage,
  REFUSAL_TEXT,
  type ReferralMessage,
  type Refusal,
  requestOf,
} from './admission-message.ts';
import { type Candidate, Candidates } from './candidates.ts';
import {
  CLIENT_TIMING,
  type ClientCounter,
  type ClientEffect,
  type ClientInput,
  type ClientOptions,
  type ClientPhase,
} from './client-port.ts';
import { verifyCredential } from './credentials.ts';

const MAX_NEIGHBOURS = 64;

/** See the file's head. */
export class AdmissionClient {
  readonly #options: ClientOptions;
  readonly #candidates: Candidates;
  /** When each neighbour that is no admin is asked who is one. */
  readonly #neighbours = new Map<string, number>();
  readonly #counters = new Map<ClientCounter, number>();
  readonly #keyPackageBackoff = new Backoff();
  #record: SignedRecord | undefined;
  #phase: ClientPhase = 'looking';
  #reason: string | null = null;
  #startedAtMs = 0;
  #keyPackage: Uint8Array | undefined;
  #request = new Uint8Array(0);
  /** When a key package is to be made; infinite while one is there. */
  #keyPackageDueAtMs = Number.POSITIVE_INFINITY;
  #admittedBy: string | undefined;
  #admittedUntilMs = 0;
  #admission: Uint8Array | null = null;
  #welcomeDigest = '';
  #effects: ClientEffect[] = [];
  #nowMs = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#record = options.record;
    this.#candidates = new Candidates(options.self);
  }

  get phase(): ClientPhase {
    return this.#phase;
  }

  /** Why it was refused, or the last attempt failed, in words. */
  get reason(): string | null {
    return this.#reason;
  }

  get counters(): ReadonlyMap<ClientCounter, number> {
    return this.#counters;
  }

  /** When a `tick` is due, on the clock of `handle`; infinite when nothing is. */
  nextTimeoutMs(): number {
    if (this.#isOver()) return Number.POSITIVE_INFINITY;
    const dues = this.#candidates.all().map(({ dueAtMs }) => dueAtMs);
    return Math.min(this.#keyPackageDueAtMs, ...dues, ...this.#neighbours.values());
  }

  /** Takes an input. @param nowMs - Unix time, corrected by the peers' clocks */
  handle(input: ClientInput, nowMs: number): readonly ClientEffect[] {
    this.#nowMs = nowMs;
    if (!this.#isOver()) {
      this.#input(input);
      if (!this.#isOver()) this.#step();
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #input(input: ClientInput): void {
    switch (input.kind) {
      case 'start':
        return this.#start();
      case 'key-package':
        return this.#takeKeyPackage(input.keyPackage);
      case 'peer-up':
        return this.#peerUp(input.peer);
      case 'peer-down':
        return this.#peerDown(input.peer);
      case 'message':
        return this.#message(input.peer, input.bytes);
      case 'record':
        return this.#learnRecord(input.record);
      case 'joined':
        return this.#joined();
      case 'join-failed':
        return this.#joinFailed(input.reason);
      case 'stop':
        this.#phase = 'stopped';
        return this.#withdraw(undefined);
      case 'tick':
        return;
    }
  }

  #start(): void {
    const { invite } = this.#options;
    this.#startedAtMs = this.#nowMs;
    this.#keyPackageDueAtMs = this.#nowMs;
    if (this.#record !== undefined) this.#candidates.learnRecord(this.#record.record, this.#nowMs);
    if (invite !== undefined) this.#candidates.learnInvite(invite, this.#nowMs);
  }

  #takeKeyPackage(keyPackage: Uint8Array): void {
    if (this.#keyPackage !== undefined) return;
    this.#keyPackage = keyPackage;
    this.#request = Uint8Array.from(requestOf(keyPackage));
    this.#keyPackageDueAtMs = Number.POSITIVE_INFINITY;
    for (const candidate of this.#candidates.all()) {
      if (candidate.dueAtMs === Number.POSITIVE_INFINITY) candidate.dueAtMs = this.#nowMs;
    }
  }

  // ── What comes ───────────────────────────────────────────────────────────────────────────────────────

  #peerUp(peer: string): void {
    const candidate = this.#candidates.find(peer);
    if (candidate !== undefined) {
      candidate.backoff.reset();
      Object.assign(candidate, { isUp: true, step: 'idle', dueAtMs: this.#nowMs });
    }
    const [first] = this.#neighbours.keys();
    if (this.#neighbours.size >= MAX_NEIGHBOURS && first !== undefined) this.#neighbours.delete(first);
    this.#neighbours.set(peer, candidate === undefined ? this.#nowMs : this.#nowMs + CLIENT_TIMING.whoMs);
  }

  #peerDown(peer: string): void {
    this.#neighbours.delete(peer);
    const candidate = this.#candidates.find(peer);
    if (candidate === undefined) return;
    Object.assign(candidate, { isUp: false, step: 'idle', dueAtMs: this.#after(candidate.backoff) });
  }

  #message(peer: string, bytes: Uint8Array): void {
    const message = decodeAdmissionMessage(bytes);
    if (message?.type === 'referral') return this.#referred(peer, message);
    if (message?.type === 'answer') return this.#answered(peer, message);
    // Who asks us is told nothing: a node that waits itself knows no more.
    if (message === undefined) this.#count('malformed');
  }

  #referred(peer: string, { record, admins }: ReferralMessage): void {
    if (record.length > 0) {
      const opened = openRecord(record, this.#options.vlanId);
      if (!opened.ok) return this.#count(opened.fault === 'malformed' ? 'malformed' : 'forged');
      if (isNewer(opened.signed, this.#record)) {
        this.#effects.push({ kind: 'record', record: opened.signed });
        this.#learnRecord(opened.signed);
      }
    }
    this.#candidates.learnAddresses(admins, this.#nowMs);
    const candidate = this.#candidates.find(peer);
    // It does not know yet that it is an admin.
    if (candidate !== undefined) this.#rest(candidate, CLIENT_TIMING.later);
  }

  #learnRecord(record: SignedRecord): void {
    if (!isNewer(record, this.#record)) return;
    this.#record = record;
    this.#candidates.learnRecord(record.record, this.#nowMs);
    for (const peer of this.#neighbours.keys()) {
      const candidate = this.#candidates.find(peer);
      if (candidate?.isUp === false) {
        Object.assign(candidate, { isUp: true, step: 'idle', dueAtMs: this.#nowMs });
      }
    }
  }

  #answered(peer: string, answer: AnswerMessage): void {
    const candidate = this.#candidates.find(peer);
    const isOurs = this.#keyPackage !== undefined && Buffer.compare(answer.request, this.#request) === 0;
    if (candidate === undefined || candidate.step === 'idle' || !isOurs) return this.#count('unasked');
    switch (answer.state) {
      case 'waiting':
        return this.#waitAt(candidate);
      case 'admitted':
      case 'welcomed':
        return this.#admittedAt(candidate, answer);
      case 'refused':
        return this.#refused(candidate, answer.refusal);
      case 'later':
        this.#reason = 'too many nodes are asking; this one asks again';
        return this.#rest(candidate, CLIENT_TIMING.later);
      case 'unknown-request':
        return this.#rest(candidate, CLIENT_TIMING.retry);
    }
  }

  #waitAt(candidate: Candidate): void {
    candidate.step = 'waiting';
    candidate.backoff.reset();
    candidate.dueAtMs = this.#nowMs + CLIENT_TIMING.waitingPollMs * (0.5 + this.#options.random() / 2);
    if (this.#phase === 'looking') this.#phase = 'waiting';
    this.#reason = null;
  }

  #admittedAt(candidate: Candidate, { admission, digest }: AnswerMessage): void {
    const { vlanId, self } = this.#options;
    const context = { vlanId, admins: this.#candidates.peers() };
    const checked = admission === undefined ? undefined : verifyCredential('admission', admission, context);
    if (admission === undefined || checked?.ok !== true || checked.credential.peer !== self) {
      return this.#count('forged');
    }
    const isNews = this.#admission === null || Buffer.compare(this.#admission, admission) !== 0;
    this.#phase = 'admitted';
    this.#reason = null;
    this.#admittedBy = candidate.peer;
    this.#admittedUntilMs = this.#nowMs + CLIENT_TIMING.admittedMs;
    this.#admission = admission;
    candidate.step = 'waiting';
    candidate.backoff.reset();
    candidate.dueAtMs = this.#nowMs + CLIENT_TIMING.admittedPollMs;
    if (isNews) this.#effects.push({ kind: 'membership', state: 'waiting', reason: null, admission });
    this.#withdraw(candidate.peer);
    if (digest !== undefined) this.#welcomed(candidate.peer, digest, admission);
  }

  #welcomed(from: string, digest: Uint8Array, admission: Uint8Array): void {
    const name = Buffer.from(digest).toString('hex');
    if (name === this.#welcomeDigest) return;
    this.#welcomeDigest = name;
    this.#effects.push({ kind: 'welcome', digest, from, admission });
  }

  #refused(candidate: Candidate, refusal: Refusal): void {
    if (refusal === 'bad-key-package') {
      // A key package that the group does not take may have been hurt by a release of another kind: once more.
      this.#rest(candidate, CLIENT_TIMING.later);
      return this.#renew(REFUSAL_TEXT[refusal]);
    }
    this.#phase = 'refused';
    this.#reason = REFUSAL_TEXT[refusal];
    this.#effects.push({ kind: 'membership', state: 'refused', reason: this.#reason, admission: null });
    this.#withdraw(candidate.peer);
  }

  #joined(): void {
    this.#phase = 'joined';
    this.#reason = null;
    this.#effects.push({ kind: 'membership', state: 'member', reason: null, admission: this.#admission });
    if (this.#admittedBy !== undefined) {
      this.#send(this.#admittedBy, { type: 'joined', request: this.#request });
    }
  }

  #joinFailed(reason: string): void {
    this.#count('join-failed');
    this.#renew(`the Welcome did not hold: ${reason}`);
  }

  /** Starts over with a fresh key package, since an admin hands one over only once. */
  #renew(reason: string): void {
    this.#reason = reason;
    this.#phase = 'looking';
    this.#admittedBy = undefined;
    this.#welcomeDigest = '';
    this.#keyPackage = undefined;
    this.#keyPackageDueAtMs = this.#after(this.#keyPackageBackoff);
    for (const candidate of this.#candidates.all()) candidate.step = 'idle';
  }

  // ── What is due ──────────────────────────────────────────────────────────────────────────────────────

  #step(): void {
    if (this.#phase === 'admitted' && this.#nowMs >= this.#admittedUntilMs) this.#phase = 'looking';
    if (this.#nowMs >= this.#keyPackageDueAtMs) {
      this.#keyPackageDueAtMs = this.#nowMs + CLIENT_TIMING.keyPackageMs;
      this.#effects.push({ kind: 'make-key-package' });
    }
    for (const candidate of this.#candidates.all()) {
      if (this.#nowMs >= candidate.dueAtMs) this.#turnTo(candidate);
    }
    for (const [peer, dueAtMs] of this.#neighbours) {
      if (this.#nowMs >= dueAtMs) this.#askWho(peer);
    }
  }

  #turnTo(candidate: Candidate): void {
    const { peer, addresses } = candidate;
    if (!candidate.isUp) {
      candidate.dueAtMs = this.#after(candidate.backoff);
      if (!this.#isSettledElsewhere(peer)) this.#effects.push({ kind: 'dial', peer, addresses });
    } else if (candidate.step === 'asked') {
      this.#rest(candidate, CLIENT_TIMING.retry);
    } else if (candidate.step === 'waiting') {
      candidate.step = 'asked';
      candidate.dueAtMs = this.#nowMs + CLIENT_TIMING.answerMs;
      this.#send(peer, { type: 'poll', request: this.#request });
    } else if (this.#keyPackage === undefined) {
      candidate.dueAtMs = Number.POSITIVE_INFINITY;
    } else if (!this.#mayAsk(peer)) {
      candidate.dueAtMs = this.#nowMs + CLIENT_TIMING.retry.minMs;
    } else {
      candidate.step = 'asked';
      candidate.dueAtMs = this.#nowMs + CLIENT_TIMING.answerMs;
      this.#join(peer, this.#keyPackage);
    }
  }

  #join(peer: string, keyPackage: Uint8Array): void {
    const { invite, note } = this.#options;
    const secret = this.#issuer() === peer ? invite?.secret : undefined;
    this.#send(peer, { type: 'join', note, keyPackage, ...(secret === undefined ? {} : { secret }) });
  }

  #askWho(peer: string): void {
    this.#neighbours.set(peer, this.#nowMs + CLIENT_TIMING.whoMs * (0.5 + this.#options.random() / 2));
    const hasAdmin = this.#candidates.all().some(({ isUp }) => isUp);
    if (!hasAdmin) this.#send(peer, { type: 'who' });
  }

  /** Who issued the invite, when it has a secret. */
  #issuer(): string | undefined {
    const { invite } = this.#options;
    return invite?.secret === undefined ? undefined : invite.admins[0]?.peer;
  }

  #mayAsk(peer: string): boolean {
    if (this.#isSettledElsewhere(peer)) return false;
    const issuer = this.#issuer();
    const found = issuer === undefined ? undefined : this.#candidates.find(issuer);
    if (found === undefined || issuer === peer) return true;
    return !found.isUp && this.#nowMs - this.#startedAtMs >= CLIENT_TIMING.issuerFirstMs;
  }

  /** Whether another admin has admitted this node and is expected to welcome it. */
  #isSettledElsewhere(peer: string): boolean {
    return this.#phase === 'admitted' && this.#admittedBy !== peer;
  }

  #withdraw(except: string | undefined): void {
    for (const candidate of this.#candidates.all()) {
      if (candidate.peer === except || candidate.step === 'idle' || !candidate.isUp) continue;
      candidate.step = 'idle';
      this.#send(candidate.peer, { type: 'withdraw', request: this.#request });
    }
  }

  #rest(candidate: Candidate, pauses: { readonly minMs: number; readonly maxMs: number }): void {
    candidate.step = 'idle';
    candidate.dueAtMs = this.#nowMs + candidate.backoff.next(pauses, this.#options.random());
  }

  #after(backoff: Backoff): number {
    return this.#nowMs + backoff.next(CLIENT_TIMING.retry, this.#options.random());
  }

  #isOver(): boolean {
    return this.#phase === 'refused' || this.#phase === 'joined' || this.#phase === 'stopped';
  }

  #send(peer: string, message: AdmissionMessage): void {
    this.#effects.push({ kind: 'send', peer, bytes: encodeAdmissionMessage(message) });
  }

  #count(counter: ClientCounter): void {
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + 1);
  }
}
