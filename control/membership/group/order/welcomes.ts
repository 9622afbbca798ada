/**
 * Welcomes: kept by the committer until its commit has settled, pulled by whoever proposed the joiner, along the way
 * that the commit came.
 *
 *   proposer ─want─▶ neighbour that brought the commit ─want─▶ … ─▶ committer
 *            ◀─have, fetch────────────────────────────◀─have, fetch──┘
 *
 * Main thread and simulation; no I/O.
 */
import type { StateId } from '../group-port.ts';
import type { CommitEntry } from './commit-book.ts';
import { type Gossip, LINK_TYPE } from './gossip.ts';
import type { CommitItem } from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_TIMING } from './order-port.ts';
import { digestBytes } from './peer-key.ts';

/** Welcomes under way here: those of the last commits. */
const WANTED_MAX = 32;
/** A Welcome of a commit that is long past is of no use: its epoch's states are gone. */
const GIVE_UP_MS = 60_000;

interface WantedWelcome {
  readonly digest: string;
  readonly commit: StateId;
  /** Joiners that this node proposed. */
  readonly joiners: readonly string[];
  /** Neighbours that asked. */
  readonly askers: Set<string>;
  readonly sinceMs: number;
  retryAtMs: number;
  isFetching: boolean;
}

/** See the file's head. */
export class Welcomes {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #wanted = new Map<string, WantedWelcome>();
  /** What this node holds, its own or passed on; by the Welcome's digest. */
  readonly #held = new Map<string, Uint8Array>();

  constructor(context: OrderContext, gossip: Gossip) {
    this.#context = context;
    this.#gossip = gossip;
  }

  /** An own commit's; offered from now on, but nobody is told before it has settled. */
  made(commit: CommitItem, welcome: Uint8Array): void {
    if (commit.welcome !== undefined) this.#hold(commit.welcome, welcome);
  }

  /** A commit has settled that took a joiner's key package as this node proposed it. */
  settled(entry: CommitEntry, joiner: string): void {
    const { welcome, digest } = entry.item;
    if (welcome === undefined) return;
    const bytes = this.#held.get(welcome);
    if (bytes !== undefined) this.#deliver([joiner], welcome, bytes);
    else this.#want(welcome, digest, [joiner]);
  }

  /** A neighbour asks for a Welcome. */
  asked(peer: string, digest: string): void {
    if (this.#held.has(digest)) {
      this.#gossip.tell(peer, { type: LINK_TYPE['have-object'], bytes: digestBytes(digest) });
      return;
    }
    for (const entry of this.#context.book.all()) {
      if (entry.item.welcome === digest) {
        this.#want(digest, entry.item.digest, []);
        this.#wanted.get(digest)?.askers.add(peer);
        return;
      }
    }
  }

  /** A neighbour has got it. */
  available(peer: string, digest: string): void {
    const wanted = this.#wanted.get(digest);
    if (wanted !== undefined) this.#fetch(wanted, [peer]);
  }

  /** @returns whether it was a Welcome */
  object(digest: string, bytes: Uint8Array | undefined): boolean {
    const wanted = this.#wanted.get(digest);
    if (wanted?.isFetching !== true) return false;
    wanted.isFetching = false;
    if (bytes === undefined) {
      this.#askOnward(wanted);
      return true;
    }
    this.#wanted.delete(digest);
    this.#hold(digest, bytes);
    this.#deliver(wanted.joiners, wanted.digest, bytes);
    for (const peer of wanted.askers) {
      this.#gossip.tell(peer, { type: LINK_TYPE['have-object'], bytes: digestBytes(digest) });
    }
    return true;
  }

  tick(): void {
    const { nowMs } = this.#context;
    for (const wanted of [...this.#wanted.values()]) {
      if (nowMs - wanted.sinceMs > GIVE_UP_MS) this.#wanted.delete(wanted.digest);
      else if (wanted.retryAtMs <= nowMs && !wanted.isFetching) this.#fetch(wanted, this.#sourcesOf(wanted));
    }
  }

  nextTimeoutMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { retryAtMs, isFetching } of this.#wanted.values()) {
      if (!isFetching) nextMs = Math.min(nextMs, retryAtMs);
    }
    return nextMs;
  }

  #want(digest: string, commit: StateId, joiners: readonly string[]): void {
    const { nowMs } = this.#context;
    const known = this.#wanted.get(digest);
    if (known !== undefined) {
      this.#wanted.set(digest, { ...known, joiners: [...new Set([...known.joiners, ...joiners])] });
      return;
    }
    if (this.#wanted.size >= WANTED_MAX) return;
    const wanted: WantedWelcome = {
      digest,
      commit,
      joiners,
      askers: new Set(),
      sinceMs: nowMs,
      retryAtMs: nowMs,
      isFetching: false,
    };
    this.#wanted.set(digest, wanted);
    this.#fetch(wanted, this.#sourcesOf(wanted));
  }

  #sourcesOf(wanted: WantedWelcome): readonly string[] {
    const sources = [...(this.#context.book.get(wanted.commit)?.sources ?? [])];
    const up = sources.filter((peer) => this.#gossip.has(peer));
    return up.length > 0 ? up : this.#gossip.known();
  }

  #fetch(wanted: WantedWelcome, from: readonly string[]): void {
    wanted.retryAtMs = this.#context.nowMs + ORDER_TIMING.retryMs;
    if (wanted.isFetching || from.length === 0) return;
    wanted.isFetching = true;
    this.#context.emit({ kind: 'fetch', digest: wanted.digest, from });
  }

  #askOnward(wanted: WantedWelcome): void {
    wanted.retryAtMs = this.#context.nowMs + ORDER_TIMING.retryMs;
    for (const peer of this.#sourcesOf(wanted)) {
      // Never back to who asked us, or two would wait for each other.
      if (wanted.askers.has(peer)) continue;
      this.#gossip.tell(peer, { type: LINK_TYPE['want-object'], bytes: digestBytes(wanted.digest) });
    }
  }

  #hold(digest: string, bytes: Uint8Array): void {
    this.#held.set(digest, bytes);
    this.#context.emit({ kind: 'offer', digest, bytes });
    const oldest = this.#held.keys().next();
    if (this.#held.size > ORDER_WELCOMES && oldest.done !== true) {
      this.#held.delete(oldest.value);
      this.#context.emit({ kind: 'withdraw-offer', digest: oldest.value });
    }
  }

  #deliver(joiners: readonly string[], digest: string, bytes: Uint8Array): void {
    for (const peer of joiners) this.#context.emit({ kind: 'welcome', peer, digest, bytes });
  }
}

/** Held at a time; a Welcome may have some megabytes. */
const ORDER_WELCOMES = 4;
