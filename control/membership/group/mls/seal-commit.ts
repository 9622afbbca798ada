/**
 * The second half of making a commit, the same for members and newcomers: signature, next epoch's keys, message.
 *
 *   proposals and path ──▶ signed content ──▶ GroupContext of the next epoch ──▶ its keys ──▶ confirmation tag ──▶ message
 *
 * The pool's threads.
 *
 * @see RFC 9420 §12.4.1, §8 (key schedule)
 */
import type { CiphersuiteImpl } from 'ts-mls';
import { nextEpochContext } from 'ts-mls/clientState.js';
import type { Commit } from 'ts-mls/commit.js';
import { createConfirmationTag, createContentCommitSignature } from 'ts-mls/framedContent.js';
import type { GroupContext } from 'ts-mls/groupContext.js';
import { initializeEpoch } from 'ts-mls/keySchedule.js';
import { protectPublicMessage } from 'ts-mls/messageProtectionPublic.js';
import { getCommitSecret } from 'ts-mls/pathSecrets.js';
import type { RatchetTree } from 'ts-mls/ratchetTree.js';
import type { Sender } from 'ts-mls/sender.js';
import { treeHashRoot } from 'ts-mls/treeHash.js';
import { toNodeIndex } from 'ts-mls/treemath.js';
import type { PathSecret } from 'ts-mls/updatePath.js';
import type { StateId } from '../group-port.ts';
import { stateIdOf, writeMessage } from './messages.ts';

/** What a commit is made of. */
export interface CommitParts {
  /** The epoch that it leaves. */
  readonly from: {
    readonly groupContext: GroupContext;
    readonly confirmationTag: Uint8Array;
    readonly initSecret: Uint8Array;
    /** Empty for a newcomer, who has none. */
    readonly membershipKey: Uint8Array;
  };
  /** With the new extensions, which count from this commit on. */
  readonly provisional: GroupContext;
  readonly tree: RatchetTree;
  readonly pathSecrets: readonly PathSecret[];
  readonly content: Commit;
  readonly sender: Sender;
  readonly signKey: Uint8Array;
}

/** A commit, and the epoch that it leads to. */
export interface SealedCommit {
  readonly commit: Uint8Array;
  readonly id: StateId;
  readonly groupContext: GroupContext;
  readonly confirmationTag: Uint8Array;
  readonly secrets: Awaited<ReturnType<typeof initializeEpoch>>;
}

const NOTHING = new Uint8Array(0);

/** Seals a commit. @throws GroupFailure `limit` */
export async function sealCommit(parts: CommitParts, suite: CiphersuiteImpl): Promise<SealedCommit> {
  const { from } = parts;
  const { framedContent, signature } = await createContentCommitSignature(
    from.groupContext,
    'mls_public_message',
    parts.content,
    parts.sender,
    NOTHING,
    parts.signKey,
    suite.signature,
  );
  const groupContext = await nextEpochContext(
    parts.provisional,
    'mls_public_message',
    framedContent,
    signature,
    await treeHashRoot(parts.tree, suite.hash),
    from.confirmationTag,
    suite.hash,
  );
  const commitSecret = await commitSecretOf(parts, suite);
  const noPsk = new Uint8Array(suite.kdf.size);
  const secrets = await initializeEpoch(from.initSecret, commitSecret, groupContext, noPsk, suite.kdf);
  const confirmationTag = await createConfirmationTag(
    secrets.keySchedule.confirmationKey,
    groupContext.confirmedTranscriptHash,
    suite.hash,
  );
  const auth = { contentType: framedContent.contentType, signature, confirmationTag };
  const content = { wireformat: 'mls_public_message' as const, content: framedContent, auth };
  const publicMessage = await protectPublicMessage(from.membershipKey, from.groupContext, content, suite);
  const commit = writeMessage({ wireformat: 'mls_public_message', publicMessage });
  return { commit, id: stateIdOf(commit), groupContext, confirmationTag, secrets };
}

/** Zero without a path, and where nobody else is in the tree. */
async function commitSecretOf(
  { tree, pathSecrets }: CommitParts,
  suite: CiphersuiteImpl,
): Promise<Uint8Array> {
  const last = pathSecrets.at(-1);
  if (last === undefined) return new Uint8Array(suite.kdf.size);
  return getCommitSecret(tree, toNodeIndex(last.nodeIndex), last.secret, suite.kdf);
}
