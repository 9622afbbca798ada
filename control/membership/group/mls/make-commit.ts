/**
 * Makes a commit, the state that it leads to, and the Welcome for those whom it adds.
 *
 *   proposals ──▶ tree ──▶ update path ──▶ commit (seal-commit.ts) ──▶ Welcome
 *
 * Out of ts-mls's own pieces, in the order of its createCommit, with three differences: a path is encrypted under the
 * new GroupContext extensions, as its receivers expect (ts-mls takes the old ones, so that a Remove with a new policy
 * reaches nobody); a new policy always brings fresh keys; and the Welcome names the state. The pool's threads.
 *
 * @see RFC 9420 §12.4.1 (creating a commit), §12.4.3.1 (Welcome)
 */
import type { CiphersuiteImpl, ClientState, KeyPackage, Proposal } from 'ts-mls';
import { emptyPskIndex } from 'ts-mls';
import { applyProposals } from 'ts-mls/clientState.js';
import { createGroupInfo } from 'ts-mls/createCommit.js';
import type { GroupContext } from 'ts-mls/groupContext.js';
import { makeKeyPackageRef } from 'ts-mls/keyPackage.js';
import { pathToPathSecrets } from 'ts-mls/pathSecrets.js';
import { mergePrivateKeyPaths, toPrivateKeyPath, updateLeafKey } from 'ts-mls/privateKeyPath.js';
import { encodeRatchetTree, type RatchetTree } from 'ts-mls/ratchetTree.js';
import { type LeafIndex, leafToNodeIndex, toLeafIndex } from 'ts-mls/treemath.js';
import {
  createUpdatePath,
  firstCommonAncestor,
  type PathSecret,
  type UpdatePath,
} from 'ts-mls/updatePath.js';
import { encryptGroupInfo, encryptGroupSecrets, type Welcome } from 'ts-mls/welcome.js';
import type { StateId } from '../group-port.ts';
import { GroupFailure } from './group-failure.ts';
import { writeMessage } from './messages.ts';
import { leanState, stateIdExtension } from './profile.ts';
import { type SealedCommit, sealCommit } from './seal-commit.ts';

/** What making a commit gives. */
export interface MadeCommit {
  readonly commit: Uint8Array;
  readonly id: StateId;
  readonly state: ClientState;
  /** There when somebody was added. */
  readonly welcome: Uint8Array | undefined;
}

/** The tree after the proposals and the path. */
interface Grown {
  readonly tree: RatchetTree;
  readonly path: UpdatePath | undefined;
  readonly pathSecrets: readonly PathSecret[];
  readonly leafPrivateKey: Uint8Array | undefined;
}

/**
 * Makes a commit of these proposals; fresh keys come with all but a list of adds.
 *
 * @throws what ts-mls throws at proposals that do not hold; GroupFailure `limit`
 */
export async function makeCommit(
  state: ClientState,
  proposals: readonly Proposal[],
  suite: CiphersuiteImpl,
): Promise<MadeCommit> {
  const ownLeaf = toLeafIndex(state.privatePath.leafIndex);
  const inline = proposals.map((proposal) => ({ proposalOrRefType: 'proposal' as const, proposal }));
  const applied = await applyProposals(state, inline, ownLeaf, emptyPskIndex, true, suite);
  const { additionalResult: result } = applied;
  if (result.kind !== 'memberCommit') throw new GroupFailure('failed', 'a commit of unexpected proposals');
  const extensions = result.extensions.length > 0 ? result.extensions : state.groupContext.extensions;
  const provisional: GroupContext = { ...state.groupContext, extensions };
  const needsPath = applied.needsUpdatePath || result.extensions.length > 0;
  const grown = needsPath
    ? await growPath(state, { tree: applied.tree, provisional, added: result.addedLeafNodes }, suite)
    : { tree: applied.tree, path: undefined, pathSecrets: [], leafPrivateKey: undefined };
  const sealed = await sealCommit(
    {
      from: { ...state, ...state.keySchedule },
      provisional,
      tree: grown.tree,
      pathSecrets: grown.pathSecrets,
      content: { proposals: inline, path: grown.path },
      sender: { senderType: 'member', leafIndex: ownLeaf },
      signKey: state.signaturePrivateKey,
    },
    suite,
  );
  const next = leanState({
    ...state,
    groupContext: sealed.groupContext,
    ratchetTree: grown.tree,
    keySchedule: sealed.secrets.keySchedule,
    privatePath: await ownPath(state, grown, suite),
    confirmationTag: sealed.confirmationTag,
  });
  const welcome = await makeWelcome(next, sealed, { grown, added: result.addedLeafNodes }, suite);
  return { commit: sealed.commit, id: sealed.id, state: next, welcome };
}

async function growPath(
  state: ClientState,
  change: {
    readonly tree: RatchetTree;
    readonly provisional: GroupContext;
    readonly added: readonly [LeafIndex, KeyPackage][];
  },
  suite: CiphersuiteImpl,
): Promise<Grown> {
  // Who is added gets the path secret in the Welcome.
  const newcomers = change.added.map(([leaf]) => leafToNodeIndex(leaf));
  const [tree, path, pathSecrets, leafKey] = await createUpdatePath(
    change.tree,
    toLeafIndex(state.privatePath.leafIndex),
    change.provisional,
    state.signaturePrivateKey,
    suite,
    newcomers,
  );
  return { tree, path, pathSecrets, leafPrivateKey: await suite.hpke.exportPrivateKey(leafKey) };
}

async function ownPath(
  { privatePath }: ClientState,
  { pathSecrets, leafPrivateKey }: Grown,
  suite: CiphersuiteImpl,
): Promise<ClientState['privatePath']> {
  if (leafPrivateKey === undefined) return privatePath;
  const fresh = await toPrivateKeyPath(pathToPathSecrets([...pathSecrets]), privatePath.leafIndex, suite);
  return mergePrivateKeyPaths(updateLeafKey(privatePath, leafPrivateKey), fresh);
}

async function makeWelcome(
  next: ClientState,
  { id, secrets: epoch }: SealedCommit,
  made: {
    readonly grown: Grown;
    readonly added: readonly [LeafIndex, KeyPackage][];
  },
  suite: CiphersuiteImpl,
): Promise<Uint8Array | undefined> {
  if (made.added.length === 0) return undefined;
  const ratchetTree = {
    extensionType: 'ratchet_tree' as const,
    extensionData: encodeRatchetTree(next.ratchetTree),
  };
  const extensions = [stateIdExtension(id), ratchetTree];
  const groupInfo = await createGroupInfo(next.groupContext, next.confirmationTag, next, extensions, suite);
  const encryptedGroupInfo = await encryptGroupInfo(groupInfo, epoch.welcomeSecret, suite);
  const secrets: Welcome['secrets'] = [];
  for (const [leaf, keyPackage] of made.added) {
    const initKey = await suite.hpke.importPublicKey(keyPackage.initKey);
    const { joinerSecret } = epoch;
    const groupSecrets = { joinerSecret, pathSecret: pathSecretFor(leaf, next, made.grown), psks: [] };
    const { enc, ct } = await encryptGroupSecrets(initKey, encryptedGroupInfo, groupSecrets, suite.hpke);
    const newMember = await makeKeyPackageRef(keyPackage, suite.hash);
    secrets.push({ newMember, encryptedGroupSecrets: { kemOutput: enc, ciphertext: ct } });
  }
  const welcome = { cipherSuite: next.groupContext.cipherSuite, secrets, encryptedGroupInfo };
  return writeMessage({ wireformat: 'mls_welcome', welcome });
}

/** The secret of the lowest node that a newcomer and the committer share; none when there was no path. */
function pathSecretFor(leaf: LeafIndex, next: ClientState, { pathSecrets }: Grown): Uint8Array | undefined {
  if (pathSecrets.length === 0) return undefined;
  const shared = firstCommonAncestor(next.ratchetTree, leaf, toLeafIndex(next.privatePath.leafIndex));
  return pathSecrets.find(({ nodeIndex }) => nodeIndex === shared)?.secret;
}
