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
      return join(TYPE[message.type], message.digest, u32(message.offset));
    case 'object-part':
      return join(TYPE[message.type], message.digest, u32(message.total), u32(message.offset), message.bytes);
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
  if (body.length !== DIGEST_BYTES + 4) {
    return undefined;
  }
  return { type: 'object-ask', digest: body.slice(0, DIGEST_BYTES), offset: readU32(body, DIGEST_BYTES) };
}

function readPart(body: Uint8Array): ObjectPart | undefined {
  const headBytes = DIGEST_BYTES + 8;
  const sizeBytes = body.length - headBytes;
  if (sizeBytes < 1 || sizeBytes > PART_BYTES) {
    return undefined;
  }
  const total = readU32(body, DIGEST_BYTES);
  const offset = readU32(body, DIGEST_BYTES + 4);
  if (total > OBJECT_MAX_BYTES || offset + sizeBytes > total) {
    return undefined;
  }
  return {
    type: 'object-part',
    digest: body.slice(0, DIGEST_BYTES),
    total,
    offset,
    bytes: body.slice(headBytes),
  };
}

function join(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([Uint8Array.of(type), ...parts]));
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function readU32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(offset, true);
}
