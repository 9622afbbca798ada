/**
 * The multicast groups that hosts of this node send to in one VLAN, and where their frames go: to those who want them.
 *
 *   a group that workers do not know is flooded, and told here ─▶ an entry: the trunks behind which somebody wants it
 *   nobody sends to it for five minutes ─▶ the entry goes
 *
 * Who wants *all* groups does not receive the groups' own tokens, and no relay can merge two tokens. So, while somebody
 * does: where each member is sent to directly, the groups' frames go under the broadcast token to the members of both
 * sets; where they go along a tree, they are flooded.
 *
 * The entry of ALL_GROUPS_MAC is always there: what hosts report by IGMP and MLD goes by it to those who want all groups,
 * and to nobody else.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Multicast"
 */
import { NONE } from '../../dataplane/shm/layout.ts';
import { macNumber } from '../membership/station-claims.ts';
import { ALL_GROUPS_MAC } from '../multicast/group-address.ts';
import { forwardingToken, groupRoute, type TokenSecrets } from '../token/token.ts';
import type { SetTable } from './set-table.ts';
import type { StationTable } from './station-table.ts';

/** Groups of one VLAN that are told apart; beyond it they are flooded. The table of stations has room for 32 such VLANs. */
const GROUPS_MAX = 1_024;
/** Groups whose entry is written in one go: about 2 ms when their tokens are to be derived. */
const GROUPS_A_STEP = 128;
const FORGET_MS = 300_000;
const AGE_CHECK_MS = 10_000;
const TWO_31 = 2 ** 31;

/** Where a token's frames go from here. */
export interface GroupWays {
  /** 1: to each member that wants it, by its own trunk; more: along the tree. */
  readonly hops: number;
  /** Trunk slots. */
  readonly trunks: readonly number[];
  /** Largest link datagram on the way to all of them. */
  readonly pathMtuBytes: number;
}

/** What is sealed under now. */
export interface GroupEpoch {
  readonly secrets: TokenSecrets;
  /** Token period that is sent under. */
  readonly period: number;
}

/** What groups need of their VLAN. */
export interface GroupHost {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly table: Pick<StationTable, 'setGroup' | 'remove' | 'groupLastSeenMs'>;
  readonly sets: Pick<SetTable, 'intern' | 'release'>;
  /** Undefined: nothing is sealed. */
  sending(): GroupEpoch | undefined;
  /** Undefined: it is not known yet who wants what, so all is flooded. */
  waysOf(token: Uint8Array): GroupWays | undefined;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  /** Runs soon, after what else is to be done. */
  soon(run: () => void): void;
}

interface Group {
  readonly mac: Uint8Array;
  token: Uint8Array;
  /** Which epoch and period the token is of. */
  tokenOf: string;
  /** What is in the table, as text; undefined: nothing. */
  written: string | undefined;
  set: number;
  seenMs: number;
}

interface Entry {
  readonly trunks: readonly number[];
  readonly pathMtuBytes: number;
  readonly viaBroadcast: boolean;
}

/** See the file's head. */
export class VlanGroups {
  readonly #host: GroupHost;
  readonly #groups = new Map<number, Group>();
  readonly #all: Group = newGroup(ALL_GROUPS_MAC, 0);
  /** Groups whose entry may have to change. */
  readonly #pending = new Set<number>();
  #isStepping = false;
  #prunes = false;
  #ageCheckMs = 0;
  /** Groups that found no room. */
  refused = 0;

  constructor(host: GroupHost) {
    this.#host = host;
  }

  /** Groups that hosts here send to. */
  get count(): number {
    return this.#groups.size;
  }

  /** Whether groups go only to those who want them; if not, all are flooded. */
  setPruning(prunes: boolean): void {
    this.#prunes = prunes;
    if (!prunes) {
      this.#forgetGroups();
    }
    this.#write(this.#all);
  }

  /** A host has sent to a group of which workers know nothing. @param mac - 6 bytes */
  seen(mac: Uint8Array): void {
    if (!this.#prunes) {
      return;
    }
    const key = macNumber(mac);
    const present = this.#groups.get(key);
    if (present === undefined && this.#groups.size >= GROUPS_MAX) {
      this.refused++;
      return;
    }
    const group = present ?? newGroup(mac, this.#host.nowMs());
    group.seenMs = this.#host.nowMs();
    this.#groups.set(key, group);
    this.#write(group);
  }

  /** Who wants what, the ways there, the epoch or its period may have changed. */
  changed(): void {
    this.#write(this.#all);
    for (const key of this.#groups.keys()) {
      this.#pending.add(key);
    }
    this.#stepSoon();
  }

  /** Time has passed. */
  poll(): void {
    const nowMs = this.#host.nowMs();
    if (nowMs < this.#ageCheckMs) {
      return;
    }
    this.#ageCheckMs = nowMs + AGE_CHECK_MS;
    for (const [key, group] of [...this.#groups]) {
      if (nowMs - this.#lastSentMs(group, nowMs) > FORGET_MS) {
        this.#remove(group);
        this.#groups.delete(key);
      }
    }
  }

  /** Takes everything out of the tables. */
  close(): void {
    this.#prunes = false;
    this.#forgetGroups();
    this.#remove(this.#all);
  }

  #forgetGroups(): void {
    for (const group of this.#groups.values()) {
      this.#remove(group);
    }
    this.#groups.clear();
    this.#pending.clear();
  }

  #stepSoon(): void {
    if (this.#pending.size > 0 && !this.#isStepping) {
      this.#isStepping = true;
      this.#host.soon(() => {
        this.#isStepping = false;
        this.#step();
      });
    }
  }

  #step(): void {
    let left = GROUPS_A_STEP;
    for (const key of this.#pending) {
      if (left-- === 0) {
        break;
      }
      this.#pending.delete(key);
      const group = this.#groups.get(key);
      if (group !== undefined) {
        this.#write(group);
      }
    }
    this.#stepSoon();
  }

  /** Workers say when they last sent to it; what has no entry is told by `seen`. */
  #lastSentMs(group: Group, nowMs: number): number {
    const sentMs = this.#host.table.groupLastSeenMs(this.#host.vlan, group.mac);
    if (sentMs === undefined) {
      return group.seenMs;
    }
    const ageMs = (Math.floor(nowMs) - sentMs) >>> 0;
    return Math.max(group.seenMs, ageMs >= TWO_31 ? nowMs : nowMs - ageMs);
  }

  // ── Entries ──────────────────────────────────────────────────────────────────────────────────────────

  #write(group: Group): void {
    const entry = group === this.#all ? this.#waysOf(group) : this.#entryOf(group);
    if (entry === undefined) {
      this.#remove(group);
      return;
    }
    const written = JSON.stringify([entry.viaBroadcast, entry.pathMtuBytes, entry.trunks]);
    if (written === group.written) {
      return;
    }
    const { table, sets, vlan } = this.#host;
    const set = entry.trunks.length === 0 ? NONE : sets.intern(entry.trunks);
    const nowMs = Math.floor(this.#host.nowMs()) >>> 0;
    const { pathMtuBytes, viaBroadcast } = entry;
    if (set === undefined || !table.setGroup(vlan, group.mac, { set, pathMtuBytes, viaBroadcast, nowMs })) {
      this.refused++;
      this.#release(set ?? NONE);
      this.#remove(group);
      return;
    }
    this.#release(group.set);
    group.set = set;
    group.written = written;
  }

  /** Where a group's frames go; undefined: they are flooded. */
  #entryOf(group: Group): Entry | undefined {
    const wanted = this.#waysOf(group);
    const all = this.#waysOf(this.#all);
    if (wanted === undefined || all === undefined) {
      return undefined;
    }
    if (all.trunks.length === 0) {
      return wanted;
    }
    if (wanted.hops > 1) {
      return undefined;
    }
    return {
      trunks: [...new Set([...wanted.trunks, ...all.trunks])],
      pathMtuBytes: Math.min(wanted.pathMtuBytes, all.pathMtuBytes),
      viaBroadcast: true,
    };
  }

  #waysOf(group: Group): (Entry & { readonly hops: number }) | undefined {
    const epoch = this.#host.sending();
    if (epoch === undefined) {
      return undefined;
    }
    const { secrets, period } = epoch;
    const tokenOf = `${Buffer.from(secrets.segment.id).toString('hex')} ${period}`;
    if (group.tokenOf !== tokenOf) {
      group.token = forwardingToken(secrets.segment.id, groupRoute(secrets.tokenKey, period, group.mac));
      group.tokenOf = tokenOf;
    }
    const ways = this.#host.waysOf(group.token);
    return ways && { ...ways, viaBroadcast: false };
  }

  #remove(group: Group): void {
    if (group.written !== undefined) {
      this.#host.table.remove(this.#host.vlan, group.mac);
      group.written = undefined;
    }
    this.#release(group.set);
    group.set = NONE;
  }

  #release(set: number): void {
    if (set !== NONE) {
      this.#host.sets.release(set);
    }
  }
}

function newGroup(mac: Uint8Array, seenMs: number): Group {
  return { mac, token: new Uint8Array(0), tokenOf: '', written: undefined, set: NONE, seenMs };
}
