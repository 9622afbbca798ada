/**
 * The tokens of many stations at once, as a change of period asks for them: by the addon where the native engine runs,
 * which takes a twentieth of the time, else one by one.
 *
 * Main thread; pure.
 */
import { DERIVED_BYTES, type deriveTokensNatively } from '../../dataplane/native/load.ts';
import { stationToken, TOKEN_BYTES, TOKEN_KIND, type TokenSecrets } from '../token/token.ts';

const MAC_BYTES = 6;
/** A derived pair is r, then the token. */
const TOKEN_AT = DERIVED_BYTES - TOKEN_BYTES;
/** Below that, crossing over to the addon is not worth it. */
const NATIVE_LEAST = 16;

/** Derives a batch, or says that it cannot. */
export type TokenDeriver = typeof deriveTokensNatively;

/**
 * @param macs - 6 bytes each
 * @param native - the addon's derivation; undefined where the TypeScript engine runs
 * @returns a token of 16 bytes for each address, in their order
 */
export function stationTokens(
  secrets: TokenSecrets,
  period: number,
  macs: readonly Uint8Array[],
  native: TokenDeriver | undefined,
): Uint8Array[] {
  const batch = {
    tokenKey: secrets.tokenKey,
    segmentId: secrets.segment.id,
    period,
    kind: TOKEN_KIND.station,
  };
  const derived = macs.length < NATIVE_LEAST ? undefined : native?.(batch, endToEnd(macs), MAC_BYTES);
  if (derived === undefined) {
    return macs.map((mac) => stationToken(secrets, period, mac));
  }
  return macs.map((_, index) => {
    const at = index * DERIVED_BYTES + TOKEN_AT;
    return derived.subarray(at, at + TOKEN_BYTES);
  });
}

function endToEnd(macs: readonly Uint8Array[]): Uint8Array {
  const values = new Uint8Array(macs.length * MAC_BYTES);
  for (const [index, mac] of macs.entries()) {
    values.set(mac, index * MAC_BYTES);
  }
  return values;
}
