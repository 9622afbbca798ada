/**
 * Peers that would not let us in, or that we do not: they are left alone for a while, whoever wants to dial them.
 *
 *   refused ──▶ not dialled for 5 s, 10 s … 60 s ──▶ may be tried ──▶ refused again, or forgotten when it speaks
 *
 * Trunks, exchange streams and the DHT dial for reasons of their own; without this, each of them would try again.
 * When this node's keys change everything is forgotten. Main thread.
 */
import type { Connection } from '@libp2p/interface';

/** What a person reads of a peer that ends a connection before a word was said. */
export const CLOSED_UNSAID =
  'it closed the connection before a word was said: it is in a private swarm that this node is not in (`peertap swarm join`), or has no place for one more';

/** A connection that ends within this without a word was refused: a gate takes 4 s at most. */
const UNSAID_MS = 6_000;
const PAUSE_MIN_MS = 5_000;
const PAUSE_MAX_MS = 60_000;
/** Oldest leave first; each costs some hundred bytes. */
const PEERS_MAX = 4_096;

interface Refusal {
  readonly untilMs: number;
  readonly pauseMs: number;
}

/** See the file's head. */
export class Refusals {
  readonly #nowMs: () => number;
  readonly #refusals = new Map<string, Refusal>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @param key - a PeerId, or the address of a peer that is not known yet */
  note(key: string): void {
    const before = this.#refusals.get(key);
    const nowMs = this.#nowMs();
    // Several attempts that were under way count as one.
    if (before !== undefined && nowMs < before.untilMs) {
      return;
    }
    const pauseMs = before === undefined ? PAUSE_MIN_MS : Math.min(PAUSE_MAX_MS, 2 * before.pauseMs);
    this.#refusals.delete(key);
    if (this.#refusals.size >= PEERS_MAX) {
      this.#refusals.delete(this.#refusals.keys().next().value ?? '');
    }
    this.#refusals.set(key, { untilMs: nowMs + pauseMs, pauseMs });
  }

  /** Whether it is to be left alone now. */
  has(key: string): boolean {
    return this.#nowMs() < (this.#refusals.get(key)?.untilMs ?? 0);
  }

  forget(key: string): void {
    this.#refusals.delete(key);
  }

  clear(): void {
    this.#refusals.clear();
  }
}

/**
 * Looks at a connection that has ended.
 *
 * @param hasSpoken - whether anything was said on it
 * @returns whether its peer has refused us: we had dialled, and it was closed before a word
 */
export function noteEnd(refusals: Refusals, connection: Connection, hasSpoken: boolean): boolean {
  const peer = connection.remotePeer.toString();
  if (hasSpoken) {
    refusals.forget(peer);
  }
  const { open, close } = connection.timeline;
  const isShort = close !== undefined && close - open <= UNSAID_MS;
  if (connection.direction !== 'outbound' || hasSpoken || !isShort) {
    return false;
  }
  refusals.note(peer);
  refusals.note(connection.remoteAddr.toString().replace(/\/p2p\/[^/]+$/, ''));
  return true;
}
