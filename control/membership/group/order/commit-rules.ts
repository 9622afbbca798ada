/**
 * Which commits the policy allows. Decided from the base state, the committer's item, what the commit really did and
 * the state that it leads to, and from nothing else: all members that were in the base decide alike.
 *
 *   who        a member of the base; from outside: a member of the base that comes anew, or with an admission
 *   adds       each with an admission by an admin that holds against the standings
 *   removes    each put out by an admin's tombstone in the new policy, by its own leave, or to be added anew by an admin
 *   policy     the record only by a newer one, standings only forward, a rebuild only by its admin's own commit
 *
 * Main thread and simulation; no I/O.
 */
import { sameBytes } from '../../../../dataplane/base/same-bytes.ts';
import type { CommitFacts } from '../group-port.ts';
import { addedBy, type CommitItem, decodeItem, itemSignature, type RebuildItem } from './item.ts';
import type { Kept, OrderContext } from './order-context.ts';
import { ORDER_LIMIT } from './order-port.ts';
import type { Standings } from './standings.ts';

/** A commit that has been processed. */
export interface ProcessedCommit {
  readonly base: Kept;
  readonly item: CommitItem;
  readonly facts: CommitFacts;
  readonly next: Kept;
}

/** @returns why the commit is not allowed; undefined when it is */
export function faultOfCommit(commit: ProcessedCommit, context: OrderContext): string | undefined {
  const { base, item, facts, next } = commit;
  if (facts.committer !== item.peer || facts.isExternal !== item.isExternal) return 'by another than it says';
  if (item.epoch !== next.state.epoch || item.base !== base.state.id) return 'of another epoch than it says';
  if (!sameMembers(facts.added, addedBy(item))) return 'adds others than it says';
  const removed = item.isExternal && item.isReturning ? [item.peer] : item.removed;
  if (!sameMembers(facts.removed, removed)) return 'removes others than it says';
  if (item.isExternal) return faultOfExternal(commit, context);
  if (!base.roster.has(item.peer)) return 'by one who is not a member';
  return faultOfPolicy(commit, context) ?? faultOfAdds(commit, context) ?? faultOfRemoves(commit, context);
}

function faultOfExternal({ base, item, next }: ProcessedCommit, context: OrderContext): string | undefined {
  const isMember = base.roster.has(item.peer);
  if (item.removed.length > 0 || isMember !== item.isReturning) return 'removes others from outside';
  if (!sameBytes(base.state.policy, next.state.policy)) return 'changes the policy from outside';
  if (base.policy.standings.isOut(item.peer)) return 'by one who was put out';
  if (isMember) return undefined;
  const admitted = item.admissions.some(
    (bytes) => context.readAdmission(bytes, base.record.admins, base.policy.standings)?.peer === item.peer,
  );
  return admitted ? undefined : 'from outside without an admission';
}

function faultOfAdds({ base, item, next }: ProcessedCommit, context: OrderContext): string | undefined {
  const admins = adminsOf(base, next);
  for (const bytes of item.admissions) {
    const admission = context.readAdmission(bytes, admins, next.policy.standings);
    const isTwice =
      admission !== undefined && base.roster.has(admission.peer) && !item.removed.includes(admission.peer);
    if (admission === undefined || isTwice) return 'adds one who is not admitted';
  }
  return undefined;
}

function faultOfRemoves(commit: ProcessedCommit, context: OrderContext): string | undefined {
  const { base, item, next } = commit;
  const left = new Set(item.leaves.map((bytes) => leaverOf(bytes, base, context)));
  for (const peer of item.removed) {
    if (!base.roster.has(peer)) return 'removes one who is not a member';
    // Who comes in anew has lost its old leaf; that is for an admin to say, or any member could put out any other.
    const isReplaced = item.admitted.includes(peer) && adminsOf(base, next).has(item.peer);
    if (!isReplaced && !next.policy.standings.isOut(peer) && !left.has(peer))
      return 'removes one whom no admin put out';
  }
  return undefined;
}

function faultOfPolicy({ base, item, next }: ProcessedCommit, context: OrderContext): string | undefined {
  const [before, after] = [base.policy, next.policy];
  if (!sameBytes(before.record, after.record) && next.record.sequence <= base.record.sequence)
    return 'an older record';
  if (!after.standings.covers(before.standings)) return 'forgets who was put out';
  const admins = adminsOf(base, next);
  for (const [peer, { bytes, credential }] of after.standings.entries) {
    const known = before.standings.entries.get(peer);
    if (known !== undefined && sameBytes(known.bytes, bytes)) continue;
    const isGenuine = context.readCredential(bytes, admins) !== undefined;
    if (!isGenuine || !before.standings.isNews(credential)) return 'a false standing';
  }
  const isSame = before.rebuild?.bytes === after.rebuild?.bytes;
  const isSameBytes =
    before.rebuild !== undefined &&
    after.rebuild !== undefined &&
    sameBytes(before.rebuild.bytes, after.rebuild.bytes);
  if (isSame || isSameBytes) return undefined;
  const isByAdmin =
    after.rebuild !== undefined &&
    after.rebuild.peer === item.peer &&
    isGenuineRebuild(after.rebuild, base.record.admins, context);
  return isByAdmin ? undefined : 'a false rebuild';
}

/** Whether an admin has signed it. */
export function isGenuineRebuild(
  item: RebuildItem,
  admins: ReadonlySet<string>,
  context: OrderContext,
): boolean {
  const { key, signed, signature } = itemSignature(item, context.options.vlanId);
  return admins.has(item.peer) && context.ports.verify(key, signed, signature);
}

/** Who asks by this leave, of late; what lies further back than branches are compared has lapsed. */
function leaverOf(bytes: Uint8Array, base: Kept, context: OrderContext): string | undefined {
  const leave = decodeItem(bytes);
  if (leave?.type !== 'leave') return undefined;
  const chain = context.book.chain(base.state.id, ORDER_LIMIT.checkpoints + 1);
  // Who came in lately does not know the whole chain, and takes the committer's word.
  const isRecent = chain.includes(leave.base) || chain.length <= ORDER_LIMIT.checkpoints;
  if (context.book.hasMoved(leave.peer, leave.base, base.state.id)) return undefined;
  const { key, signed, signature } = itemSignature(leave, context.options.vlanId);
  return isRecent && context.ports.verify(key, signed, signature) ? leave.peer : undefined;
}

/** The standings that a commit writes: all that are known, and an admission for who comes back after a tombstone. */
export function nextStandings(
  base: Standings,
  known: Standings,
  admissions: readonly Uint8Array[],
  context: OrderContext,
): Standings {
  const merged = base.merged(known.entries.values());
  const returning = admissions.flatMap((bytes) => {
    const credential = context.readCredential(bytes, context.admins);
    return credential !== undefined && merged.isOut(credential.peer) ? [{ credential, bytes }] : [];
  });
  return merged.merged(returning);
}

function adminsOf(base: Kept, next: Kept): ReadonlySet<string> {
  return new Set([...base.record.admins, ...next.record.admins]);
}

function sameMembers(one: readonly string[], other: readonly string[]): boolean {
  const set = new Set(one);
  return set.size === other.length && other.every((peer) => set.has(peer));
}
