/**
 * What members of a VLAN tell each other, one message a control datagram.
 *
 *    0  type         u8     1 announce, 2 pull, 3 withdraw
 *    1  public key   32     the sender's node key, hence its PeerId
 *   33  incarnation  u64    of the sender's start; below 2^53
 *   41  sequence     u64    rises with each message of an incarnation; below 2^53
 *   49  announce:  leaf u24 │ X25519 key 32 │ challenge 16 │ part u8 │ parts u8 │
 *                  lane count u8 │ MAC count u8 │ answer count u8 │
 *                  lanes {lane u8 │ salt 6 │ counter u48} │ MACs 6 each │ answers 16 each
 *       pull:      challenge 16 │ target count u8 │ leaves u24 each
 *       withdraw:  nothing
 *  end  signature  64      Ed25519 over the type's domain ‖ VLAN id ‖ epoch tag ‖ all bytes before it
 *
 * Integers are little-endian. A message has exactly the length that its counts say. An announcement of more
 * addresses or answers than one datagram takes goes in several parts of one sequence number; each part names
 * all lanes, so that each stands alone.
 *
 * Main thread only; pure functions. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Sealed frame" and "Membership"
 */
import { ByteReader, ByteWriter } from './byte-codec.ts';
import { MAX_CONTROL_BODY_BYTES } from './control-seal.ts';
import { SALT_BYTES } from './sender-field.ts';

export const CHALLENGE_BYTES = 16;
export const MAC_BYTES = 6;

/** Limits of one message. */
export const MESSAGE_LIMIT = {
  /** Sixteen workers, each with a salt, its successor, and one just retired. */
  lanes: 48,
  parts: 32,
  /** A pull names the senders of one second's unknown frames; with none it asks everybody. */
  pullTargets: 64,
} as const;

const HEADER_BYTES = 49;
const ANNOUNCE_FIXED_BYTES = HEADER_BYTES + 3 + 32 + CHALLENGE_BYTES + 5;
const LANE_BYTES = 1 + SALT_BYTES + 6;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TYPE = { announce: 1, pull: 2, withdraw: 3 } as const;
const MAX_BYTE = 255;

const encoder = new TextEncoder();
const DOMAIN = {
  announce: encoder.encode('peertap announce v1'),
  pull: encoder.encode('peertap pull v1'),
  withdraw: encoder.encode('peertap withdraw v1'),
} as const;

/** Who says it, and when in that one's life. */
export interface MessageHeader {
  /** Ed25519 node key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly incarnation: number;
  readonly sequence: number;
}

/** A lane on which the announcer seals frames: a salt and the next counter under it. */
export interface AnnouncedLane {
  readonly lane: number;
  /** 6 bytes. */
  readonly salt: Uint8Array;
  /** Below 2^48; receivers refuse frames under it. */
  readonly counter: number;
}

/** "This is who I am, how I seal, and what stands behind me." */
export interface Announce extends MessageHeader {
  readonly type: 'announce';
  readonly leaf: number;
  /** X25519 key of this start, 32 bytes. */
  readonly agreementKey: Uint8Array;
  /** 16 bytes that others sign to prove that they speak now. */
  readonly challenge: Uint8Array;
  readonly part: number;
  readonly parts: number;
  readonly lanes: readonly AnnouncedLane[];
  readonly macs: readonly Uint8Array[];
  /** Other members' challenges. */
  readonly answers: readonly Uint8Array[];
}

/** "Announce yourselves and sign this." */
export interface Pull extends MessageHeader {
  readonly type: 'pull';
  readonly challenge: Uint8Array;
  /** Leaves of the members that should answer; none: all. */
  readonly targets: readonly number[];
}

/** "I leave." */
export interface Withdraw extends MessageHeader {
  readonly type: 'withdraw';
}

export type MemberMessage = Announce | Pull | Withdraw;

/** In which VLAN and epoch a message is signed. */
export interface SigningContext {
  readonly vlanId: Uint8Array;
  readonly epochTag: Uint8Array;
}

/** A message as it came: what it says, and what its signature covers. Not yet verified. */
export type DecodedMessage =
  | {
      readonly ok: true;
      readonly message: MemberMessage;
      readonly signed: Uint8Array;
      readonly signature: Uint8Array;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Bytes that lists may take in one announcement.
 *
 * @param laneCount - lanes, which are in each part
 */
export function announceRoomBytes(laneCount: number): number {
  return MAX_CONTROL_BODY_BYTES - ANNOUNCE_FIXED_BYTES - SIGNATURE_BYTES - laneCount * LANE_BYTES;
}

/**
 * Writes and signs a message.
 *
 * @param sign - Ed25519 by the node key that the message names
 * @returns at most MAX_CONTROL_BODY_BYTES
 * @throws RangeError when the message exceeds a limit (a bug of the caller)
 */
export function encodeMessage(
  message: MemberMessage,
  context: SigningContext,
  sign: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const writer = new ByteWriter(MAX_CONTROL_BODY_BYTES);
  writer.u8(TYPE[message.type]);
  writer.bytes(message.publicKey, KEY_BYTES);
  writer.u64(message.incarnation);
  writer.u64(message.sequence);
  if (message.type === 'announce') {
    writeAnnounce(writer, message);
  } else if (message.type === 'pull') {
    writePull(writer, message);
  }
  const unsigned = writer.done();
  writer.bytes(sign(signedBytes(message.type, context, unsigned)), SIGNATURE_BYTES);
  return writer.done();
}

/**
 * Reads a message.
 *
 * @param body - an opened control datagram's plaintext; any bytes
 * @param context - VLAN and epoch under which it came
 */
export function decodeMessage(body: Uint8Array, context: SigningContext): DecodedMessage {
  if (body.length < HEADER_BYTES + SIGNATURE_BYTES || body.length > MAX_CONTROL_BODY_BYTES) {
    return { ok: false, reason: 'length' };
  }
  const unsigned = body.subarray(0, body.length - SIGNATURE_BYTES);
  const reader = new ByteReader(unsigned);
  const type = reader.u8();
  const header = { publicKey: reader.bytes(KEY_BYTES), incarnation: reader.u64(), sequence: reader.u64() };
  const message = readRest(reader, type, header);
  if (message === undefined || !reader.finished()) {
    return { ok: false, reason: message === undefined ? 'type or count' : 'length' };
  }
  return {
    ok: true,
    message,
    signed: signedBytes(message.type, context, unsigned),
    signature: Uint8Array.from(body.subarray(unsigned.length)),
  };
}

function readRest(reader: ByteReader, type: number, header: MessageHeader): MemberMessage | undefined {
  switch (type) {
    case TYPE.announce:
      return readAnnounce(reader, header);
    case TYPE.pull:
      return readPull(reader, header);
    case TYPE.withdraw:
      return { type: 'withdraw', ...header };
    default:
      return undefined;
  }
}

function writeAnnounce(writer: ByteWriter, message: Announce): void {
  if (message.lanes.length > MESSAGE_LIMIT.lanes || message.parts > MESSAGE_LIMIT.parts) {
    throw new RangeError(`announcement of ${message.lanes.length} lanes in ${message.parts} parts`);
  }
  if (message.macs.length > MAX_BYTE || message.answers.length > MAX_BYTE) {
    throw new RangeError(`announcement of ${message.macs.length} MACs and ${message.answers.length} answers`);
  }
  writer.u24(message.leaf);
  writer.bytes(message.agreementKey, KEY_BYTES);
  writer.bytes(message.challenge, CHALLENGE_BYTES);
  for (const value of [message.part, message.parts, message.lanes.length, message.macs.length]) {
    writer.u8(value);
  }
  writer.u8(message.answers.length);
  for (const lane of message.lanes) {
    writer.u8(lane.lane);
    writer.bytes(lane.salt, SALT_BYTES);
    writer.u48(lane.counter);
  }
  for (const mac of message.macs) {
    writer.bytes(mac, MAC_BYTES);
  }
  for (const answer of message.answers) {
    writer.bytes(answer, CHALLENGE_BYTES);
  }
}

function readAnnounce(reader: ByteReader, header: MessageHeader): Announce | undefined {
  const leaf = reader.u24();
  const agreementKey = reader.bytes(KEY_BYTES);
  const challenge = reader.bytes(CHALLENGE_BYTES);
  const part = reader.u8();
  const parts = reader.u8();
  const counts = { lanes: reader.u8(), macs: reader.u8(), answers: reader.u8() };
  const sizeBytes = counts.lanes * LANE_BYTES + counts.macs * MAC_BYTES + counts.answers * CHALLENGE_BYTES;
  if (
    counts.lanes > MESSAGE_LIMIT.lanes ||
    parts > MESSAGE_LIMIT.parts ||
    part >= parts ||
    reader.left() !== sizeBytes
  ) {
    return undefined;
  }
  const lanes = repeat(counts.lanes, () => ({
    lane: reader.u8(),
    salt: reader.bytes(SALT_BYTES),
    counter: reader.u48(),
  }));
  const macs = repeat(counts.macs, () => reader.bytes(MAC_BYTES));
  const answers = repeat(counts.answers, () => reader.bytes(CHALLENGE_BYTES));
  return { type: 'announce', ...header, leaf, agreementKey, challenge, part, parts, lanes, macs, answers };
}

function writePull(writer: ByteWriter, message: Pull): void {
  if (message.targets.length > MESSAGE_LIMIT.pullTargets) {
    throw new RangeError(`pull of ${message.targets.length} leaves`);
  }
  writer.bytes(message.challenge, CHALLENGE_BYTES);
  writer.u8(message.targets.length);
  for (const leaf of message.targets) {
    writer.u24(leaf);
  }
}

function readPull(reader: ByteReader, header: MessageHeader): Pull | undefined {
  const challenge = reader.bytes(CHALLENGE_BYTES);
  const count = reader.u8();
  if (count > MESSAGE_LIMIT.pullTargets || reader.left() !== count * 3) {
    return undefined;
  }
  return { type: 'pull', ...header, challenge, targets: repeat(count, () => reader.u24()) };
}

function signedBytes(type: MemberMessage['type'], context: SigningContext, unsigned: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([DOMAIN[type], context.vlanId, context.epochTag, unsigned]));
}

function repeat<T>(count: number, read: () => T): readonly T[] {
  return Array.from({ length: count }, read);
}
