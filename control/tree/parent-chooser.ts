/**
 * Which root this node follows, and through which neighbour.
 *
 *   offers ──▶ feasible? ──▶ best root ──▶ least distance ──▶ hysteresis ──▶ next ──(it accepts)──▶ parent
 *                 └ no: better than what is followed? ──▶ wanted: a new sequence makes it feasible
 *
 * A parent that is lost is replaced at once; one that is only beaten stays until the next one has accepted, so that no frame
 * is lost on the way. A root that is lost while others still tell of it is waited for a moment: its next sequence comes
 * sooner than another tree grows.
 *
 * Main thread; no clock of its own.
 */
import type { FeasibleDistances } from './feasible-distances.ts';
import type { Neighbour, Way } from './neighbour.ts';
import { TREE_LIMIT, TREE_TIMING } from './tree-limits.ts';
import type { TreeCounters } from './tree-port.ts';

/** A neighbour that could be parent. */
interface Candidate {
  readonly neighbour: Neighbour;
  readonly total: number;
}

/** What the chooser is made of. */
export interface ChooserOptions {
  /** Of a member. */
  readonly ownRoot: string | undefined;
  readonly distances: FeasibleDistances;
  readonly counters: TreeCounters;
  /** Whether a neighbour is taken for a fifth nearer. */
  isFavoured(peer: string, nowMs: number): boolean;
}

/** See the file's head. */
export class ParentChooser {
  root: string | undefined;
  /** It has accepted this node. */
  parent: Neighbour | undefined;
  /** It is asked to. */
  next: Neighbour | undefined;
  /** A better root than the one that is followed: a new sequence is needed for it. */
  wantedRoot: string | undefined;
  readonly #options: ChooserOptions;
  #joinNumber = 0;
  #joinDueMs = Number.POSITIVE_INFINITY;
  #awaited: { readonly root: string; readonly untilMs: number } | undefined;
  /** A neighbour that would be a little better than the parent, and since when. */
  #rival: { readonly neighbour: Neighbour; readonly sinceMs: number } | undefined;

  constructor(options: ChooserOptions) {
    this.#options = options;
  }

  /** The neighbour that this node's distance is measured by. */
  get base(): Neighbour | undefined {
    return this.parent ?? this.next;
  }

  get isRoot(): boolean {
    return this.root !== undefined && this.root === this.#options.ownRoot;
  }

  /** When the choice may be another one though nothing was heard. */
  get dueMs(): number {
    const rivalDueMs =
      this.#rival === undefined ? Number.POSITIVE_INFINITY : this.#rival.sinceMs + TREE_TIMING.switchDelayMs;
    return Math.min(
      this.next === undefined ? rivalDueMs : this.#joinDueMs,
      this.#awaited?.untilMs ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Numbers of joins differ from those of this node's former lives. */
  startNumbersAt(number: number): void {
    this.#joinNumber = number >>> 0;
  }

  /** A neighbour that could take over for the parent at once. */
  isAlternate(neighbour: Neighbour): boolean {
    return (
      this.root !== undefined && neighbour !== this.base && this.#wayTo(this.root, neighbour) !== undefined
    );
  }

  /** Looks at all neighbours anew. */
  update(neighbours: ReadonlyMap<string, Neighbour>, nowMs: number): void {
    const before = { root: this.root, parent: this.parent };
    this.#dropLost(neighbours, nowMs);
    this.#chooseRoot(neighbours, nowMs);
    this.#chooseParent(neighbours, nowMs);
    this.#options.counters.rootChanges += this.root === before.root ? 0 : 1;
    this.#options.counters.parentChanges += this.parent === before.parent ? 0 : 1;
  }

  #wayTo(root: string, neighbour: Neighbour): Way | undefined {
    const { offer } = neighbour;
    const isRight = offer?.claim.root === root && root !== this.#options.ownRoot;
    return isRight && this.#options.distances.isFeasible(root, offer) ? offer : undefined;
  }

  #isThere(neighbours: ReadonlyMap<string, Neighbour>, neighbour: Neighbour): boolean {
    return (
      this.root !== undefined &&
      neighbours.get(neighbour.peer) === neighbour &&
      this.#wayTo(this.root, neighbour) !== undefined
    );
  }

  #hasAccepted({ word, joinNumber }: Neighbour): boolean {
    return word.port === 'accept' && word.joinNumber === joinNumber && word.root === this.root;
  }

  #dropLost(neighbours: ReadonlyMap<string, Neighbour>, nowMs: number): void {
    const { parent, next } = this;
    if (parent !== undefined && !(this.#hasAccepted(parent) && this.#isThere(neighbours, parent))) {
      this.#leave('parent');
    }
    if (next === undefined) {
      return;
    }
    if (!this.#isThere(neighbours, next)) {
      this.#leave('next');
    } else if (this.#hasAccepted(next)) {
      this.#leave('parent');
      this.parent = next;
      this.next = undefined;
      next.failures = 0;
    } else if (nowMs >= this.#joinDueMs) {
      this.#options.counters.joinTimeouts++;
      next.shun(nowMs);
      this.#leave('next');
    }
  }

  #leave(which: 'parent' | 'next'): void {
    const neighbour = this[which];
    if (neighbour !== undefined) {
      neighbour.joinNumber = 0;
      this[which] = undefined;
    }
  }

  #chooseRoot(neighbours: ReadonlyMap<string, Neighbour>, nowMs: number): void {
    const { best, barred } = this.#survey(neighbours);
    const lost = this.root;
    if (lost !== undefined && barred.has(lost)) {
      this.#awaited = { root: lost, untilMs: nowMs + TREE_TIMING.awaitMs };
    }
    if (this.#awaited !== undefined && !(barred.has(this.#awaited.root) && nowMs < this.#awaited.untilMs)) {
      this.#awaited = undefined;
    }
    this.wantedRoot = [...barred].sort()[0];
    const root = this.#awaited === undefined ? best : undefined;
    if (root !== this.root) {
      this.#leave('parent');
      this.#leave('next');
      this.root = root;
    }
  }

  /** @returns the best root that can be followed now, and the better ones that need a new sequence first */
  #survey(neighbours: ReadonlyMap<string, Neighbour>): { best: string | undefined; barred: Set<string> } {
    let best = this.#options.ownRoot;
    const told = new Set<string>();
    for (const neighbour of neighbours.values()) {
      const root = neighbour.offer?.claim.root;
      if (root === undefined || (best !== undefined && root >= best)) {
        continue;
      }
      told.add(root);
      best = this.#wayTo(root, neighbour) === undefined ? best : root;
    }
    const barred = [...told].filter((root) => best === undefined || root < best);
    return { best, barred: new Set(barred) };
  }

  #chooseParent(neighbours: ReadonlyMap<string, Neighbour>, nowMs: number): void {
    const { root } = this;
    if (root === undefined || root === this.#options.ownRoot) {
      this.#rival = undefined;
      return;
    }
    const best = this.#nearest(neighbours, root, nowMs);
    if (best === undefined || best.neighbour === this.parent) {
      this.#rival = undefined;
      this.#leave('next');
      return;
    }
    if (this.parent === undefined) {
      this.#rival = undefined;
      this.#join(best, root, nowMs);
    } else if (this.#beats(best, this.parent, nowMs)) {
      this.#join(best, root, nowMs);
    } else {
      this.#leave('next');
    }
  }

  #nearest(neighbours: ReadonlyMap<string, Neighbour>, root: string, nowMs: number): Candidate | undefined {
    let best: Candidate | undefined;
    for (const neighbour of neighbours.values()) {
      const way = this.#wayTo(root, neighbour);
      if (way === undefined) {
        continue;
      }
      const share = this.#options.isFavoured(neighbour.peer, nowMs) ? TREE_LIMIT.switchShare : 1;
      const total = neighbour.total(way) * share;
      if (best === undefined || total < best.total) {
        best = { neighbour, total };
      }
    }
    return best;
  }

  /** Whether the parent is to give way: to a much better one at once, to a better one after a while. */
  #beats(best: Candidate, parent: Neighbour, nowMs: number): boolean {
    const total = parent.way === undefined ? Number.POSITIVE_INFINITY : parent.total(parent.way);
    if (best.total >= total) {
      this.#rival = undefined;
      return false;
    }
    if (best.total < total * TREE_LIMIT.switchShare) {
      return true;
    }
    if (this.#rival?.neighbour !== best.neighbour) {
      this.#rival = { neighbour: best.neighbour, sinceMs: nowMs };
    }
    return nowMs >= this.#rival.sinceMs + TREE_TIMING.switchDelayMs;
  }

  /** Asks a neighbour to be parent, unless one that is about as good is asked already. */
  #join(best: Candidate, root: string, nowMs: number): void {
    const { next } = this;
    const way = next === undefined ? undefined : this.#wayTo(root, next);
    if (next !== undefined && way !== undefined && best.total >= next.total(way) * TREE_LIMIT.switchShare) {
      return;
    }
    this.#leave('next');
    this.#joinNumber = (this.#joinNumber + 1) >>> 0 || 1;
    this.next = best.neighbour;
    this.next.joinNumber = this.#joinNumber;
    this.#joinDueMs = nowMs + this.next.joinTimeoutMs();
  }
}
