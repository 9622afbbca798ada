/**
 * The invites and requests of a desk, and how long and how many of them are kept.
 *
 * Main thread; pure, on the caller's clock. Must never let an invite be used more often than it says.
 */
import type { Refusal } from './admission-message.ts';
import { decodeCredential, isInForce } from './credentials.ts';
import {
  DESK_LIMIT,
  type DeskBook,
  type DeskRequest,
  decodeBook,
  type IssuedInvite,
  type RequestState,
} from './desk-book.ts';

/** A stranger's request is worth a write this often. */
const SAVE_GAP_MS = 5_000;

/** The others live as long as a request; who was welcomed and says nothing is in, or asks anew. */
const LIFE_MS: Readonly<Partial<Record<RequestState, number>>> = {
  refused: DESK_LIMIT.refusalLifeMs,
  welcomed: 600_000,
};

/** See the file's head. */
export class DeskKeeper {
  readonly book: DeskBook;
  /** Whether there was something that could not be read. */
  readonly isDamaged: boolean;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #isDirty = false;

  constructor(stored: Uint8Array | undefined) {
    const book = stored === undefined ? undefined : decodeBook(stored);
    this.isDamaged = stored !== undefined && book === undefined;
    this.book = book ?? { invites: new Map(), requests: new Map() };
  }

  request(peer: string): DeskRequest | undefined {
    return this.book.requests.get(peer);
  }

  requests(): readonly DeskRequest[] {
    return [...this.book.requests.values()];
  }

  set(request: DeskRequest): void {
    this.book.requests.set(request.peer, request);
    this.#isDirty = true;
  }

  remove(peer: string): void {
    this.book.requests.delete(peer);
  }

  /** Whether a peer's request can be kept; makes room by dropping what has expired. */
  hasRoomFor(peer: string, nowMs: number): boolean {
    if (this.book.requests.has(peer) || this.book.requests.size < DESK_LIMIT.requests) return true;
    this.expire(nowMs);
    return this.book.requests.size < DESK_LIMIT.requests;
  }

  /** Drops the youngest request that nobody has invited, for one that was: a flood does not keep guests out. */
  makeRoom(): void {
    const uninvited = this.requests().filter(({ state, invited }) => state === 'waiting' && !invited);
    const youngest = uninvited.reduce<DeskRequest | undefined>(
      (latest, request) => (latest !== undefined && latest.askedAtMs > request.askedAtMs ? latest : request),
      undefined,
    );
    const [first] = this.book.requests.keys();
    const victim = youngest?.peer ?? first;
    if (victim !== undefined) this.remove(victim);
  }

  invite(hash: string): IssuedInvite | undefined {
    return this.book.invites.get(hash);
  }

  /** @returns false when there are too many that can still be used */
  addInvite(invite: IssuedInvite, nowMs: number): boolean {
    if (this.book.invites.size >= DESK_LIMIT.invites) {
      const spent = [...this.book.invites.values()].find((present) => isSpent(present, nowMs));
      if (spent === undefined) return false;
      this.book.invites.delete(spent.hash);
    }
    this.book.invites.set(invite.hash, invite);
    return true;
  }

  /** Why a peer cannot come in by an invite, or undefined. Who came in by it once does not come in by it again. */
  inviteFault(invite: IssuedInvite, peer: string, nowMs: number): Refusal | undefined {
    if (invite.expiresAtMs !== null && nowMs >= invite.expiresAtMs) return 'expired-invite';
    const isUsed = invite.usedBy.length >= invite.uses || invite.usedBy.includes(peer);
    return isUsed ? 'used-invite' : undefined;
  }

  useInvite(invite: IssuedInvite, peer: string): void {
    this.book.invites.set(invite.hash, { ...invite, usedBy: [...invite.usedBy, peer] });
  }

  /** Gives a peer's uses back: the group did not take it. */
  returnUses(peer: string): void {
    for (const invite of this.book.invites.values()) {
      if (!invite.usedBy.includes(peer)) continue;
      const usedBy = invite.usedBy.filter((user) => user !== peer);
      this.book.invites.set(invite.hash, { ...invite, usedBy });
    }
  }

  /** Drops admissions that a removal has overtaken. @returns whether something was dropped */
  bury(tombstones: ReadonlyMap<string, number>): boolean {
    const overtaken = this.requests().filter(({ peer, admission }) => {
      const sequence = tombstones.get(peer);
      const credential = admission === undefined ? undefined : decodeCredential(admission);
      return sequence !== undefined && credential !== undefined && !isInForce(credential, { sequence });
    });
    for (const { peer } of overtaken) this.remove(peer);
    return overtaken.length > 0;
  }

  /** Drops the requests of peers that another admin has let in meanwhile. @returns whether something was dropped */
  dropMembers(members: ReadonlySet<string>): boolean {
    const inside = this.requests().filter(({ peer, state }) => state === 'waiting' && members.has(peer));
    for (const { peer } of inside) this.remove(peer);
    return inside.length > 0;
  }

  /** Drops what is too old. @returns whether something should be written */
  expire(nowMs: number): boolean {
    const before = this.book.requests.size;
    for (const { peer, state, seenAtMs } of this.requests()) {
      const lifeMs = LIFE_MS[state] ?? DESK_LIMIT.requestLifeMs;
      if (nowMs - seenAtMs > lifeMs) this.remove(peer);
    }
    const isDirty = this.#isDirty || this.book.requests.size < before;
    return isDirty && this.maySaveNow(nowMs);
  }

  /** Whether the last write is long enough ago for what is not urgent. A clock that was set back does not block it. */
  maySaveNow(nowMs: number): boolean {
    return Math.abs(nowMs - this.#savedAtMs) >= SAVE_GAP_MS;
  }

  /** Everything is being written. */
  saved(nowMs: number): void {
    this.#savedAtMs = nowMs;
    this.#isDirty = false;
  }
}

function isSpent(invite: IssuedInvite, nowMs: number): boolean {
  return invite.usedBy.length >= invite.uses || (invite.expiresAtMs !== null && nowMs >= invite.expiresAtMs);
}
