/**
 * Forwarding tokens in batches by the addon's BLAKE3, for the main thread, which derives three periods' tokens of every
 * station at once. Falls to the caller where the addon is absent.
 */
import { invariant } from '../base/invariant.ts';
import { loadAddon } from './addon.ts';

/** Bytes of a derived pair: r, then the token. */
export const DERIVED_BYTES = 32;

/** What a batch of tokens has in common (protocol section 5). */
export interface TokenBatch {
  /** K_token, 32 bytes. */
  readonly tokenKey: Uint8Array;
  /** 16 bytes. */
  readonly segmentId: Uint8Array;
  readonly period: number;
  /** Kind of the tokens, 1 to 5. */
  readonly kind: number;
}

/**
 * Derives r and token of each value.
 *
 * @param values - end to end, each of `valueBytes` bytes; with `valueBytes` 0 one pair is derived of the empty value
 * @returns r ‖ token for each value, or undefined where the addon is absent
 */
export function deriveTokensNatively(
  batch: TokenBatch,
  values: Uint8Array,
  valueBytes: number,
): Uint8Array | undefined {
  const loaded = loadAddon();
  if (!loaded.ok) return undefined;
  invariant(valueBytes >= 0 && (valueBytes === 0 || values.length % valueBytes === 0), 'values are ragged');
  const count = valueBytes === 0 ? 1 : values.length / valueBytes;
  const out = new Uint8Array(count * DERIVED_BYTES);
  const { tokenKey, segmentId, period, kind } = batch;
  loaded.addon.deriveTokens(tokenKey, segmentId, period, kind, values, valueBytes, out);
  return out;
}
