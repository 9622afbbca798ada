/**
 * Neighbours of one VLAN: passes items on, and finds out by summaries what got lost.
 *
 *   message  version u8 │ entries {type u8 │ length u16 │ bytes}
 *   entries  items (item.ts, types 1–8), and between neighbours only:
 *     16 summary         ids of all items that the sender holds, 8 bytes each
 *     22 digest          exclusive or of these ids, 8 bytes: whoever has another answers with its summary
 *     17 want commits    digest: "send me this commit's item and those that it stands on"
 *     18 want object     digest: "get me this Welcome"        19 have object   digest
 *     20 ask group info  nothing                              21 group info    head 16 │ digest 16
 *
 * An item goes to the eager neighbours, at once or with others that come due within 20 ms: to all while they are
 * few, else to some on a ring of hashes. All neighbours get digests in turn; where they differ, summaries show what
 * is missing, and it is sent. An item's id is the end of its signature.
 *
 * Main thread and simulation; no I/O. Must never throw for bytes that came from a peer.
 */
import { TokenBucket } from '../../../limit/token-bucket.ts';
import { hash128 } from '../../../vlan/hash.ts';
import { bareItem, ITEM_TYPE } from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_LIMIT, ORDER_TIMING } from './order-port.ts';
import { keyOfPeer } from './peer-key.ts';

export const LINK_TYPE = {
  summary: 16,
  'want-commits': 17,
  'want-object': 18,
  'have-object': 19,
  'ask-group-info': 20,
  'group-info': 21,
  digest: 22,
} as const;

const VERSION = 1;
/** Digests and summaries of a neighbour that are answered: each goes over all that is held. */
const COMPARISONS = { burst: 10, perSecond: 2 } as const;
const SUMMARY_GAP_MS = 1_000;
const ENTRY_HEAD_BYTES = 3;
const ID_BYTES = 8;
/** What waits for one neighbour; more is left to the next summary. */
const OUTBOX_MAX_BYTES = 524_288;
/** Wasteful, not wrong: the same item again after a summary that crossed it. */
const SUMMARY_MAX_IDS = Math.floor((ORDER_LIMIT.messageBytes - 8) / ID_BYTES);

/** One entry of a message. */
export interface Entry {
  readonly type: number;
  readonly bytes: Uint8Array;
}

interface Neighbour {
  readonly peer: string;
  rttMs: number;
  readonly budget: TokenBucket;
  readonly comparisons: TokenBucket;
  outbox: Entry[];
  outboxBytes: number;
  flushAtMs: number;
  /** A member that sends no digests may not know that we are one, too. */
  hasSpoken: boolean;
  digestAtMs: number;
  summarisedAtMs: number;
}

/** See the file's head. */
export class Gossip {
  readonly #context: OrderContext;
  /** All items that are held, as whole items; for summaries. */
  readonly #held: () => Iterable<Uint8Array>;
  readonly #neighbours = new Map<string, Neighbour>();
  #eager: readonly Neighbour[] = [];
  #lazyTurn = 0;
  #lazyAtMs = Number.POSITIVE_INFINITY;

  constructor(context: OrderContext, held: () => Iterable<Uint8Array>) {
    this.#context = context;
    this.#held = held;
  }

  // ── Neighbours ───────────────────────────────────────────────────────────────────────────────────────

  /** @returns whether it is new */
  peerUp(peer: string, rttMs: number): boolean {
    const known = this.#neighbours.get(peer);
    if (known !== undefined) {
      known.rttMs = rttMs;
      return false;
    }
    if (this.#neighbours.size >= ORDER_LIMIT.neighbours || peer === this.#context.self) return false;
    const { nowMs } = this.#context;
    const budget = new TokenBucket(
      { burst: ORDER_LIMIT.verificationBurst, perSecond: ORDER_LIMIT.verificationsPerSecond },
      nowMs,
    );
    this.#neighbours.set(peer, {
      peer,
      rttMs,
      budget,
      comparisons: new TokenBucket(COMPARISONS, nowMs),
      outbox: [],
      outboxBytes: 0,
      flushAtMs: Number.POSITIVE_INFINITY,
      hasSpoken: false,
      digestAtMs: nowMs,
      summarisedAtMs: Number.NEGATIVE_INFINITY,
    });
    this.#chooseEager();
    return true;
  }

  peerDown(peer: string): void {
    this.#neighbours.delete(peer);
    this.#chooseEager();
  }

  has(peer: string): boolean {
    return this.#neighbours.has(peer);
  }

  /** Shows a neighbour this node's admission: it may know only others. */
  introduce(peer: string): void {
    const { admission } = this.#context;
    if (admission.length > 0) this.tellItem(peer, bareItem('credential', admission));
  }

  /** Neighbours that may hear what is gossiped. */
  known(): readonly string[] {
    return [...this.#neighbours.keys()].filter((peer) => this.#context.isKnown(peer));
  }

  get longestRttMs(): number {
    let longest = 0;
    for (const { rttMs } of this.#neighbours.values()) longest = Math.max(longest, rttMs);
    return longest;
  }

  /** Whether one more signature of this neighbour's may be verified. */
  takeVerification(peer: string): boolean {
    return this.#neighbours.get(peer)?.budget.take(this.#context.nowMs) ?? false;
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────────────

  /** Passes an item on. @param except - the neighbour that it came from */
  spread(item: Uint8Array, except?: string): void {
    for (const neighbour of this.#eager) {
      if (neighbour.peer !== except && this.#context.isKnown(neighbour.peer))
        this.#queue(neighbour, itemEntry(item));
    }
  }

  /** To one neighbour; lost when it is none any more. */
  tell(peer: string, entry: Entry): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour !== undefined) this.#queue(neighbour, entry);
  }

  tellItem(peer: string, item: Uint8Array): void {
    this.tell(peer, itemEntry(item));
  }

  /** Compares with neighbours soon: something is pending, or was lost. */
  hurry(): void {
    const byMs = this.#context.nowMs + ORDER_TIMING.summaryBusyMs;
    for (const neighbour of this.#eager) neighbour.digestAtMs = Math.min(neighbour.digestAtMs, byMs);
  }

  /** @param isBusy - whether something is pending */
  tick(isBusy: boolean): void {
    const { nowMs } = this.#context;
    const gapMs = isBusy ? ORDER_TIMING.summaryBusyMs : ORDER_TIMING.summaryIdleMs;
    for (const neighbour of this.#eager) {
      if (neighbour.digestAtMs <= nowMs) this.#tellDigest(neighbour, gapMs);
    }
    if (this.#lazyAtMs <= nowMs) {
      this.#lazyAtMs = nowMs + gapMs;
      const lazy = [...this.#neighbours.values()].filter((neighbour) => !this.#eager.includes(neighbour));
      const next = lazy[this.#lazyTurn++ % Math.max(1, lazy.length)];
      if (next !== undefined) this.#tellDigest(next, gapMs);
    }
    for (const neighbour of this.#neighbours.values()) {
      if (neighbour.flushAtMs <= nowMs) this.#flush(neighbour);
    }
  }

  nextTimeoutMs(): number {
    let nextMs = this.#lazyAtMs;
    for (const { flushAtMs } of this.#neighbours.values()) nextMs = Math.min(nextMs, flushAtMs);
    for (const { digestAtMs } of this.#eager) nextMs = Math.min(nextMs, digestAtMs);
    return nextMs;
  }

  /** Sends what waits, as after the last word. */
  flushAll(): void {
    for (const neighbour of this.#neighbours.values()) this.#flush(neighbour);
  }

  /** A neighbour holds other items than we do. */
  answerDigest(peer: string, digest: Uint8Array): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour === undefined) return;
    neighbour.hasSpoken = true;
    if (!this.#mayCompare(neighbour)) return;
    if (Buffer.compare(digest, this.#digest()) !== 0) this.#summarise(neighbour);
  }

  /** Sends a neighbour what its summary lacks, and asks for what it has more. */
  answerSummary(peer: string, ids: Uint8Array): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour === undefined || ids.length % ID_BYTES !== 0) {
      this.#context.count('malformed');
      return;
    }
    if (!this.#mayCompare(neighbour)) return;
    const theirs = new Set<string>();
    const buffer = Buffer.from(ids.buffer, ids.byteOffset, ids.length);
    for (let at = 0; at < ids.length; at += ID_BYTES)
      theirs.add(buffer.toString('latin1', at, at + ID_BYTES));
    let common = 0;
    for (const item of this.#held()) {
      if (theirs.has(heldId(item))) common++;
      else this.#queue(neighbour, itemEntry(item));
    }
    if (common < theirs.size) this.#summarise(neighbour);
  }

  #mayCompare(neighbour: Neighbour): boolean {
    const may = neighbour.comparisons.take(this.#context.nowMs);
    if (!may) this.#context.count('overBudget');
    return may;
  }

  #digest(): Uint8Array {
    const digest = new Uint8Array(ID_BYTES);
    for (const item of this.#held()) {
      const id = heldId(item);
      for (let at = 0; at < ID_BYTES; at++) digest[at] = (digest[at] ?? 0) ^ id.charCodeAt(at);
    }
    return digest;
  }

  #tellDigest(neighbour: Neighbour, gapMs: number): void {
    neighbour.digestAtMs = this.#context.nowMs + gapMs;
    if (!neighbour.hasSpoken) this.introduce(neighbour.peer);
    if (!this.#context.isKnown(neighbour.peer)) return;
    this.#queue(neighbour, { type: LINK_TYPE.digest, bytes: this.#digest() });
  }

  /** At most once a second: two that differ for a reason of their own would go on for ever. */
  #summarise(neighbour: Neighbour): void {
    if (neighbour.summarisedAtMs + SUMMARY_GAP_MS > this.#context.nowMs) return;
    neighbour.summarisedAtMs = this.#context.nowMs;
    const ids: string[] = [];
    for (const item of this.#held()) {
      if (ids.length < SUMMARY_MAX_IDS) ids.push(heldId(item));
    }
    const bytes = new Uint8Array(Buffer.from(ids.join(''), 'latin1'));
    this.#queue(neighbour, { type: LINK_TYPE.summary, bytes });
  }

  #queue(neighbour: Neighbour, entry: Entry): void {
    const sizeBytes = ENTRY_HEAD_BYTES + entry.bytes.length;
    if (neighbour.outboxBytes + sizeBytes > OUTBOX_MAX_BYTES) return;
    neighbour.outbox.push(entry);
    neighbour.outboxBytes += sizeBytes;
    neighbour.flushAtMs = Math.min(neighbour.flushAtMs, this.#context.nowMs + ORDER_TIMING.flushMs);
  }

  #flush(neighbour: Neighbour): void {
    const { peer, outbox } = neighbour;
    neighbour.outbox = [];
    neighbour.outboxBytes = 0;
    neighbour.flushAtMs = Number.POSITIVE_INFINITY;
    for (const bytes of encodeMessages(outbox)) this.#context.emit({ kind: 'send', peer, bytes });
  }

  /** All while they are few; else neighbours on a ring, near and ever farther, so that the whole stays connected. */
  #chooseEager(): void {
    const all = [...this.#neighbours.values()];
    const isMany = all.length > ORDER_LIMIT.eagerNeighbours;
    this.#eager = isMany ? chosenOnRing(this.#context.self, all) : all;
    const lazyMs = this.#context.nowMs + ORDER_TIMING.summaryBusyMs;
    this.#lazyAtMs = isMany ? Math.min(this.#lazyAtMs, lazyMs) : Number.POSITIVE_INFINITY;
  }
}

/** Splits a message into its entries, views of it; undefined when it is malformed. */
export function decodeMessage(bytes: Uint8Array): readonly Entry[] | undefined {
  if (bytes[0] !== VERSION || bytes.length > ORDER_LIMIT.messageBytes) return undefined;
  const entries: Entry[] = [];
  let at = 1;
  while (at < bytes.length) {
    const sizeBytes = (bytes[at + 1] ?? 0) | ((bytes[at + 2] ?? 0) << 8);
    const end = at + ENTRY_HEAD_BYTES + sizeBytes;
    if (end > bytes.length) return undefined;
    entries.push({ type: bytes[at] ?? 0, bytes: bytes.subarray(at + ENTRY_HEAD_BYTES, end) });
    at = end;
  }
  return entries;
}

/** Ids of items that are held, for they are asked for again and again. */
const ids = new WeakMap<Uint8Array, string>();

/** The id of an item that is held, remembered with it. */
function heldId(item: Uint8Array): string {
  const known = ids.get(item);
  if (known !== undefined) return known;
  const id = itemId(item);
  ids.set(item, id);
  return id;
}

/** The end of an item's signature; of a record, which has a form of its own, a hash. */
export function itemId(item: Uint8Array): string {
  const tail = item[0] === ITEM_TYPE.record ? hash128(item).subarray(0, ID_BYTES) : item.subarray(-ID_BYTES);
  return Buffer.from(tail.buffer, tail.byteOffset, tail.length).toString('latin1');
}

function itemEntry(item: Uint8Array): Entry {
  return { type: item[0] ?? 0, bytes: item };
}

function encodeMessages(entries: readonly Entry[]): readonly Uint8Array[] {
  const messages: Uint8Array[] = [];
  let batch: Entry[] = [];
  let sizeBytes = 1;
  for (const entry of entries) {
    const entryBytes = ENTRY_HEAD_BYTES + entry.bytes.length;
    if (sizeBytes + entryBytes > ORDER_LIMIT.messageBytes) {
      messages.push(encodeMessage(batch, sizeBytes));
      [batch, sizeBytes] = [[], 1];
    }
    batch.push(entry);
    sizeBytes += entryBytes;
  }
  if (batch.length > 0) messages.push(encodeMessage(batch, sizeBytes));
  return messages;
}

function encodeMessage(entries: readonly Entry[], sizeBytes: number): Uint8Array {
  const message = new Uint8Array(sizeBytes);
  message[0] = VERSION;
  let at = 1;
  for (const { type, bytes } of entries) {
    message[at] = type;
    message[at + 1] = bytes.length & 0xff;
    message[at + 2] = bytes.length >>> 8;
    message.set(bytes, at + ENTRY_HEAD_BYTES);
    at += ENTRY_HEAD_BYTES + bytes.length;
  }
  return message;
}

function chosenOnRing(self: string, all: readonly Neighbour[]): readonly Neighbour[] {
  const place = (peer: string): string => Buffer.from(hash128(keyOfPeer(peer))).toString('hex');
  const own = place(self);
  const ring = all
    .map((neighbour) => ({ neighbour, at: place(neighbour.peer) }))
    .sort((one, other) => (one.at < other.at ? -1 : 1));
  const start = ring.findIndex(({ at }) => at > own);
  const chosen = new Set<Neighbour>();
  const half = ORDER_LIMIT.eagerNeighbours / 2;
  for (let step = 0; step < half; step++) {
    for (const distance of [step, Math.floor((ring.length * (step + 1)) / (half + 1))]) {
      const found = ring[(Math.max(0, start) + distance) % ring.length];
      if (found !== undefined) chosen.add(found.neighbour);
    }
  }
  return [...chosen];
}
