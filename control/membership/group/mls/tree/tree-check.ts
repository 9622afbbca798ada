/**
 * Judges a ratchet tree that came from outside, in a Welcome or a GroupInfo, before a key in it is used.
 *
 *   1 structure: leaves at even places, 2^d − 1 nodes    4 leaves: signature, PeerId, capabilities
 *   2 unmerged leaves: below, not blank, listed between   5 parent hashes
 *   3 no key twice                                        6 the hash of the whole tree
 *
 * Stands in for ts-mls's validateRatchetTree, which takes time by the square of the tree, and which refuses trees where
 * parents have different unmerged leaves. The pool's threads only.
 *
 * @see RFC 9420 §12.4.3.1, §7.3 (leaves), §7.9.2 (parents)
 * @see docs/adr/0012-quadratic-group-join.md
 */
import type { CiphersuiteImpl } from 'ts-mls';
import { decodeOptional } from 'ts-mls/codec/optional.js';
import { determineLength } from 'ts-mls/codec/variableLength.js';
import { extensionsSupportedByCapabilities } from 'ts-mls/extension.js';
import type { GroupContext } from 'ts-mls/groupContext.js';
import {
  type LeafNode,
  verifyLeafNodeSignature,
  verifyLeafNodeSignatureKeyPackage,
} from 'ts-mls/leafNode.js';
import { decodeNode, extendRatchetTree, type Node, type RatchetTree } from 'ts-mls/ratchetTree.js';
import { requireValid } from '../group-failure.ts';
import { rosterOf } from '../leaf-identity.ts';
import { TREE_NODES_MAX } from '../profile.ts';
import { type Vouchers, vouchersOf } from './parent-hashes.ts';
import { TreeHashes } from './tree-hashes.ts';
import { childrenOf, isUnder, parentOf } from './tree-math.ts';

/**
 * Reads a ratchet_tree extension, no further than the largest tree that a group here may have.
 *
 * @throws GroupFailure `invalid`, or what ts-mls throws at bytes that it cannot read
 */
export function readTree(bytes: Uint8Array): RatchetTree {
  const { length, lengthFieldSize } = determineLength(bytes, 0);
  requireValid(lengthFieldSize + length === bytes.length, 'a ratchet tree of another length than it says');
  const nodes: (Node | undefined)[] = [];
  for (let offset = lengthFieldSize; offset < bytes.length; ) {
    requireValid(nodes.length < TREE_NODES_MAX, `a ratchet tree of more than ${TREE_NODES_MAX} nodes`);
    const decoded = decodeOptional(decodeNode)(bytes, offset);
    requireValid(decoded !== undefined, 'a ratchet tree with a node that cannot be read');
    nodes.push(decoded[0]);
    offset += decoded[1];
  }
  requireValid(nodes.length > 0, 'an empty ratchet tree');
  return extendRatchetTree(nodes);
}

/**
 * Judges a tree.
 *
 * @throws GroupFailure `invalid` with what does not hold, or what ts-mls throws at bytes that it cannot read
 */
export async function checkTree(
  tree: RatchetTree,
  context: GroupContext,
  suite: CiphersuiteImpl,
): Promise<void> {
  checkStructure(tree);
  checkUnmergedLeaves(tree);
  checkKeysDiffer(tree);
  requireValid(
    rosterOf(tree) !== undefined,
    'a leaf does not match its PeerId, or two leaves are of one peer',
  );
  for (let index = 0; index < tree.length; index += 2) {
    const node = tree[index];
    if (node?.nodeType === 'leaf') await checkLeaf(node.leaf, index / 2, context, suite);
  }
  const hashes = await TreeHashes.of(tree, suite.hash);
  const vouchers = await vouchersOf(tree, hashes, suite.hash);
  requireValid(vouchers !== undefined, 'a parent hash does not hold');
  checkMerged(tree, vouchers);
  requireValid(
    Buffer.compare(hashes.root, context.treeHash) === 0,
    'the tree is not the one that was signed',
  );
}

function checkStructure(tree: RatchetTree): void {
  requireValid((tree.length & (tree.length + 1)) === 0, 'a ratchet tree that is not full');
  for (const [index, node] of tree.entries()) {
    const expected = index % 2 === 0 ? 'leaf' : 'parent';
    requireValid(
      node === undefined || node.nodeType === expected,
      'a leaf and a parent in each other’s place',
    );
  }
}

/** Each is below its parent, in use, listed once, and listed by the parents between. */
export function checkUnmergedLeaves(tree: RatchetTree): void {
  for (const [index, node] of tree.entries()) {
    if (node?.nodeType !== 'parent') continue;
    const listed = new Set(node.parent.unmergedLeaves);
    requireValid(listed.size === node.parent.unmergedLeaves.length, 'an unmerged leaf is listed twice');
    for (const leaf of listed) {
      const isBelow = isUnder(leaf * 2, index) && tree[leaf * 2] !== undefined;
      requireValid(isBelow, 'an unmerged leaf is not below its parent');
      requireValid(isListedBetween(tree, leaf, index), 'an unmerged leaf is not listed by a parent between');
    }
  }
}

function isListedBetween(tree: RatchetTree, leaf: number, top: number): boolean {
  for (let index = parentOf(leaf * 2); index !== top; index = parentOf(index)) {
    const node = tree[index];
    if (node?.nodeType === 'parent' && !node.parent.unmergedLeaves.includes(leaf)) return false;
  }
  return true;
}

function checkKeysDiffer(tree: RatchetTree): void {
  const keys = new Set<string>();
  for (const node of tree) {
    if (node === undefined) continue;
    const { hpkePublicKey } = node.nodeType === 'leaf' ? node.leaf : node.parent;
    const key = Buffer.from(hpkePublicKey).toString('latin1');
    requireValid(!keys.has(key), 'two nodes have one key');
    keys.add(key);
  }
}

async function checkLeaf(
  leaf: LeafNode,
  leafIndex: number,
  { groupId, extensions, cipherSuite }: GroupContext,
  suite: CiphersuiteImpl,
): Promise<void> {
  const isSigned =
    leaf.leafNodeSource === 'key_package'
      ? await verifyLeafNodeSignatureKeyPackage(leaf, suite.signature)
      : await verifyLeafNodeSignature(leaf, groupId, leafIndex, suite.signature);
  requireValid(isSigned, `leaf ${leafIndex} is not signed by its key`);
  const { capabilities } = leaf;
  requireValid(
    capabilities.credentials.includes('basic') &&
      capabilities.ciphersuites.includes(cipherSuite) &&
      extensionsSupportedByCapabilities([...extensions, ...leaf.extensions], capabilities),
    `leaf ${leafIndex} cannot do what the group needs`,
  );
}

/**
 * What was not merged into a parent when it was made is just what it lists: everybody else below knows its key.
 *
 * @see RFC 9420 §7.9.2, third condition
 */
function checkMerged(tree: RatchetTree, vouchers: Vouchers): void {
  for (const [parent, node] of vouchers) {
    const content = tree[parent];
    if (content?.nodeType !== 'parent') continue;
    const side = childrenOf(parent)[node < parent ? 0 : 1];
    const listed = content.parent.unmergedLeaves.filter((leaf) => isUnder(leaf * 2, side));
    const others = resolutionOf(tree, side).filter((index) => index !== node);
    const isSame = others.length === listed.length && listed.every((leaf) => others.includes(leaf * 2));
    requireValid(isSame, 'a parent’s key is not known to all who are below it');
  }
}

/** The nodes whose keys reach everybody in a subtree. @see RFC 9420 §4.1.1 */
function resolutionOf(tree: RatchetTree, top: number): readonly number[] {
  const node = tree[top];
  if (node?.nodeType === 'leaf') return [top];
  if (node !== undefined) return [top, ...node.parent.unmergedLeaves.map((leaf) => leaf * 2)];
  return top % 2 === 0 ? [] : childrenOf(top).flatMap((child) => resolutionOf(tree, child));
}
