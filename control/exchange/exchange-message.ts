/**
 * What goes over an exchange stream after the contact: one message each, a type byte and the rest.
 *
 *   1 gossip       bytes of the order machine
 *   2 object ask   digest 16 │ offset u32
 *   3 object part  digest 16 │ total u32 │ offset u32 │ bytes, 1 to 32 KiB
 *   4 object none  digest 16
 *   5 admission    bytes of desk and client
 *   6 record       bytes of the directory
 *   7 presence     bytes of discovery
 *
 * Main thread; pure. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Exchange streams"
 */
import { ByteReader, u32Bytes } from '../membership/byte-codec.ts';

/** Size of a BLAKE3-128 digest, the name of an object. */
export const DIGEST_BYTES = 16;
/** The largest object: a Welcome of a thousand members with a post-quantum suite takes some megabytes. */
export const OBJECT_MAX_BYTES = 16_777_216;
/** Bytes of an object in one message: half of what a message may have. */
export const PART_BYTES = 32_768;
/** The largest message of another module: what a libp2p message takes, less our type byte. */
export const PAYLOAD_MAX_BYTES = 65_000;

const TYPE = {
  gossip: 1,
  'object-ask': 2,
  'object-part': 3,
  'object-none': 4,
  admission: 5,
  record: 6,
  presence: 7,
} as const;

/** Modules whose bytes are carried as they are. */
export type PayloadKind = 'gossip' | 'admission' | 'record' | 'presence';

/** Bytes of a module. */
export interface PayloadMessage {
  readonly type: PayloadKind;
  readonly bytes: Uint8Array;
}
/** "Send me this object from here on." */
export interface ObjectAsk {
  readonly type: 'object-ask';
  readonly digest: Uint8Array;
  readonly offset: number;
}
/** A piece of an object. */
export interface ObjectPart {
  readonly type: 'object-part';
  readonly digest: Uint8Array;
  readonly total: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}
/** "I do not have it, or not for you." */
export interface ObjectNone {
  readonly type: 'object-none';
  readonly digest: Uint8Array;
}

export type ObjectMessage = ObjectAsk | ObjectPart | ObjectNone;
export type ExchangeMessage = PayloadMessage | ObjectMessage;

/**
 * Writes a message.
 *
 * @throws RangeError when a payload is too large (a bug of its module)
 */
export function encodeExchange(message: ExchangeMessage): Uint8Array {
  switch (message.type) {
    case 'object-ask':
      return join(TYPE[message.type], message.digest, u32Bytes(message.offset));
    case 'object-part':
      return join(
        TYPE[message.type],
        message.digest,
        u32Bytes(message.total),
        u32Bytes(message.offset),
        message.bytes,
      );
    case 'object-none':
      return join(TYPE[message.type], message.digest);
    default:
      if (message.bytes.length > PAYLOAD_MAX_BYTES) {
        throw new RangeError(`a message of ${message.bytes.length} bytes for an exchange stream`);
      }
      return join(TYPE[message.type], message.bytes);
  }
}

/** Reads a message; undefined for what is none. */
export function decodeExchange(bytes: Uint8Array): ExchangeMessage | undefined {
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case TYPE.gossip:
      return { type: 'gossip', bytes: body };
    case TYPE.admission:
      return { type: 'admission', bytes: body };
    case TYPE.record:
      return { type: 'record', bytes: body };
    case TYPE.presence:
      return { type: 'presence', bytes: body };
    case TYPE['object-ask']:
      return readAsk(body);
    case TYPE['object-part']:
      return readPart(body);
    case TYPE['object-none']:
      return body.length === DIGEST_BYTES ? { type: 'object-none', digest: body.slice() } : undefined;
    default:
      return undefined;
  }
}

function readAsk(body: Uint8Array): ObjectAsk | undefined {
  const reader = new ByteReader(body);
  const digest = reader.bytes(DIGEST_BYTES);
  const offset = reader.u32();
  return reader.finished() ? { type: 'object-ask', digest, offset } : undefined;
}

function readPart(body: Uint8Array): ObjectPart | undefined {
  const reader = new ByteReader(body);
  const digest = reader.bytes(DIGEST_BYTES);
  const total = reader.u32();
  const offset = reader.u32();
  const sizeBytes = reader.left();
  if (sizeBytes < 1 || sizeBytes > PART_BYTES || total > OBJECT_MAX_BYTES || offset + sizeBytes > total) {
    return undefined;
  }
  return { type: 'object-part', digest, total, offset, bytes: reader.bytes(sizeBytes) };
}

function join(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([Uint8Array.of(type), ...parts]));
}
