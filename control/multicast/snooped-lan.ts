/**
 * The listeners of one protocol on one LAN: an interface, or an inner VLAN behind it.
 *
 *   reports ─▶ groups, each with the times of its listeners
 *   leaves  ─▶ is anybody else there? asked twice, a second apart ─▶ nobody: the group goes after two seconds
 *   queries ─▶ of a router: it asks now, and it wants all groups itself
 *
 * That a host leaves does not end its group at once: others may listen behind the same interface.
 *
 * Main thread; no clock of its own.
 */
import { isAlwaysFlooded } from './group-address.ts';
import { type Doubt, GroupMembership, keyOf } from './group-membership.ts';
import type { GroupRecord, Leave, MulticastMessage, Query, Report } from './multicast-message.ts';
import { MULTICAST_LIMIT, MULTICAST_TIMING } from './multicast-timing.ts';
import { Querier } from './querier.ts';
import { encodeQuery, isSnooper, type QueryOrigin, querierAddress } from './query-frame.ts';

/** A group that somebody listens to. */
export interface ListenedGroup {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly membership: GroupMembership;
}

/** A query that will be repeated. */
interface Repeat {
  readonly frame: Uint8Array;
  readonly left: number;
  readonly dueMs: number;
}

/** What a LAN needs of its interface. */
export interface LanHost {
  /** @returns whether there is room for another group */
  mayAdd(): boolean;
}

/** See the file's head. */
export class SnoopedLan {
  readonly #origin: QueryOrigin;
  readonly #host: LanHost;
  readonly #querier: Querier;
  readonly #groups = new Map<string, ListenedGroup>();
  readonly #repeats = new Map<string, Repeat>();
  #routerUntilMs = Number.NEGATIVE_INFINITY;
  /** Rises with each group that comes or goes. */
  changes = 0;

  constructor(origin: QueryOrigin, host: LanHost, nowMs: number) {
    this.#origin = origin;
    this.#host = host;
    const ownAddress = origin.family === 6 ? querierAddress(origin.interfaceMac) : undefined;
    this.#querier = new Querier(ownAddress, nowMs);
  }

  /** Groups that somebody listens to. */
  groups(): Iterable<ListenedGroup> {
    return this.#groups.values();
  }

  get size(): number {
    return this.#groups.size;
  }

  /**
   * Until when a multicast router is believed to be there, which wants all groups. It has one answer's time more than it
   * has as a querier: what is listened to is then known from queries of our own.
   */
  get routerUntilMs(): number {
    return this.#routerUntilMs;
  }

  /** When something is due. */
  nextTimeoutMs(): number {
    let dueMs = this.#querier.dueMs;
    for (const repeat of this.#repeats.values()) {
      dueMs = Math.min(dueMs, repeat.dueMs);
    }
    for (const { membership } of this.#groups.values()) {
      dueMs = Math.min(dueMs, membership.wantedUntilMs);
    }
    return dueMs;
  }

  /** @returns frames to write to the interface */
  handle(message: MulticastMessage, source: Uint8Array, nowMs: number): Uint8Array[] {
    switch (message.kind) {
      case 'report':
        return this.#report(message, nowMs);
      case 'leave':
        return this.#leave(message, nowMs);
      case 'query':
        this.#query(message, source, nowMs);
        return [];
      case 'router':
        this.#routerUntilMs = Math.max(this.#routerUntilMs, nowMs + MULTICAST_TIMING.routerMs);
        return [];
    }
  }

  /** Time has passed. @returns frames to write to the interface */
  tick(nowMs: number): Uint8Array[] {
    for (const [key, { membership }] of this.#groups) {
      if (membership.wantedUntilMs <= nowMs) {
        this.#groups.delete(key);
        this.changes++;
      }
    }
    const frames: Uint8Array[] = [];
    if (this.#querier.tick(nowMs)) {
      frames.push(encodeQuery(this.#origin, { group: undefined, sources: [] }));
    }
    for (const [key, { frame, left, dueMs }] of this.#repeats) {
      if (dueMs > nowMs) continue;
      frames.push(frame);
      if (left > 1) this.#repeatLater(key, frame, left - 1, nowMs);
      else this.#repeats.delete(key);
    }
    return frames;
  }

  #report({ records, isSilentLeaver }: Report, nowMs: number): Uint8Array[] {
    return records.flatMap((record) => {
      const found = isAlwaysFlooded(record.group) ? undefined : this.#groupOf(record);
      if (found === undefined) return [];
      const doubt = found.membership.report(record, isSilentLeaver, nowMs);
      return doubt === undefined ? [] : this.#ask(found, doubt, nowMs);
    });
  }

  #leave({ group }: Leave, nowMs: number): Uint8Array[] {
    const found = this.#groups.get(keyOf(group));
    const doubt = found?.membership.leave(nowMs);
    return found === undefined || doubt === undefined ? [] : this.#ask(found, doubt, nowMs);
  }

  #query(query: Query, source: Uint8Array, nowMs: number): void {
    if (query.group === undefined) {
      this.#querier.heard(source, query, nowMs);
      if (this.#querier.isSilent(nowMs) && !isSnooper(source)) {
        const knownMs = this.#querier.otherUntilMs + MULTICAST_TIMING.responseIntervalMs;
        this.#routerUntilMs = Math.max(this.#routerUntilMs, knownMs);
      }
      return;
    }
    const found = this.#groups.get(keyOf(query.group));
    if (found !== undefined && this.#querier.isSilent(nowMs) && !query.isSuppressed) {
      const untilMs = nowMs + MULTICAST_TIMING.lastMemberCount * query.maxResponseMs;
      const doubt = query.sources.length === 0 ? found.membership.whole() : undefined;
      found.membership.lower(doubt ?? { isWhole: false, sources: query.sources }, untilMs);
    }
  }

  /** Its group, made where the record may want it. */
  #groupOf({ group, mode, sources }: GroupRecord): ListenedGroup | undefined {
    const key = keyOf(group);
    const present = this.#groups.get(key);
    const isWanting = mode === 'is-ex' || mode === 'to-ex' || (mode !== 'block' && sources.length > 0);
    if (present !== undefined || !isWanting || !this.#host.mayAdd()) return present;
    const added = { address: group.slice(), membership: new GroupMembership() };
    this.#groups.set(key, added);
    this.changes++;
    return added;
  }

  /**
   * Asks whether others listen; a querier that is there does so itself. What is asked already is asked again when its
   * repetition is due, so that leaves in a row make no more than a query a second.
   */
  #ask({ address, membership }: ListenedGroup, doubt: Doubt, nowMs: number): Uint8Array[] {
    const sources = doubt.isWhole ? [] : doubt.sources;
    const key = `${keyOf(address)} ${sources.map(keyOf).join()}`;
    const asked = this.#repeats.get(key);
    const isFull = asked === undefined && this.#repeats.size >= MULTICAST_LIMIT.queries;
    if (this.#querier.isSilent(nowMs) || isFull) return [];
    const { lastMemberCount, lastMemberMs } = MULTICAST_TIMING;
    membership.lower(doubt, (asked?.dueMs ?? nowMs) + lastMemberMs);
    if (asked !== undefined) {
      this.#repeats.set(key, { ...asked, left: lastMemberCount });
      return [];
    }
    const frame = encodeQuery(this.#origin, { group: address, sources });
    this.#repeatLater(key, frame, lastMemberCount - 1, nowMs);
    return [frame];
  }

  #repeatLater(key: string, frame: Uint8Array, left: number, nowMs: number): void {
    this.#repeats.set(key, { frame, left, dueMs: nowMs + MULTICAST_TIMING.lastMemberIntervalMs });
  }
}
