/**
 * What neighbours are told of the tokens that one VLAN receives: a set for each of its epochs, whenever tokens or
 * neighbours have changed.
 *
 * Main thread only.
 */
import type { EpochId } from '../membership/epoch.ts';
import type { EpochTokens } from './epoch-tokens.ts';
import type { FloodSet } from './flood-set.ts';
import type { RouteOutlet } from './route-link.ts';

/** See the file's head. */
export class VlanRoutes {
  readonly #outlet: RouteOutlet;
  readonly #tokens: EpochTokens;
  readonly #floodSet: FloodSet;
  /** Segment ids of what was announced. */
  readonly #announced = new Map<EpochId, Uint8Array>();
  #toldChanges = 0;

  constructor(outlet: RouteOutlet, tokens: EpochTokens, floodSet: FloodSet) {
    this.#outlet = outlet;
    this.#tokens = tokens;
    this.#floodSet = floodSet;
  }

  /** Tells what is new; to be called when a turn's changes are all made, so that it is told once. */
  tell(): void {
    const changes = this.#tokens.changes + this.#floodSet.changes;
    if (changes === this.#toldChanges) {
      return;
    }
    this.#toldChanges = changes;
    const received = new Map(this.#tokens.received().map((epoch) => [epoch.id, epoch]));
    for (const [id, segmentId] of [...this.#announced]) {
      if (!received.has(id)) {
        this.#announced.delete(id);
        this.#outlet.forget(segmentId);
      }
    }
    for (const { id, segment, routes } of received.values()) {
      this.#announced.set(id, segment.id);
      this.#outlet.announce(segment, routes, this.#floodSet.peers);
    }
  }
}
