/**
 * The tokens of many stations or multicast groups at once, as a change of period asks for them: by the addon where the
 * native engine runs, which takes a twentieth of the time, else one by one.
 *
 * Main thread; pure.
 */
import { DERIVED_BYTES, type deriveTokensNatively } from '../../dataplane/native/load.ts';
import {
  forwardingToken,
  groupRoute,
  stationRoute,
  TOKEN_BYTES,
  TOKEN_KIND,
  type TokenSecrets,
} from '../token/token.ts';

const MAC_BYTES = 6;
/** A derived pair is r, then the token. */
const TOKEN_AT = DERIVED_BYTES - TOKEN_BYTES;
/** Below that, crossing over to the addon is not worth it. */
const NATIVE_LEAST = 16;

/** Derives a batch, or says that it cannot. */
export type TokenDeriver = typeof deriveTokensNatively;

/** What is announced, and what frames then carry; 16 bytes each. */
export interface RoutedToken {
  readonly route: Uint8Array;
  readonly token: Uint8Array;
}

/** Whose tokens, and when. */
export interface AddressBatch {
  readonly period: number;
  readonly kind: 'station' | 'group';
}

/**
 * @param macs - 6 bytes each
 * @param native - the addon's derivation; undefined where the TypeScript engine runs
 * @returns route and token for each address, in their order
 */
export function addressTokens(
  secrets: TokenSecrets,
  { period, kind }: AddressBatch,
  macs: readonly Uint8Array[],
  native: TokenDeriver | undefined,
): RoutedToken[] {
  const batch = {
    tokenKey: secrets.tokenKey,
    segmentId: secrets.segment.id,
    period,
    kind: kind === 'group' ? TOKEN_KIND.multicast : TOKEN_KIND.station,
  };
  const derived = macs.length < NATIVE_LEAST ? undefined : native?.(batch, endToEnd(macs), MAC_BYTES);
  if (derived === undefined) {
    const routeOf = kind === 'group' ? groupRoute : stationRoute;
    return macs.map((mac) => routedToken(secrets, routeOf(secrets.tokenKey, period, mac)));
  }
  return macs.map((_, index) => {
    const at = index * DERIVED_BYTES;
    return {
      route: derived.subarray(at, at + TOKEN_AT),
      token: derived.subarray(at + TOKEN_AT, at + DERIVED_BYTES),
    };
  });
}

/** The token of a route in an epoch's segment. */
export function routedToken(secrets: TokenSecrets, route: Uint8Array): RoutedToken {
  return { route, token: forwardingToken(secrets.segment.id, route) };
}

function endToEnd(macs: readonly Uint8Array[]): Uint8Array {
  const values = new Uint8Array(macs.length * MAC_BYTES);
  for (const [index, mac] of macs.entries()) {
    values.set(mac, index * MAC_BYTES);
  }
  return values;
}
