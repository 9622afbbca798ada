/**
 * The tokens that one VLAN receives: of the previous, the current and the next period, each under the epoch
 * of its day; for broadcast, for members' control, and for each own station.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens"
 */

import { macNumber } from '../membership/station-claims.ts';
import { broadcastRoute, controlRoute, type TokenSecrets } from '../token/token.ts';
import { livePeriods, type TokenPeriod } from '../token/token-period.ts';
import { DAY_SECONDS } from '../vlan/open-epoch.ts';
import { type RoutedToken, routedToken, stationTokens, type TokenDeriver } from './station-tokens.ts';
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
  readonly stations: Map<number, Received>;
}

/** See the file's head. */
export class VlanTokens {
  readonly #table: TokenTable;
  readonly #periodSeconds: number;
  readonly #derive: TokenDeriver | undefined;
  readonly #periods = new Map<number, PeriodTokens>();
  readonly #stations = new Map<number, Uint8Array>();
  /** Tokens that found no room. */
  refused = 0;

  constructor(table: TokenTable, periodSeconds: number, derive: TokenDeriver | undefined) {
    this.#table = table;
    this.#derive = derive;
    this.#periodSeconds = periodSeconds;
  }

  /** What is received, as neighbours are told of it. */
  routes(): Uint8Array[] {
    return [...this.#periods.values()].flatMap(({ shared, stations }) =>
      [...shared, ...stations.values()].flatMap((received) => received?.route ?? []),
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
    if (this.#stations.has(macNumber(mac))) {
      return;
    }
    this.#stations.set(macNumber(mac), mac);
    for (const tokens of this.#periods.values()) {
      this.#addStationsIn(tokens, [mac]);
    }
  }

  removeStation(mac: Uint8Array): void {
    const key = macNumber(mac);
    if (!this.#stations.delete(key)) {
      return;
    }
    for (const tokens of this.#periods.values()) {
      this.#remove(tokens.stations.get(key));
      tokens.stations.delete(key);
    }
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
      stations: new Map(),
    };
    this.#periods.set(period, tokens);
    this.#addStationsIn(tokens, [...this.#stations.values()]);
  }

  #addStationsIn({ epoch, period, stations }: PeriodTokens, macs: readonly Uint8Array[]): void {
    const derived = stationTokens(epoch.secrets, period, macs, this.#derive);
    for (const [index, mac] of macs.entries()) {
      const token = derived[index];
      const received = token === undefined ? undefined : this.#add(token, epoch, 'deliver');
      if (received !== undefined) {
        stations.set(macNumber(mac), received);
      }
    }
  }

  #removePeriod(period: number): void {
    const tokens = this.#periods.get(period);
    if (tokens !== undefined) {
      this.#periods.delete(period);
      for (const received of [...tokens.shared, ...tokens.stations.values()]) {
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

/**
 * The period to send in under a day's epoch: the current one, or the day's first or last when the day is not
 * today: the epoch is made before its day starts.
 */
export function sendingPeriod(day: number, unixMs: number, periodSeconds: number): number {
  const first = (day * DAY_SECONDS) / periodSeconds;
  const last = first + DAY_SECONDS / periodSeconds - 1;
  return Math.min(last, Math.max(first, livePeriods(unixMs, periodSeconds).current.period));
}
