/**
 * Whether this machine has a network at all, and the one line that says so when it has none or has it again.
 *
 * A machine without an address beyond loopback counts as without network, unless a trunk is up: nodes of one machine can
 * find each other. Main thread, pure.
 */
import type { NoticeEffect } from './discovery-port.ts';

/** See the file's head. */
export class NetworkWatch {
  readonly #offlineMs: number;
  #hasAddress = false;
  #hasTrunk = false;
  #isTold = false;
  /** Since when it is as it is; undefined before the first word. */
  #sinceMs: number | undefined;

  /** @param offlineMs - how long it must be without network before that is said */
  constructor(offlineMs: number) {
    this.#offlineMs = offlineMs;
  }

  get isOnline(): boolean {
    return this.#hasAddress || this.#hasTrunk;
  }

  setAddresses(hasAddress: boolean, nowMs: number): void {
    const wasOnline = this.isOnline;
    this.#hasAddress = hasAddress;
    this.#note(wasOnline, nowMs);
  }

  setTrunks(hasTrunk: boolean, nowMs: number): void {
    const wasOnline = this.isOnline;
    this.#hasTrunk = hasTrunk;
    this.#note(wasOnline, nowMs);
  }

  nextAtMs(): number {
    const isWaiting = !this.isOnline && !this.#isTold && this.#sinceMs !== undefined;
    return isWaiting ? (this.#sinceMs ?? 0) + this.#offlineMs : Number.POSITIVE_INFINITY;
  }

  /** @returns the line, when there is something to say */
  settle(nowMs: number): NoticeEffect | undefined {
    if (this.isOnline && this.#isTold) {
      this.#isTold = false;
      return {
        kind: 'notice',
        level: 'info',
        code: 'network-back',
        message: 'there is a network again: looking for peers',
      };
    }
    if (this.nextAtMs() <= nowMs) {
      this.#isTold = true;
      return {
        kind: 'notice',
        level: 'warn',
        code: 'no-network',
        message:
          'no network: this machine has no address beyond loopback. Waiting for one; nothing to do here.',
      };
    }
    return undefined;
  }

  #note(wasOnline: boolean, nowMs: number): void {
    if (this.isOnline !== wasOnline || this.#sinceMs === undefined) {
      this.#sinceMs = nowMs;
    }
  }
}
