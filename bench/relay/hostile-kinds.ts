/**
 * Owns the names of what a hostile neighbour sends a relay (trains.ts makes it). Pure.
 *
 *   forged      its own lane's, with another token block
 *   replayed    its own, closed once
 *   truncated   one byte short of a header and a tag
 *   oversized   its own, longer than the next trunk takes
 *   random      noise, every other datagram with the right first byte
 */
export const HOSTILE_KINDS = ['forged', 'replayed', 'truncated', 'oversized', 'random'] as const;

/** One of {@link HOSTILE_KINDS}. */
export type HostileKind = (typeof HOSTILE_KINDS)[number];
