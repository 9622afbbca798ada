/**
 * How the echo machine meets the world: inputs, effects, ports. Types only.
 *
 * `nowMs` is a monotonic clock in milliseconds, with fractions: round trips are told by it.
 */
import type { PingReply, PingRequest, PingSummary } from '../admin/inspection.ts';

/** Names a ping between the machine and its driver; never used twice in a process. */
export type PingId = number;

/** What the machine cannot compute from its inputs. */
export interface EchoPorts {
  randomBytes(count: number): Uint8Array;
  /** The live member that announced a station; undefined: nobody did. */
  claimantOf(vlan: string, mac: Uint8Array): string | undefined;
}

/** Whom a ping goes to, and where answers are to come. */
export interface EchoTarget {
  readonly vlan: string;
  /** A station behind the peer. */
  readonly mac: Uint8Array;
  readonly peer: string;
  /** The own interface's address, which this node has announced. */
  readonly replyTo: Uint8Array;
}

/** Begins a ping. */
export interface PingInput {
  readonly kind: 'ping';
  readonly ping: PingId;
  readonly target: EchoTarget;
  readonly request: Omit<PingRequest, 'vlan' | 'target'>;
}
/** Ends a ping: what is on its way counts as lost. */
export interface StopPingInput {
  readonly kind: 'stop-ping';
  readonly ping: PingId;
}
/** An echo was opened. */
export interface EchoHeardInput {
  readonly kind: 'heard';
  readonly vlan: string;
  /** Under whose leaf it was sealed. */
  readonly peer: string;
  readonly body: Uint8Array;
}
/** A question could not be sent: there is no way to the station, or no room. */
export interface UnsentInput {
  readonly kind: 'unsent';
  readonly ping: PingId;
  readonly sequence: number;
}
/** Time has passed; due at `nextTimeoutMs()`. */
export interface EchoTickInput {
  readonly kind: 'tick';
}

export type EchoInput = PingInput | StopPingInput | EchoHeardInput | UnsentInput | EchoTickInput;

/** Seal this body for a station and send it there. */
export interface SendEcho {
  readonly kind: 'send';
  readonly vlan: string;
  readonly mac: Uint8Array;
  readonly body: Uint8Array;
  /** A question, whose failure is told by {@link UnsentInput}; an answer has none. */
  readonly question: { readonly ping: PingId; readonly sequence: number } | undefined;
}
/** A question was answered, or will not be. */
export interface PingReplied {
  readonly kind: 'reply';
  readonly ping: PingId;
  readonly reply: PingReply;
}
/** A ping is over. */
export interface PingDone {
  readonly kind: 'done';
  readonly ping: PingId;
  readonly summary: PingSummary;
}

export type EchoEffect = SendEcho | PingReplied | PingDone;

/** Totals since the start. */
export interface EchoCounters {
  echoQuestionsSent: number;
  echoAnswersReceived: number;
  echoQuestionsAnswered: number;
  /** Of a peer that asks too often. */
  echoOverBudget: number;
  /** The answer was to go to a station which the asker has not announced. */
  echoUnclaimed: number;
  echoMalformed: number;
  /** An answer to nothing that was asked, or too late. */
  echoUnexpected: number;
}
