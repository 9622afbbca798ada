/**
 * The secrets of one epoch of a VLAN, all derived from one: what an open VLAN draws from its id and the day, and a
 * private one from its MLS group, meets here.
 *
 *   S ─┬─"peertap token v1"────▶ K_token
 *      ├─"peertap frame v1"────▶ K_frame
 *      ├─"peertap mask v1"─────▶ K_mask
 *      ├─"peertap control v1"──▶ K_control
 *      ├─"peertap epoch tag v1"▶ epoch tag (first 16 bytes)
 *      └─"peertap segment v1"──▶ segment key, whose hash is the segment id
 *
 * Any thread; pure functions.
 *
 * @see docs/protocol.md, "Sealed frame" and "Tokens"
 */
import { deriveKey, hash128 } from './hash.ts';
import { privateKeyFromRaw, rawPublicKey } from './raw-keys.ts';

const EPOCH_TAG_BYTES = 16;

/** What every member derives from an epoch's secret. Keys have 32 bytes. */
export interface EpochKeys {
  readonly tokenKey: Uint8Array;
  readonly frameKey: Uint8Array;
  readonly maskKey: Uint8Array;
  readonly controlKey: Uint8Array;
  /** 16 bytes; names the epoch in what members sign, and tells nothing of the secret. */
  readonly tag: Uint8Array;
  readonly segment: SegmentKeys;
}

/** The key pair in whose name members sign towards relays, and the 16-byte id that relays see. */
export interface SegmentKeys {
  readonly id: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Ed25519 seed; secret. */
  readonly seed: Uint8Array;
}

/**
 * Derives all secrets of an epoch.
 *
 * @param secret - S, 32 bytes
 */
export function deriveEpochKeys(secret: Uint8Array): EpochKeys {
  const seed = deriveKey('peertap segment v1', secret);
  const publicKey = rawPublicKey(privateKeyFromRaw('ed25519', seed));
  return {
    tokenKey: deriveKey('peertap token v1', secret),
    frameKey: deriveKey('peertap frame v1', secret),
    maskKey: deriveKey('peertap mask v1', secret),
    controlKey: deriveKey('peertap control v1', secret),
    tag: epochTag(secret),
    segment: { id: hash128(publicKey), publicKey, seed },
  };
}

/** The tag alone: 16 bytes that name an epoch to whoever knows its secret. */
export function epochTag(secret: Uint8Array): Uint8Array {
  return deriveKey('peertap epoch tag v1', secret).subarray(0, EPOCH_TAG_BYTES);
}
