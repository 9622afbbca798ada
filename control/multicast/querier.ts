/**
 * When this node asks for all groups of one protocol on one LAN, and when it leaves that to another: one that is heard
 * there and would win an election.
 *
 *   start ── two queries, 31 s apart ── one every 125 s
 *   another querier is heard ── silence, until 255 s after its last query ── as at the start
 *
 * Main thread; no clock of its own.
 *
 * @see RFC 2236 section 3, RFC 3376 section 6.6.2, RFC 3810 section 7.6.2, RFC 4541 section 2.1.1
 */
import { isUnspecified } from './group-address.ts';
import type { Query } from './multicast-message.ts';
import { MULTICAST_TIMING, ROBUSTNESS } from './multicast-timing.ts';

/** See the file's head. */
export class Querier {
  /** What MLD is asked from here; undefined: IGMP, from 0.0.0.0. */
  readonly #ownAddress: Uint8Array | undefined;
  #startupLeft: number = MULTICAST_TIMING.startupQueryCount;
  #nextMs: number;
  #otherUntilMs = Number.NEGATIVE_INFINITY;

  constructor(ownAddress: Uint8Array | undefined, nowMs: number) {
    this.#ownAddress = ownAddress;
    this.#nextMs = nowMs;
  }

  /** When the next general query is due. */
  get dueMs(): number {
    return this.#nextMs;
  }

  /** Until when another one is believed to ask. */
  get otherUntilMs(): number {
    return this.#otherUntilMs;
  }

  isSilent(nowMs: number): boolean {
    return nowMs < this.#otherUntilMs;
  }

  /** @returns whether a general query is to be sent now */
  tick(nowMs: number): boolean {
    if (nowMs < this.#nextMs) return false;
    this.#startupLeft = Math.max(0, this.#startupLeft - 1);
    this.#nextMs =
      nowMs +
      (this.#startupLeft > 0 ? MULTICAST_TIMING.startupQueryIntervalMs : MULTICAST_TIMING.queryIntervalMs);
    return true;
  }

  /** A general query was heard. @param source - who asks; 4 or 16 bytes */
  heard(source: Uint8Array, { timing, maxResponseMs }: Query, nowMs: number): void {
    if (!this.#winsOver(source)) return;
    const { intervalMs, robustness } = timing ?? {
      intervalMs: MULTICAST_TIMING.queryIntervalMs,
      robustness: ROBUSTNESS,
    };
    const saidMs = robustness * intervalMs + maxResponseMs / 2;
    const silentMs = Math.min(
      Math.max(saidMs, MULTICAST_TIMING.otherQuerierMs),
      MULTICAST_TIMING.otherQuerierMostMs,
    );
    this.#otherUntilMs = Math.max(this.#otherUntilMs, nowMs + silentMs);
    this.#nextMs = this.#otherUntilMs;
    this.#startupLeft = MULTICAST_TIMING.startupQueryCount;
  }

  /** The lowest address wins, and any over none at all. */
  #winsOver(source: Uint8Array): boolean {
    if (isUnspecified(source)) return false;
    return this.#ownAddress === undefined || Buffer.compare(source, this.#ownAddress) < 0;
  }
}
