/** How the trace machine meets the world: inputs, effects, ports. Types only; `nowMs` is monotonic, with fractions. */
import type { TraceHop, TraceLink, TraceSummary } from '../admin/inspection.ts';

/** Names a trace between the machine and its driver; never used twice in a process. */
export type TraceId = number;

/** Where a token leads from here. */
export interface TraceWay {
  /** One of our own stations has it. */
  readonly isLocal: boolean;
  /** The neighbour to which its frames are forwarded; undefined: nobody announced it on a forwarding port. */
  readonly next: string | undefined;
}

/** What the machine cannot compute from its inputs. */
export interface TracePorts {
  /** This node's PeerId. */
  readonly self: string;
  randomBytes(count: number): Uint8Array;
  /**
   * Where a token leads for a frame that comes from a neighbour.
   *
   * @returns undefined when this node does not carry the segment, or the neighbour has no part in it
   */
  wayOf(segmentId: Uint8Array, token: Uint8Array, from: string): TraceWay | undefined;
  /** The trunk to a neighbour. */
  linkTo(peer: string): TraceLink | undefined;
  /** Whether this node says who it is: `relay.trace` of the config. */
  isShown(): boolean;
}

/** The station to which a trace goes. */
export interface TraceTarget {
  readonly peer: string;
  /** As text. */
  readonly mac: string;
  readonly segmentId: Uint8Array;
  /** The station's, of the present period. */
  readonly token: Uint8Array;
  /** The neighbour to which its frames go now; undefined: there is no way. */
  readonly first: string | undefined;
}

/** Begins a trace. */
export interface TraceInputBegin {
  readonly kind: 'trace';
  readonly trace: TraceId;
  readonly target: TraceTarget;
  /** For each further hop. */
  readonly timeoutMs: number;
}
/** Ends a trace. */
export interface StopTraceInput {
  readonly kind: 'stop-trace';
  readonly trace: TraceId;
}
/** A neighbour said something in the channel `trace`. */
export interface TraceHeardInput {
  readonly kind: 'heard';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** Time has passed; due at `nextTimeoutMs()`. */
export interface TraceTickInput {
  readonly kind: 'tick';
}

export type TraceInput = TraceInputBegin | StopTraceInput | TraceHeardInput | TraceTickInput;

/** Say this to a neighbour in the channel `trace`. */
export interface SendTrace {
  readonly kind: 'send';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** A hop is known. */
export interface TraceHopFound {
  readonly kind: 'hop';
  readonly trace: TraceId;
  readonly hop: TraceHop;
}
/** A trace is over. */
export interface TraceDone {
  readonly kind: 'done';
  readonly trace: TraceId;
  readonly summary: TraceSummary;
}

export type TraceEffect = SendTrace | TraceHopFound | TraceDone;

/** Totals since the start. */
export interface TraceCounters {
  traceQuestions: number;
  traceAnswersPassed: number;
  traceMalformed: number;
  /** Of a segment that is not carried, or by who has no part in it. */
  traceForeign: number;
  traceOverBudget: number;
  /** A question that was here before: it went in a circle, or is a copy. */
  traceRepeated: number;
  /** An answer to nothing that was asked, of the wrong neighbour or hop, or too late. */
  traceUnexpected: number;
}
