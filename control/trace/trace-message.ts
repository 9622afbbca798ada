/**
 * What nodes say to each other in the channel `trace` of a trunk's stream.
 *
 *   question   1 u8 │ id 8 │ segment id 16 │ token 16 │ hops left u8 │ hop u8
 *   answer     2 u8 │ id 8 │ hop u8 │ outcome u8 │ carrier u8 │ round trip in µs u32 │ size u16 │ name length u8 │ PeerId
 *
 * `hop` counts from 1, the asker's first neighbour. Carrier, round trip and size are those of the trunk to the next hop;
 * a round trip of 2³² − 1 and a size of 0 are not known. A name of no length: it does not say.
 *
 * Little-endian. Main thread; sans-I/O. Must never throw for what a peer sent.
 *
 * @see docs/protocol.md, "Echo and trace"
 */
import type { TraceLink } from '../admin/inspection.ts';
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';

const TYPE_QUESTION = 1;
const TYPE_ANSWER = 2;
/** Names a trace. */
export const TRACE_ID_BYTES = 8;
const SEGMENT_BYTES = 16;
const TOKEN_BYTES = 16;
const QUESTION_BYTES = 3 + TRACE_ID_BYTES + SEGMENT_BYTES + TOKEN_BYTES;
const ANSWER_BYTES = 11 + TRACE_ID_BYTES;
/** PeerIds of Ed25519 keys have 52 characters. */
const MAX_NAME_BYTES = 64;
const UNKNOWN_US = 0xffff_ffff;
const CARRIERS = [null, 'udp', 'stream', 'circuit'] as const;
const OUTCOMES = ['passed-on', 'reached', 'no-route', 'hop-limit'] as const;
const BASE58 = /^[1-9A-HJ-NP-Za-km-z]*$/;

/** What became of the question at a hop. */
export type HopOutcome = (typeof OUTCOMES)[number];

/** Asks for whoever is on the way to a token. */
export interface TraceQuestion {
  readonly kind: 'question';
  readonly id: Uint8Array;
  readonly segmentId: Uint8Array;
  readonly token: Uint8Array;
  /** How often it may be passed on still. */
  readonly hopsLeft: number;
  readonly hop: number;
}

/** One hop's answer, which the hops before it hand back. */
export interface TraceAnswer {
  readonly kind: 'answer';
  readonly id: Uint8Array;
  readonly hop: number;
  readonly outcome: HopOutcome;
  /** To the next hop; null unless it was passed on. */
  readonly next: TraceLink | null;
  /** null: it does not say. */
  readonly peer: string | null;
}

export function encodeTraceQuestion(question: TraceQuestion): Uint8Array {
  const writer = new ByteWriter(QUESTION_BYTES);
  writer.u8(TYPE_QUESTION);
  writer.bytes(question.id, TRACE_ID_BYTES);
  writer.bytes(question.segmentId, SEGMENT_BYTES);
  writer.bytes(question.token, TOKEN_BYTES);
  writer.u8(question.hopsLeft);
  writer.u8(question.hop);
  return writer.done();
}

export function encodeTraceAnswer({ id, hop, outcome, next, peer }: TraceAnswer): Uint8Array {
  const name = new TextEncoder().encode(peer ?? '');
  const writer = new ByteWriter(ANSWER_BYTES + name.length);
  writer.u8(TYPE_ANSWER);
  writer.bytes(id, TRACE_ID_BYTES);
  writer.u8(hop);
  writer.u8(OUTCOMES.indexOf(outcome));
  writer.u8(CARRIERS.indexOf(next?.carrier ?? null));
  const rttMs = next?.rttMs ?? null;
  writer.u32(rttMs === null ? UNKNOWN_US : Math.min(UNKNOWN_US - 1, Math.round(rttMs * 1000)));
  writer.u16(Math.min(0xffff, next?.datagramMtuBytes ?? 0));
  writer.u8(name.length);
  writer.bytes(name, name.length);
  return writer.done();
}

/** @returns undefined when it is neither, whole and nothing beside it */
export function decodeTrace(bytes: Uint8Array): TraceQuestion | TraceAnswer | undefined {
  const reader = new ByteReader(bytes);
  const type = reader.u8();
  if (type === TYPE_QUESTION) return decodeQuestion(reader);
  return type === TYPE_ANSWER ? decodeAnswer(reader) : undefined;
}

function decodeQuestion(reader: ByteReader): TraceQuestion | undefined {
  const id = reader.bytes(TRACE_ID_BYTES);
  const segmentId = reader.bytes(SEGMENT_BYTES);
  const token = reader.bytes(TOKEN_BYTES);
  const hopsLeft = reader.u8();
  const hop = reader.u8();
  return reader.finished() ? { kind: 'question', id, segmentId, token, hopsLeft, hop } : undefined;
}

function decodeAnswer(reader: ByteReader): TraceAnswer | undefined {
  const id = reader.bytes(TRACE_ID_BYTES);
  const hop = reader.u8();
  const outcome = OUTCOMES[reader.u8()];
  const carrier = CARRIERS[reader.u8()];
  const rttUs = reader.u32();
  const size = reader.u16();
  const length = reader.u8();
  const name = new TextDecoder('latin1').decode(reader.bytes(Math.min(length, MAX_NAME_BYTES)));
  if (!reader.finished() || outcome === undefined || carrier === undefined || !BASE58.test(name)) {
    return undefined;
  }
  const rttMs = rttUs === UNKNOWN_US ? null : rttUs / 1000;
  const link = { carrier, rttMs, datagramMtuBytes: size === 0 ? null : size };
  const next = outcome === 'passed-on' ? link : null;
  return { kind: 'answer', id, hop, outcome, next, peer: name === '' ? null : name };
}
