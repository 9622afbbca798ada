/**
 * The body of an echo, as it is sealed end to end.
 *
 *    0  type       u8     1 question, 2 answer
 *    1  flags      u8     bit 0: the answer is to be without padding
 *    2  id         8      random; names a ping
 *   10  sequence   u32
 *   14  reply to   6      a station of whoever asks; in an answer as in its question
 *   20  size       u16    of the question's link datagram
 *   22  padding           zeros, up to the wanted size
 *
 * Little-endian. Main thread; sans-I/O. Must never throw for what a member sent.
 *
 * @see docs/protocol.md, "Echo and trace"
 */
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';

const TYPE_QUESTION = 1;
const TYPE_ANSWER = 2;
const FLAG_SHORT = 1;
/** Names a ping. */
export const ECHO_ID_BYTES = 8;
const MAC_BYTES = 6;
const FIXED_BYTES = 22;

/** What a link datagram has beside the body: 16 of header, token, sender, r and tag. */
const OVERHEAD_BYTES = 80;

/** The largest link datagram of an echo: a jumbo frame's. */
export const MAX_ECHO_DATAGRAM_BYTES = 9_216;
/** The least. */
export const MIN_ECHO_DATAGRAM_BYTES = OVERHEAD_BYTES + FIXED_BYTES;
/** Most bytes of a body. */
export const MAX_ECHO_BODY_BYTES = MAX_ECHO_DATAGRAM_BYTES - OVERHEAD_BYTES;

/** One echo. */
export interface EchoMessage {
  readonly type: 'question' | 'answer';
  readonly wantsShort: boolean;
  readonly id: Uint8Array;
  readonly sequence: number;
  readonly replyTo: Uint8Array;
  /** Of the question's link datagram. */
  readonly sizeBytes: number;
}

/**
 * Writes a body.
 *
 * @param datagramBytes - of the link datagram that it is to make
 */
export function encodeEcho(message: EchoMessage, datagramBytes: number): Uint8Array {
  if (datagramBytes < MIN_ECHO_DATAGRAM_BYTES || datagramBytes > MAX_ECHO_DATAGRAM_BYTES) {
    throw new RangeError(`an echo of ${datagramBytes} bytes`);
  }
  const writer = new ByteWriter(FIXED_BYTES);
  writer.u8(message.type === 'question' ? TYPE_QUESTION : TYPE_ANSWER);
  writer.u8(message.wantsShort ? FLAG_SHORT : 0);
  writer.bytes(message.id, ECHO_ID_BYTES);
  writer.u32(message.sequence);
  writer.bytes(message.replyTo, MAC_BYTES);
  writer.u16(message.sizeBytes);
  const body = new Uint8Array(datagramBytes - OVERHEAD_BYTES);
  body.set(writer.done());
  return body;
}

/** @returns undefined when it is no echo: of another type or too short, or its size is not its own */
export function decodeEcho(body: Uint8Array): EchoMessage | undefined {
  const reader = new ByteReader(body.subarray(0, FIXED_BYTES));
  const type = reader.u8();
  const flags = reader.u8();
  const id = reader.bytes(ECHO_ID_BYTES);
  const sequence = reader.u32();
  const replyTo = reader.bytes(MAC_BYTES);
  const sizeBytes = reader.u16();
  const isQuestion = type === TYPE_QUESTION;
  if (!reader.finished() || (!isQuestion && type !== TYPE_ANSWER)) return undefined;
  if (isQuestion && sizeBytes !== datagramBytesOf(body)) return undefined;
  const wantsShort = (flags & FLAG_SHORT) !== 0;
  return { type: isQuestion ? 'question' : 'answer', wantsShort, id, sequence, replyTo, sizeBytes };
}

/** The size of the link datagram that a body came in. */
export function datagramBytesOf(body: Uint8Array): number {
  return body.length + OVERHEAD_BYTES;
}
