/**
 * What this node has proposed: joiners that it was asked to let in, and its own leave. Each is told on the branch that
 * counts, from a base that is known there, until a commit has taken it.
 *
 *   propose-add ─▶ own add ─▶ `add` item ─▶ a commit with this key package settles ─▶ its Welcome is delivered
 *                     ▲            └── its branch is lost, and the joiner is not in ◀──┘        └─▶ forgotten after 120 s
 *
 * An own add ends when a later commit takes its peer out: whoever has left is not brought back.
 *
 * Main thread and simulation; no I/O.
 */
import { hash128 } from '../../../vlan/hash.ts';
import type { StateId } from '../group-port.ts';
import type { CommitEntry } from './commit-book.ts';
import type { Gossip } from './gossip.ts';
import type { Intake } from './intake.ts';
import { decodeItem } from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_LIMIT, ORDER_TIMING, type ProposeAddInput } from './order-port.ts';
import { digestText } from './peer-key.ts';
import type { Welcomes } from './welcomes.ts';

interface OwnAdd {
  readonly keyPackage: Uint8Array;
  /** BLAKE3-128 of it. */
  readonly digest: string;
  readonly admission: Uint8Array;
  /** The settled commit that took it, and when that was. */
  addedBy: StateId | undefined;
  addedAtMs: number;
}

/** See the file's head. */
export class OwnProposals {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #intake: Intake;
  readonly #welcomes: Welcomes;
  readonly #adds = new Map<string, OwnAdd>();

  constructor(context: OrderContext, parts: { gossip: Gossip; intake: Intake; welcomes: Welcomes }) {
    this.#context = context;
    this.#gossip = parts.gossip;
    this.#intake = parts.intake;
    this.#welcomes = parts.welcomes;
  }

  /** Takes a joiner; an older key package of its is forgotten. */
  add({ peer, keyPackage, admission }: ProposeAddInput): void {
    const { admins } = this.#context;
    const credential = this.#context.readCredential(admission, admins);
    if (credential?.kind === 'admission') this.#intake.credential(admission, undefined);
    const isAdmitted =
      credential?.peer === peer && this.#context.readAdmission(admission, admins, this.#context.standings);
    const fits = keyPackage.length > 0 && keyPackage.length <= ORDER_LIMIT.keyPackageBytes;
    if (!isAdmitted || !fits || this.#adds.size >= ORDER_LIMIT.pendingAdds) {
      const why = fits && isAdmitted ? 'too many wait' : 'its admission or key package does not hold';
      this.#context.notice('add-refused', why, peer);
      return;
    }
    const digest = digestText(hash128(keyPackage));
    this.#adds.set(peer, { keyPackage, digest, admission, addedBy: undefined, addedAtMs: 0 });
    this.#context.adds.delete(peer);
    this.#context.isDirty = true;
  }

  /** The group does not take this one. */
  refused(peer: string): void {
    this.#adds.delete(peer);
  }

  /** Commits have settled, the oldest first. */
  settled(commits: readonly CommitEntry[]): void {
    for (const entry of commits) {
      for (const [peer, own] of this.#adds) this.#settledOne(entry, peer, own);
    }
  }

  #settledOne(entry: CommitEntry, peer: string, own: OwnAdd): void {
    const { admitted, keyPackages, removed, digest } = entry.item;
    const index = admitted.indexOf(peer);
    if (index >= 0 && keyPackages[index] === own.digest) {
      own.addedBy = digest;
      own.addedAtMs = this.#context.nowMs;
      this.#welcomes.settled(entry, peer);
    } else if (own.addedBy !== undefined && removed.includes(peer)) {
      this.#adds.delete(peer);
    }
  }

  /** Tells what no commit has taken yet, where the last word of it does not hold on this branch. */
  repeat(): void {
    const { head, adds, leaves, self } = this.#context;
    if (head === undefined || this.#context.phase !== 'active') return;
    const chain = this.#context.headChain();
    for (const [peer, own] of this.#adds) {
      if (!this.#isWaiting(peer, own)) continue;
      const told = adds.get(peer);
      if (told?.peer === self && chain.includes(told.base)) continue;
      const { admission, keyPackage } = own;
      this.#tell(
        this.#context.sign({ type: 'add', base: head.state.id, admission, joiner: peer, keyPackage }),
      );
    }
    const isLeaveTold = chain.includes(leaves.get(self)?.base ?? '');
    if (this.#context.isLeaving && head.roster.has(self) && !isLeaveTold) {
      this.#tell(this.#context.sign({ type: 'leave', base: head.state.id, tag: head.state.tag }));
    }
  }

  #isWaiting(peer: string, own: OwnAdd): boolean {
    const { nowMs, head, admins, standings } = this.#context;
    if (own.addedBy === undefined) {
      if (this.#context.readAdmission(own.admission, admins, standings) !== undefined) return true;
      this.#adds.delete(peer);
      return false;
    }
    if (nowMs - own.addedAtMs > ORDER_TIMING.checkpointMs) {
      this.#adds.delete(peer);
      return false;
    }
    if (head?.roster.has(peer) === true || !this.#isLost(own.addedBy)) return false;
    own.addedBy = undefined;
    return true;
  }

  /** Whether a commit that had settled lies on a branch beside ours. */
  #isLost(commit: StateId): boolean {
    const { book, head } = this.#context;
    const chain = book.chain(head?.state.id ?? '');
    if (chain.includes(commit)) return false;
    return book.chain(commit).some((id) => chain.includes(id));
  }

  #tell(bytes: Uint8Array): void {
    const item = decodeItem(bytes);
    if (item?.type === 'add') this.#context.adds.set(item.joiner, item);
    if (item?.type === 'leave') this.#context.leaves.set(item.peer, item);
    this.#intake.own(bytes);
    this.#gossip.spread(bytes);
  }
}
