/**
 * What may be relayed for others in a second, as credits that the data plane takes from and that are given anew many times a
 * second.
 *
 * Pure. A run of datagrams takes what it needs while there is any credit at all, so what is left may be a debt, and the next
 * grants pay it: over time the rate holds exactly.
 */

/** What a quota allows in a second. */
export type PerSecond = number | 'unlimited';

/** How often credits are given: a queue of the path's length bridges such a pause. */
export const RELAY_GRANT_MS = 100;

/** Credit is saved up for two grants at most: more would be a burst that pushes others aside. */
const BURST_MS = 2 * RELAY_GRANT_MS;

/**
 * What is to be added to the credit that is left.
 *
 * @param perSecond - the quota
 * @param left - present credit; a debt is negative
 * @param elapsed - since the last grant until now, on a monotonic clock
 * @returns a whole number from 0; the sum of all grants follows the quota without a rounding error
 */
export function relayGrant(
  perSecond: number,
  left: number,
  elapsed: { readonly fromMs: number; readonly toMs: number },
): number {
  const due = (atMs: number): number => Math.floor((perSecond * atMs) / 1_000);
  const most = Math.max(1, Math.ceil((perSecond * BURST_MS) / 1_000));
  return Math.max(0, Math.min(due(elapsed.toMs) - due(elapsed.fromMs), most - left));
}
