/**
 * The stations of one VLAN in the shared table: our own, and those behind members with the way to them.
 *
 * A change of a member's keys is written at once. Another way, or a new day, may concern very many stations, so that is done
 * a piece at a time, the first at once: what the stations have until then is still accepted. A new token period concerns
 * none: workers derive tokens.
 *
 * Main thread only.
 */
import type { MemberId } from '../membership/membership-port.ts';
import { macNumber } from '../membership/station-claims.ts';
import type { EpochTokens } from './epoch-tokens.ts';
import type { StationTable } from './station-table.ts';
import type { VlanWays } from './vlan-ways.ts';

/** Stations whose way is written in one go: about 2 ms. */
const STATIONS_A_STEP = 256;

/** The way to a member's stations, but for what differs by address. */
export interface StationRoute {
  /** Trunk slot, or NONE. */
  readonly trunk: number;
  /** Slot of a set of trunks, in place of the trunk. */
  readonly set?: number;
  /** First slot of the run of pairwise keys, or NONE. */
  readonly pairKeys: number;
  /** Epoch slot. */
  readonly epoch: number;
  /** Largest link datagram that reaches the member, as far as it was told; the trunk may take less. */
  readonly pathMtuBytes: number;
}

/** What the stations need of their VLAN. */
export interface StationHost {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly table: StationTable;
  readonly ways: Pick<VlanWays, 'keepSets'>;
  readonly tokens: Pick<EpochTokens, 'addStation' | 'removeStation'>;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  routeTo(member: MemberId): StationRoute | undefined;
  /** A station found no room. */
  full(): void;
}

interface MemberEntry {
  readonly id: MemberId;
  readonly stations: Map<number, Uint8Array>;
  /** What all its stations were given last. */
  route: StationRoute | undefined;
}

/** See the file's head. */
export class VlanStations {
  readonly #host: StationHost;
  readonly #members = new Map<MemberId, MemberEntry>();
  /** Who a station is behind, by address. */
  readonly #holders = new Map<number, MemberEntry>();
  readonly #own = new Map<number, Uint8Array>();
  /** Addresses whose way is to be written anew, and what follows when all are. */
  readonly #pending = new Set<number>();
  #pump: NodeJS.Immediate | undefined;
  #afterPending: (() => void) | undefined;

  constructor(host: StationHost) {
    this.#host = host;
  }

  /** Stations here and behind members. */
  get count(): number {
    return this.#own.size + this.#holders.size;
  }

  /** Behind whom an address is; undefined: it is ours, or nobody's. */
  holderOf(mac: Uint8Array): MemberId | undefined {
    return this.#holders.get(macNumber(mac))?.id;
  }

  addMember(id: MemberId): void {
    this.#members.set(id, { id, stations: new Map(), route: undefined });
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
      this.#addRoute(member, mac);
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

  /** A member's trunk or keys have changed: what its stations had may no longer be used. */
  routeMember(id: MemberId): void {
    const member = this.#members.get(id);
    if (member !== undefined) {
      member.route = this.#host.routeTo(member.id);
      this.#route(member, member.stations.values());
    }
  }

  /** Every member's way may have changed. */
  routeAll(): void {
    for (const member of this.#members.values()) {
      const { route } = member;
      const now = this.#host.routeTo(member.id);
      if (now !== undefined && (route === undefined || !isSameRoute(route, now))) {
        member.route = now;
        for (const key of member.stations.keys()) this.#pending.add(key);
      }
    }
    this.step();
  }

  /** A day has begun. @param then - runs when no station has the way of before */
  routeAllSoon(then: () => void): void {
    const before = this.#afterPending;
    for (const key of this.#holders.keys()) this.#pending.add(key);
    this.#afterPending = () => {
      before?.();
      then();
    };
    this.step();
  }

  /** Writes the next few of the pending ways. */
  step(): void {
    if (this.#pending.size === 0 && this.#afterPending === undefined) return;
    let left = STATIONS_A_STEP;
    for (const key of this.#pending) {
      if (left-- === 0) break;
      this.#pending.delete(key);
      const member = this.#holders.get(key);
      const mac = member?.stations.get(key);
      if (member !== undefined && mac !== undefined) {
        this.#route(member, [mac]);
      }
    }
    if (this.#pending.size > 0) {
      this.#pump ??= setImmediate(() => {
        this.#pump = undefined;
        this.step();
      });
      return;
    }
    this.#host.ways.keepSets(new Set([...this.#members.values()].flatMap(({ route }) => route?.set ?? [])));
    const then = this.#afterPending;
    this.#afterPending = undefined;
    then?.();
  }

  /** Writes all pending ways: what they point to is about to go. */
  finish(): void {
    while (this.#afterPending !== undefined) {
      this.step();
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

  /** Where the way is another one than its other stations have, they get it now, too. */
  #addRoute(member: MemberEntry, mac: Uint8Array): void {
    const now = this.#host.routeTo(member.id);
    if (now?.set !== undefined && now.set !== member.route?.set) {
      this.routeMember(member.id);
    } else {
      this.#route(member, [mac]);
    }
  }

  #route(member: MemberEntry, stations: Iterable<Uint8Array>): void {
    const route = this.#host.routeTo(member.id);
    if (route === undefined) {
      return;
    }
    const remote = { ...route, member: member.id };
    for (const mac of stations) {
      if (!this.#host.table.setRemote(this.#host.vlan, mac, remote)) {
        this.#host.full();
      }
    }
  }
}

function isSameRoute(a: StationRoute, b: StationRoute): boolean {
  return (
    a.trunk === b.trunk &&
    a.set === b.set &&
    a.pairKeys === b.pairKeys &&
    a.epoch === b.epoch &&
    a.pathMtuBytes === b.pathMtuBytes
  );
}
