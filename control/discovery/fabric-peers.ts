/**
 * What the switching fabric knows of peers: which members of our VLANs live, whose trunks it forwards by, and through
 * which peers others may be reached.
 *
 * Main thread, pure.
 */
import type { PeerIdText } from '../trunk/trunk-port.ts';
import type { CandidateTable } from './candidates.ts';
import type { MembersInput, TreePeersInput, VlanKey } from './discovery-port.ts';

/** See the file's head. */
export class FabricPeers {
  readonly #table: CandidateTable;
  /** Trunk peers that relay for others. */
  readonly #relays = new Set<PeerIdText>();
  readonly #members = new Map<VlanKey, ReadonlySet<PeerIdText>>();

  constructor(table: CandidateTable) {
    this.#table = table;
  }

  /** Whether peers may be reached of which no address is known. */
  get hasRelay(): boolean {
    return this.#relays.size > 0;
  }

  trunkUp(peer: PeerIdText, isRelay: boolean): void {
    if (isRelay) this.#relays.add(peer);
  }

  trunkDown(peer: PeerIdText): void {
    this.#relays.delete(peer);
  }

  /** Takes a VLAN's members. @returns those that are new */
  setMembers({ vlan, peers }: Pick<MembersInput, 'vlan' | 'peers'>): PeerIdText[] {
    const former = this.#members.get(vlan) ?? new Set();
    if (peers.length === 0) this.#members.delete(vlan);
    else this.#members.set(vlan, new Set(peers));
    for (const peer of former) {
      const isStill = [...this.#members.values()].some((members) => members.has(peer));
      const candidate = isStill ? undefined : this.#table.all.get(peer);
      if (candidate !== undefined) this.#table.unsee(candidate, 'fabric');
    }
    return peers.filter((peer) => !former.has(peer));
  }

  /** VLANs that this node has left have no members. */
  keepVlans(vlans: ReadonlySet<VlanKey>): void {
    for (const vlan of [...this.#members.keys()]) {
      if (!vlans.has(vlan)) this.setMembers({ vlan, peers: [] });
    }
  }

  setTreePeers({ peers }: TreePeersInput): void {
    const named = new Set(peers);
    for (const candidate of this.#table.all.values()) {
      candidate.isTreePeer = named.has(candidate.peer);
    }
  }
}
