/**
 * Comes into a group by a Welcome.
 *
 *   Welcome ──init key──▶ group secrets ──▶ GroupInfo ──▶ tree checked ──▶ own leaf ──▶ keys of the epoch
 *
 * Out of ts-mls's own pieces, in the order of its joinGroup, but with tree-check.ts in place of a check whose time
 * grows by the square of the tree. The pool's threads.
 *
 * @see RFC 9420 §12.4.3.1 (joining via Welcome)
 */
import type { CiphersuiteImpl, ClientState, KeyPackage, Welcome } from 'ts-mls';
import type { GroupInfo } from 'ts-mls/groupInfo.js';
import { verifyGroupInfoConfirmationTag, verifyGroupInfoSignature } from 'ts-mls/groupInfo.js';
import type { GroupSecrets } from 'ts-mls/groupSecrets.js';
import { makeKeyPackageRef, type PrivateKeyPackage } from 'ts-mls/keyPackage.js';
import { deriveKeySchedule } from 'ts-mls/keySchedule.js';
import { pathToRoot } from 'ts-mls/pathSecrets.js';
import { mergePrivateKeyPaths, type PrivateKeyPath, toPrivateKeyPath } from 'ts-mls/privateKeyPath.js';
import { findLeafIndex, type RatchetTree } from 'ts-mls/ratchetTree.js';
import { type LeafIndex, leafToNodeIndex, toLeafIndex } from 'ts-mls/treemath.js';
import { firstCommonAncestor } from 'ts-mls/updatePath.js';
import { decryptGroupInfo, decryptGroupSecrets } from 'ts-mls/welcome.js';
import type { StateId } from '../group-port.ts';
import { requireValid } from './group-failure.ts';
import { withCheckedKeys } from './own-keys.ts';
import { enteredState, policyIn, requireOwnGroup, stateIdIn } from './profile.ts';
import { checkTree, readTree } from './tree/tree-check.ts';

/** A key package of this node, with its private keys. */
export interface OwnKeyPackage {
  readonly publicPackage: KeyPackage;
  readonly privatePackage: PrivateKeyPackage;
}

/**
 * Comes in.
 *
 * @param vlanId - whose group it must be
 * @throws GroupFailure, or what ts-mls throws at a Welcome that does not hold
 */
export async function joinByWelcome(
  welcome: Welcome,
  { publicPackage, privatePackage }: OwnKeyPackage,
  vlanId: Uint8Array,
  suite: CiphersuiteImpl,
): Promise<{ readonly id: StateId; readonly state: ClientState }> {
  requireValid(welcome.cipherSuite === publicPackage.cipherSuite, 'a Welcome of another cipher suite');
  const ref = await makeKeyPackageRef(publicPackage, suite.hash);
  const initKey = await suite.hpke.importPrivateKey(privatePackage.initPrivateKey);
  const secrets = await decryptGroupSecrets(initKey, ref, welcome, suite.hpke);
  requireValid(secrets !== undefined && secrets.psks.length === 0, 'group secrets that cannot be used');
  const noPsk = new Uint8Array(suite.kdf.size);
  const info = await decryptGroupInfo(welcome, secrets.joinerSecret, noPsk, suite);
  requireValid(info !== undefined, 'a GroupInfo that cannot be read');
  const tree = await checkGroupInfo(info, vlanId, suite);
  requireValid(
    await verifyGroupInfoConfirmationTag(info, secrets.joinerSecret, noPsk, suite),
    'the confirmation tag does not hold',
  );
  const ownLeaf = findLeafIndex(tree, publicPackage.leafNode);
  requireValid(ownLeaf !== undefined, 'this node’s leaf is not in the tree');
  const [keySchedule] = await deriveKeySchedule(secrets.joinerSecret, noPsk, info.groupContext, suite.kdf);
  const ownPath: PrivateKeyPath = {
    leafIndex: ownLeaf,
    privateKeys: { [leafToNodeIndex(ownLeaf)]: privatePackage.hpkePrivateKey },
  };
  const state = enteredState({
    groupContext: info.groupContext,
    ratchetTree: tree,
    privatePath: mergePrivateKeyPaths(await sharedPath(info, tree, ownLeaf, secrets, suite), ownPath),
    signaturePrivateKey: privatePackage.signaturePrivateKey,
    confirmationTag: info.confirmationTag,
    keySchedule,
  });
  return { id: stateIdIn(info.extensions), state: withCheckedKeys(state) };
}

/**
 * Judges a GroupInfo: group, policy, signer, tree.
 *
 * @returns the tree in it
 * @throws GroupFailure, or what ts-mls throws at bytes that it cannot read
 */
export async function checkGroupInfo(
  info: GroupInfo,
  vlanId: Uint8Array,
  suite: CiphersuiteImpl,
): Promise<RatchetTree> {
  const { groupContext, extensions, signer } = info;
  requireOwnGroup(groupContext.groupId, vlanId);
  requireValid(groupContext.cipherSuite === suite.name, 'a GroupInfo of another cipher suite');
  policyIn(groupContext.extensions);
  const encoded = extensions.find(({ extensionType }) => extensionType === 'ratchet_tree');
  requireValid(encoded !== undefined, 'a GroupInfo without its tree');
  const tree = readTree(encoded.extensionData);
  const signerNode = tree[signer * 2];
  requireValid(signerNode?.nodeType === 'leaf', 'a GroupInfo signed by a leaf that is not in use');
  const isSigned = await verifyGroupInfoSignature(info, signerNode.leaf.signaturePublicKey, suite.signature);
  requireValid(isSigned, 'a GroupInfo whose signature does not hold');
  await checkTree(tree, groupContext, suite);
  return tree;
}

/** The keys of the nodes from the one shared with the committer up to the root; none when there was no path. */
async function sharedPath(
  info: GroupInfo,
  tree: RatchetTree,
  ownLeaf: LeafIndex,
  { pathSecret }: GroupSecrets,
  suite: CiphersuiteImpl,
): Promise<PrivateKeyPath> {
  if (pathSecret === undefined) return { leafIndex: ownLeaf, privateKeys: {} };
  const shared = firstCommonAncestor(tree, ownLeaf, toLeafIndex(info.signer));
  return toPrivateKeyPath(await pathToRoot(tree, shared, pathSecret, suite.kdf), ownLeaf, suite);
}
