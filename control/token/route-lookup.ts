/**
 * The questions that are asked of token announcements: which ports lead to a token, which way to a member, who is there.
 *
 * Main thread; reads only.
 */
import { keyOf, PATH_MTU_ANY } from './route-message.ts';
import type { AnnouncerPath, AnnouncerReport, RouteStatus, TokenRoute } from './route-port.ts';
import type { RouteSegment } from './route-segment.ts';
import type { Announcer, RouteStore } from './route-store.ts';

/** What is asked. */
export interface LookupParts {
  readonly store: RouteStore;
  /** By id, in hexadecimal. */
  readonly segments: ReadonlyMap<string, RouteSegment>;
  /** How large a datagram trunks take, where it is known. */
  readonly trunkBytes: ReadonlyMap<string, number>;
}

/** See the file's head. */
export class RouteLookup {
  readonly #store: RouteStore;
  readonly #segments: ReadonlyMap<string, RouteSegment>;
  readonly #trunkBytes: ReadonlyMap<string, number>;

  constructor({ store, segments, trunkBytes }: LookupParts) {
    this.#store = store;
    this.#segments = segments;
    this.#trunkBytes = trunkBytes;
  }

  /** Tokens that others want, once for each who does. */
  get live(): number {
    return this.#store.live;
  }

  /**
   * The forwarding ports that lead to a token.
   *
   * @param token - 16 bytes, or its hexadecimal form
   */
  routesOf(token: Uint8Array | string): readonly TokenRoute[] {
    const bytes = new Map<string, number>();
    for (const announcer of this.#store.wanting(typeof token === 'string' ? token : keyOf(token))) {
      const forwarding = this.#segments.get(announcer.segment)?.forwarding;
      for (const [peer, { pathMtuBytes }] of announcer.ways) {
        if (forwarding?.has(peer) === true) {
          bytes.set(peer, Math.min(bytes.get(peer) ?? this.#bytesOf(peer), pathMtuBytes));
        }
      }
    }
    return [...bytes].map(([peer, pathMtuBytes]) => ({ peer, pathMtuBytes }));
  }

  /**
   * Who wants a token, by whatever way they were heard: by a trunk beside the tree, too.
   *
   * @param token - 16 bytes
   * @returns nonces, in hexadecimal
   */
  wantedBy(token: Uint8Array): readonly string[] {
    return [...this.#store.wanting(keyOf(token))].flatMap(({ key, ways }) => (ways.size > 0 ? key : []));
  }

  /** The way to an announcer: by the tree, else by a trunk to itself. */
  pathOf(segmentId: Uint8Array, nonce: Uint8Array): AnnouncerPath | undefined {
    const segment = this.#segments.get(keyOf(segmentId));
    const announcer = segment && this.#store.of(segment.key).get(keyOf(nonce));
    return announcer && this.#pathTo(segment, announcer);
  }

  /** Who wants tokens in a segment, and can be reached. */
  announcers(segmentId: Uint8Array): readonly AnnouncerReport[] {
    const segment = this.#segments.get(keyOf(segmentId));
    if (segment === undefined) {
      return [];
    }
    return [...this.#store.of(segment.key).values()].flatMap((announcer) => {
      const path = this.#pathTo(segment, announcer);
      return path === undefined ? [] : { nonce: announcer.key, tokens: announcer.tokens.size, ...path };
    });
  }

  /** Whether a neighbour has said that it leads to one who wants a token. */
  isRouted(peer: string, token: Uint8Array): boolean {
    return [...this.#store.wanting(keyOf(token))].some(({ ways }) => ways.has(peer));
  }

  /** What is known, for people. */
  status(): RouteStatus {
    const peers = new Set([...this.#segments.values()].flatMap(({ partners }) => [...partners]));
    return {
      segments: [...this.#segments.values()].map((segment) => {
        const reachable = this.announcers(segment.id);
        return {
          segment: segment.key,
          isOwn: segment.own !== undefined,
          partners: [...segment.partners],
          ports: [...segment.forwarding],
          announcers: reachable.length,
          tokens: reachable.reduce((sum, { tokens }) => sum + tokens, 0),
        };
      }),
      neighbours: [...peers].map((peer) => ({ peer, ...this.#store.countsOf(peer) })),
    };
  }

  #pathTo(segment: RouteSegment, announcer: Announcer): AnnouncerPath | undefined {
    const way = segment.wayTo(announcer);
    return way && { ...way, pathMtuBytes: Math.min(way.pathMtuBytes, this.#bytesOf(way.peer)) };
  }

  /** As long as nobody has said how much a trunk takes, nothing limits it here. */
  #bytesOf(peer: string): number {
    return this.#trunkBytes.get(peer) ?? PATH_MTU_ANY;
  }
}
