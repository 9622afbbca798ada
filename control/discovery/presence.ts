/**
 * Presence: what a member says of itself to the other members of a VLAN, signed by its node key.
 *
 *   presence:  version 1 │ key 32 │ sequence u64 │ roles u8 │ load u8 │ n u8, n × (length u8 │ multiaddr)
 *              │ m u8, m × segment 16 │ signature 64
 *   message:   nonce 12 │ AES-256-GCM( k × (length u24 │ presence) ) │ tag 16
 *
 * The signature is over "peertap presence v1" ‖ VLAN id ‖ everything before it, so a presence holds in one VLAN only and
 * the id is in no bytes. A message is sealed under a key that only the VLAN has: of an open one derived from its id,
 * of a private one from an epoch's K_control.
 *
 * Main thread, pure. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Directory and discovery"
 */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { deriveKey } from '../vlan/hash.ts';
import { readField, writeField } from '../vlan/length-fields.ts';
import { ADDRESS_MAX_CHARACTERS } from './address-text.ts';

/** Addresses and segments of one presence. */
export const PRESENCE_ADDRESSES_MAX = 8;
export const PRESENCE_SEGMENTS_MAX = 8;
/** Presences of one message: together less than an exchange message takes. */
export const PRESENCES_PER_MESSAGE_MAX = 32;

const VERSION = 1;
const KEY_BYTES = 32;
const SEGMENT_BYTES = 16;
const SIGNATURE_BYTES = 64;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LENGTH_BYTES = 3;
const PRESENCE_MAX_BYTES =
  1 +
  KEY_BYTES +
  8 +
  2 +
  1 +
  PRESENCE_ADDRESSES_MAX * (1 + ADDRESS_MAX_CHARACTERS) +
  1 +
  PRESENCE_SEGMENTS_MAX * SEGMENT_BYTES +
  SIGNATURE_BYTES;
const DOMAIN = new TextEncoder().encode('peertap presence v1');
const encoder = new TextEncoder();
const decoder = new TextDecoder('ascii');

/** What a member says of itself. */
export interface Presence {
  readonly peer: PeerIdText;
  /** The later one of a peer holds; unix ms, or one more than the last. */
  readonly sequence: number;
  /** A bit set, see {@link PRESENCE_ROLES}. Bits that are not known are kept and mean nothing. */
  readonly roles: number;
  /** How many of its trunks are taken: 0‥255. */
  readonly load: number;
  readonly addresses: readonly string[];
  /** 16 bytes each. */
  readonly segments: readonly Uint8Array[];
}

/** What the bits of `roles` say. */
export const PRESENCE_ROLES = { listens: 1 } as const;

/** A presence with the bytes in which it came. */
export interface SignedPresence {
  readonly presence: Presence;
  readonly bytes: Uint8Array;
}

/**
 * The key that seals presences.
 *
 * @param material - an open VLAN's id, or K_control of a private one's epoch
 */
export function presenceKeyOf(material: Uint8Array): Uint8Array {
  return deriveKey('peertap presence v1', material);
}

/**
 * Writes and signs a presence.
 *
 * @throws RangeError when it exceeds a limit (a bug of the caller)
 */
export function signPresence(
  presence: Presence,
  vlanId: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): SignedPresence {
  const key = publicKeyOfPeerId(presence.peer);
  if (key === undefined) {
    throw new RangeError(`not an Ed25519 PeerId: ${presence.peer}`);
  }
  const writer = new ByteWriter(PRESENCE_MAX_BYTES);
  writer.u8(VERSION);
  writer.bytes(key, KEY_BYTES);
  writer.u64(presence.sequence);
  writer.u8(presence.roles);
  writer.u8(presence.load);
  writer.u8(presence.addresses.length);
  for (const address of presence.addresses) {
    const text = encoder.encode(address);
    writer.u8(text.length);
    writer.bytes(text, text.length);
  }
  writer.u8(presence.segments.length);
  for (const segment of presence.segments) {
    writer.bytes(segment, SEGMENT_BYTES);
  }
  writer.bytes(sign(signedBytes(vlanId, writer.done())), SIGNATURE_BYTES);
  return { presence, bytes: writer.done() };
}

/**
 * Reads a presence; its signature is not looked at.
 *
 * @param bytes - any bytes
 */
export function readPresence(bytes: Uint8Array): SignedPresence | undefined {
  const reader = new ByteReader(bytes);
  if (bytes.length > PRESENCE_MAX_BYTES || reader.u8() !== VERSION) {
    return undefined;
  }
  const peer = formatPeerId(reader.bytes(KEY_BYTES));
  const sequence = reader.u64();
  const roles = reader.u8();
  const load = reader.u8();
  const addresses = readAddresses(reader);
  const segments = readSegments(reader);
  reader.bytes(SIGNATURE_BYTES);
  if (addresses === undefined || segments === undefined || !reader.finished()) {
    return undefined;
  }
  return { presence: { peer, sequence, roles, load, addresses, segments }, bytes };
}

/** Whether a presence was signed by its peer for this VLAN. */
export function isSignedPresence(
  { presence, bytes }: SignedPresence,
  vlanId: Uint8Array,
  verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean,
): boolean {
  const key = publicKeyOfPeerId(presence.peer);
  const body = bytes.subarray(0, bytes.length - SIGNATURE_BYTES);
  const signature = bytes.subarray(bytes.length - SIGNATURE_BYTES);
  return key !== undefined && verify(key, signedBytes(vlanId, body), signature);
}

/**
 * Seals presences for the members.
 *
 * @param presences - at most {@link PRESENCES_PER_MESSAGE_MAX}
 * @param key - what {@link presenceKeyOf} returned
 * @param nonce - 12 fresh random bytes
 */
export function sealPresences(
  presences: readonly Uint8Array[],
  key: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter(presences.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  for (const presence of presences) {
    writeField(writer, presence);
  }
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), nonce);
  const sealed = cipher.update(writer.done());
  cipher.final();
  return Uint8Array.from(Buffer.concat([nonce, sealed, cipher.getAuthTag()]));
}

/**
 * Opens a message of presences.
 *
 * @param message - any bytes
 * @param keys - those that may have sealed it
 * @returns what was in it, unread; undefined when none of the keys opens it, or it is no list
 */
export function openPresences(
  message: Uint8Array,
  keys: readonly Uint8Array[],
): readonly Uint8Array[] | undefined {
  if (message.length < NONCE_BYTES + TAG_BYTES) {
    return undefined;
  }
  for (const key of keys) {
    const plain = open(message, key);
    if (plain !== undefined) {
      return readList(plain);
    }
  }
  return undefined;
}

function open(message: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), message.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(message.subarray(message.length - TAG_BYTES));
  const plain = decipher.update(message.subarray(NONCE_BYTES, message.length - TAG_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

function readList(plain: Uint8Array): readonly Uint8Array[] | undefined {
  const reader = new ByteReader(plain);
  const presences: Uint8Array[] = [];
  while (reader.left() > 0) {
    const presence = readField(reader, PRESENCE_MAX_BYTES);
    if (presence === undefined || presences.length >= PRESENCES_PER_MESSAGE_MAX) {
      return undefined;
    }
    presences.push(presence);
  }
  return reader.finished() ? presences : undefined;
}

function readAddresses(reader: ByteReader): string[] | undefined {
  const count = reader.u8();
  if (count > PRESENCE_ADDRESSES_MAX) {
    return undefined;
  }
  return Array.from({ length: count }, () => decoder.decode(reader.bytes(reader.u8())));
}

function readSegments(reader: ByteReader): Uint8Array[] | undefined {
  const count = reader.u8();
  return count > PRESENCE_SEGMENTS_MAX
    ? undefined
    : Array.from({ length: count }, () => reader.bytes(SEGMENT_BYTES));
}

function signedBytes(vlanId: Uint8Array, body: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([DOMAIN, vlanId, body]));
}
