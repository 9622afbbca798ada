/**
 * The rank of a member in the choice of a VLAN's root: the lowest one is root, among equals a hash decides. Constants only.
 */

/** A byte of the root's name. */
export const MAX_TREE_RANK = 255;
/** In the middle: some can be put before, others behind. */
export const DEFAULT_TREE_RANK = 128;
