/**
 * One segment as token announcements have it: whose it is, who speaks in it, through which ports it is forwarded; and the
 * choice of a way among several.
 *
 * Main thread.
 */
import type { RouteAnnouncer } from './route-announcer.ts';
import { keyOf, type RouteHead } from './route-message.ts';
import type { Announcer } from './route-store.ts';

/** See the file's head. */
export class RouteSegment {
  readonly id: Uint8Array;
  readonly key: string;
  /** Our own set, where we are a member. */
  own: RouteAnnouncer | undefined;
  /** We carry it for others. */
  isCarried = false;
  #partners: ReadonlySet<string> = new Set();
  #ports: ReadonlySet<string> = new Set();
  #forwarding: ReadonlySet<string> = new Set();

  constructor(id: Uint8Array) {
    this.id = id;
    this.key = keyOf(id);
  }

  /** Who may speak, and is told our own set. */
  get partners(): ReadonlySet<string> {
    return this.#partners;
  }

  /** The partners through whom the tree leads. */
  get forwarding(): ReadonlySet<string> {
    return this.#forwarding;
  }

  setPartners(peers: Iterable<string>): void {
    this.#partners = new Set(peers);
    this.#update();
  }

  /** The tree's ports, whether they are partners or not yet. */
  setPorts(peers: Iterable<string>): void {
    this.#ports = new Set(peers);
    this.#update();
  }

  removePeer(peer: string): void {
    this.setPartners([...this.#partners].filter((partner) => partner !== peer));
    this.setPorts([...this.#ports].filter((port) => port !== peer));
  }

  /** The best port that leads to an announcer. @param except - a port that is not meant */
  portTo(announcer: Announcer, except?: string): WayOut | undefined {
    let best: WayOut | undefined;
    for (const [peer, head] of announcer.ways) {
      if (peer !== except && this.#forwarding.has(peer)) {
        const way = { peer, ...head };
        best = best === undefined || isBetter(way, best) ? way : best;
      }
    }
    return best;
  }

  /** The way that is used to reach an announcer: by the tree, else by a trunk to the announcer itself. */
  wayTo(announcer: Announcer): WayOut | undefined {
    const port = this.portTo(announcer);
    if (port !== undefined) {
      return port;
    }
    const [direct] = [...announcer.ways].filter(([, { hops }]) => hops === 0);
    return direct === undefined ? undefined : { peer: direct[0], ...direct[1] };
  }

  #update(): void {
    this.#forwarding = new Set([...this.#ports].filter((peer) => this.#partners.has(peer)));
  }
}

/** A neighbour and how it leads to an announcer. */
export interface WayOut extends RouteHead {
  readonly peer: string;
}

/** The members of one set that are not in another. */
export function without(set: ReadonlySet<string>, other: ReadonlySet<string>): readonly string[] {
  return [...set].filter((member) => !other.has(member));
}

/** Nearer, else larger, else the same one for everybody who asks again. */
function isBetter(way: WayOut, than: WayOut): boolean {
  if (way.hops !== than.hops) {
    return way.hops < than.hops;
  }
  return way.pathMtuBytes === than.pathMtuBytes ? way.peer < than.peer : way.pathMtuBytes > than.pathMtuBytes;
}
