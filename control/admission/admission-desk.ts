/**
 * Where those who want into a private VLAN ask: on every member, and with a say on admins.
 *
 *   who, join (no admin here) ──▶ referral
 *   join with a valid invite  ──▶ save (the use is counted on disk) ─▶ admit ─▶ answer admitted
 *   join without              ──▶ answer waiting … approve ─▶ save ─▶ admit ─▶ answer admitted
 *   welcome{peer, digest}     ──▶ answer welcomed … joined: forgotten
 *
 * Main thread, sans-I/O: time comes in as Unix milliseconds, and effects are carried out in their order; when a `save`
 * cannot be written, what follows it in the same list must not be done. Limits: 256 requests, 256 invites, a budget
 * for each peer and for all of them. Must never admit a peer without an admin's signature on disk, never keep a
 * secret, and never throw for what a peer sent.
 *
 * @see docs/protocol.md, "Admission"
 */
import { PeerBudgets } from '../vlan/peer-budgets.ts';
import { AdmissionError } from './admission-error.ts';
import {
  ADMISSION_LIMIT,
  type AnswerMessage,
  decodeAdmissionMessage,
  encodeAdmissionMessage,
  isUsableAddress,
  type JoinMessage,
  type Refusal,
  type RequestMessage,
  requestOf,
} from './admission-message.ts';
import { encodeCredential, nextSequence } from './credentials.ts';
import {
  ANSWER_OF,
  DESK_LIMIT,
  type DeskRequest,
  EMPTY_REQUEST,
  encodeBook,
  inviteHash,
  isNamed,
} from './desk-book.ts';
import { DeskKeeper } from './desk-keeper.ts';
import type {
  AdmissionRequest,
  DeskCounter,
  DeskEffect,
  DeskInput,
  DeskOptions,
  DeskSituation,
} from './desk-port.ts';

/** What a stranger may cost: a message every 2 s, and all of them 32 a second. */
const BUDGETS = { each: { burst: 8, perSecond: 0.5 }, all: { burst: 128, perSecond: 32 } } as const;
/** A peer that is being added and has not come in for so long is handed over again when it asks. */
const ADD_AGAIN_MS = 20_000;

/** See the file's head. */
export class AdmissionDesk {
  readonly #options: DeskOptions;
  readonly #book: DeskKeeper;
  readonly #budgets = new PeerBudgets(BUDGETS);
  readonly #counters = new Map<DeskCounter, number>();
  #situation: DeskSituation;
  #nowMs = 0;
  readonly #effects: DeskEffect[] = [];

  /** @param stored - the bytes of the last `save`, or undefined at the first start */
  constructor(options: DeskOptions, situation: DeskSituation, stored: Uint8Array | undefined) {
    this.#options = options;
    this.#situation = situation;
    this.#book = new DeskKeeper(stored);
    if (this.#book.isDamaged)
      this.#notice(
        'the invites and requests on disk are damaged: they start empty, and open invites are unknown',
      );
  }

  /** What is counted, since the start. */
  get counters(): ReadonlyMap<DeskCounter, number> {
    return this.#counters;
  }

  /** Those that wait for an admin's word, longest first. */
  requests(): readonly AdmissionRequest[] {
    return this.#book
      .requests()
      .filter(({ state }) => state === 'waiting')
      .sort((left, right) => left.askedAtMs - right.askedAtMs)
      .map(({ peer, askedAtMs, invited, note }) => ({ peer, askedAtMs, invited, note }));
  }

  /** Takes an input. @param nowMs - Unix time, corrected by the peers' clocks */
  handle(input: DeskInput, nowMs: number): readonly DeskEffect[] {
    this.#nowMs = Math.floor(nowMs);
    if (input.kind === 'situation') this.#situate(input.situation);
    else if (input.kind === 'message') this.#message(input.peer, input.bytes);
    else if (input.kind === 'welcome') this.#welcome(input.peer, input.digest);
    else if (input.kind === 'add-failed') this.#addFailed(input.peer, input.refusal);
    else if (this.#book.expire(this.#nowMs)) this.#save();
    return this.#take();
  }

  /**
   * Issues an invite: from the `save` effect on, whoever shows the secret is admitted.
   *
   * @throws AdmissionError `not-admin`, `too-many-invites` or `invalid-invite`
   */
  issue(
    invite: {
      readonly secret: Uint8Array;
      readonly uses: number;
      readonly expiresAtMs: number | null;
    },
    nowMs: number,
  ): readonly DeskEffect[] {
    this.#nowMs = Math.floor(nowMs);
    this.#requireAdmin();
    if (!Number.isInteger(invite.uses) || invite.uses < 1 || invite.uses > DESK_LIMIT.usesMax) {
      throw new AdmissionError(
        'invalid-invite',
        `An invite admits 1..${DESK_LIMIT.usesMax} nodes, not ${invite.uses}.`,
      );
    }
    const hash = inviteHash(this.#options.vlanId, invite.secret);
    const issued = {
      hash,
      uses: invite.uses,
      usedBy: [],
      issuedAtMs: this.#nowMs,
      expiresAtMs: invite.expiresAtMs,
    };
    if (!this.#book.addInvite(issued, this.#nowMs)) {
      throw new AdmissionError(
        'too-many-invites',
        `${DESK_LIMIT.invites} invites are open already; wait until one has been used or has expired.`,
      );
    }
    this.#save();
    return this.#take();
  }

  /** Admits a peer that waits. @throws AdmissionError `not-admin` or `no-request` */
  approve(peer: string, nowMs: number): readonly DeskEffect[] {
    this.#nowMs = Math.floor(nowMs);
    this.#requireAdmin();
    const request = this.#waitingRequest(peer);
    this.#admit({ ...request, state: 'approved' });
    return this.#take();
  }

  /** Turns a peer away that waits. @throws AdmissionError `not-admin` or `no-request` */
  refuse(peer: string, nowMs: number): readonly DeskEffect[] {
    this.#nowMs = Math.floor(nowMs);
    this.#requireAdmin();
    const request = this.#waitingRequest(peer);
    this.#book.set({ ...request, state: 'refused', seenAtMs: this.#nowMs });
    this.#save();
    this.#refuse(peer, request.request, 'refused-by-admin');
    return this.#take();
  }

  // ── What comes from peers ────────────────────────────────────────────────────────────────────────────

  #message(peer: string, bytes: Uint8Array): void {
    if (!this.#budgets.take(peer, this.#nowMs)) return this.#count('over-budget');
    const message = decodeAdmissionMessage(bytes);
    switch (message?.type) {
      case 'who':
        return this.#refer(peer);
      case 'join':
        return this.#isAdmin() ? this.#join(peer, message) : this.#refer(peer);
      case 'poll':
        return this.#isAdmin() ? this.#poll(peer, message) : this.#refer(peer);
      case 'joined':
      case 'withdraw':
        return this.#forget(peer, message);
      default:
        return this.#count('malformed');
    }
  }

  #join(peer: string, message: JoinMessage): void {
    const request = requestOf(message.keyPackage);
    const present = this.#book.request(peer);
    const fresh: DeskRequest = {
      ...(present ?? { ...EMPTY_REQUEST, peer, state: 'waiting', askedAtMs: this.#nowMs }),
      invited: present?.invited === true || message.secret !== undefined,
      note: message.note,
      seenAtMs: this.#nowMs,
      keyPackage: message.keyPackage,
      request,
    };
    this.#count('requests');
    if (this.#isKnownToBeIn(peer, present)) return this.#again(fresh, present);
    if (message.secret === undefined) return this.#withoutInvite(fresh, present);
    this.#withInvite(fresh, message.secret);
  }

  /** A member that lost its state, or one that is admitted already and asks with another key package. */
  #again(fresh: DeskRequest, present: DeskRequest | undefined): void {
    const isSame = present !== undefined && isNamed(present, fresh.request);
    if (isSame && present.state === 'welcomed') return this.#answerState(present);
    if (isSame && present.state === 'adding' && this.#nowMs - present.addedAtMs < ADD_AGAIN_MS) {
      return this.#answerState(present);
    }
    this.#admit({ ...fresh, digest: undefined });
  }

  #withoutInvite(fresh: DeskRequest, present: DeskRequest | undefined): void {
    if (present?.state === 'refused' && this.#nowMs - present.seenAtMs < DESK_LIMIT.refusalLifeMs) {
      return this.#refuse(fresh.peer, fresh.request, 'refused-by-admin');
    }
    if (!this.#book.hasRoomFor(fresh.peer, this.#nowMs)) {
      this.#count('turned-away');
      return this.#answer(fresh.peer, fresh.request, { state: 'later', refusal: 'none' });
    }
    this.#book.set({ ...fresh, state: 'waiting' });
    // A stranger's word is worth one write every few seconds; it asks again after a crash.
    if (present === undefined) {
      this.#notice('a peer asks to be admitted', fresh.peer);
      if (this.#book.maySaveNow(this.#nowMs)) this.#save();
    }
    this.#answerState({ ...fresh, state: 'waiting' });
  }

  #withInvite(fresh: DeskRequest, secret: Uint8Array): void {
    const hash = inviteHash(this.#options.vlanId, secret);
    const invite = this.#book.invite(hash);
    const fault =
      invite === undefined ? 'unknown-invite' : this.#book.inviteFault(invite, fresh.peer, this.#nowMs);
    if (invite === undefined || fault !== undefined) {
      this.#count('refused-invites');
      return this.#refuse(fresh.peer, fresh.request, fault ?? 'unknown-invite');
    }
    // Whoever was put out after the invite was issued does not come back by it.
    if ((this.#situation.tombstones.get(fresh.peer) ?? 0) >= invite.issuedAtMs) {
      return this.#withoutInvite(fresh, this.#book.request(fresh.peer));
    }
    if (this.#situation.members.size >= this.#situation.record.record.membersMax) {
      return this.#refuse(fresh.peer, fresh.request, 'full');
    }
    if (!this.#book.hasRoomFor(fresh.peer, this.#nowMs)) this.#book.makeRoom();
    this.#book.useInvite(invite, fresh.peer);
    this.#admit(fresh);
  }

  #poll(peer: string, { request }: RequestMessage): void {
    const present = this.#book.request(peer);
    if (present === undefined || !isNamed(present, request)) {
      const isRefused = present?.state === 'refused';
      return isRefused
        ? this.#refuse(peer, request, 'refused-by-admin')
        : this.#answer(peer, request, { state: 'unknown-request', refusal: 'none' });
    }
    const seen = { ...present, seenAtMs: this.#nowMs };
    if (seen.state !== 'refused') this.#book.set(seen);
    if (seen.state === 'adding' && this.#nowMs - seen.addedAtMs >= ADD_AGAIN_MS) return this.#admit(seen);
    this.#answerState(seen);
  }

  #forget(peer: string, { type, request }: RequestMessage): void {
    const present = this.#book.request(peer);
    if (present === undefined || !isNamed(present, request)) return;
    // A refusal outlives the wish, else asking and withdrawing in turn would wear an admin out.
    if (type === 'withdraw' && present.state === 'refused') return;
    this.#book.remove(peer);
    this.#save();
  }

  #refer(peer: string): void {
    const { record } = this.#situation;
    const admins = record.record.admins.map((admin) => ({
      peer: admin,
      addresses: this.#options.addressesOf(admin).filter(isUsableAddress).slice(0, ADMISSION_LIMIT.addresses),
    }));
    this.#count('referrals');
    const bytes = encodeAdmissionMessage({ type: 'referral', record: record.bytes, admins });
    this.#effects.push({ kind: 'send', peer, bytes });
  }

  // ── What comes of it ─────────────────────────────────────────────────────────────────────────────────

  /** Signs, writes, hands over, tells; what is signed before is used again unless the peer was put out since. */
  #admit(request: DeskRequest): void {
    const { self, vlanId, sign } = this.#options;
    const { peer, keyPackage } = request;
    const sequence = nextSequence(this.#situation.tombstones.get(peer), this.#nowMs);
    const admission =
      request.admission ??
      encodeCredential({ kind: 'admission', peer, sequence, admin: self, role: 'member' }, vlanId, sign);
    const admitted: DeskRequest = {
      ...request,
      admission,
      state: keyPackage === undefined ? 'approved' : 'adding',
      addedAtMs: this.#nowMs,
    };
    this.#book.set(admitted);
    this.#save();
    this.#count('admitted');
    if (keyPackage !== undefined) this.#effects.push({ kind: 'admit', peer, keyPackage, admission });
    this.#answerState(admitted);
  }

  #situate(situation: DeskSituation): void {
    this.#situation = situation;
    const isChanged = this.#book.bury(situation.tombstones);
    if (this.#book.dropMembers(situation.members) || isChanged) this.#save();
  }

  #welcome(peer: string, digest: Uint8Array): void {
    const present = this.#book.request(peer);
    if (present === undefined) return this.#count('welcome-unclaimed');
    const welcomed: DeskRequest = { ...present, state: 'welcomed', digest };
    this.#book.set(welcomed);
    this.#answerState(welcomed);
  }

  #addFailed(peer: string, refusal: 'full' | 'bad-key-package'): void {
    const present = this.#book.request(peer);
    if (present === undefined) return;
    this.#book.remove(peer);
    this.#book.returnUses(peer);
    this.#save();
    this.#refuse(peer, present.request, refusal);
  }

  #answerState(request: DeskRequest): void {
    const { peer, admission, digest } = request;
    const state = ANSWER_OF[request.state];
    this.#answer(peer, request.request, {
      state,
      refusal: state === 'refused' ? 'refused-by-admin' : 'none',
      ...(admission === undefined ? {} : { admission }),
      ...(digest === undefined ? {} : { digest }),
    });
  }

  #refuse(peer: string, request: Uint8Array | undefined, refusal: Refusal): void {
    this.#answer(peer, request, { state: 'refused', refusal });
  }

  /** Nothing is said to one who has not asked since the start: it does so soon. */
  #answer(
    peer: string,
    request: Uint8Array | undefined,
    answer: Omit<AnswerMessage, 'type' | 'request'>,
  ): void {
    if (request === undefined) return;
    const bytes = encodeAdmissionMessage({ type: 'answer', request, ...answer });
    this.#effects.push({ kind: 'send', peer, bytes });
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────────────

  /** A member by the roster, or one whose admission is signed and not overtaken by a removal. */
  #isKnownToBeIn(peer: string, present: DeskRequest | undefined): boolean {
    const isAdmitted =
      present?.state === 'approved' || present?.state === 'adding' || present?.state === 'welcomed';
    return this.#situation.members.has(peer) || isAdmitted;
  }

  #waitingRequest(peer: string): DeskRequest {
    const request = this.#book.request(peer);
    if (request === undefined || request.state !== 'waiting') {
      throw new AdmissionError(
        'no-request',
        `${peer} does not wait for approval; \`peertap vlan requests\` shows who does.`,
      );
    }
    return request;
  }

  #requireAdmin(): void {
    if (this.#isAdmin()) return;
    throw new AdmissionError(
      'not-admin',
      'This node is no admin of the VLAN; its owner can make it one with `peertap vlan set ID admins=+PEER`.',
    );
  }

  #isAdmin(): boolean {
    return this.#situation.record.record.admins.includes(this.#options.self);
  }

  #save(): void {
    this.#book.saved(this.#nowMs);
    this.#effects.push({ kind: 'save', bytes: encodeBook(this.#book.book) });
  }

  #notice(message: string, peer?: string): void {
    this.#effects.push({ kind: 'notice', message, ...(peer === undefined ? {} : { peer }) });
  }

  #count(counter: DeskCounter): void {
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + 1);
  }

  #take(): readonly DeskEffect[] {
    return this.#effects.splice(0);
  }
}
