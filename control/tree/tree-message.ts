/**
 * The bytes by which neighbours agree on a segment's tree: what `Tree` of the trunk stream carries.
 *
 *   type u8 │ segment id 16 │
 *     1 announce   flags u8 │ number u48 │ heard u48 │ join number u32
 *                  │ root: distance u32 │ hops u8 │ root 17 │ sequence u48
 *                  │ whole: segment key 32 │ expiry u48, Unix ms │ signature 64
 *     2 request    root 17 │ sequence u48
 *     3 goodbye
 *   flags   bits 0‥1 port: 0 nothing, 1 join, 2 accept, 3 closed │ bit 2 fresh │ bit 3 root │ bit 4 whole
 *
 * An announcement is all that the sender has to say to this neighbour now: it replaces the one before. Without `root` the
 * sender has no way to any root. `whole` brings the claim itself; without it the neighbour knows the claim already.
 *
 * Main thread; pure. The decoder never throws: bytes that are no message are undefined.
 */
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import { hash128 } from '../vlan/hash.ts';
import { type ClaimFields, ROOT_BYTES, rootName } from './root-claim.ts';

const SEGMENT_ID_BYTES = 16;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TYPE_ANNOUNCE = 1;
const TYPE_REQUEST = 2;
const TYPE_GOODBYE = 3;
const HEAD_BYTES = 1 + SEGMENT_ID_BYTES;
const PORT_MASK = 3;
const FLAG_FRESH = 4;
const FLAG_ROOT = 8;
const FLAG_WHOLE = 16;
const FLAGS = 31;
const PORTS = ['nothing', 'join', 'accept', 'closed'] as const;
const ANNOUNCE_BYTES_MAX = HEAD_BYTES + 1 + 12 + 4 + 5 + ROOT_BYTES + 6 + KEY_BYTES + 6 + SIGNATURE_BYTES;

/** What the sender wants of the edge between it and the receiver. */
export type PortWord = (typeof PORTS)[number];

/** A claim with its signature, as it came: nothing of it is checked. */
export interface WholeClaim extends ClaimFields {
  readonly signature: Uint8Array;
}

/** The root that the sender follows. */
export interface ToldRoot {
  readonly root: string;
  readonly rootBytes: Uint8Array;
  readonly sequence: number;
  readonly distance: number;
  readonly hops: number;
  /** There when the sender thinks that the receiver does not have it. */
  readonly claim: WholeClaim | undefined;
}

/** All that a neighbour has to say to this one now. */
export interface TreeAnnounce {
  readonly kind: 'announce';
  /** Of this announcement: rises with each of the sender, over its restarts too. */
  readonly number: number;
  /** Of the last announcement of the receiver that the sender has heard; 0: none. */
  readonly heard: number;
  readonly port: PortWord;
  /** The child's number of this join; the parent's accept repeats it. 0 for the other words. */
  readonly joinNumber: number;
  /** The sender has heard nothing from the receiver and wants to be told all. */
  readonly isFresh: boolean;
  readonly told: ToldRoot | undefined;
}

/** "I need a claim of that root with this sequence or a later one." */
export interface TreeRequest {
  readonly kind: 'request';
  readonly root: string;
  readonly rootBytes: Uint8Array;
  readonly sequence: number;
}

/** "I leave the segment." */
export interface TreeGoodbye {
  readonly kind: 'goodbye';
}

export type TreeMessage = TreeAnnounce | TreeRequest | TreeGoodbye;

/** The segment that a message is about; undefined for what cannot be one. */
export function treeSegmentOf(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length < HEAD_BYTES ? undefined : bytes.slice(1, HEAD_BYTES);
}

/** The segment's public key, when the message brings it and it is the one that the id is the hash of. */
export function treeSegmentKeyOf(bytes: Uint8Array): Uint8Array | undefined {
  const message = decodeTreeMessage(bytes);
  const key = message?.kind === 'announce' ? message.told?.claim?.segmentKey : undefined;
  if (key === undefined) {
    return undefined;
  }
  return Buffer.compare(hash128(key), bytes.subarray(1, HEAD_BYTES)) === 0 ? key : undefined;
}

export function encodeTreeMessage(segmentId: Uint8Array, message: TreeMessage): Uint8Array {
  const writer = new ByteWriter(ANNOUNCE_BYTES_MAX);
  if (message.kind === 'announce') {
    writeHead(writer, TYPE_ANNOUNCE, segmentId);
    writeAnnounce(writer, message);
  } else if (message.kind === 'request') {
    writeHead(writer, TYPE_REQUEST, segmentId);
    writer.bytes(message.rootBytes, ROOT_BYTES);
    writer.u48(message.sequence);
  } else {
    writeHead(writer, TYPE_GOODBYE, segmentId);
  }
  return writer.done().slice();
}

function writeHead(writer: ByteWriter, type: number, segmentId: Uint8Array): void {
  writer.u8(type);
  writer.bytes(segmentId, SEGMENT_ID_BYTES);
}

function writeAnnounce(writer: ByteWriter, announce: TreeAnnounce): void {
  const { number, heard, port, joinNumber, isFresh, told } = announce;
  const rootFlags = told === undefined ? 0 : FLAG_ROOT | (told.claim === undefined ? 0 : FLAG_WHOLE);
  writer.u8(PORTS.indexOf(port) | (isFresh ? FLAG_FRESH : 0) | rootFlags);
  writer.u48(number);
  writer.u48(heard);
  writer.u32(joinNumber);
  if (told === undefined) {
    return;
  }
  writer.u32(told.distance);
  writer.u8(told.hops);
  writer.bytes(told.rootBytes, ROOT_BYTES);
  writer.u48(told.sequence);
  if (told.claim !== undefined) {
    writer.bytes(told.claim.segmentKey, KEY_BYTES);
    writer.u48(told.claim.expiresAtUnixMs);
    writer.bytes(told.claim.signature, SIGNATURE_BYTES);
  }
}

/** @returns undefined for what is no message; its signature is not looked at */
export function decodeTreeMessage(bytes: Uint8Array): TreeMessage | undefined {
  if (bytes.length < HEAD_BYTES) {
    return undefined;
  }
  const reader = new ByteReader(bytes.subarray(HEAD_BYTES));
  const message = readMessage(reader, bytes[0]);
  return reader.finished() ? message : undefined;
}

function readMessage(reader: ByteReader, type: number | undefined): TreeMessage | undefined {
  if (type === TYPE_ANNOUNCE) {
    return readAnnounce(reader);
  }
  if (type === TYPE_REQUEST) {
    const rootBytes = reader.bytes(ROOT_BYTES);
    return { kind: 'request', rootBytes, root: rootName(rootBytes), sequence: reader.u48() };
  }
  return type === TYPE_GOODBYE ? { kind: 'goodbye' } : undefined;
}

function readAnnounce(reader: ByteReader): TreeAnnounce | undefined {
  const flags = reader.u8();
  const number = reader.u48();
  const heard = reader.u48();
  const joinNumber = reader.u32();
  if (flags > FLAGS || ((flags & FLAG_WHOLE) !== 0 && (flags & FLAG_ROOT) === 0)) {
    return undefined;
  }
  return {
    kind: 'announce',
    number,
    heard,
    port: PORTS[flags & PORT_MASK] ?? 'nothing',
    joinNumber,
    isFresh: (flags & FLAG_FRESH) !== 0,
    told: (flags & FLAG_ROOT) === 0 ? undefined : readRoot(reader, (flags & FLAG_WHOLE) !== 0),
  };
}

function readRoot(reader: ByteReader, isWhole: boolean): ToldRoot {
  const distance = reader.u32();
  const hops = reader.u8();
  const rootBytes = reader.bytes(ROOT_BYTES);
  const sequence = reader.u48();
  const claim = isWhole ? readClaim(reader, rootBytes, sequence) : undefined;
  return { root: rootName(rootBytes), rootBytes, sequence, distance, hops, claim };
}

function readClaim(reader: ByteReader, rootBytes: Uint8Array, sequence: number): WholeClaim {
  return {
    segmentKey: reader.bytes(KEY_BYTES),
    rootBytes,
    sequence,
    expiresAtUnixMs: reader.u48(),
    signature: reader.bytes(SIGNATURE_BYTES),
  };
}
