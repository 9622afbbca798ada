/**
 * Grows ratchet trees at random out of ts-mls's own steps: members come in, go and renew their keys, so that blank
 * nodes, unmerged leaves and parents of every age lie side by side.
 */
import type { CiphersuiteImpl } from 'ts-mls';
import type { GroupContext } from 'ts-mls/groupContext.js';
import { generateKeyPackageWithKey } from 'ts-mls/keyPackage.js';
import { addLeafNode, type RatchetTree, removeLeafNode } from 'ts-mls/ratchetTree.js';
import { treeHashRoot } from 'ts-mls/treeHash.js';
import { toLeafIndex } from 'ts-mls/treemath.js';
import { createUpdatePath } from 'ts-mls/updatePath.js';
import { peerIdBytes } from '../../../../identity/peer-id.ts';
import { capabilitiesOf, lifetimeFrom } from '../profile.ts';

/** A source of numbers below a bound. */
export type Chance = (below: number) => number;

/** Mulberry32: small, seeded, good enough to wander. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A tree that grows, and what its members sign with. */
export class RandomTree {
  tree: RatchetTree = [];
  readonly #suite: CiphersuiteImpl;
  readonly #keys = new Map<number, Uint8Array>();

  constructor(suite: CiphersuiteImpl) {
    this.#suite = suite;
  }

  /** Takes some random steps from a lone member on. */
  async grow(steps: number, chance: Chance): Promise<void> {
    await this.add();
    for (let step = 0; step < steps; step++) {
      const leaves = [...this.#keys.keys()];
      const leaf = leaves[chance(leaves.length)] ?? 0;
      const kind = chance(10);
      if (kind < 5 || leaves.length < 3) await this.add();
      else if (kind < 7) this.remove(leaf);
      else await this.renew(leaf);
    }
  }

  /** Somebody comes in, at the first free leaf. */
  async add(): Promise<void> {
    const { signKey, publicKey } = await this.#suite.signature.keygen();
    const { publicPackage } = await generateKeyPackageWithKey(
      { credentialType: 'basic', identity: peerIdBytes(publicKey) },
      capabilitiesOf('x25519'),
      lifetimeFrom(1_000_000_000_000),
      [],
      { signKey, publicKey },
      this.#suite,
    );
    if (this.tree.length === 0) {
      this.tree = [{ nodeType: 'leaf', leaf: publicPackage.leafNode }];
      this.#keys.set(0, signKey);
      return;
    }
    const [tree, node] = addLeafNode(this.tree, publicPackage.leafNode);
    this.tree = tree;
    this.#keys.set(node / 2, signKey);
  }

  /** Somebody goes. */
  remove(leaf: number): void {
    this.tree = removeLeafNode(this.tree, toLeafIndex(leaf));
    this.#keys.delete(leaf);
  }

  /** Somebody renews its keys, up to the root. */
  async renew(leaf: number): Promise<void> {
    const context = await this.context();
    const [tree] = await createUpdatePath(
      this.tree,
      toLeafIndex(leaf),
      context,
      this.#keys.get(leaf) ?? new Uint8Array(0),
      this.#suite,
    );
    this.tree = tree;
  }

  /** The GroupContext that names the tree. */
  async context(): Promise<GroupContext> {
    return {
      version: 'mls10',
      cipherSuite: this.#suite.name,
      groupId: Uint8Array.of(1, 2, 3),
      epoch: 7n,
      treeHash: await treeHashRoot(this.tree, this.#suite.hash),
      confirmedTranscriptHash: new Uint8Array(0),
      extensions: [],
    };
  }
}
