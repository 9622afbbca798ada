/**
 * One ping from its beginning to its summary: what is to be sent when, what is still out, what came of it.
 *
 *   plan ─▶ due ─▶ send ─▶ out ─▶ answered │ late │ unsent ─▶ … ─▶ summary
 *
 * Main thread; no clock of its own.
 */
import type { PingReply, PingSummary } from '../admin/inspection.ts';
import { MAX_ECHO_DATAGRAM_BYTES, MIN_ECHO_DATAGRAM_BYTES } from './echo-message.ts';
import type { PingInput } from './echo-port.ts';
import { MtuSearch } from './mtu-search.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** An answer that takes four times as long as the slowest before is not waited for while sizes are tried. */
const SEARCH_PATIENCE = 4;
const SEARCH_LEAST_WAIT_MS = 200;

interface Out {
  readonly sizeBytes: number;
  readonly sentMs: number;
  readonly dueMs: number;
}

/** See the file's head. */
export class Ping {
  readonly input: PingInput;
  readonly id: Uint8Array;
  readonly #search: MtuSearch | undefined;
  readonly #out = new Map<number, Out>();
  #sequence = 0;
  #nextMs: number;
  #received = 0;
  #sumMs = 0;
  #minMs = NEVER;
  #maxMs = 0;

  constructor(input: PingInput, id: Uint8Array, nowMs: number) {
    this.input = input;
    this.id = id;
    this.#nextMs = nowMs;
    const range = { leastBytes: MIN_ECHO_DATAGRAM_BYTES, mostBytes: MAX_ECHO_DATAGRAM_BYTES };
    this.#search = input.request.findMtu ? new MtuSearch(range) : undefined;
  }

  /** Whether all was sent, and nothing is out. */
  get isDone(): boolean {
    return this.#nextMs === NEVER && this.#out.size === 0;
  }

  get nextTimeoutMs(): number {
    const dues = [...this.#out.values()].map(({ dueMs }) => dueMs);
    return Math.min(this.#nextMs, ...dues);
  }

  /** What is to be sent now, and counts as sent. */
  due(nowMs: number): readonly { readonly sequence: number; readonly sizeBytes: number }[] {
    if (nowMs < this.#nextMs) return [];
    const sizes = this.#search === undefined ? [this.input.request.sizeBytes] : this.#search.nextRound();
    const sent = sizes.map((sizeBytes) => {
      const sequence = ++this.#sequence;
      this.#out.set(sequence, { sizeBytes, sentMs: nowMs, dueMs: nowMs + this.#waitMs() });
      return { sequence, sizeBytes };
    });
    this.#plan(nowMs);
    return sent;
  }

  /** @returns undefined when nothing of that number is out */
  answered(sequence: number, sizeBytes: number, nowMs: number): PingReply | undefined {
    const out = this.#out.get(sequence);
    if (out === undefined || out.sizeBytes !== sizeBytes) return undefined;
    const rttMs = nowMs - out.sentMs;
    this.#received++;
    this.#sumMs += rttMs;
    this.#minMs = Math.min(this.#minMs, rttMs);
    this.#maxMs = Math.max(this.#maxMs, rttMs);
    this.#search?.passed(sizeBytes);
    this.#end(sequence, nowMs);
    return { sequence, sizeBytes, rttMs: roundMs(rttMs), unsent: false };
  }

  /** A question did not leave. */
  unsent(sequence: number, nowMs: number): PingReply | undefined {
    return this.#lost(sequence, true, nowMs);
  }

  /** Those whose time is over. */
  late(nowMs: number): readonly PingReply[] {
    const late = [...this.#out].filter(([, { dueMs }]) => dueMs <= nowMs).map(([sequence]) => sequence);
    return late.flatMap((sequence) => this.#lost(sequence, false, nowMs) ?? []);
  }

  summary(mac: string): PingSummary {
    const isAnswered = this.#received > 0;
    return {
      peer: this.input.target.peer,
      mac,
      sent: this.#sequence,
      received: this.#received,
      minMs: isAnswered ? roundMs(this.#minMs) : null,
      avgMs: isAnswered ? roundMs(this.#sumMs / this.#received) : null,
      maxMs: isAnswered ? roundMs(this.#maxMs) : null,
      pathMtuBytes: this.#search?.resultBytes ?? null,
    };
  }

  #lost(sequence: number, unsent: boolean, nowMs: number): PingReply | undefined {
    const out = this.#out.get(sequence);
    if (out === undefined) return undefined;
    this.#end(sequence, nowMs);
    return { sequence, sizeBytes: out.sizeBytes, rttMs: null, unsent };
  }

  /** A search goes on when nothing of its round is out. */
  #end(sequence: number, nowMs: number): void {
    this.#out.delete(sequence);
    if (this.#search !== undefined && this.#out.size === 0) {
      this.#search.closeRound();
      this.#nextMs = nowMs;
    }
  }

  #plan(nowMs: number): void {
    const { count, intervalMs } = this.input.request;
    const isLast = this.#search !== undefined || (count !== 0 && this.#sequence >= count);
    // From when it was due, so that a timer's lateness does not add up; unless it is far behind.
    this.#nextMs = isLast ? NEVER : Math.max(this.#nextMs, nowMs - intervalMs) + intervalMs;
  }

  #waitMs(): number {
    const { timeoutMs } = this.input.request;
    if (this.#search === undefined || this.#received === 0) return timeoutMs;
    return Math.min(timeoutMs, Math.max(SEARCH_LEAST_WAIT_MS, this.#maxMs * SEARCH_PATIENCE));
  }
}

/** To a microsecond. */
function roundMs(value: number): number {
  return Math.round(value * 1000) / 1000;
}
