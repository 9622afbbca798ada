/**
 * Where one VLAN's floods go from here: to each member by its own trunk, or along the tree of the sealing epoch.
 *
 *   replicate  every live member has a `udp` trunk to us, 16 of them at most, and nobody else announces in the segment:
 *              one copy each, with one hop, so that nobody passes it on
 *   tree       the ports that lead to somebody who wants the broadcast token, with all hops
 *
 * Until a new segment's ways are known, neighbours in the VLAN are sent to, with one hop.
 *
 * Main thread only.
 */
import { INITIAL_HOPS, NONE } from '../../dataplane/shm/layout.ts';
import type { VlanKind } from '../membership/membership-port.ts';
import type { FabricOutlet, TokenWay } from './fabric-link.ts';
import type { TrunkWay } from './neighbours.ts';
import type { TableWriters } from './table-writers.ts';
import type { GroupWays } from './vlan-groups.ts';
import { PATH_ANY } from './vlan-ways.ts';

/** Beyond it, the tree costs the sender less than the others gain. */
const REPLICATED_MEMBERS_MAX = 16;
/** Hops of what nobody is to pass on. */
export const DIRECT_HOPS = 1;

/** What a flood is made of. */
export interface VlanFloodParts {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly kind: VlanKind;
  readonly writers: Pick<TableWriters, 'sets' | 'vlans'>;
  readonly fabric: Pick<FabricOutlet, 'waysOf' | 'announcers' | 'wantedBy'>;
  /** A peer's own trunk, if there is one. */
  trunkOf(peer: string): TrunkWay | undefined;
}

/** The epoch that is sealed under, as floods see it. */
export interface FloodEpoch {
  readonly segmentId: Uint8Array;
  /** Of the period that is sent under. */
  readonly broadcastToken: Uint8Array;
  /** Nonces of the live members in the segment, in hexadecimal, by PeerId. */
  readonly members: ReadonlyMap<string, string>;
}

interface Ways {
  readonly hops: number;
  readonly ways: readonly TokenWay[];
  /** Undefined: it is not known who wants what. */
  readonly by: 'members' | 'tree' | undefined;
}

/** See the file's head. */
export class VlanFlood {
  readonly #parts: VlanFloodParts;
  #sharing: readonly string[] = [];
  /** Undefined: whoever shares the VLAN. */
  #roster: ReadonlySet<string> | undefined;
  #slot = NONE;
  #told = '';
  #epoch: FloodEpoch | undefined;
  #by: Ways['by'];
  /** What control datagrams went by last; kept until they go by another. */
  #controlSet = NONE;
  /** Rises whenever `neighbours` may have changed. */
  changes = 0;

  constructor(parts: VlanFloodParts) {
    this.#parts = parts;
    this.#roster = parts.kind === 'private' ? new Set() : undefined;
  }

  /** Peers with a trunk to us that are in the VLAN. */
  get neighbours(): readonly string[] {
    return this.#sharing.filter(
      (peer) => (this.#roster?.has(peer) ?? true) && this.#parts.trunkOf(peer) !== undefined,
    );
  }

  /** The peers that share the VLAN. */
  setSharing(peers: readonly string[]): void {
    this.#sharing = peers;
    this.changes++;
  }

  /** Who is in the VLAN. */
  setRoster(peers: ReadonlySet<string>): void {
    this.#roster = peers;
    this.changes++;
  }

  /** Ways, members or the epoch have changed. @param epoch - undefined: nothing is sealed */
  update(epoch: FloodEpoch | undefined): void {
    const { hops, ways, by } = this.#ways(epoch);
    this.#epoch = epoch;
    this.#by = by;
    const pathBytes = ways.reduce((least, way) => Math.min(least, way.pathMtuBytes), PATH_ANY);
    const told = JSON.stringify([hops, pathBytes, ways.map(({ trunk }) => trunk).toSorted((a, b) => a - b)]);
    if (told === this.#told) return;
    this.#told = told;
    const { sets, vlans } = this.#parts.writers;
    const old = this.#slot;
    this.#slot = ways.length === 0 ? NONE : (sets.intern(ways.map(({ trunk }) => trunk)) ?? NONE);
    vlans.setFlood(this.#parts.vlan, { set: this.#slot, hops, pathBytes });
    if (old !== NONE) sets.release(old);
  }

  /** Whether somebody announces in the sealing epoch whom no live member's key explains. */
  hasStrangers(): boolean {
    if (this.#epoch === undefined) return false;
    const { segmentId, members } = this.#epoch;
    const known = new Set(members.values());
    return this.#parts.fabric.announcers(segmentId).some((nonce) => !known.has(nonce));
  }

  /**
   * The set by which the members' own messages go under a token.
   *
   * @returns undefined when there is nobody to send to
   */
  controlWays(token: Uint8Array): { readonly set: number; readonly hops: number } | undefined {
    const tree = this.#parts.fabric.waysOf(token);
    const ways = tree.length > 0 ? { hops: INITIAL_HOPS, ways: tree } : this.#neighbourWays();
    const { sets } = this.#parts.writers;
    const set = ways.ways.length === 0 ? undefined : sets.intern(ways.ways.map(({ trunk }) => trunk));
    if (this.#controlSet !== NONE) sets.release(this.#controlSet);
    this.#controlSet = set ?? NONE;
    return set === undefined ? undefined : { set, hops: ways.hops };
  }

  /**
   * By which trunks the frames of a multicast group go, of those that the VLAN is flooded to. A member that has announced
   * nothing yet may want it.
   *
   * @param token - the group's, of the epoch and period that are sent under
   * @returns undefined while it is not known who wants what
   */
  groupWays(token: Uint8Array): GroupWays | undefined {
    if (this.#by === undefined || this.#epoch === undefined) return undefined;
    if (this.#by === 'tree') return groupWays(INITIAL_HOPS, this.#parts.fabric.waysOf(token));
    const { fabric } = this.#parts;
    const wanting = new Set(fabric.wantedBy(token));
    const heard = new Set(fabric.announcers(this.#epoch.segmentId));
    const peers = [...this.#epoch.members].filter(([, nonce]) => wanting.has(nonce) || !heard.has(nonce));
    return groupWays(DIRECT_HOPS, this.#trunksOf(peers.map(([peer]) => peer)));
  }

  /** Gives its sets back. */
  close(): void {
    this.#sharing = [];
    this.update(undefined);
    if (this.#controlSet !== NONE) this.#parts.writers.sets.release(this.#controlSet);
    this.#controlSet = NONE;
  }

  #ways(epoch: FloodEpoch | undefined): Ways {
    if (epoch === undefined) return { hops: DIRECT_HOPS, ways: [], by: undefined };
    const direct = this.#replicated(epoch);
    if (direct !== undefined) return { hops: DIRECT_HOPS, ways: direct, by: 'members' };
    const tree = this.#parts.fabric.waysOf(epoch.broadcastToken);
    return tree.length > 0 ? { hops: INITIAL_HOPS, ways: tree, by: 'tree' } : this.#neighbourWays();
  }

  /** The members' own trunks, if they are enough. */
  #replicated({ segmentId, members }: FloodEpoch): readonly TokenWay[] | undefined {
    if (members.size === 0 || members.size > REPLICATED_MEMBERS_MAX) return undefined;
    const ways: TokenWay[] = [];
    for (const peer of members.keys()) {
      const trunk = this.#parts.trunkOf(peer);
      if (trunk?.carrier !== 'udp') return undefined;
      ways.push({ trunk: trunk.slot, pathMtuBytes: PATH_ANY });
    }
    const known = new Set(members.values());
    return this.#parts.fabric.announcers(segmentId).every((nonce) => known.has(nonce)) ? ways : undefined;
  }

  #neighbourWays(): Ways {
    return { hops: DIRECT_HOPS, ways: this.#trunksOf(this.neighbours), by: undefined };
  }

  #trunksOf(peers: readonly string[]): TokenWay[] {
    return peers.flatMap((peer) => {
      const trunk = this.#parts.trunkOf(peer);
      return trunk === undefined ? [] : { trunk: trunk.slot, pathMtuBytes: PATH_ANY };
    });
  }
}

function groupWays(hops: number, ways: readonly TokenWay[]): GroupWays {
  return {
    hops,
    trunks: ways.map(({ trunk }) => trunk),
    pathMtuBytes: ways.reduce((least, way) => Math.min(least, way.pathMtuBytes), PATH_ANY),
  };
}
