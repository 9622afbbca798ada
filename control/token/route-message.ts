/**
 * The bytes by which neighbours tell each other which tokens they want: what `Routes` of the trunk stream carries.
 *
 *   announce   type u8 = 1 │ path MTU u16 │ signed … │ signature 64
 *      signed    segment key 32 │ nonce 16 │ sequence u48 │ base u48 │ expiry u48, Unix ms
 *                │ count of added u16 │ count of withdrawn u16 │ routes r, 16 each: added, then withdrawn
 *   pull       type u8 = 2 │ segment id 16
 *
 * The segment's id is the hash of its key, so whoever carries it can check that one who has the key asked for it. What is
 * signed is the announcer's and goes on unchanged; the path MTU is lowered by each who passes it on.
 *
 * Main thread; pure. The decoder never throws: bytes that are no message are undefined.
 */
import { hash128 } from '../vlan/hash.ts';
import { TOKEN_BYTES } from './token.ts';

/** Ed25519. */
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Names one announcer in one segment, until it restarts. */
export const NONCE_BYTES = 16;
/** Routes in one message, and so in one announcer's set: with the rest below the trunk stream's 64 KiB. */
export const ROUTES_MAX = 4_000;
/** "My tokens end here": no trunk but yours limits them. */
export const PATH_MTU_ANY = 65_535;

const DOMAIN = new TextEncoder().encode('peertap tokens v1');
const TYPE_ANNOUNCE = 1;
const TYPE_PULL = 2;
const SIGNED_AT = 3;
const NONCE_AT = SIGNED_AT + KEY_BYTES;
const SEQUENCE_AT = NONCE_AT + NONCE_BYTES;
const BASE_AT = SEQUENCE_AT + 6;
const EXPIRY_AT = BASE_AT + 6;
const COUNTS_AT = EXPIRY_AT + 6;
const ROUTES_AT = COUNTS_AT + 4;
const PULL_BYTES = 1 + TOKEN_BYTES;
const TWO_32 = 2 ** 32;

/** What an announcer says of its set in one segment. */
export interface RouteSet {
  readonly segmentKey: Uint8Array;
  readonly nonce: Uint8Array;
  /** Names the set's state after this message; rises. */
  readonly sequence: number;
  /** The state that this message changes, or 0: it is the whole set. */
  readonly base: number;
  /** Until then the whole set holds. */
  readonly expiresAtUnixMs: number;
  /** 16 bytes each. */
  readonly added: readonly Uint8Array[];
  readonly withdrawn: readonly Uint8Array[];
}

/** A decoded announcement. */
export interface RouteAnnounce extends RouteSet {
  readonly kind: 'announce';
  readonly segmentId: Uint8Array;
  /** Largest link datagram that reaches all who stand behind the sender. */
  readonly pathMtuBytes: number;
  /** What the signature is over. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** "Tell me your whole set in this segment." */
export interface RoutePull {
  readonly kind: 'pull';
  readonly segmentId: Uint8Array;
}

/** Bytes as a key of maps. */
export function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Makes an announcement whose tokens end here. @param sign - by the segment's key */
export function encodeAnnounce(set: RouteSet, sign: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  const routes = [...set.added, ...set.withdrawn];
  const end = ROUTES_AT + routes.length * TOKEN_BYTES;
  const bytes = new Uint8Array(end + SIGNATURE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, TYPE_ANNOUNCE);
  view.setUint16(1, PATH_MTU_ANY, true);
  bytes.set(set.segmentKey, SIGNED_AT);
  bytes.set(set.nonce, NONCE_AT);
  writeU48(view, SEQUENCE_AT, set.sequence);
  writeU48(view, BASE_AT, set.base);
  writeU48(view, EXPIRY_AT, set.expiresAtUnixMs);
  view.setUint16(COUNTS_AT, set.added.length, true);
  view.setUint16(COUNTS_AT + 2, set.withdrawn.length, true);
  for (const [index, route] of routes.entries()) {
    bytes.set(route, ROUTES_AT + index * TOKEN_BYTES);
  }
  bytes.set(sign(inDomain(bytes.subarray(SIGNED_AT, end))), end);
  return bytes;
}

export function encodePull(segmentId: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PULL_BYTES);
  bytes[0] = TYPE_PULL;
  bytes.set(segmentId, 1);
  return bytes;
}

/** @returns undefined for what is no message; its signature is not looked at */
export function decodeRouteMessage(bytes: Uint8Array): RouteAnnounce | RoutePull | undefined {
  if (bytes[0] === TYPE_PULL && bytes.length === PULL_BYTES) {
    return { kind: 'pull', segmentId: bytes.slice(1) };
  }
  return bytes[0] === TYPE_ANNOUNCE && bytes.length >= ROUTES_AT + SIGNATURE_BYTES
    ? decodeAnnounce(bytes)
    : undefined;
}

function decodeAnnounce(bytes: Uint8Array): RouteAnnounce | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const addedCount = view.getUint16(COUNTS_AT, true);
  const withdrawnCount = view.getUint16(COUNTS_AT + 2, true);
  const count = addedCount + withdrawnCount;
  const end = ROUTES_AT + count * TOKEN_BYTES;
  const [sequence, base] = [readU48(view, SEQUENCE_AT), readU48(view, BASE_AT)];
  if (count > ROUTES_MAX || bytes.length !== end + SIGNATURE_BYTES || sequence <= base) {
    return undefined;
  }
  const routes = Array.from({ length: count }, (_, index) => {
    const at = ROUTES_AT + index * TOKEN_BYTES;
    return bytes.slice(at, at + TOKEN_BYTES);
  });
  const segmentKey = bytes.slice(SIGNED_AT, NONCE_AT);
  return {
    kind: 'announce',
    segmentId: hash128(segmentKey),
    segmentKey,
    pathMtuBytes: view.getUint16(1, true),
    nonce: bytes.slice(NONCE_AT, SEQUENCE_AT),
    sequence,
    base,
    expiresAtUnixMs: readU48(view, EXPIRY_AT),
    added: routes.slice(0, addedCount),
    withdrawn: routes.slice(addedCount),
    signed: inDomain(bytes.subarray(SIGNED_AT, end)),
    signature: bytes.slice(end),
  };
}

function inDomain(signed: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(DOMAIN.length + signed.length);
  bytes.set(DOMAIN);
  bytes.set(signed, DOMAIN.length);
  return bytes;
}

function writeU48(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint16(at + 4, Math.floor(value / TWO_32), true);
}

function readU48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * TWO_32;
}
