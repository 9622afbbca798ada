/**
 * What neighbours send: message → entries → known already? → decode → newer? → budget → signature → take and pass on.
 *
 * Nothing here throws for any bytes; what is refused is counted. Everything that is taken is kept in a bounded table,
 * one entry a peer at most, or belongs to a commit.
 *
 * Main thread and simulation; no I/O.
 */
import { sameBytes } from '../../../../dataplane/base/same-bytes.ts';
import type { CommitDesk } from './commit-desk.ts';
import { isGenuineRebuild } from './commit-rules.ts';
import { decodeMessage, type Entry, type Gossip, itemId, LINK_TYPE } from './gossip.ts';
import {
  type Ack,
  type AddItem,
  bareItem,
  type CommitItem,
  decodeItem,
  digestOfCommit,
  type Heartbeat,
  type Item,
  itemSignature,
  type LeaveItem,
  type RebuildItem,
  type SignedItem,
} from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_LIMIT } from './order-port.ts';
import { DIGEST_BYTES, digestText } from './peer-key.ts';
import type { Rejoiner } from './rejoiner.ts';
import type { Settler } from './settler.ts';
import type { Welcomes } from './welcomes.ts';

/** A digest and a summary in one message. */
const COMPARISONS_MAX = 2;

/** See the file's head. */
export class Intake {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #desk: CommitDesk;
  readonly #settler: Settler;
  readonly #rejoiner: Rejoiner;
  readonly #welcomes: Welcomes;
  readonly #seen = new Set<string>();

  constructor(
    context: OrderContext,
    parts: { gossip: Gossip; desk: CommitDesk; settler: Settler; rejoiner: Rejoiner; welcomes: Welcomes },
  ) {
    this.#context = context;
    this.#gossip = parts.gossip;
    this.#desk = parts.desk;
    this.#settler = parts.settler;
    this.#rejoiner = parts.rejoiner;
    this.#welcomes = parts.welcomes;
  }

  message(peer: string, bytes: Uint8Array): void {
    if (!this.#gossip.has(peer)) return;
    const entries = decodeMessage(bytes);
    if (entries === undefined) {
      this.#context.count('malformed');
      return;
    }
    this.#tellIfOut(peer);
    let compared = 0;
    for (const entry of entries) {
      // Each comparison goes over all that is held: a neighbour has no more than one of each to ask for.
      const isComparison = entry.type === LINK_TYPE.summary || entry.type === LINK_TYPE.digest;
      if (isComparison && ++compared > COMPARISONS_MAX) this.#context.count('malformed');
      else if (entry.type < LINK_TYPE.summary) this.item(entry.bytes, peer);
      else this.#linkEntry(peer, entry);
    }
  }

  /** Whoever still speaks to us after its removal has not heard of it. */
  #tellIfOut(peer: string): void {
    const standing = this.#context.standings.entries.get(peer);
    if (standing?.credential.kind !== 'tombstone' || !this.#gossip.takeVerification(peer)) return;
    this.#gossip.tellItem(peer, bareItem('credential', standing.bytes));
  }

  /** Takes an item. @param from - the neighbour that sent it */
  item(bytes: Uint8Array, from: string): void {
    const id = itemId(bytes);
    if (this.#seen.has(id)) {
      this.#repeated(bytes, from);
      return;
    }
    // A copy, since it is kept, and a message may be large.
    const item = decodeItem(bytes.slice());
    if (item === undefined) {
      this.#context.count('malformed');
      return;
    }
    // Whoever has been put out is told so by a credential, and may tell nothing but credentials.
    const mayTell = this.#context.isKnown(from) || item.type === 'credential';
    if (!mayTell || !this.#mayOriginate(item)) {
      this.#context.count('strangers');
      return;
    }
    if (!this.#isNews(item)) {
      this.#context.count('repeated');
      return;
    }
    if (!this.#gossip.takeVerification(from)) {
      this.#context.count('overBudget');
      return;
    }
    if (!this.#isGenuine(item)) {
      this.#context.count('forged');
      return;
    }
    this.#remember(id);
    this.#take(item, from);
  }

  /** Remembers an item of this node's own, so that it is not taken when it comes back. */
  own(bytes: Uint8Array): void {
    this.#remember(itemId(bytes));
  }

  #remember(id: string): void {
    this.#seen.add(id);
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > ORDER_LIMIT.seenItems && oldest.done !== true) this.#seen.delete(oldest.value);
  }

  /** One thing in a repetition is new: that this neighbour holds the commit, too. */
  #repeated(bytes: Uint8Array, from: string): void {
    this.#context.count('repeated');
    const digest = digestOfCommit(bytes);
    if (digest === undefined || !this.#context.isKnown(from)) return;
    const entry = this.#context.book.get(digest);
    if (entry !== undefined) {
      entry.sources.add(from);
      return;
    }
    // It was forgotten since, and is wanted again.
    const item = decodeItem(bytes.slice());
    if (
      item?.type === 'commit' &&
      this.#mayOriginate(item) &&
      this.#gossip.takeVerification(from) &&
      this.#isGenuine(item)
    ) {
      this.#desk.learned(item, from);
    }
  }

  // ── Judging ──────────────────────────────────────────────────────────────────────────────────────────

  /** What can be said without a signature. */
  #isNews(item: Item): boolean {
    const { heartbeats, leaves, book, rebuild, record } = this.#context;
    switch (item.type) {
      case 'heartbeat': {
        const known = heartbeats.get(item.peer)?.item;
        return item.peer !== this.#context.self && (known === undefined || item.sequence > known.sequence);
      }
      case 'commit':
        return book.get(item.digest) === undefined;
      case 'ack':
        return book.get(item.digest)?.acks.has(item.peer) !== true;
      case 'add':
        return this.#isNewsOfAdd(item);
      case 'leave':
        return this.#isNewsOfLeave(item, leaves.get(item.peer));
      case 'rebuild':
        return isBetterRebuild(item, rebuild);
      case 'credential':
        return true;
      case 'record':
        return record === undefined || Buffer.compare(record.bytes, item.bytes) !== 0;
    }
  }

  /** One proposer for each joiner: the first, until its proposal has lapsed. */
  #isNewsOfAdd(item: AddItem): boolean {
    const known = this.#context.adds.get(item.joiner);
    if (known === undefined) return true;
    if (known.peer === item.peer)
      return item.peer !== this.#context.self && itemId(known.bytes) !== itemId(item.bytes);
    return !this.#context.headChain().includes(known.base);
  }

  /** An older one that is told again must not displace what holds now. */
  #isNewsOfLeave(item: LeaveItem, known: LeaveItem | undefined): boolean {
    const { book, head } = this.#context;
    if (head !== undefined && book.hasMoved(item.peer, item.base, head.state.id)) return false;
    if (known === undefined) return true;
    return known.base !== item.base && this.#context.headChain().includes(item.base);
  }

  #isGenuine(item: Item): boolean {
    if (item.type === 'credential') {
      return this.#context.readCredential(item.bytes, this.#context.admins) !== undefined;
    }
    if (item.type === 'record') return this.#context.ports.readRecord(item.bytes) !== undefined;
    if (item.type === 'rebuild') return isGenuineRebuild(item, this.#context.admins, this.#context);
    const { key, signed, signature } = itemSignature(item, this.#context.options.vlanId);
    return this.#context.ports.verify(key, signed, signature) && this.#hasTag(item);
  }

  /** A commit from outside may come with its admission; all else comes from those who are known. */
  #mayOriginate(item: Item): boolean {
    if (item.type === 'credential' || item.type === 'record' || this.#context.isKnown(item.peer)) return true;
    // What somebody committed before its removal may lie on the branch that counts.
    if (item.type === 'commit' && this.#context.familiar.has(item.peer)) return true;
    const { admins, standings } = this.#context;
    return (
      item.type === 'commit' &&
      item.isExternal &&
      item.admissions.some(
        (bytes) => this.#context.readAdmission(bytes, admins, standings)?.peer === item.peer,
      )
    );
  }

  /** Whoever names an epoch that we know must know its tag. */
  #hasTag(item: SignedItem): boolean {
    if (item.type !== 'heartbeat' && item.type !== 'ack' && item.type !== 'leave') return true;
    const kept = this.#context.kept.get(item.type === 'heartbeat' ? item.head : item.base);
    return kept === undefined || (sameBytes(kept.state.tag, item.tag) && kept.roster.has(item.peer));
  }

  // ── Taking ───────────────────────────────────────────────────────────────────────────────────────────

  #take(item: Item, from: string): void {
    switch (item.type) {
      case 'heartbeat':
        this.#heartbeat(item, from);
        return;
      case 'commit':
        this.#commit(item, from);
        return;
      case 'ack':
        this.#ack(item, from);
        return;
      case 'add':
        this.#add(item, from);
        return;
      case 'leave':
        this.#leave(item, from);
        return;
      case 'rebuild':
        this.#rebuild(item, from);
        return;
      case 'credential':
        this.credential(item.bytes, from);
        return;
      case 'record':
        this.record(item.bytes, from);
    }
  }

  #heartbeat(item: Heartbeat, from: string): void {
    const known = this.#context.heartbeats.get(item.peer);
    if (known === undefined && this.#context.heartbeats.size >= 2 * ORDER_LIMIT.members) return;
    this.#context.heartbeats.set(item.peer, { item, atMs: this.#context.nowMs });
    if (known?.item.head !== item.head) this.#context.moveHeads();
    this.#gossip.spread(item.bytes, from);
  }

  #commit(item: CommitItem, from: string): void {
    // Who comes in by a commit must be heard of when its heartbeats come.
    const { admins, standings } = this.#context;
    for (const bytes of item.admissions) {
      const admission = this.#context.readAdmission(bytes, admins, standings);
      if (admission !== undefined) this.#context.addFamiliar([admission.peer]);
    }
    this.#desk.learned(item, from);
  }

  #ack(item: Ack, from: string): void {
    this.#desk.acknowledged(item);
    this.#gossip.spread(item.bytes, from);
  }

  #add(item: AddItem, from: string): void {
    const { adds, admins, standings } = this.#context;
    if (this.#context.readAdmission(item.admission, admins, standings) === undefined) {
      this.#context.count('forged');
      return;
    }
    if (adds.size >= ORDER_LIMIT.pendingAdds && !adds.has(item.joiner)) return;
    adds.set(item.joiner, item);
    this.#context.isDirty = true;
    this.#gossip.spread(item.bytes, from);
  }

  #leave(item: LeaveItem, from: string): void {
    if (this.#context.leaves.size >= ORDER_LIMIT.members) return;
    this.#context.leaves.set(item.peer, item);
    this.#context.isDirty = true;
    this.#gossip.spread(item.bytes, from);
  }

  #rebuild(item: RebuildItem, from: string | undefined): void {
    this.#context.rebuild = item;
    this.#context.moveHeads();
    this.#gossip.spread(item.bytes, from);
  }

  /** Takes over a rebuild that a settled policy holds. */
  settledRebuild(item: RebuildItem | undefined): void {
    if (item !== undefined && isBetterRebuild(item, this.#context.rebuild)) this.#rebuild(item, undefined);
  }

  /** Takes a credential that holds: who was put out, or let in again; or a neighbour's own admission. */
  credential(bytes: Uint8Array, from: string | undefined): void {
    const { admins, self } = this.#context;
    const credential = this.#context.readCredential(bytes, admins);
    if (credential === undefined) return;
    const standings = this.#context.standings.with({ credential, bytes });
    if (standings !== this.#context.standings) {
      this.#context.standings = standings;
      this.#context.isDirty = true;
      this.#context.moveHeads();
      this.#gossip.spread(bareItem('credential', bytes), from);
      // Who is put out hears nothing any more, but for that.
      if (credential.kind === 'tombstone')
        this.#gossip.tellItem(credential.peer, bareItem('credential', bytes));
      if (credential.peer !== self) this.#settler.store();
    }
    const isNeighbours = credential.kind === 'admission' && credential.peer === from;
    if (isNeighbours && standings.allows(credential)) this.#context.addFamiliar([credential.peer]);
  }

  /** Takes a record when it is newer. */
  record(bytes: Uint8Array, from: string | undefined): void {
    const facts = this.#context.ports.readRecord(bytes);
    const known = this.#context.record?.facts.sequence ?? -1;
    if (facts === undefined || facts.sequence <= known || bytes.length > ORDER_LIMIT.recordBytes) return;
    const item = bareItem('record', bytes);
    this.#context.record = { bytes, facts, item };
    this.#context.isDirty = true;
    this.#gossip.spread(item, from);
    this.#settler.store();
  }

  // ── Between neighbours ───────────────────────────────────────────────────────────────────────────────

  #linkEntry(peer: string, { type, bytes }: Entry): void {
    if (!this.#context.isKnown(peer)) {
      this.#context.count('strangers');
      return;
    }
    if (type === LINK_TYPE.digest) {
      this.#gossip.answerDigest(peer, bytes);
    } else if (type === LINK_TYPE.summary) {
      this.#gossip.answerSummary(peer, bytes);
    } else if (type === LINK_TYPE['ask-group-info']) {
      this.#rejoiner.asked(peer);
    } else if (type === LINK_TYPE['group-info']) {
      this.#rejoiner.answered(peer, bytes);
    } else if (bytes.length !== DIGEST_BYTES) {
      this.#context.count('malformed');
    } else if (type === LINK_TYPE['want-commits']) {
      this.#answerCommits(peer, digestText(bytes));
    } else if (type === LINK_TYPE['want-object']) {
      this.#welcomes.asked(peer, digestText(bytes));
    } else if (type === LINK_TYPE['have-object']) {
      this.#welcomes.available(peer, digestText(bytes));
    } else {
      this.#context.count('malformed');
    }
  }

  #answerCommits(peer: string, from: string): void {
    for (const id of this.#context.book.chain(from, ORDER_LIMIT.checkpoints + 2)) {
      const item = this.#context.book.get(id)?.item;
      if (item !== undefined) this.#gossip.tellItem(peer, item.bytes);
    }
  }
}

/** A later rebuild holds; of two at once the lower tag. */
export function isBetterRebuild(item: RebuildItem, known: RebuildItem | undefined): boolean {
  if (known === undefined || item.generation !== known.generation) {
    return known === undefined || item.generation > known.generation;
  }
  return Buffer.compare(item.rebuildTag, known.rebuildTag) < 0;
}
