/**
 * What the peers' clocks say of ours, and how far we follow them (docs/protocol.md, "Tokens").
 *
 * Main thread, pure. An offset is a peer's Unix clock less ours, in milliseconds.
 */

/**
 * One token period: a node whose own clock is right stays within the periods that others accept, whatever its peers
 * tell it. A clock that is further off must be set; `peertap doctor` says so.
 */
const CORRECTION_MAX_MS = 3_600_000;

/** @returns the median of the peers' offsets, undefined without peers: by how much our clock is behind theirs */
export function clockOffset(offsetsMs: readonly number[]): number | undefined {
  return offsetsMs.length === 0 ? undefined : median(offsetsMs);
}

/**
 * What to add to our clock. Our own clock is one among the peers', so two nodes meet halfway instead of taking each
 * other's time, and one peer alone never decides.
 */
export function clockCorrection(offsetsMs: readonly number[]): number {
  return Math.max(-CORRECTION_MAX_MS, Math.min(CORRECTION_MAX_MS, median([0, ...offsetsMs])));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
