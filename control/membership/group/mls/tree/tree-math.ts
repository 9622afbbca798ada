/**
 * Where nodes lie in a full binary tree that is kept as an array: leaves at even places, a parent between its subtrees.
 *
 *            7                 level 3 (root of 8 leaves)
 *      3           11          level 2
 *   1     5     9     13       level 1
 *  0 2   4 6   8 10  12 14     level 0
 *
 * Any thread; pure functions.
 *
 * @see RFC 9420 appendix C
 */

/** 0 for a leaf. */
export function levelOf(node: number): number {
  let level = 0;
  while (((node >> level) & 1) === 1) level++;
  return level;
}

/** The children of a parent, left and right. */
export function childrenOf(parent: number): readonly [left: number, right: number] {
  const half = 1 << (levelOf(parent) - 1);
  return [parent - half, parent + half];
}

/** The parent of any node but the root, in a tree that is large enough. */
export function parentOf(node: number): number {
  const level = levelOf(node);
  return (node | (1 << level)) & ~(1 << (level + 1));
}

/** The root of a tree of so many nodes, 2^d − 1. */
export function rootOf(nodeCount: number): number {
  return nodeCount >> 1;
}

/** Whether a node lies in the subtree under another, that one included. */
export function isUnder(node: number, top: number): boolean {
  const reach = (1 << levelOf(top)) - 1;
  return Math.abs(node - top) <= reach;
}

/** All parents of a tree, lower levels first. */
export function* parentsUpwards(nodeCount: number): Generator<number> {
  for (let half = 1; 2 * half <= nodeCount; half *= 2) {
    for (let node = 2 * half - 1; node < nodeCount; node += 4 * half) yield node;
  }
}
