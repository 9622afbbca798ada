/**
 * What neighbours are told of other announcers: each forwarding port is told to whom the others lead.
 *
 *   a set that has just come   ─▶ its message, the signed part unchanged, to each port that has the state before it;
 *                                 the history to the others
 *   another way, or none       ─▶ paths
 *   a port that comes          ─▶ the list of all paths; it pulls the sets that it does not have
 *
 * Main thread; no clock of its own. What changes in one turn is told at its end, once. Nothing that came through a port is
 * told to it, so in a tree nothing goes in circles; and where there is no tree, the count of hops ends it.
 */
import type { RouteSend } from './route-announcer.ts';
import { ROUTE_LIMIT } from './route-limits.ts';
import {
  encodePaths,
  PATH_MTU_ANY,
  PATH_MTU_LEAST,
  PATH_MTU_NONE,
  type RouteHead,
  type RoutePath,
  withHead,
} from './route-message.ts';
import type { RouteSegment } from './route-segment.ts';
import type { Announcer, RouteStore } from './route-store.ts';

/** What telling works on. */
export interface TellerParts {
  readonly store: RouteStore;
  readonly segments: ReadonlyMap<string, RouteSegment>;
  /** How large a datagram the trunk to a neighbour takes, where it is known. */
  readonly trunkBytes: ReadonlyMap<string, number>;
}

/** See the file's head. */
export class RouteTeller {
  readonly #parts: TellerParts;
  /** What may have to be told; true: its set has just come. */
  readonly #touched = new Map<Announcer, boolean>();
  /** Neighbours that are told the whole list. */
  readonly #lists = new Map<RouteSegment, Set<string>>();

  constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  /** A set or the ways to it have changed. @param isNews - neighbours are not likely to have it */
  touch(announcer: Announcer, isNews = false): void {
    this.#touched.set(announcer, isNews || this.#touched.get(announcer) === true);
  }

  /** A neighbour is to be told all that it may know. */
  list(segment: RouteSegment, peer: string): void {
    this.#lists.set(segment, (this.#lists.get(segment) ?? new Set<string>()).add(peer));
  }

  /** A neighbour asks for a set. @returns whether it could be told */
  answer(segment: RouteSegment, peer: string, announcer: Announcer): RouteSend[] {
    const head = segment.forwarding.has(peer) ? this.#headFor(segment, announcer, peer) : undefined;
    if (head === undefined) {
      return [];
    }
    return this.#tellSet(announcer, peer, { head, since: 0 });
  }

  /** Says what has come together. */
  flush(): RouteSend[] {
    const sends: RouteSend[] = [];
    const paths = new Map<RouteSegment, Map<string, RoutePath[]>>();
    for (const [announcer, isNews] of this.#touched) {
      const segment = this.#parts.segments.get(announcer.segment);
      for (const peer of segment?.forwarding ?? []) {
        if (segment !== undefined && this.#lists.get(segment)?.has(peer) !== true) {
          const told = this.#tell(segment, announcer, { peer, isNews });
          sends.push(...told.sends);
          collect(paths, segment, { peer, path: told.path });
        }
      }
    }
    this.#touched.clear();
    for (const [segment, byPeer] of paths) {
      for (const [peer, changed] of byPeer) {
        sends.push({ kind: 'send', peer, bytes: encodePaths(segment.id, changed, false) });
      }
    }
    return [...sends, ...this.#flushLists()];
  }

  #flushLists(): RouteSend[] {
    const sends: RouteSend[] = [];
    for (const [segment, peers] of this.#lists) {
      for (const peer of peers) {
        if (segment.partners.has(peer)) {
          sends.push({ kind: 'send', peer, bytes: encodePaths(segment.id, this.#all(segment, peer), true) });
        }
      }
    }
    this.#lists.clear();
    return sends;
  }

  /** Where we lead a neighbour: to ourselves, and by a port of the tree to whomever the others lead. */
  #all(segment: RouteSegment, peer: string): RoutePath[] {
    const { own } = segment;
    const paths: RoutePath[] = [];
    if (own !== undefined && own.sequence > 0) {
      paths.push({ nonce: own.nonce, sequence: own.sequence, pathMtuBytes: PATH_MTU_ANY, hops: 0 });
    }
    for (const announcer of this.#parts.store.of(segment.key).values()) {
      const head = segment.forwarding.has(peer) ? this.#headFor(segment, announcer, peer) : undefined;
      announcer.told.delete(peer);
      if (head !== undefined) {
        const { nonce, sequence } = announcer;
        announcer.told.set(peer, { sequence, ...head });
        paths.push({ nonce, sequence, ...head });
      }
    }
    return paths;
  }

  #tell(
    segment: RouteSegment,
    announcer: Announcer,
    { peer, isNews }: { readonly peer: string; readonly isNews: boolean },
  ): { readonly sends: readonly RouteSend[]; readonly path?: RoutePath } {
    const { nonce, sequence } = announcer;
    const told = announcer.told.get(peer);
    const head = this.#headFor(segment, announcer, peer);
    if (head === undefined) {
      return announcer.told.delete(peer)
        ? { sends: [], path: { nonce, sequence, pathMtuBytes: PATH_MTU_NONE, hops: 0 } }
        : { sends: [] };
    }
    if (told === undefined ? isNews : told.sequence < sequence) {
      return { sends: this.#tellSet(announcer, peer, { head, since: told?.sequence ?? 0 }) };
    }
    if (told?.hops === head.hops && told.pathMtuBytes === head.pathMtuBytes) {
      return { sends: [] };
    }
    announcer.told.set(peer, { sequence: told?.sequence ?? sequence, ...head });
    return { sends: [], path: { nonce, sequence, ...head } };
  }

  /** Tells a neighbour what it lacks of a set: from the state on that it has, or all. */
  #tellSet(
    announcer: Announcer,
    peer: string,
    { head, since }: { readonly head: RouteHead; readonly since: number },
  ): RouteSend[] {
    const { history, sequence } = announcer;
    const from = history.findIndex(({ base }) => base === since);
    announcer.told.set(peer, { sequence, ...head });
    return history
      .slice(Math.max(0, from))
      .map(({ bytes }) => ({ kind: 'send', peer, bytes: withHead(bytes, head) }));
  }

  /** What a neighbour is told of the way to an announcer; undefined where we do not lead it there. */
  #headFor(segment: RouteSegment, announcer: Announcer, peer: string): RouteHead | undefined {
    const way = segment.portTo(announcer, peer);
    if (way === undefined || way.hops + 1 >= ROUTE_LIMIT.hops) {
      return undefined;
    }
    const pathMtuBytes = Math.max(
      PATH_MTU_LEAST,
      Math.min(way.pathMtuBytes, this.#parts.trunkBytes.get(way.peer) ?? PATH_MTU_ANY),
    );
    return { pathMtuBytes, hops: way.hops + 1 };
  }
}

function collect(
  paths: Map<RouteSegment, Map<string, RoutePath[]>>,
  segment: RouteSegment,
  { peer, path }: { readonly peer: string; readonly path: RoutePath | undefined },
): void {
  if (path !== undefined) {
    const byPeer = paths.get(segment) ?? new Map<string, RoutePath[]>();
    paths.set(segment, byPeer);
    const changed = byPeer.get(peer) ?? [];
    byPeer.set(peer, changed);
    changed.push(path);
  }
}
