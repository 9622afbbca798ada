/**
 * Judges what a commit asks for, before ts-mls applies it: who commits, who comes in, who goes, and that nobody passes
 * for another.
 *
 * ts-mls checks signatures, tags and the tree; what it leaves to the application or lets through is refused here:
 * proposals by reference and of unused kinds, a committer that takes another PeerId, an external commit that removes
 * somebody else, two leaves of one peer, a new policy without fresh keys. Whether a member was entitled to its commit
 * is the caller's to judge. Pure functions; the pool's threads.
 *
 * @see RFC 9420 §12.2 (lists of proposals), §12.4 (commits)
 */
import type { ClientState, Proposal, PublicMessage } from 'ts-mls';
import type { Commit } from 'ts-mls/commit.js';
import type { UpdatePath } from 'ts-mls/updatePath.js';
import type { CommitFacts } from '../group-port.ts';
import { GroupFailure, requireValid } from './group-failure.ts';
import { peerAtLeaf, peerOfLeaf, rosterOf } from './leaf-identity.ts';
import { MEMBERS_MAX, policyIn } from './profile.ts';

/** What a commit asks for. */
export interface CommitContent {
  readonly facts: CommitFacts;
  readonly removedLeaves: readonly number[];
}

/** Each member goes and comes in again, with a new policy: more proposals make no sense. */
const PROPOSALS_MAX = 2 * MEMBERS_MAX + 1;

/**
 * Reads what a commit asks for.
 *
 * @param state - the state that it is made from; unchanged
 * @throws GroupFailure `invalid` or `limit`
 */
export function readCommitContent(state: ClientState, { content }: PublicMessage): CommitContent {
  requireValid(content.contentType === 'commit', 'no commit');
  const { groupId, epoch, sender, commit } = content;
  requireValid(Buffer.compare(groupId, state.groupContext.groupId) === 0, 'a commit of another group');
  requireValid(epoch === state.groupContext.epoch, 'a commit of another epoch');
  const proposals = inlineProposals(commit);
  if (sender.senderType === 'member') return memberCommit(state, sender.leafIndex, proposals, commit.path);
  requireValid(sender.senderType === 'new_member_commit', 'a commit of neither a member nor a newcomer');
  return externalCommit(state, proposals, commit.path);
}

function inlineProposals({ proposals }: Commit): readonly Proposal[] {
  requireValid(proposals.length <= PROPOSALS_MAX, `${proposals.length} proposals in one commit`);
  return proposals.map((entry) => {
    requireValid(entry.proposalOrRefType === 'proposal', 'a proposal by reference');
    return entry.proposal;
  });
}

function memberCommit(
  state: ClientState,
  committerLeaf: number,
  proposals: readonly Proposal[],
  path: UpdatePath | undefined,
): CommitContent {
  const committer = peerAtLeaf(state.ratchetTree, committerLeaf);
  requireValid(committer !== undefined, 'a commit of a leaf that is not in use');
  const removedLeaves: number[] = [];
  const added: string[] = [];
  let policies = 0;
  for (const proposal of proposals) {
    switch (proposal.proposalType) {
      case 'add':
        added.push(peerOfKeyPackageLeaf(proposal.add.keyPackage));
        break;
      case 'remove':
        removedLeaves.push(proposal.remove.removed);
        break;
      case 'group_context_extensions':
        policyIn(proposal.groupContextExtensions.extensions);
        policies++;
        break;
      default:
        throw new GroupFailure('invalid', `a proposal of the kind ${proposal.proposalType}`);
    }
  }
  // RFC 9420 §12.4: only a list of nothing but adds goes without a path.
  const needsPath = proposals.length === 0 || removedLeaves.length > 0 || policies > 0;
  requireValid(path !== undefined || !needsPath, 'a commit without fresh keys');
  requireValid(
    path === undefined || peerOfLeaf(path.leafNode) === committer,
    'a committer that takes another PeerId',
  );
  return { facts: factsOf(state, { committer, added, removedLeaves, isExternal: false }), removedLeaves };
}

function externalCommit(
  state: ClientState,
  proposals: readonly Proposal[],
  path: UpdatePath | undefined,
): CommitContent {
  requireValid(path !== undefined, 'an external commit without a path');
  const committer = peerOfLeaf(path.leafNode);
  requireValid(committer !== undefined, 'a newcomer whose key is not that of its PeerId');
  const removedLeaves: number[] = [];
  let inits = 0;
  for (const proposal of proposals) {
    if (proposal.proposalType === 'external_init') {
      inits++;
    } else {
      requireValid(
        proposal.proposalType === 'remove',
        'an external commit with other proposals than its own',
      );
      removedLeaves.push(proposal.remove.removed);
    }
  }
  requireValid(
    inits === 1 && removedLeaves.length <= 1,
    'an external commit with too many or too few proposals',
  );
  const isOwn = removedLeaves.every((leaf) => peerAtLeaf(state.ratchetTree, leaf) === committer);
  requireValid(isOwn, 'an external commit that removes somebody else');
  const facts = factsOf(state, { committer, added: [committer], removedLeaves, isExternal: true });
  return { facts, removedLeaves };
}

function peerOfKeyPackageLeaf({ leafNode }: { readonly leafNode: Parameters<typeof peerOfLeaf>[0] }): string {
  const peer = peerOfLeaf(leafNode);
  requireValid(peer !== undefined, 'a key package whose key is not that of its PeerId');
  return peer;
}

/** Who goes and who comes, and that nobody is then in twice. */
function factsOf(
  state: ClientState,
  change: {
    readonly committer: string;
    readonly added: readonly string[];
    readonly removedLeaves: readonly number[];
    readonly isExternal: boolean;
  },
): CommitFacts {
  const { committer, added, removedLeaves, isExternal } = change;
  requireValid(new Set(removedLeaves).size === removedLeaves.length, 'a leaf is removed twice');
  const removed = removedLeaves.map((leaf) => {
    const peer = peerAtLeaf(state.ratchetTree, leaf);
    requireValid(peer !== undefined, 'a leaf is removed that is not in use');
    return peer;
  });
  const present = new Set((rosterOf(state.ratchetTree) ?? []).map(({ peer }) => peer));
  for (const peer of removed) present.delete(peer);
  for (const peer of added) {
    requireValid(!present.has(peer), `${peer} comes in but is in already`);
    present.add(peer);
  }
  if (present.size > MEMBERS_MAX) {
    throw new GroupFailure('limit', `a group has at most ${MEMBERS_MAX} members`);
  }
  return { committer, added, removed, isExternal };
}
