/**
 * Totals and rates of what the data plane has relayed for one neighbour or in one segment.
 *
 * Main thread; no clock of its own.
 */
import type { CarriedTraffic } from '../admin/inspection.ts';

/** What the data plane has counted since the trunk came, or the segment. */
export interface RelayReading {
  readonly datagrams: number;
  readonly bytes: number;
  readonly refused: number;
}

/** A rate forgets what was before so many milliseconds: long enough to be read, short enough to follow. */
const RATE_MS = 3_000;
const NOTHING: RelayReading = { datagrams: 0, bytes: 0, refused: 0 };

/** See the file's head. */
export class RelayMeter {
  #last = NOTHING;
  #total = NOTHING;
  #lastMs: number | undefined;
  #datagramsPerMs = 0;
  #bytesPerMs = 0;

  get refused(): number {
    return this.#total.refused;
  }

  /** Takes a reading. One that is less than the last belongs to a new trunk. @returns what has come since */
  read(reading: RelayReading, nowMs: number): RelayReading {
    const isNew = reading.datagrams < this.#last.datagrams || reading.refused < this.#last.refused;
    const step = isNew ? reading : combine(reading, this.#last, -1);
    this.#last = reading;
    this.add(step, nowMs);
    return step;
  }

  /** Adds what has come since the last time. */
  add(step: RelayReading, nowMs: number): void {
    this.#total = combine(this.#total, step, 1);
    if (this.#lastMs !== undefined) {
      const elapsedMs = Math.max(1, nowMs - this.#lastMs);
      const share = 1 - Math.exp(-elapsedMs / RATE_MS);
      this.#datagramsPerMs += (step.datagrams / elapsedMs - this.#datagramsPerMs) * share;
      this.#bytesPerMs += (step.bytes / elapsedMs - this.#bytesPerMs) * share;
    }
    this.#lastMs = nowMs;
  }

  traffic(): CarriedTraffic {
    return {
      datagrams: this.#total.datagrams,
      bytes: this.#total.bytes,
      datagramsPerSecond: Math.round(this.#datagramsPerMs * 1_000),
      bytesPerSecond: Math.round(this.#bytesPerMs * 1_000),
    };
  }
}

/** @param sign - of the other one */
export function combine(one: RelayReading, other: RelayReading, sign: 1 | -1): RelayReading {
  return {
    datagrams: one.datagrams + sign * other.datagrams,
    bytes: one.bytes + sign * other.bytes,
    refused: one.refused + sign * other.refused,
  };
}
