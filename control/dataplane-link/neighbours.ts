/**
 * Which peers share which of our VLANs, and which of them have a trunk.
 *
 * Main thread only; no I/O.
 */

/** What a peer shares now compared with before. */
export interface NeighbourChange {
  /** Text form of the VLAN id, as the caller names VLANs. */
  readonly vlan: string;
  readonly peers: readonly string[];
  /** A peer was added: it has not heard us yet. */
  readonly grown: boolean;
}

/** See the file's head. */
export class Neighbours {
  readonly #peersOf = new Map<string, Set<string>>();
  readonly #trunks = new Map<string, number>();

  /** Peers that share a VLAN. */
  of(vlan: string): readonly string[] {
    return [...(this.#peersOf.get(vlan) ?? [])];
  }

  /** VLANs that a peer shares. */
  sharedWith(peer: string): readonly string[] {
    return [...this.#peersOf].filter(([, peers]) => peers.has(peer)).map(([vlan]) => vlan);
  }

  /** The trunk slot of a peer. */
  trunkOf(peer: string): number | undefined {
    return this.#trunks.get(peer);
  }

  setTrunk(peer: string, slot: number | undefined): void {
    if (slot === undefined) {
      this.#trunks.delete(peer);
    } else {
      this.#trunks.set(peer, slot);
    }
  }

  /** The VLANs that a peer shares, whole. @returns those whose peers changed */
  setShared(peer: string, vlans: readonly string[]): readonly NeighbourChange[] {
    const changed = new Map<string, boolean>();
    for (const [vlan, peers] of this.#peersOf) {
      if (!vlans.includes(vlan) && peers.delete(peer)) {
        changed.set(vlan, false);
      }
    }
    for (const vlan of vlans) {
      const peers = this.#peersOf.get(vlan) ?? new Set<string>();
      this.#peersOf.set(vlan, peers);
      if (!peers.has(peer)) {
        peers.add(peer);
        changed.set(vlan, true);
      }
    }
    return [...changed].map(([vlan, grown]) => ({ vlan, grown, peers: this.of(vlan) }));
  }
}
