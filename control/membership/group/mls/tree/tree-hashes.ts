/**
 * The tree hashes of a ratchet tree, each node's once.
 *
 *   hash of a leaf    = H(leaf index, leaf or blank)
 *   hash of a parent  = H(parent or blank, hash of the left child, hash of the right child)
 *
 * Any thread. One object a tree; the tree must not change meanwhile.
 *
 * @see RFC 9420 §7.8 (tree hashes), §7.9 (with leaves left out, for parent hashes)
 */
import type { Hash } from 'ts-mls/crypto/hash.js';
import type { ParentNode } from 'ts-mls/parentNode.js';
import type { RatchetTree } from 'ts-mls/ratchetTree.js';
import { encodeTreeHashInput } from 'ts-mls/treeHash.js';
import { childrenOf, isUnder, parentsUpwards, rootOf } from './tree-math.ts';

/** The hashes of one tree. */
export class TreeHashes {
  readonly #tree: RatchetTree;
  readonly #hash: Hash;
  readonly #hashes: readonly Uint8Array[];

  private constructor(tree: RatchetTree, hash: Hash, hashes: readonly Uint8Array[]) {
    this.#tree = tree;
    this.#hash = hash;
    this.#hashes = hashes;
  }

  /** Hashes a tree, of 2^d − 1 nodes. */
  static async of(tree: RatchetTree, hash: Hash): Promise<TreeHashes> {
    const hashes = new Array<Uint8Array>(tree.length);
    for (let index = 0; index < tree.length; index += 2) {
      hashes[index] = await hashLeaf(tree, index, hash);
    }
    for (const index of parentsUpwards(tree.length)) {
      const [left, right] = childrenOf(index);
      const node = tree[index];
      const parent = node?.nodeType === 'parent' ? node.parent : undefined;
      hashes[index] = await hashParent(parent, [at(hashes, left), at(hashes, right)], hash);
    }
    return new TreeHashes(tree, hash, hashes);
  }

  /** The hash of the whole tree. */
  get root(): Uint8Array {
    return at(this.#hashes, rootOf(this.#tree.length));
  }

  /**
   * The hash of a subtree as it was before some leaves came in: these are blank, and in no list of unmerged leaves.
   * What lies beside them is not hashed again.
   *
   * @param top - the subtree's highest node
   * @param leaves - leaf numbers; those outside of the subtree do not matter, provided that no node lists a leaf which
   * is not under it
   */
  async without(top: number, leaves: readonly number[]): Promise<Uint8Array> {
    const inside = leaves.filter((leaf) => isUnder(leaf * 2, top));
    if (inside.length === 0) return at(this.#hashes, top);
    const node = this.#tree[top];
    if (top % 2 === 0) return hashLeaf([], top, this.#hash);
    const [left, right] = childrenOf(top);
    const children = [await this.without(left, inside), await this.without(right, inside)] as const;
    return hashParent(
      node?.nodeType === 'parent' ? lessUnmerged(node.parent, inside) : undefined,
      children,
      this.#hash,
    );
  }
}

function lessUnmerged(parent: ParentNode, leaves: readonly number[]): ParentNode {
  const gone = new Set(leaves);
  return { ...parent, unmergedLeaves: parent.unmergedLeaves.filter((leaf) => !gone.has(leaf)) };
}

function hashLeaf(tree: RatchetTree, index: number, hash: Hash): Promise<Uint8Array> {
  const node = tree[index];
  const leafNode = node?.nodeType === 'leaf' ? node.leaf : undefined;
  return hash.digest(encodeTreeHashInput({ nodeType: 'leaf', leafIndex: index / 2, leafNode }));
}

function hashParent(
  parentNode: ParentNode | undefined,
  [leftHash, rightHash]: readonly [Uint8Array, Uint8Array],
  hash: Hash,
): Promise<Uint8Array> {
  return hash.digest(encodeTreeHashInput({ nodeType: 'parent', parentNode, leftHash, rightHash }));
}

function at(hashes: readonly Uint8Array[], index: number): Uint8Array {
  const found = hashes[index];
  if (found === undefined) throw new RangeError(`no tree hash at node ${index}`);
  return found;
}
