/**
 * The stations of one VLAN in the shared table: our own, and those behind members with the way to them.
 *
 * Main thread only.
 */
import type { MemberId } from '../membership/membership-port.ts';
import { macNumber } from '../membership/station-claims.ts';
import type { StationTable } from './station-table.ts';
import type { VlanTokens } from './vlan-tokens.ts';

/** The way to a member's stations, but for what differs by address. */
export interface StationRoute {
  /** Trunk slot, or NONE. */
  readonly trunk: number;
  /** First slot of the run of pairwise keys, or NONE. */
  readonly pairKeys: number;
  /** Epoch slot. */
  readonly epoch: number;
  tokenOf(mac: Uint8Array): Uint8Array;
}

/** What the stations need of their VLAN. */
export interface StationHost {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly table: StationTable;
  readonly tokens: VlanTokens;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  routeTo(peer: string, member: MemberId): StationRoute | undefined;
  /** A station found no room. */
  full(): void;
}

interface MemberEntry {
  readonly id: MemberId;
  readonly peer: string;
  readonly stations: Map<number, Uint8Array>;
}

/** See the file's head. */
export class VlanStations {
  readonly #host: StationHost;
  readonly #members = new Map<MemberId, MemberEntry>();
  /** Who a station is behind, by address. */
  readonly #holders = new Map<number, MemberEntry>();
  readonly #own = new Map<number, Uint8Array>();

  constructor(host: StationHost) {
    this.#host = host;
  }

  /** Stations here and behind members. */
  get count(): number {
    return this.#own.size + this.#holders.size;
  }

  addMember(id: MemberId, peer: string): void {
    this.#members.set(id, { id, peer, stations: new Map() });
  }

  /** Its stations were removed before. */
  removeMember(id: MemberId): void {
    this.#members.delete(id);
  }

  addRemote(mac: Uint8Array, memberId: MemberId): void {
    const member = this.#members.get(memberId);
    if (member !== undefined) {
      this.#forget(mac);
      member.stations.set(macNumber(mac), mac);
      this.#holders.set(macNumber(mac), member);
      this.#route(member, [mac]);
    }
  }

  addOwn(mac: Uint8Array, enforced: boolean): void {
    const key = macNumber(mac);
    if (!this.#own.has(key)) {
      this.#forget(mac);
      this.#own.set(key, mac);
    }
    const nowMs = Math.floor(this.#host.nowMs()) >>> 0;
    if (!this.#host.table.setLocal(this.#host.vlan, mac, { enforced, nowMs })) {
      this.#host.full();
    }
    this.#host.tokens.addStation(mac);
  }

  remove(mac: Uint8Array): void {
    this.#forget(mac);
    this.#host.table.remove(this.#host.vlan, mac);
  }

  /** The way to a member has changed: trunk, keys, epoch or token period. */
  routeMember(id: MemberId): void {
    const member = this.#members.get(id);
    if (member !== undefined) {
      this.#route(member, member.stations.values());
    }
  }

  /** The way to every member has changed. */
  routeAll(): void {
    for (const member of this.#members.values()) {
      this.#route(member, member.stations.values());
    }
  }

  /** The address is nobody's, as far as this object knows; what the table holds is written over or removed. */
  #forget(mac: Uint8Array): void {
    const key = macNumber(mac);
    this.#holders.get(key)?.stations.delete(key);
    this.#holders.delete(key);
    if (this.#own.delete(key)) {
      this.#host.tokens.removeStation(mac);
    }
  }

  #route(member: MemberEntry, macs: Iterable<Uint8Array>): void {
    const route = this.#host.routeTo(member.peer, member.id);
    if (route === undefined) {
      return;
    }
    const { trunk, pairKeys, epoch } = route;
    for (const mac of macs) {
      const token = route.tokenOf(mac);
      const remote = { trunk, pairKeys, epoch, token, member: member.id };
      if (!this.#host.table.setRemote(this.#host.vlan, mac, remote)) {
        this.#host.full();
      }
    }
  }
}
