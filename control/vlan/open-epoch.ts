/**
 * The secrets of an open VLAN for one UTC day, all derived from its id.
 *
 *   id ‖ day ──"peertap open v1"──▶ S ─┬─"peertap token v1"────▶ K_token
 *                                      ├─"peertap frame v1"────▶ K_frame
 *                                      ├─"peertap mask v1"─────▶ K_mask
 *                                      ├─"peertap control v1"──▶ K_control
 *                                      ├─"peertap epoch tag v1"▶ epoch tag (first 16 bytes)
 *                                      └─"peertap segment v1"──▶ segment key, whose hash is the segment id
 *
 * Main thread only; pure functions. Must never be mistaken for secrecy against someone who has the id:
 * the id is the admission to an open VLAN.
 *
 * @see docs/protocol.md, "Sealed frame" and "Tokens"
 */
import { deriveKey, hash128 } from './hash.ts';
import { privateKeyFromRaw, rawPublicKey } from './raw-keys.ts';

/** Seconds of a UTC day (Unix time has no leap seconds). */
export const DAY_SECONDS = 86_400;

const DAY_MS = DAY_SECONDS * 1_000;
const EPOCH_TAG_BYTES = 16;

/** What every member of an open VLAN derives for one UTC day. Keys have 32 bytes. */
export interface OpenEpoch {
  /** Days since 1 January 1970, UTC. */
  readonly day: number;
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
 * Derives an open VLAN's secrets.
 *
 * @param vlanId - 16 bytes
 * @param day - days since the Unix epoch, see {@link utcDay}
 */
export function deriveOpenEpoch(vlanId: Uint8Array, day: number): OpenEpoch {
  const secret = deriveKey('peertap open v1', vlanId, u32(day));
  const seed = deriveKey('peertap segment v1', secret);
  const publicKey = rawPublicKey(privateKeyFromRaw('ed25519', seed));
  return {
    day,
    tokenKey: deriveKey('peertap token v1', secret),
    frameKey: deriveKey('peertap frame v1', secret),
    maskKey: deriveKey('peertap mask v1', secret),
    controlKey: deriveKey('peertap control v1', secret),
    tag: deriveKey('peertap epoch tag v1', secret).subarray(0, EPOCH_TAG_BYTES),
    segment: { id: hash128(publicKey), publicKey, seed },
  };
}

/** The UTC day of a point in time, counted from 1 January 1970. */
export function utcDay(unixMs: number): number {
  return Math.floor(unixMs / DAY_MS);
}

/** The point in time at which a UTC day starts, in Unix milliseconds. */
export function utcDayStartMs(day: number): number {
  return day * DAY_MS;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
