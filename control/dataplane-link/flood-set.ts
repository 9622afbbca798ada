/**
 * The trunks that one VLAN is flooded to: those of the peers that share it and, in a private VLAN, are in the roster
 * of its newest epoch. Nothing of a private VLAN is sent to anybody else.
 *
 * Main thread only.
 */
import { NONE } from '../../dataplane/shm/layout.ts';
import type { VlanKind } from '../membership/membership-port.ts';
import type { TableWriters } from './table-writers.ts';

/** What a flood set is made of. */
export interface FloodSetParts {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly kind: VlanKind;
  readonly writers: Pick<TableWriters, 'sets' | 'vlans'>;
  /** The trunk slot of a peer, if there is a trunk. */
  trunkOf(peer: string): number | undefined;
}

/** See the file's head. */
export class FloodSet {
  readonly #parts: FloodSetParts;
  #neighbours: readonly string[] = [];
  /** Undefined: whoever shares the VLAN. */
  #roster: ReadonlySet<string> | undefined;
  #slot = NONE;
  /** Rises whenever `peers` may have changed. */
  changes = 0;

  constructor(parts: FloodSetParts) {
    this.#parts = parts;
    this.#roster = parts.kind === 'private' ? new Set() : undefined;
  }

  /** Slot of the present set, or NONE. */
  get slot(): number {
    return this.#slot;
  }

  /** The peers that are flooded to. */
  get peers(): readonly string[] {
    return this.#neighbours.filter(
      (peer) => (this.#roster?.has(peer) ?? true) && this.#parts.trunkOf(peer) !== undefined,
    );
  }

  /** The peers that share the VLAN. */
  setNeighbours(peers: readonly string[]): void {
    this.#neighbours = peers;
    this.update();
  }

  /** Who is in the VLAN. */
  setRoster(peers: ReadonlySet<string>): void {
    this.#roster = peers;
    this.update();
  }

  /** A trunk came or went. */
  update(): void {
    this.changes++;
    const { sets, vlans } = this.#parts.writers;
    const trunks = this.peers.flatMap((peer) => this.#parts.trunkOf(peer) ?? []);
    const old = this.#slot;
    this.#slot = trunks.length === 0 ? NONE : (sets.intern(trunks) ?? NONE);
    vlans.setFloodSet(this.#parts.vlan, this.#slot);
    if (old !== NONE) {
      sets.release(old);
    }
  }
}
