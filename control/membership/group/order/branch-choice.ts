/**
 * Which branch counts: a pure rule over what has been signed, the same for everybody who knows the same.
 *
 *   From the oldest common state on, at each state with more than one commit that members follow:
 *     1. the commit under which most members stand, by their latest heartbeats, counting those who were members at
 *        that state and are not put out;
 *     2. among equals, an admin's commit;
 *     3. then the lowest digest.
 *   Go on from that commit, until no member stands further down.
 *
 * Time and order of arrival play no part. A member that stands between (behind) counts for neither.
 *
 * Main thread and simulation; pure.
 */
import type { StateId } from '../group-port.ts';
import type { CommitBook, CommitEntry } from './commit-book.ts';

/** What the rule is asked over. */
export interface ChoiceEvidence {
  readonly book: CommitBook;
  /** Latest signed head of each peer, this node's own included. */
  readonly heads: ReadonlyMap<string, StateId>;
  /** Who was a member at a state and is not put out; undefined when it is not known. */
  votersAt(state: StateId): ReadonlySet<string> | undefined;
  isAdmin(peer: string): boolean;
}

/**
 * The head to follow.
 *
 * @param root - a state that all branches in question have in common
 */
export function chooseHead(root: StateId, evidence: ChoiceEvidence): StateId {
  const standing = peersUnder(evidence);
  const seen = new Set<StateId>();
  let at = root;
  for (;;) {
    if (seen.has(at)) return at;
    seen.add(at);
    const next = bestChild(at, standing, evidence);
    if (next === undefined) return at;
    at = next.item.digest;
  }
}

/** Which of two commits on one base comes first when heartbeats do not tell: an admin's, then the lower digest. */
export function comesFirst(
  one: CommitEntry,
  other: CommitEntry,
  isAdmin: (peer: string) => boolean,
): boolean {
  const [oneAdmin, otherAdmin] = [isAdmin(one.item.peer), isAdmin(other.item.peer)];
  if (oneAdmin !== otherAdmin) return oneAdmin;
  return one.item.digest < other.item.digest;
}

/** Peers by each state that lies on the way to their head. */
function peersUnder({ book, heads }: ChoiceEvidence): ReadonlyMap<StateId, ReadonlySet<string>> {
  const byHead = new Map<StateId, string[]>();
  for (const [peer, head] of heads) {
    const peers = byHead.get(head);
    if (peers === undefined) byHead.set(head, [peer]);
    else peers.push(peer);
  }
  const under = new Map<StateId, Set<string>>();
  for (const [head, peers] of byHead) {
    for (const id of book.chain(head)) {
      const set = under.get(id) ?? new Set();
      under.set(id, set);
      for (const peer of peers) set.add(peer);
    }
  }
  return under;
}

function bestChild(
  at: StateId,
  standing: ReadonlyMap<StateId, ReadonlySet<string>>,
  evidence: ChoiceEvidence,
): CommitEntry | undefined {
  const children = evidence.book.on(at).filter(({ item }) => (standing.get(item.digest)?.size ?? 0) > 0);
  if (children.length === 0) return undefined;
  const voters = evidence.votersAt(at);
  const stayers = [...evidence.heads].filter(
    ([peer, head]) => head === at && voters?.has(peer) !== false,
  ).length;
  let best: CommitEntry | undefined;
  let bestVotes = 0;
  for (const child of children) {
    const peers = standing.get(child.item.digest) ?? new Set();
    const votes = voters === undefined ? peers.size : countIn(peers, voters);
    // One that this node cannot follow it enters from outside, and not for one member's broken commit.
    if (child.verdict === 'closed' && votes < stayers) continue;
    const wins =
      best === undefined ||
      votes > bestVotes ||
      (votes === bestVotes && comesFirst(child, best, (peer) => evidence.isAdmin(peer)));
    if (wins) [best, bestVotes] = [child, votes];
  }
  return best;
}

function countIn(peers: ReadonlySet<string>, voters: ReadonlySet<string>): number {
  let count = 0;
  for (const peer of peers) if (voters.has(peer)) count++;
  return count;
}
