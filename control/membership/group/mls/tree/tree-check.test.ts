/**
 * The linear checks of a tree beside ts-mls's: the same tree hashes, and parent hashes held for right and wrong alike,
 * on trees with blank nodes, unmerged leaves and damage of each kind.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validateRatchetTree } from 'ts-mls/clientState.js';
import { verifyParentHashes } from 'ts-mls/parentHash.js';
import { encodeRatchetTree, type Node, type RatchetTree } from 'ts-mls/ratchetTree.js';
import { treeHash, treeHashRoot } from 'ts-mls/treeHash.js';
import { toNodeIndex } from 'ts-mls/treemath.js';
import { nodeSuite } from '../crypto/node-suite.ts';
import { GroupFailure } from '../group-failure.ts';
import { LEAF_AUTHENTICATION } from '../leaf-identity.ts';
import { CLIENT_CONFIG } from '../profile.ts';
import { vouchersOf } from './parent-hashes.ts';
import { type Chance, chanceFrom, RandomTree } from './random-tree.fixture.ts';
import { checkTree, checkUnmergedLeaves, readTree } from './tree-check.ts';
import { TreeHashes } from './tree-hashes.ts';

const suite = nodeSuite('x25519');
const TREES = 40;
const DAMAGES_A_TREE = 12;

async function randomTree(seed: number): Promise<{ grown: RandomTree; chance: Chance }> {
  const chance = chanceFrom(seed);
  const grown = new RandomTree(suite);
  await grown.grow(4 + chance(36), chance);
  return { grown, chance };
}

async function holdsHere(tree: RatchetTree): Promise<boolean> {
  return (await vouchersOf(tree, await TreeHashes.of(tree, suite.hash), suite.hash)) !== undefined;
}

async function holdsThere(tree: RatchetTree): Promise<boolean> {
  try {
    return await verifyParentHashes(tree, suite.hash);
  } catch {
    return false;
  }
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at % bytes.length ? byte ^ 1 : byte));
}

/** One thing wrong with a node. */
function damaged(node: Node, chance: Chance): Node | undefined {
  if (node.nodeType === 'parent') {
    const { parent } = node;
    switch (chance(4)) {
      case 0:
        return {
          nodeType: 'parent',
          parent: { ...parent, parentHash: flipped(parent.parentHash, chance(32)) },
        };
      case 1:
        return {
          nodeType: 'parent',
          parent: { ...parent, hpkePublicKey: flipped(parent.hpkePublicKey, chance(32)) },
        };
      case 2:
        return { nodeType: 'parent', parent: { ...parent, unmergedLeaves: parent.unmergedLeaves.slice(1) } };
      default:
        return undefined;
    }
  }
  const { leaf } = node;
  if (leaf.leafNodeSource === 'commit' && chance(2) === 0) {
    return { nodeType: 'leaf', leaf: { ...leaf, parentHash: flipped(leaf.parentHash, chance(32)) } };
  }
  const changed = { ...leaf, hpkePublicKey: flipped(leaf.hpkePublicKey, chance(32)) };
  return chance(3) === 0 ? undefined : { nodeType: 'leaf', leaf: changed };
}

function isWellFormed(tree: RatchetTree): boolean {
  try {
    checkUnmergedLeaves(tree);
    return true;
  } catch {
    return false;
  }
}

describe('tree hashes', () => {
  it('are those of ts-mls at every node', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { tree } = (await randomTree(seed)).grown;
      const hashes = await TreeHashes.of(tree, suite.hash);
      assert.deepEqual(hashes.root, await treeHashRoot(tree, suite.hash));
      for (let index = 0; index < tree.length; index++) {
        const expected = await treeHash(tree, toNodeIndex(index), suite.hash);
        assert.deepEqual(await hashes.without(index, []), expected, `seed ${seed}, node ${index}`);
      }
    }
  });
});

describe('parent hashes', () => {
  it('hold, and fail to, where those of ts-mls do', async () => {
    const seen = { held: 0, failed: 0, unmerged: 0 };
    for (let seed = 0; seed < TREES; seed++) {
      const { grown, chance } = await randomTree(seed);
      const { tree } = grown;
      assert.equal(await holdsHere(tree), true, `seed ${seed}`);
      assert.equal(await holdsThere(tree), true, `seed ${seed}`);
      if (tree.some((node) => node?.nodeType === 'parent' && node.parent.unmergedLeaves.length > 0))
        seen.unmerged++;
      for (let round = 0; round < DAMAGES_A_TREE; round++) {
        const at = chance(tree.length);
        const node = tree[at];
        if (node === undefined) continue;
        const broken = tree.with(at, damaged(node, chance));
        if (!isWellFormed(broken)) continue;
        const expected = await holdsThere(broken);
        assert.equal(await holdsHere(broken), expected, `seed ${seed}, round ${round}, node ${at}`);
        seen[expected ? 'held' : 'failed']++;
      }
    }
    assert.ok(seen.held > 20 && seen.failed > 50 && seen.unmerged > 10, JSON.stringify(seen));
  });
});

describe('a tree from outside', () => {
  it('passes when members made it, whatever came before', async () => {
    for (let seed = 100; seed < 112; seed++) {
      const { grown } = await randomTree(seed);
      const context = await grown.context();
      const read = readTree(encodeRatchetTree(grown.tree));
      assert.deepEqual(encodeRatchetTree(read), encodeRatchetTree(grown.tree));
      await checkTree(read, context, suite);
    }
  });

  it('passes when parents have different unmerged leaves, where ts-mls 1.6.4 refuses', async () => {
    const grown = new RandomTree(suite);
    for (let count = 0; count < 9; count++) await grown.add();
    for (const leaf of [1, 5]) grown.remove(leaf);
    await grown.renew(0);
    for (let count = 0; count < 2; count++) await grown.add();
    const context = await grown.context();
    await checkTree(grown.tree, context, suite);
    const { lifetimeConfig } = CLIENT_CONFIG;
    const { tree } = grown;
    const error = await validateRatchetTree(
      tree,
      context,
      lifetimeConfig,
      LEAF_AUTHENTICATION,
      context.treeHash,
      suite,
    );
    // Once it no longer does, ADR 0012 and this may go.
    assert.match(error?.message ?? '', /must list leaf node in its unmerged_leaves/);
  });

  it('is refused when anything in it was changed', async () => {
    for (let seed = 200; seed < 208; seed++) {
      const { grown, chance } = await randomTree(seed);
      const context = await grown.context();
      for (let round = 0; round < DAMAGES_A_TREE; round++) {
        const at = chance(grown.tree.length);
        const node = grown.tree[at];
        if (node === undefined) continue;
        const change = damaged(node, chance);
        const isSame = change?.nodeType === 'parent' && node.nodeType === 'parent' && sameLists(change, node);
        if (isSame) continue;
        const broken = grown.tree.with(at, change);
        const changed = { ...context, treeHash: await treeHashRoot(broken, suite.hash) };
        await assert.rejects(checkTree(broken, context, suite), GroupFailure, `seed ${seed}, node ${at}`);
        if (change !== undefined) {
          // Signed anew by whoever changed it: the parents or the leaf's own signature still tell.
          await assert.rejects(checkTree(broken, changed, suite), GroupFailure, `seed ${seed}, node ${at}`);
        }
      }
    }
  });

  it('is refused with a leaf twice, a PeerId twice, or more nodes than a group has', async () => {
    const { grown } = await randomTree(1);
    const context = await grown.context();
    const first = grown.tree[0];
    assert.ok(first !== undefined);
    await assert.rejects(checkTree(grown.tree.with(2, first), context, suite), /one key/);
    const endless = Uint8Array.of(0x80, 0, 0x10, 0, ...new Uint8Array(0x1000));
    assert.throws(() => readTree(endless), /more than 2047 nodes/);
    assert.throws(() => readTree(Uint8Array.of(0)), /empty/);
  });
});

function sameLists(change: Node & { nodeType: 'parent' }, node: Node & { nodeType: 'parent' }): boolean {
  const isUntouched =
    Buffer.compare(change.parent.parentHash, node.parent.parentHash) === 0 &&
    Buffer.compare(change.parent.hpkePublicKey, node.parent.hpkePublicKey) === 0;
  return isUntouched && change.parent.unmergedLeaves.length === node.parent.unmergedLeaves.length;
}
