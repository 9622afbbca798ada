/**
 * The tokens that one VLAN receives: of the previous, the current and the next period, each under the epoch
 * of its day; for broadcast, for members' control, for each own station, and for each multicast group that hosts here
 * listen to.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens"
 */

import { macNumber } from '../membership/station-claims.ts';
import { broadcastRoute, controlRoute, type TokenSecrets } from '../token/token.ts';
import { livePeriods, type TokenPeriod } from '../token/token-period.ts';
import { DAY_SECONDS } from '../vlan/open-epoch.ts';
import {
  type AddressBatch,
  addressTokens,
  type RoutedToken,
  routedToken,
  type TokenDeriver,
} from './station-tokens.ts';
import type { TokenTable, TokenUse } from './token-table.ts';

/** An epoch whose tokens may be received: its secrets and its slot. */
export interface TokenEpoch {
  readonly secrets: TokenSecrets;
  readonly slot: number;
}

/** A token in the table. */
interface Received {
  readonly slot: number;
  readonly route: Uint8Array;
}

interface PeriodTokens {
  readonly epoch: TokenEpoch;
  readonly period: number;
  readonly shared: readonly (Received | undefined)[];
  readonly received: Readonly<Record<AddressKind, Map<number, Received>>>;
}

type AddressKind = AddressBatch['kind'];
/** Announcements have an end: a station behind it is still reached by its member's own trunk, a group is lost. */
const KINDS: readonly AddressKind[] = ['group', 'station'];

/** See the file's head. */
export class VlanTokens {
  readonly #table: TokenTable;
  readonly #periodSeconds: number;
  readonly #derive: TokenDeriver | undefined;
  readonly #periods = new Map<number, PeriodTokens>();
  readonly #addresses: Readonly<Record<AddressKind, Map<number, Uint8Array>>> = {
    station: new Map(),
    group: new Map(),
  };
  /** Tokens that found no room. */
  refused = 0;

  constructor(table: TokenTable, periodSeconds: number, derive: TokenDeriver | undefined) {
    this.#table = table;
    this.#derive = derive;
    this.#periodSeconds = periodSeconds;
  }

  /** What is received, as neighbours are told of it. */
  routes(): Uint8Array[] {
    const periods = [...this.#periods.values()];
    const addressed = KINDS.flatMap((kind) =>
      periods.flatMap(({ received }) => [...received[kind].values()]),
    );
    return [...periods.flatMap(({ shared }) => shared), ...addressed].flatMap(
      (received) => received?.route ?? [],
    );
  }

  /** Receives what is live now, and nothing else. */
  roll(unixMs: number, epochOf: (day: number) => TokenEpoch | undefined): void {
    const { previous, current, next } = livePeriods(unixMs, this.#periodSeconds);
    const wanted = new Map<number, TokenPeriod>([previous, current, next].map((live) => [live.period, live]));
    for (const [period, tokens] of [...this.#periods]) {
      const live = wanted.get(period);
      if (live === undefined || epochOf(live.day)?.slot !== tokens.epoch.slot) {
        this.#removePeriod(period);
      }
    }
    for (const { period, day } of wanted.values()) {
      const epoch = epochOf(day);
      if (epoch !== undefined && !this.#periods.has(period)) {
        this.#addPeriod(period, epoch);
      }
    }
  }

  /** Receives frames to an own station. */
  addStation(mac: Uint8Array): void {
    this.#addAddresses('station', [mac]);
  }

  removeStation(mac: Uint8Array): void {
    this.#removeAddress('station', mac);
  }

  /** Receives frames to multicast groups. */
  addGroups(macs: readonly Uint8Array[]): void {
    this.#addAddresses('group', macs);
  }

  removeGroup(mac: Uint8Array): void {
    this.#removeAddress('group', mac);
  }

  /** Receives nothing any more. */
  clear(): void {
    for (const period of [...this.#periods.keys()]) {
      this.#removePeriod(period);
    }
  }

  #addPeriod(period: number, epoch: TokenEpoch): void {
    const tokens: PeriodTokens = {
      epoch,
      period,
      shared: [
        this.#addShared(broadcastRoute(epoch.secrets.tokenKey, period), epoch, 'deliver'),
        this.#addShared(controlRoute(epoch.secrets.tokenKey, period), epoch, 'control'),
      ],
      received: { station: new Map(), group: new Map() },
    };
    this.#periods.set(period, tokens);
    for (const kind of KINDS) {
      this.#addIn(tokens, kind, [...this.#addresses[kind].values()]);
    }
  }

  #addAddresses(kind: AddressKind, macs: readonly Uint8Array[]): void {
    const addresses = this.#addresses[kind];
    const added = macs.filter((mac) => !addresses.has(macNumber(mac)));
    for (const mac of added) {
      addresses.set(macNumber(mac), mac);
    }
    for (const tokens of added.length === 0 ? [] : this.#periods.values()) {
      this.#addIn(tokens, kind, added);
    }
  }

  #removeAddress(kind: AddressKind, mac: Uint8Array): void {
    const key = macNumber(mac);
    if (!this.#addresses[kind].delete(key)) {
      return;
    }
    for (const { received } of this.#periods.values()) {
      this.#remove(received[kind].get(key));
      received[kind].delete(key);
    }
  }

  #addIn({ epoch, period, received }: PeriodTokens, kind: AddressKind, macs: readonly Uint8Array[]): void {
    const derived = addressTokens(epoch.secrets, { period, kind }, macs, this.#derive);
    for (const [index, mac] of macs.entries()) {
      const token = derived[index];
      const added = token === undefined ? undefined : this.#add(token, epoch, 'deliver');
      if (added !== undefined) {
        received[kind].set(macNumber(mac), added);
      }
    }
  }

  #removePeriod(period: number): void {
    const tokens = this.#periods.get(period);
    if (tokens !== undefined) {
      this.#periods.delete(period);
      for (const received of allOf(tokens)) {
        this.#remove(received);
      }
    }
  }

  #addShared(route: Uint8Array, epoch: TokenEpoch, use: TokenUse): Received | undefined {
    return this.#add(routedToken(epoch.secrets, route), epoch, use);
  }

  #add({ route, token }: RoutedToken, epoch: TokenEpoch, use: TokenUse): Received | undefined {
    const slot = this.#table.setLocal(token, epoch.slot, use);
    if (slot === undefined) {
      this.refused++;
      return undefined;
    }
    return { slot, route };
  }

  #remove(received: Received | undefined): void {
    if (received !== undefined) {
      this.#table.clearLocal(received.slot);
    }
  }
}

function allOf({ shared, received }: PeriodTokens): Received[] {
  const addressed = KINDS.flatMap((kind) => [...received[kind].values()]);
  return [...shared.filter((each) => each !== undefined), ...addressed];
}

/**
 * The period to send in under a day's epoch: the current one, or the day's first or last when the day is not
 * today: the epoch is made before its day starts.
 */
export function sendingPeriod(day: number, unixMs: number, periodSeconds: number): number {
  const first = (day * DAY_SECONDS) / periodSeconds;
  const last = first + DAY_SECONDS / periodSeconds - 1;
  return Math.min(last, Math.max(first, livePeriods(unixMs, periodSeconds).current.period));
}
