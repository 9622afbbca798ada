/**
 * Follows the way of a station's frames, hop by hop over the trunks' streams, each node by its own consent. Sans-I/O:
 * `handle(input, nowMs)` returns effects.
 *
 *   asker ──question──▶ hop 1 ──question──▶ hop 2 ──question──▶ hop 3, whose station it is
 *         ◀──answer 1──       ◀──answer 2──       ◀──answer 3──       each handed back by those before it
 *
 * A node answers for itself, and passes the question on to where the token's frames go. It knows of a trace its number and
 * the two neighbours, for a few seconds. What hop 3 says is as true as hops 1 and 2 are: they hand it on.
 * Bad input is counted, never thrown.
 *
 * Main thread.
 *
 * @see docs/protocol.md, "Echo and trace"
 */
import { INITIAL_HOPS } from '../../dataplane/shm/layout.ts';
import type { TraceSummary } from '../admin/inspection.ts';
import { TokenBucket } from '../limit/token-bucket.ts';
import {
  decodeTrace,
  encodeTraceAnswer,
  encodeTraceQuestion,
  type HopOutcome,
  TRACE_ID_BYTES,
  type TraceAnswer,
  type TraceQuestion,
} from './trace-message.ts';
import type {
  TraceCounters,
  TraceEffect,
  TraceHeardInput,
  TraceId,
  TraceInput,
  TraceInputBegin,
  TracePorts,
  TraceTarget,
} from './trace-port.ts';

/** A person runs a few; each costs a node two small messages and its answers. */
const QUESTIONS_PER_PEER = { perSecond: 10, burst: 20 };
/** Longer than anybody waits for one answer, and than all hops take together. */
const REMEMBER_MS = 60_000;
/** What 17 neighbours may ask in that time; the oldest goes first. */
const MAX_REMEMBERED = 10_240;
/** As many trunks as there can be. */
const MAX_PEERS = 1_024;

/** A trace of our own. */
interface OwnTrace {
  readonly trace: TraceId;
  readonly target: TraceTarget;
  readonly timeoutMs: number;
  readonly beganMs: number;
  dueMs: number;
  /** Of the next answer. */
  nextHop: number;
  leastMtuBytes: number;
}

/** A question that went through here. */
interface Passed {
  readonly from: string;
  /** undefined: it ended here. */
  readonly next: string | undefined;
  readonly expiresMs: number;
  answersLeft: number;
}

/** See the file's head. */
export class TraceMachine {
  readonly counters: TraceCounters = {
    traceQuestions: 0,
    traceAnswersPassed: 0,
    traceMalformed: 0,
    traceForeign: 0,
    traceOverBudget: 0,
    traceRepeated: 0,
    traceUnexpected: 0,
  };
  readonly #ports: TracePorts;
  /** By id. */
  readonly #own = new Map<string, OwnTrace>();
  /** By id, oldest first. */
  readonly #passed = new Map<string, Passed>();
  readonly #budgets = new Map<string, TokenBucket>();

  constructor(ports: TracePorts) {
    this.#ports = ports;
  }

  /** Questions that are remembered. */
  get remembered(): number {
    return this.#passed.size;
  }

  handle(input: TraceInput, nowMs: number): TraceEffect[] {
    switch (input.kind) {
      case 'trace':
        return this.#begin(input, nowMs);
      case 'stop-trace': {
        const own = [...this.#own].find(([, { trace }]) => trace === input.trace);
        return own === undefined ? [] : this.#finish(own[0], own[1], 'silent');
      }
      case 'heard':
        return this.#heard(input, nowMs);
      case 'tick':
        return this.#tick(nowMs);
    }
  }

  /** When `tick` is due; infinite when nothing is. */
  nextTimeoutMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#own.values()].map(({ dueMs }) => dueMs));
  }

  // ── Asking ───────────────────────────────────────────────────────────────────────────────────────────

  #begin({ trace, target, timeoutMs }: TraceInputBegin, nowMs: number): TraceEffect[] {
    const { first, segmentId, token } = target;
    const link = first === undefined ? undefined : this.#ports.linkTo(first);
    const own: OwnTrace = {
      trace,
      target,
      timeoutMs,
      beganMs: nowMs,
      dueMs: nowMs + timeoutMs,
      nextHop: 1,
      leastMtuBytes: link?.datagramMtuBytes ?? Number.POSITIVE_INFINITY,
    };
    const here = { hop: 0, peer: this.#ports.self, elapsedMs: null, next: link ?? null };
    const found: TraceEffect = { kind: 'hop', trace, hop: here };
    const id = Uint8Array.from(this.#ports.randomBytes(TRACE_ID_BYTES));
    if (first === undefined || link === undefined)
      return [found, ...this.#finish(keyOf(id), own, 'no-route')];
    this.#own.set(keyOf(id), own);
    const hopsLeft = INITIAL_HOPS - 1;
    const bytes = encodeTraceQuestion({ kind: 'question', id, segmentId, token, hopsLeft, hop: 1 });
    return [found, { kind: 'send', peer: first, bytes }];
  }

  #takeAnswer(key: string, own: OwnTrace, answer: TraceAnswer, nowMs: number): TraceEffect[] {
    const { hop, outcome, next, peer } = answer;
    own.nextHop++;
    own.dueMs = nowMs + own.timeoutMs;
    own.leastMtuBytes = Math.min(own.leastMtuBytes, next?.datagramMtuBytes ?? Number.POSITIVE_INFINITY);
    const elapsedMs = Math.round((nowMs - own.beganMs) * 1000) / 1000;
    const found: TraceEffect = { kind: 'hop', trace: own.trace, hop: { hop, peer, elapsedMs, next } };
    return outcome === 'passed-on' ? [found] : [found, ...this.#finish(key, own, outcome)];
  }

  #finish(key: string, own: OwnTrace, outcome: TraceSummary['outcome']): TraceEffect[] {
    this.#own.delete(key);
    const { peer, mac } = own.target;
    const isKnown = outcome === 'reached' && own.leastMtuBytes !== Number.POSITIVE_INFINITY;
    const pathMtuBytes = isKnown ? own.leastMtuBytes : null;
    return [{ kind: 'done', trace: own.trace, summary: { peer, mac, outcome, pathMtuBytes } }];
  }

  #tick(nowMs: number): TraceEffect[] {
    this.#forget(nowMs);
    const silent = [...this.#own].filter(([, { dueMs }]) => dueMs <= nowMs);
    return silent.flatMap(([key, own]) => this.#finish(key, own, 'silent'));
  }

  // ── On the way ───────────────────────────────────────────────────────────────────────────────────────

  #heard({ peer, bytes }: TraceHeardInput, nowMs: number): TraceEffect[] {
    const message = decodeTrace(bytes);
    if (message === undefined) {
      this.counters.traceMalformed++;
      return [];
    }
    return message.kind === 'question'
      ? this.#asked(peer, message, nowMs)
      : this.#answered(peer, message, bytes, nowMs);
  }

  #asked(from: string, question: TraceQuestion, nowMs: number): TraceEffect[] {
    if (!this.#budgetOf(from, nowMs).take(nowMs)) {
      this.counters.traceOverBudget++;
      return [];
    }
    const way = this.#ports.wayOf(question.segmentId, question.token, from);
    if (way === undefined) {
      this.counters.traceForeign++;
      return [];
    }
    this.#forget(nowMs);
    const key = keyOf(question.id);
    if (this.#passed.has(key) || this.#own.has(key)) {
      this.counters.traceRepeated++;
      return [];
    }
    this.counters.traceQuestions++;
    const outcome = outcomeOf(question, way.isLocal, way.next);
    const next = outcome === 'passed-on' ? way.next : undefined;
    const answersLeft = question.hopsLeft;
    this.#remember(key, { from, next, answersLeft, expiresMs: nowMs + REMEMBER_MS });
    return [...passOn(question, next), this.#answerTo(from, question, outcome, next)];
  }

  #answerTo(
    from: string,
    { id, hop }: TraceQuestion,
    outcome: HopOutcome,
    next: string | undefined,
  ): TraceEffect {
    const link = next === undefined ? undefined : this.#ports.linkTo(next);
    const peer = this.#ports.isShown() ? this.#ports.self : null;
    const answer: TraceAnswer = { kind: 'answer', id, hop, outcome, next: link ?? null, peer };
    return { kind: 'send', peer: from, bytes: encodeTraceAnswer(answer) };
  }

  #answered(peer: string, answer: TraceAnswer, bytes: Uint8Array, nowMs: number): TraceEffect[] {
    const key = keyOf(answer.id);
    const own = this.#own.get(key);
    if (own !== undefined && own.target.first === peer && own.nextHop === answer.hop) {
      return this.#takeAnswer(key, own, answer, nowMs);
    }
    const passed = this.#passed.get(key);
    if (passed?.next !== peer || passed.expiresMs <= nowMs || passed.answersLeft === 0) {
      this.counters.traceUnexpected++;
      return [];
    }
    passed.answersLeft--;
    this.counters.traceAnswersPassed++;
    return [{ kind: 'send', peer: passed.from, bytes }];
  }

  #remember(key: string, passed: Passed): void {
    this.#passed.set(key, passed);
    const [oldest] = this.#passed.keys();
    if (this.#passed.size > MAX_REMEMBERED && oldest !== undefined) this.#passed.delete(oldest);
  }

  /** The oldest stand first. */
  #forget(nowMs: number): void {
    for (const [key, { expiresMs }] of this.#passed) {
      if (expiresMs > nowMs) return;
      this.#passed.delete(key);
    }
  }

  #budgetOf(peer: string, nowMs: number): TokenBucket {
    const known = this.#budgets.get(peer);
    if (known !== undefined) return known;
    const budget = new TokenBucket(QUESTIONS_PER_PEER, nowMs);
    this.#budgets.set(peer, budget);
    const [oldest] = this.#budgets.keys();
    if (this.#budgets.size > MAX_PEERS && oldest !== undefined) this.#budgets.delete(oldest);
    return budget;
  }
}

function outcomeOf(question: TraceQuestion, isLocal: boolean, next: string | undefined): HopOutcome {
  if (isLocal) return 'reached';
  if (next === undefined) return 'no-route';
  return question.hopsLeft === 0 ? 'hop-limit' : 'passed-on';
}

function passOn(question: TraceQuestion, next: string | undefined): TraceEffect[] {
  if (next === undefined) return [];
  // Whoever says more than a frame can go is believed no more than a frame is.
  const hopsLeft = Math.min(question.hopsLeft, INITIAL_HOPS) - 1;
  const bytes = encodeTraceQuestion({ ...question, hopsLeft, hop: Math.min(255, question.hop + 1) });
  return [{ kind: 'send', peer: next, bytes }];
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id).toString('hex');
}
