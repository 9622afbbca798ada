/**
 * The presence books of all VLANs of a node, and when this node says anew what it is.
 *
 * Main thread, pure.
 */
import type { PeerIdText } from '../trunk/trunk-port.ts';
import type { DiscoveryVlan, VlanKey } from './discovery-port.ts';
import { PRESENCE_ADDRESSES_MAX, PRESENCE_ROLES, PRESENCE_SEGMENTS_MAX, type Presence } from './presence.ts';
import { type OwnPresence, PresenceBook, type PresenceContext } from './presence-book.ts';

/** From a change to its saying: addresses come and go in groups. */
const CHANGE_DELAY_MS = 1_000;

interface BookState {
  readonly book: PresenceBook;
  /** What was last said, to see a change. */
  said: string;
  sayAtMs: number;
}

/** A message for a neighbour. */
export interface PresenceMessage {
  readonly vlan: Uint8Array;
  readonly peer: PeerIdText;
  readonly bytes: Uint8Array;
}

/** See the file's head. */
export class PresenceBooks {
  readonly #context: PresenceContext;
  readonly #books = new Map<VlanKey, BookState>();
  #addresses: readonly string[] = [];
  #load = 0;

  constructor(context: PresenceContext) {
    this.#context = context;
  }

  /** The VLANs of this node, whole. */
  setVlans(vlans: ReadonlyMap<VlanKey, DiscoveryVlan>, nowMs: number): void {
    for (const key of [...this.#books.keys()]) {
      if (!vlans.has(key)) {
        this.#books.delete(key);
      }
    }
    for (const [key, vlan] of vlans) {
      const known = this.#books.get(key);
      if (known === undefined) {
        const book = new PresenceBook(vlan, this.#context);
        this.#books.set(key, { book, said: '', sayAtMs: nowMs });
      } else {
        known.book.vlan = vlan;
        this.#noteChange(known, nowMs);
      }
    }
  }

  /** @param load - 0‥255, how many of our trunks are taken; told with the next presence */
  setOwn(addresses: readonly string[], load: number, nowMs: number): void {
    this.#addresses = addresses.slice(0, PRESENCE_ADDRESSES_MAX);
    this.#load = load;
    for (const state of this.#books.values()) {
      this.#noteChange(state, nowMs);
    }
  }

  neighbourUp(vlan: VlanKey, peer: PeerIdText, nowMs: number): void {
    this.#books.get(vlan)?.book.neighbourUp(peer, nowMs);
  }

  neighbourDown(vlan: VlanKey, peer: PeerIdText): void {
    this.#books.get(vlan)?.book.neighbourDown(peer);
  }

  /** @returns presences of others that are new and hold */
  heard(vlan: VlanKey, peer: PeerIdText, bytes: Uint8Array, nowMs: number): Presence[] {
    return this.#books.get(vlan)?.book.heard(peer, bytes, nowMs) ?? [];
  }

  nextAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const { book, sayAtMs } of this.#books.values()) {
      atMs = Math.min(atMs, book.nextAtMs(), sayAtMs);
    }
    return atMs;
  }

  /** @returns the messages that are due */
  settle(nowMs: number): PresenceMessage[] {
    const { config, random } = this.#context;
    return [...this.#books.values()].flatMap((state) => {
      const { book } = state;
      if (state.sayAtMs <= nowMs) {
        state.said = this.#ownText(state);
        state.sayAtMs = nowMs + config.presenceMs * (0.75 + random() / 2);
        book.sayOwn(this.#own(state), nowMs);
        book.expire(nowMs);
      }
      return book.flush(nowMs).map((message) => ({ vlan: book.vlan.id, ...message }));
    });
  }

  /** How many presences are remembered, for tests of bounded memory. */
  size(): number {
    return [...this.#books.values()].reduce((sum, { book }) => sum + book.size, 0);
  }

  #noteChange(state: BookState, nowMs: number): void {
    if (state.said !== '' && state.said !== this.#ownText(state)) {
      state.sayAtMs = Math.min(state.sayAtMs, nowMs + CHANGE_DELAY_MS);
    }
  }

  #own({ book }: BookState): OwnPresence {
    return {
      roles: this.#addresses.length > 0 ? PRESENCE_ROLES.listens : 0,
      load: this.#load,
      addresses: this.#addresses,
      segments: book.vlan.segments.slice(0, PRESENCE_SEGMENTS_MAX),
    };
  }

  #ownText(state: BookState): string {
    const { addresses, segments } = this.#own(state);
    return JSON.stringify([addresses, segments.map((segment) => [...segment])]);
  }
}
