/**
 * The bytes by which neighbours tell each other which tokens they want: what `Routes` of the trunk stream carries.
 *
 *   announce   type u8 = 1 │ path MTU u16 │ hops u8 │ signed … │ signature 64
 *      signed    segment key 32 │ nonce 16 │ sequence u48 │ base u48 │ expiry u48, Unix ms
 *                │ count of added u16 │ count of withdrawn u16 │ routes r, 16 each: added, then withdrawn
 *   pull       type u8 = 2 │ segment id 16 │ nonces, 16 each: these announcers' sets; none: your list of paths
 *   paths      type u8 = 3 │ segment id 16 │ whole u8 │ { nonce 16 │ sequence u48 │ path MTU u16 │ hops u8 } …
 *
 * The segment's id is the hash of its key, so whoever carries it can check that one who has the key asked for it. What is
 * signed is the announcer's and goes on unchanged; the path MTU is lowered, and the hops raised, by each who passes it on.
 * Paths are not signed: they say only where their sender leads.
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
/** What every path takes; nobody can say less. IPv6's least MTU, less the outer headers. */
export const PATH_MTU_LEAST = 1_232;
/** "I lead there no more", in paths. */
export const PATH_MTU_NONE = 0;
/** Announcers asked for in one message; more go in another. */
export const PULL_NONCES_MAX = 1_024;
/** Announcers in one list: more than a segment may have; with the rest below the trunk stream's 64 KiB. */
export const PATHS_MAX = 2_500;

const DOMAIN = new TextEncoder().encode('peertap tokens v1');
const TYPE_ANNOUNCE = 1;
const TYPE_PULL = 2;
const TYPE_PATHS = 3;
const HEAD_BYTES = 3;
const SIGNED_AT = 1 + HEAD_BYTES;
const NONCE_AT = SIGNED_AT + KEY_BYTES;
const SEQUENCE_AT = NONCE_AT + NONCE_BYTES;
const BASE_AT = SEQUENCE_AT + 6;
const EXPIRY_AT = BASE_AT + 6;
const COUNTS_AT = EXPIRY_AT + 6;
const ROUTES_AT = COUNTS_AT + 4;
const SEGMENT_BYTES = 16;
const PULL_BYTES = 1 + SEGMENT_BYTES;
const PATHS_AT = 2 + SEGMENT_BYTES;
const PATH_BYTES = NONCE_BYTES + 6 + HEAD_BYTES;
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

/** What the sender of a message says of its way to an announcer. */
export interface RouteHead {
  /** Largest link datagram that reaches all who stand behind the sender. */
  readonly pathMtuBytes: number;
  /** Nodes that passed it on: 0 when the announcer itself says it. */
  readonly hops: number;
}

/** A decoded announcement. */
export interface RouteAnnounce extends RouteSet, RouteHead {
  readonly kind: 'announce';
  readonly segmentId: Uint8Array;
  /** What the signature is over. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** "Tell me the whole sets of these announcers", or with none: "tell me where you lead". */
export interface RoutePull {
  readonly kind: 'pull';
  readonly segmentId: Uint8Array;
  readonly nonces: readonly Uint8Array[];
}

/** That the sender leads to an announcer, and up to which state it knows its set. */
export interface RoutePath extends RouteHead {
  readonly nonce: Uint8Array;
  readonly sequence: number;
}

/** Where the sender leads in a segment: what has changed, or all. */
export interface RoutePaths {
  readonly kind: 'paths';
  readonly segmentId: Uint8Array;
  /** To whomever is not named it leads no more. */
  readonly isWhole: boolean;
  readonly paths: readonly RoutePath[];
}

export type RouteMessage = RouteAnnounce | RoutePull | RoutePaths;

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
  writeHead(view, 1, { pathMtuBytes: PATH_MTU_ANY, hops: 0 });
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

/** A message as the next one gets it: the same but for its head. */
export function withHead(announce: Uint8Array, head: RouteHead): Uint8Array {
  const bytes = announce.slice();
  writeHead(new DataView(bytes.buffer), 1, head);
  return bytes;
}

/** @param nonces - at most {@link PULL_NONCES_MAX}; none asks for the list of paths */
export function encodePull(segmentId: Uint8Array, nonces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(PULL_BYTES + nonces.length * NONCE_BYTES);
  bytes[0] = TYPE_PULL;
  bytes.set(segmentId, 1);
  for (const [index, nonce] of nonces.entries()) {
    bytes.set(nonce, PULL_BYTES + index * NONCE_BYTES);
  }
  return bytes;
}

/** @param paths - at most {@link PATHS_MAX} */
export function encodePaths(
  segmentId: Uint8Array,
  paths: readonly RoutePath[],
  isWhole: boolean,
): Uint8Array {
  const bytes = new Uint8Array(PATHS_AT + paths.length * PATH_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = TYPE_PATHS;
  bytes.set(segmentId, 1);
  bytes[PATHS_AT - 1] = isWhole ? 1 : 0;
  for (const [index, path] of paths.entries()) {
    const at = PATHS_AT + index * PATH_BYTES;
    bytes.set(path.nonce, at);
    writeU48(view, at + NONCE_BYTES, path.sequence);
    writeHead(view, at + NONCE_BYTES + 6, path);
  }
  return bytes;
}

/** @returns undefined for what is no message; its signature is not looked at */
export function decodeRouteMessage(bytes: Uint8Array): RouteMessage | undefined {
  switch (bytes[0]) {
    case TYPE_ANNOUNCE:
      return bytes.length >= ROUTES_AT + SIGNATURE_BYTES ? decodeAnnounce(bytes) : undefined;
    case TYPE_PULL:
      return decodePull(bytes);
    case TYPE_PATHS:
      return decodePaths(bytes);
    default:
      return undefined;
  }
}

function decodePull(bytes: Uint8Array): RoutePull | undefined {
  const count = (bytes.length - PULL_BYTES) / NONCE_BYTES;
  if (!isCount(count, PULL_NONCES_MAX)) {
    return undefined;
  }
  const nonces = Array.from({ length: count }, (_, index) => {
    const at = PULL_BYTES + index * NONCE_BYTES;
    return bytes.slice(at, at + NONCE_BYTES);
  });
  return { kind: 'pull', segmentId: bytes.slice(1, PULL_BYTES), nonces };
}

function decodePaths(bytes: Uint8Array): RoutePaths | undefined {
  const whole = bytes[PATHS_AT - 1] ?? 2;
  const count = (bytes.length - PATHS_AT) / PATH_BYTES;
  if (!isCount(count, PATHS_MAX) || whole > 1) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const paths = Array.from({ length: count }, (_, index) => {
    const at = PATHS_AT + index * PATH_BYTES;
    const nonce = bytes.slice(at, at + NONCE_BYTES);
    const sequence = readU48(view, at + NONCE_BYTES);
    return { nonce, sequence, ...readHead(view, at + NONCE_BYTES + 6) };
  });
  if (paths.some(({ pathMtuBytes: size }) => size !== PATH_MTU_NONE && size < PATH_MTU_LEAST)) {
    return undefined;
  }
  return { kind: 'paths', segmentId: bytes.slice(1, PATHS_AT - 1), isWhole: whole === 1, paths };
}

function isCount(count: number, most: number): boolean {
  return Number.isInteger(count) && count >= 0 && count <= most;
}

function decodeAnnounce(bytes: Uint8Array): RouteAnnounce | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const addedCount = view.getUint16(COUNTS_AT, true);
  const withdrawnCount = view.getUint16(COUNTS_AT + 2, true);
  const count = addedCount + withdrawnCount;
  const end = ROUTES_AT + count * TOKEN_BYTES;
  const [sequence, base] = [readU48(view, SEQUENCE_AT), readU48(view, BASE_AT)];
  const head = readHead(view, 1);
  if (count > ROUTES_MAX || bytes.length !== end + SIGNATURE_BYTES || sequence <= base) {
    return undefined;
  }
  if (head.pathMtuBytes < PATH_MTU_LEAST) {
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
    ...head,
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

function writeHead(view: DataView, at: number, { pathMtuBytes, hops }: RouteHead): void {
  view.setUint16(at, pathMtuBytes, true);
  view.setUint8(at + 2, hops);
}

function readHead(view: DataView, at: number): RouteHead {
  return { pathMtuBytes: view.getUint16(at, true), hops: view.getUint8(at + 2) };
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
