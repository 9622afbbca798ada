/**
 * Forwarding tokens: 16 opaque bytes that say where a frame goes, and all that a relay learns of it.
 *
 *   r     = BLAKE3 keyed(K_token, period u32 ‖ kind u8 ‖ value)[0‥16]    announced by members
 *   token = BLAKE3(segment id ‖ r)[0‥16]                                 carried by frames
 *
 * Relays see tokens in frames but cannot go back to r, so they cannot claim one elsewhere.
 *
 * Main thread only; pure functions.
 *
 * @see docs/protocol.md, "Tokens"
 */
import { hash128, keyedHash } from '../vlan/hash.ts';

/** Size of r and of a token. */
export const TOKEN_BYTES = 16;

/** What a token stands for. */
export const TOKEN_KIND = { station: 1, broadcast: 2, multicast: 3, pair: 4, control: 5 } as const;

/** One of {@link TOKEN_KIND}. */
export type TokenKind = (typeof TOKEN_KIND)[keyof typeof TOKEN_KIND];

/** The default length of a period. */
export const DEFAULT_TOKEN_PERIOD_SECONDS = 3_600;

const MAC_BYTES = 6;
const NONCE_CONTEXT = new TextEncoder().encode('peertap routes v1');
const NO_VALUE = new Uint8Array(0);

/** The secrets of an epoch that tokens are made of. */
export interface TokenSecrets {
  /** K_token, 32 bytes. */
  readonly tokenKey: Uint8Array;
  readonly segment: { readonly id: Uint8Array };
}

/** The route of a station: unicast to one MAC. */
export function stationRoute(tokenKey: Uint8Array, period: number, mac: Uint8Array): Uint8Array {
  return route(tokenKey, { period, kind: TOKEN_KIND.station, value: requireMac(mac) });
}

/** The route of everything that is flooded in a VLAN. */
export function broadcastRoute(tokenKey: Uint8Array, period: number): Uint8Array {
  return route(tokenKey, { period, kind: TOKEN_KIND.broadcast, value: NO_VALUE });
}

/** The route of a multicast group, by its MAC. */
export function groupRoute(tokenKey: Uint8Array, period: number, mac: Uint8Array): Uint8Array {
  return route(tokenKey, { period, kind: TOKEN_KIND.multicast, value: requireMac(mac) });
}

/** The route of the members' own messages. */
export function controlRoute(tokenKey: Uint8Array, period: number): Uint8Array {
  return route(tokenKey, { period, kind: TOKEN_KIND.control, value: NO_VALUE });
}

/**
 * The token that frames carry.
 *
 * @param segmentId - 16 bytes
 * @param announcedRoute - r, 16 bytes
 */
export function forwardingToken(segmentId: Uint8Array, announcedRoute: Uint8Array): Uint8Array {
  return hash128(segmentId, announcedRoute);
}

/** The token of a station. */
export function stationToken(secrets: TokenSecrets, period: number, mac: Uint8Array): Uint8Array {
  return forwardingToken(secrets.segment.id, stationRoute(secrets.tokenKey, period, mac));
}

/** The token of broadcast, and of multicast and unknown destinations while they are flooded. */
export function broadcastToken(secrets: TokenSecrets, period: number): Uint8Array {
  return forwardingToken(secrets.segment.id, broadcastRoute(secrets.tokenKey, period));
}

/** The token of the members' own messages. */
export function controlToken(secrets: TokenSecrets, period: number): Uint8Array {
  return forwardingToken(secrets.segment.id, controlRoute(secrets.tokenKey, period));
}

/**
 * The name under which a member announces itself in a segment: other members can tell whose it is, relays cannot.
 *
 * @param controlKey - the epoch's K_control, 32 bytes
 * @param agreementKey - the X25519 key that the member has announced in this start, 32 bytes
 * @returns 16 bytes
 */
export function routeNonce(controlKey: Uint8Array, agreementKey: Uint8Array): Uint8Array {
  return keyedHash(controlKey, NONCE_CONTEXT, agreementKey).subarray(0, TOKEN_BYTES);
}

function route(
  tokenKey: Uint8Array,
  input: { readonly period: number; readonly kind: TokenKind; readonly value: Uint8Array },
): Uint8Array {
  const prefix = new Uint8Array(5);
  new DataView(prefix.buffer).setUint32(0, input.period, true);
  prefix[4] = input.kind;
  return keyedHash(tokenKey, prefix, input.value).subarray(0, TOKEN_BYTES);
}

function requireMac(mac: Uint8Array): Uint8Array {
  if (mac.length !== MAC_BYTES) {
    throw new RangeError(`a MAC address has ${MAC_BYTES} bytes, got ${mac.length}`);
  }
  return mac;
}
