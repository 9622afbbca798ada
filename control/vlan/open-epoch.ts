/**
 * The secrets of an open VLAN for one UTC day, all derived from its id.
 *
 *   id ‖ day ──"peertap open v1"──▶ S ──▶ see epoch-keys.ts
 *
 * Main thread only; pure functions. Must never be mistaken for secrecy against someone who has the id:
 * the id is the admission to an open VLAN.
 *
 * @see docs/protocol.md, "Sealed frame" and "Tokens"
 */
import { u32Bytes } from '../membership/byte-codec.ts';
import { deriveEpochKeys, type EpochKeys } from './epoch-keys.ts';
import { deriveKey } from './hash.ts';

/** Seconds of a UTC day (Unix time has no leap seconds). */
export const DAY_SECONDS = 86_400;

const DAY_MS = DAY_SECONDS * 1_000;

/** What every member of an open VLAN derives for one UTC day. */
export interface OpenEpoch extends EpochKeys {
  /** Days since 1 January 1970, UTC. */
  readonly day: number;
}

/**
 * Derives an open VLAN's secrets.
 *
 * @param vlanId - 16 bytes
 * @param day - days since the Unix epoch, see {@link utcDay}
 */
export function deriveOpenEpoch(vlanId: Uint8Array, day: number): OpenEpoch {
  return { day, ...deriveEpochKeys(deriveKey('peertap open v1', vlanId, u32Bytes(day))) };
}

/** The UTC day of a point in time, counted from 1 January 1970. */
export function utcDay(unixMs: number): number {
  return Math.floor(unixMs / DAY_MS);
}

/** The point in time at which a UTC day starts, in Unix milliseconds. */
export function utcDayStartMs(day: number): number {
  return day * DAY_MS;
}
