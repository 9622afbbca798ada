/**
 * What a node makes of several paths to a member: it sends by the best and goes over to another when that fails, or it sends
 * by two at once, and the member takes whichever copy comes first.
 *
 * Constants only.
 */
export const PATH_POLICIES = ['failover', 'redundant'] as const;

/** One of {@link PATH_POLICIES}. */
export type PathPolicy = (typeof PATH_POLICIES)[number];
