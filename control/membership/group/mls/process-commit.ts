/**
 * Follows another member's commit, or one that brings a newcomer in.
 *
 * The pool's threads.
 *
 * @see RFC 9420 §12.4.2 (processing a commit)
 */
import {
  type CiphersuiteImpl,
  type ClientState,
  emptyPskIndex,
  type PublicMessage,
  processPublicMessage,
} from 'ts-mls';
import { applyProposals } from 'ts-mls/clientState.js';
import { unprotectPublicMessage } from 'ts-mls/messageProtectionPublic.js';
import { toLeafIndex } from 'ts-mls/treemath.js';
import type { CommitFacts } from '../group-port.ts';
import { readCommitContent } from './commit-content.ts';
import { requireValid } from './group-failure.ts';
import { rosterOf } from './leaf-identity.ts';
import { withCheckedKeys } from './own-keys.ts';
import { leanState, policyIn } from './profile.ts';

/** What following a commit gives. */
export interface FollowedCommit {
  /** Undefined when the commit removes this node's leaf. */
  readonly state: ClientState | undefined;
  readonly facts: CommitFacts;
}

/**
 * Follows a commit from a state, which stays as it is.
 *
 * @throws GroupFailure, or what ts-mls throws at a commit that does not hold
 */
export async function followCommit(
  base: ClientState,
  message: PublicMessage,
  suite: CiphersuiteImpl,
): Promise<FollowedCommit> {
  const { facts, removedLeaves } = readCommitContent(base, message);
  if (removedLeaves.includes(base.privatePath.leafIndex)) {
    await checkOwnRemoval(base, message, suite);
    return { state: undefined, facts };
  }
  const { newState } = await processPublicMessage(base, message, emptyPskIndex, suite);
  const state = withCheckedKeys(leanState(newState));
  requireValid(rosterOf(state.ratchetTree) !== undefined, 'a leaf that does not match its PeerId came in');
  policyIn(state.groupContext.extensions);
  return { state, facts };
}

/**
 * What the one who is removed can still check: the sender, its signature, its membership, the proposals. The keys of
 * the next epoch are closed to it. (ts-mls takes a leaf that was given to somebody else at once for still its own.)
 */
async function checkOwnRemoval(
  base: ClientState,
  message: PublicMessage,
  suite: CiphersuiteImpl,
): Promise<void> {
  const { membershipKey } = base.keySchedule;
  await unprotectPublicMessage(membershipKey, base.groupContext, base.ratchetTree, message, suite);
  const { content } = message;
  if (content.contentType !== 'commit' || content.sender.senderType !== 'member') return;
  const committer = toLeafIndex(content.sender.leafIndex);
  await applyProposals(base, content.commit.proposals, committer, emptyPskIndex, false, suite);
}
