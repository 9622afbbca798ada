/**
 * What may still be relayed in foreign segments, as workers take of it: for one trunk, or for all together.
 *
 *   main   every 100 ms: adds rate × time, up to a second's worth
 *   worker takes a run at a time and may run into debt, which later refills pay
 *
 * Main thread only; the words lie in the shared tables.
 */
import { RELAY_LIMITED } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';

/** A limit; undefined: none in that respect. */
export interface RelayRate {
  readonly datagramsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** Where the words lie, in bytes from the tables' start. */
export interface CreditPlace {
  readonly flags: number;
  readonly datagrams: number;
  readonly bytes: number;
}

/** A word holds 31 bits: more than that at once is as good as no limit. */
const CREDIT_MAX = 0x7000_0000;
/** What may be saved up. */
const BURST_SECONDS = 1;

/** One pair of credits. */
export class RelayCredits {
  readonly #tables: Tables;
  readonly #place: CreditPlace;
  #rate: RelayRate | undefined;
  /** Parts of a datagram and of a byte that were earned and not given yet. */
  readonly #parts = { datagrams: 0, bytes: 0 };

  constructor(tables: Tables, place: CreditPlace) {
    this.#tables = tables;
    this.#place = place;
  }

  /** Limits from now; undefined: no limit. What was saved up or owed under another limit is forgotten. */
  setRate(rate: RelayRate | undefined): void {
    if (isSame(rate, this.#rate)) {
      return;
    }
    this.#rate = rate;
    const { i32 } = this.#tables;
    Atomics.store(i32, this.#place.datagrams >> 2, burstOf(rate?.datagramsPerSecond));
    Atomics.store(i32, this.#place.bytes >> 2, burstOf(rate?.bytesPerSecond));
    Atomics.store(i32, this.#place.flags >> 2, rate === undefined ? 0 : RELAY_LIMITED);
  }

  /** Gives what has become free in `elapsedMs`. */
  refill(elapsedMs: number): void {
    if (this.#rate !== undefined) {
      this.#add('datagrams', this.#rate.datagramsPerSecond, elapsedMs);
      this.#add('bytes', this.#rate.bytesPerSecond, elapsedMs);
    }
  }

  /** Workers only take meanwhile, so what is added never exceeds the burst. */
  #add(what: 'datagrams' | 'bytes', perSecond: number | undefined, elapsedMs: number): void {
    const { i32 } = this.#tables;
    const word = this.#place[what] >> 2;
    const free = burstOf(perSecond) - Atomics.load(i32, word);
    const earned = perSecond === undefined ? free : this.#parts[what] + (perSecond * elapsedMs) / 1000;
    const given = Math.max(0, Math.min(free, Math.floor(earned)));
    this.#parts[what] = Math.min(1, earned - given);
    Atomics.add(i32, word, given);
  }
}

/** Saying a limit again must not give a second's worth anew. */
function isSame(left: RelayRate | undefined, right: RelayRate | undefined): boolean {
  return (
    left?.datagramsPerSecond === right?.datagramsPerSecond &&
    left?.bytesPerSecond === right?.bytesPerSecond &&
    (left === undefined) === (right === undefined)
  );
}

function burstOf(perSecond: number | undefined): number {
  return perSecond === undefined ? CREDIT_MAX : Math.min(CREDIT_MAX, Math.ceil(perSecond * BURST_SECONDS));
}
