/**
 * What an interface does with multicast: finds out which groups its hosts want and sends to those who want them, or takes
 * and sends all.
 *
 * Constants only.
 */
export const MULTICAST_MODES = ['snoop', 'flood'] as const;

/** One of {@link MULTICAST_MODES}. */
export type MulticastMode = (typeof MULTICAST_MODES)[number];
