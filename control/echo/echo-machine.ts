/**
 * Asks stations for answers, and answers others (kind 4): path validation without an IP address. Sans-I/O:
 * `handle(input, nowMs)` returns effects.
 *
 *   ping ─▶ ping.ts ─▶ send question ─▶ … ─▶ heard answer ─▶ reply
 *   heard question ─▶ form ─▶ the asker's claim ─▶ its budget ─▶ send answer
 *
 * An answer goes only to a station which the asker has announced, so nobody can have a third one answered, and it is never
 * larger than its question. Bad input is counted, never thrown.
 *
 * Main thread.
 *
 * @see docs/protocol.md, "Echo and trace"
 */
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import { TokenBucket } from '../limit/token-bucket.ts';
import { formatMac } from '../vlan/mac-text.ts';
import {
  decodeEcho,
  ECHO_ID_BYTES,
  type EchoMessage,
  encodeEcho,
  MIN_ECHO_DATAGRAM_BYTES,
} from './echo-message.ts';
import type {
  EchoCounters,
  EchoEffect,
  EchoHeardInput,
  EchoInput,
  EchoPorts,
  PingId,
  PingInput,
} from './echo-port.ts';
import { MTU_ROUND_TRIES } from './mtu-search.ts';
import { Ping } from './ping.ts';

/** A hundred a second is the fastest ping; a round of the search for a path's size fits four times. */
const ANSWERS_PER_PEER = { perSecond: 100, burst: 4 * MTU_ROUND_TRIES };
/** Some 20 µs each: 2 % of a core. */
const ANSWERS_IN_TOTAL = { perSecond: 1_000, burst: 256 };
/** As many as a VLAN can have members; the longest known goes. */
const MAX_PEERS = 1_024;

/** See the file's head. */
export class EchoMachine {
  readonly counters: EchoCounters = {
    echoQuestionsSent: 0,
    echoAnswersReceived: 0,
    echoQuestionsAnswered: 0,
    echoOverBudget: 0,
    echoUnclaimed: 0,
    echoMalformed: 0,
    echoUnexpected: 0,
  };
  readonly #ports: EchoPorts;
  readonly #pings = new Map<PingId, Ping>();
  readonly #budgets = new Map<string, TokenBucket>();
  readonly #total = new TokenBucket(ANSWERS_IN_TOTAL);

  constructor(ports: EchoPorts) {
    this.#ports = ports;
  }

  handle(input: EchoInput, nowMs: number): EchoEffect[] {
    switch (input.kind) {
      case 'ping':
        return this.#begin(input, nowMs);
      case 'stop-ping':
        return this.#finish(input.ping);
      case 'heard':
        return this.#heard(input, nowMs);
      case 'unsent': {
        const reply = this.#pings.get(input.ping)?.unsent(input.sequence, nowMs);
        return reply === undefined
          ? []
          : [{ kind: 'reply', ping: input.ping, reply }, ...this.#advance(nowMs)];
      }
      case 'tick':
        return this.#advance(nowMs);
    }
  }

  /** When `tick` is due; infinite when nothing is. */
  nextTimeoutMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#pings.values()].map((ping) => ping.nextTimeoutMs));
  }

  // ── Asking ───────────────────────────────────────────────────────────────────────────────────────────

  #begin(input: PingInput, nowMs: number): EchoEffect[] {
    const id = Uint8Array.from(this.#ports.randomBytes(ECHO_ID_BYTES));
    this.#pings.set(input.ping, new Ping(input, id, nowMs));
    return this.#advance(nowMs);
  }

  #finish(ping: PingId): EchoEffect[] {
    const known = this.#pings.get(ping);
    if (known === undefined) return [];
    this.#pings.delete(ping);
    return [{ kind: 'done', ping, summary: known.summary(formatMac(known.input.target.mac)) }];
  }

  #advance(nowMs: number): EchoEffect[] {
    return [...this.#pings].flatMap(([id, ping]) => [
      ...ping.late(nowMs).map((reply) => ({ kind: 'reply' as const, ping: id, reply })),
      ...this.#ask(id, ping, nowMs),
      ...(ping.isDone ? this.#finish(id) : []),
    ]);
  }

  #ask(id: PingId, ping: Ping, nowMs: number): EchoEffect[] {
    const { vlan, mac, replyTo } = ping.input.target;
    const wantsShort = ping.input.request.findMtu;
    return ping.due(nowMs).map(({ sequence, sizeBytes }) => {
      this.counters.echoQuestionsSent++;
      const question: EchoMessage = {
        type: 'question',
        wantsShort,
        id: ping.id,
        sequence,
        replyTo,
        sizeBytes,
      };
      const body = encodeEcho(question, sizeBytes);
      return { kind: 'send', vlan, mac, body, question: { ping: id, sequence } };
    });
  }

  #answered(input: EchoHeardInput, message: EchoMessage, nowMs: number): EchoEffect[] {
    for (const [id, ping] of this.#pings) {
      const { vlan, peer } = ping.input.target;
      if (sameBytes(ping.id, message.id) && vlan === input.vlan && peer === input.peer) {
        const reply = ping.answered(message.sequence, message.sizeBytes, nowMs);
        if (reply === undefined) break;
        this.counters.echoAnswersReceived++;
        return [{ kind: 'reply', ping: id, reply }, ...this.#advance(nowMs)];
      }
    }
    this.counters.echoUnexpected++;
    return [];
  }

  // ── Answering ────────────────────────────────────────────────────────────────────────────────────────

  #heard(input: EchoHeardInput, nowMs: number): EchoEffect[] {
    const message = decodeEcho(input.body);
    if (message === undefined) {
      this.counters.echoMalformed++;
      return [];
    }
    return message.type === 'answer'
      ? this.#answered(input, message, nowMs)
      : this.#answer(input, message, nowMs);
  }

  #answer({ vlan, peer }: EchoHeardInput, question: EchoMessage, nowMs: number): EchoEffect[] {
    if (this.#ports.claimantOf(vlan, question.replyTo) !== peer) {
      this.counters.echoUnclaimed++;
      return [];
    }
    if (!this.#budgetOf(peer, nowMs).take(nowMs) || !this.#total.take(nowMs)) {
      this.counters.echoOverBudget++;
      return [];
    }
    this.counters.echoQuestionsAnswered++;
    const sizeBytes = question.wantsShort ? MIN_ECHO_DATAGRAM_BYTES : question.sizeBytes;
    const body = encodeEcho({ ...question, type: 'answer' }, sizeBytes);
    return [{ kind: 'send', vlan, mac: question.replyTo, body, question: undefined }];
  }

  #budgetOf(peer: string, nowMs: number): TokenBucket {
    const known = this.#budgets.get(peer);
    if (known !== undefined) return known;
    const budget = new TokenBucket(ANSWERS_PER_PEER, nowMs);
    this.#budgets.set(peer, budget);
    const [oldest] = this.#budgets.keys();
    if (this.#budgets.size > MAX_PEERS && oldest !== undefined) this.#budgets.delete(oldest);
    return budget;
  }
}
