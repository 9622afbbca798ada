/**
 * Which peers share which of our VLANs, and which of them have a trunk, by which carrier.
 *
 * Main thread only; no I/O.
 */
import type { Carrier } from '../trunk/trunk-port.ts';

/** What a peer shares now compared with before. */
export interface NeighbourChange {
  /** Text form of the VLAN id, as the caller names VLANs. */
  readonly vlan: string;
  readonly peers: readonly string[];
  /** A peer was added: it has not heard us yet. */
  readonly grown: boolean;
}

/** A peer's own trunk. */
export interface TrunkWay {
  readonly slot: number;
  /** Undefined: nothing gets through now. */
  readonly carrier: Carrier | undefined;
  /** Largest link datagram that it takes. */
  readonly datagramMtuBytes: number;
}

/** See the file's head. */
export class Neighbours {
  readonly #peersOf = new Map<string, Set<string>>();
  readonly #trunks = new Map<string, TrunkWay>();

  /** Peers that share a VLAN. */
  of(vlan: string): readonly string[] {
    return [...(this.#peersOf.get(vlan) ?? [])];
  }

  /** VLANs that a peer shares. */
  sharedWith(peer: string): readonly string[] {
    return [...this.#peersOf].filter(([, peers]) => peers.has(peer)).map(([vlan]) => vlan);
  }

  /** The trunk of a peer. */
  trunkOf(peer: string): TrunkWay | undefined {
    return this.#trunks.get(peer);
  }

  /** Slots of all trunks, by peer. */
  trunks(): ReadonlyMap<string, number> {
    return new Map([...this.#trunks].map(([peer, { slot }]) => [peer, slot]));
  }

  setTrunk(peer: string, trunk: TrunkWay | undefined): void {
    if (trunk === undefined) {
      this.#trunks.delete(peer);
    } else {
      this.#trunks.set(peer, trunk);
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
