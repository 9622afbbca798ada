/**
 * Comes into a group by a commit of one's own, with what a member wrote for outsiders; an own older leaf goes by it.
 *
 * Out of ts-mls's own pieces, in the order of its joinGroupExternal, but with tree-check.ts in place of a check whose
 * time grows by the square of the tree. The pool's threads.
 *
 * @see RFC 9420 §12.4.3.2 (joining via external commits)
 */
import type { CiphersuiteImpl, ClientState, Proposal } from 'ts-mls';
import { exportSecret } from 'ts-mls/clientState.js';
import type { GroupInfo } from 'ts-mls/groupInfo.js';
import { pathToPathSecrets } from 'ts-mls/pathSecrets.js';
import { toPrivateKeyPath, updateLeafKey } from 'ts-mls/privateKeyPath.js';
import { addLeafNode, type RatchetTree, removeLeafNode } from 'ts-mls/ratchetTree.js';
import { nodeToLeafIndex, toLeafIndex } from 'ts-mls/treemath.js';
import { createUpdatePath, type PathSecret } from 'ts-mls/updatePath.js';
import type { CommitFacts, StateId } from '../group-port.ts';
import { freshKeyPackage, type JobContext, ownPeer } from './group-context.ts';
import { GroupFailure, requireValid } from './group-failure.ts';
import { checkGroupInfo } from './join-group.ts';
import { leafOfPeer, rosterOf } from './leaf-identity.ts';
import { requireSuite } from './messages.ts';
import { enteredState, MEMBERS_MAX } from './profile.ts';
import { sealCommit } from './seal-commit.ts';

/** What coming in gives. */
export interface MadeExternalCommit {
  readonly commit: Uint8Array;
  readonly id: StateId;
  readonly state: ClientState;
  readonly facts: CommitFacts;
}

/** The tree with this node's new leaf and its path. */
interface Entered {
  readonly tree: RatchetTree;
  readonly path: Awaited<ReturnType<typeof createUpdatePath>>[1];
  readonly pathSecrets: PathSecret[];
  readonly leafPrivateKey: Uint8Array;
  readonly leafIndex: number;
  readonly removedLeaf: number | undefined;
}

const NOTHING = new Uint8Array(0);

/**
 * Makes the commit.
 *
 * @throws GroupFailure, or what ts-mls throws at a GroupInfo that does not hold
 */
export async function makeExternalCommit(
  info: GroupInfo,
  context: JobContext,
  suite: CiphersuiteImpl,
): Promise<MadeExternalCommit> {
  const tree = await checkGroupInfo(info, context.vlanId, suite);
  const externalPub = info.extensions.find(({ extensionType }) => extensionType === 'external_pub');
  requireValid(externalPub !== undefined, 'a GroupInfo without a key for outsiders');
  const { enc, secret: initSecret } = await exportSecret(externalPub.extensionData, suite);
  const entered = await enterTree(tree, info, context, suite);
  const proposals: Proposal[] = [{ proposalType: 'external_init', externalInit: { kemOutput: enc } }];
  if (entered.removedLeaf !== undefined) {
    proposals.unshift({ proposalType: 'remove', remove: { removed: entered.removedLeaf } });
  }
  const sealed = await sealCommit(
    {
      from: { ...info, initSecret, membershipKey: NOTHING },
      provisional: info.groupContext,
      tree: entered.tree,
      pathSecrets: entered.pathSecrets,
      content: {
        proposals: proposals.map((proposal) => ({ proposalOrRefType: 'proposal', proposal })),
        path: entered.path,
      },
      sender: { senderType: 'new_member_commit' },
      signKey: context.signer.seed,
    },
    suite,
  );
  const state = enteredState({
    groupContext: sealed.groupContext,
    ratchetTree: entered.tree,
    privatePath: await ownPath(entered, suite),
    signaturePrivateKey: context.signer.seed,
    confirmationTag: sealed.confirmationTag,
    keySchedule: sealed.secrets.keySchedule,
  });
  const committer = ownPeer(context);
  const removed = entered.removedLeaf === undefined ? [] : [committer];
  return {
    commit: sealed.commit,
    id: sealed.id,
    state,
    facts: { committer, added: [committer], removed, isExternal: true },
  };
}

async function enterTree(
  outside: RatchetTree,
  info: GroupInfo,
  context: JobContext,
  suite: CiphersuiteImpl,
): Promise<Entered> {
  const removedLeaf = leafOfPeer({ ratchetTree: outside }, ownPeer(context));
  if (removedLeaf === undefined && (rosterOf(outside)?.length ?? 0) >= MEMBERS_MAX) {
    throw new GroupFailure('limit', `a group has at most ${MEMBERS_MAX} members`);
  }
  const cleared = removedLeaf === undefined ? outside : removeLeafNode(outside, toLeafIndex(removedLeaf));
  const { publicPackage } = await freshKeyPackage(context, requireSuite(suite.name));
  const [withLeaf, node] = addLeafNode(cleared, publicPackage.leafNode);
  const leafIndex = nodeToLeafIndex(node);
  const [tree, path, pathSecrets, leafKey] = await createUpdatePath(
    withLeaf,
    leafIndex,
    info.groupContext,
    context.signer.seed,
    suite,
  );
  const leafPrivateKey = await suite.hpke.exportPrivateKey(leafKey);
  return { tree, path, pathSecrets, leafPrivateKey, leafIndex, removedLeaf };
}

async function ownPath(
  { pathSecrets, leafIndex, leafPrivateKey }: Entered,
  suite: CiphersuiteImpl,
): Promise<ClientState['privatePath']> {
  const path = await toPrivateKeyPath(pathToPathSecrets(pathSecrets), leafIndex, suite);
  return updateLeafKey(path, leafPrivateKey);
}
