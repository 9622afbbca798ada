/**
 * Whether the parent hashes of a ratchet tree hold: each parent must be vouched for by exactly one chain of hashes from
 * a leaf, so that nobody puts a key into the tree that its members do not know of.
 *
 *   P ◀─── parent hash in D, of P and of the tree hash of P's other child, as it was when P was made
 *   │╲
 *   C  S       D: below C, with nothing but blanks between
 *
 * The work is linear in the tree: the hash of each subtree is computed once, and anew only along the way to leaves that
 * came after P. ts-mls computes it anew for each leaf.
 *
 * Any thread. Takes trees whose structure and unmerged leaves have been checked (tree-check.ts).
 *
 * @see RFC 9420 §7.9.2
 * @see docs/adr/0012-quadratic-group-join.md
 */
import type { Hash } from 'ts-mls/crypto/hash.js';
import { encodeParentHashInput } from 'ts-mls/parentHash.js';
import type { Node, RatchetTree } from 'ts-mls/ratchetTree.js';
import type { TreeHashes } from './tree-hashes.ts';
import { childrenOf, parentOf, parentsUpwards, rootOf } from './tree-math.ts';

/** Which node below vouches for each parent. */
export type Vouchers = ReadonlyMap<number, number>;

/**
 * Follows the chains of parent hashes from all leaves up.
 *
 * @returns undefined when a parent is vouched for by no chain or by several
 */
export async function vouchersOf(
  tree: RatchetTree,
  hashes: TreeHashes,
  hash: Hash,
): Promise<Vouchers | undefined> {
  const vouchers = new Map<number, number>();
  /** How many chains have come up to a parent. */
  const chains = new Map<number, number>();
  const passOn = async (node: number): Promise<void> => {
    const parent = await vouchedParent(tree, node, hashes, hash);
    if (parent === undefined) return;
    chains.set(parent, (chains.get(parent) ?? 0) + 1);
    vouchers.set(parent, node);
  };
  for (let leaf = 0; leaf < tree.length; leaf += 2) {
    if (tree[leaf] !== undefined) await passOn(leaf);
  }
  for (const parent of parentsUpwards(tree.length)) {
    if (tree[parent] === undefined) continue;
    if (chains.get(parent) !== 1) return undefined;
    await passOn(parent);
  }
  return vouchers;
}

/** The nearest parent above that is not blank, when the node's parent hash is that parent's. */
async function vouchedParent(
  tree: RatchetTree,
  node: number,
  hashes: TreeHashes,
  hash: Hash,
): Promise<number | undefined> {
  const expected = parentHashIn(tree[node]);
  const parent = expected === undefined ? undefined : nonBlankAbove(tree, node);
  const content = parent === undefined ? undefined : tree[parent];
  if (expected === undefined || parent === undefined || content?.nodeType !== 'parent') return undefined;
  const { hpkePublicKey: encryptionKey, parentHash, unmergedLeaves } = content.parent;
  const [left, right] = childrenOf(parent);
  const originalSiblingTreeHash = await hashes.without(node < parent ? right : left, unmergedLeaves);
  const input = encodeParentHashInput({ encryptionKey, parentHash, originalSiblingTreeHash });
  return Buffer.compare(expected, await hash.digest(input)) === 0 ? parent : undefined;
}

/** A leaf that came with a key package vouches for nothing. */
function parentHashIn(node: Node | undefined): Uint8Array | undefined {
  if (node?.nodeType === 'parent') return node.parent.parentHash;
  return node?.leaf.leafNodeSource === 'commit' ? node.leaf.parentHash : undefined;
}

function nonBlankAbove(tree: RatchetTree, node: number): number | undefined {
  const root = rootOf(tree.length);
  while (node !== root) {
    node = parentOf(node);
    if (tree[node] !== undefined) return node;
  }
  return undefined;
}
