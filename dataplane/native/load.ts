/**
 * The native engine: Engine's stages, each one call into rust-accel. An engine belongs to one worker thread; any thread
 * may ask whether there is one. It keeps both buffers alive, since the addon holds only their addresses.
 */
import { invariant } from '../base/invariant.ts';
import type { Engine } from '../contract/engine.ts';
import type { Arena } from '../shm/arena.ts';
import type { Tables } from '../shm/tables.ts';
import { loadAddon } from './addon.ts';

/** Whether the native engine can be used; otherwise a sentence that says why not. */
export type NativeAvailability =
  | { readonly ok: true; readonly version: string; readonly hasCryptography: boolean }
  | { readonly ok: false; readonly reason: string };

/** Looks for the addon of this platform and layout. */
export function nativeAvailability(): NativeAvailability {
  const loaded = loadAddon();
  if (!loaded.ok) return loaded;
  return { ok: true, version: loaded.addon.version(), hasCryptography: loaded.addon.hasCryptography() };
}

/**
 * Binds the native stages to a worker's memory.
 *
 * @param tables - the daemon's
 * @param arena - this worker's; one engine at a time uses it
 * @throws InvariantError where {@link nativeAvailability} is not ok; Error when a buffer has another layout
 */
export function createNativeEngine(tables: Tables, arena: Arena): Engine {
  const loaded = loadAddon();
  invariant(loaded.ok, 'the native engine was chosen where it is not available');
  const { addon } = loaded;
  const stages = addon.openEngine(tables.bytes, arena.bytes);
  // The stages themselves, not wrapped: each is called several times a batch.
  return Object.assign(stages, {
    name: 'native' as const,
    /** Alive as long as the engine. */
    buffers: [tables, arena],
    close: () => {
      addon.closeEngine(stages.handle);
    },
  });
}

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
