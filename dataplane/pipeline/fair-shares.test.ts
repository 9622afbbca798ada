/** An overloaded worker: who asks for less than its fair share loses (nearly) nothing, and the other is cut to what is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MESSAGE_OVERHEAD_BYTES } from '../shm/layout.ts';
import { FairShares, STANDING_BYTES } from './fair-shares.ts';

const SMALL = 7;
const LARGE = 3;
/** A train, and what the worker relays in a millisecond: 1 GB/s. */
const TRAIN_BYTES = 50_000;
const CAPACITY_BYTES = 1_000_000;
/** Receiving and opening, of the cost of relaying. */
const DROP_COST = 0.45;
const SOCKET_BYTES = 8 * 1024 * 1024;
const BATCH_BYTES = 131_072;
const WARM_UP_MS = 50;

/** A socket of the kernel's, and a worker that takes what is in it as fast as it can. */
class Overload {
  readonly passed = new Map<number, number>();
  readonly offered = new Map<number, number>();
  readonly #shares = new FairShares();
  readonly #isFair: boolean;
  readonly #queue: number[] = [];
  #standing = 0;
  #budget = 0;

  constructor(isFair: boolean) {
    this.#isFair = isFair;
  }

  /** One millisecond in which each trunk sends so many trains. */
  step(ms: number, trains: ReadonlyMap<number, number>): void {
    const arrivals = [...trains].flatMap(([trunk, count]) => new Array<number>(count).fill(trunk));
    // Spread as on a wire: the small one's among the large one's.
    for (let index = 0; index < arrivals.length; index++) {
      const trunk = arrivals[(index * 7 + ms * 13) % arrivals.length] as number;
      if (ms >= WARM_UP_MS) add(this.offered, trunk);
      if (this.#queue.length * TRAIN_BYTES < SOCKET_BYTES) this.#queue.push(trunk);
    }
    this.#budget = Math.min(this.#budget, 0) + CAPACITY_BYTES;
    while (this.#budget > 0 && this.#queue.length > 0) this.#batch(ms);
  }

  #batch(ms: number): void {
    const batch = this.#queue.splice(0, Math.ceil(BATCH_BYTES / TRAIN_BYTES));
    this.#standing += batch.length * (TRAIN_BYTES + MESSAGE_OVERHEAD_BYTES);
    if (this.#queue.length === 0) this.#standing = 0;
    const isAsked = this.#isFair && this.#shares.begin(this.#standing, ms);
    for (const trunk of batch) {
      const isIn = !isAsked || this.#shares.admits(trunk, TRAIN_BYTES);
      this.#budget -= isIn ? TRAIN_BYTES : TRAIN_BYTES * DROP_COST;
      if (isIn && ms >= WARM_UP_MS) add(this.passed, trunk);
    }
  }
}

function add(counts: Map<number, number>, trunk: number): void {
  counts.set(trunk, (counts.get(trunk) ?? 0) + 1);
}

function run(isFair: boolean, trains: ReadonlyMap<number, number>): (trunk: number) => number {
  const overload = new Overload(isFair);
  for (let ms = 0; ms < 1000; ms++) overload.step(ms, trains);
  return (trunk) => (overload.passed.get(trunk) ?? 0) / (overload.offered.get(trunk) ?? 1);
}

test('one peer sends ten times the other: the small one loses nearly nothing, the large one what is too much', () => {
  for (const [small, large, least] of [
    [2, 20, 0.7],
    [3, 30, 0.18],
  ] as const) {
    const trains = new Map([
      [SMALL, small],
      [LARGE, large],
    ]);
    const unfair = run(false, trains);
    assert.ok(unfair(SMALL) < 0.95, `without fairness ${unfair(SMALL)} of the small one's pass`);
    const fair = run(true, trains);
    assert.ok(fair(SMALL) > 0.99, `${fair(SMALL)} of the small one's pass`);
    // Twenty trains a millisecond is all that there is time for, and receiving what is dropped takes some of it.
    assert.ok(
      fair(LARGE) > least && fair(LARGE) < (20 - small) / large,
      `${fair(LARGE)} of the large one's pass`,
    );
  }
});

test('a worker that keeps up, or has one peer, or equal ones, refuses nobody', () => {
  const shares = new FairShares();
  for (let ms = 0; ms < 100; ms++) assert.ok(!shares.begin(STANDING_BYTES - 1, ms));
  const alone = run(true, new Map([[LARGE, 33]]));
  assert.ok(alone(LARGE) > 0.99 * (20 / 33), `${alone(LARGE)} of one peer's pass`);
  const equals = run(
    true,
    new Map([
      [SMALL, 16],
      [LARGE, 16],
    ]),
  );
  assert.ok(equals(SMALL) + equals(LARGE) > 0.99 * (40 / 32), 'as much as can be');
});

test('policing ends when the socket is found empty', () => {
  const shares = new FairShares();
  const ask = (): boolean[] => [
    shares.admits(SMALL, 1000),
    ...Array.from({ length: 20 }, () => shares.admits(LARGE, 1000)),
  ];
  for (let ms = 0; ms < 40; ms++) if (shares.begin(STANDING_BYTES, ms)) ask();
  assert.ok(shares.begin(STANDING_BYTES, 40));
  assert.ok(ask().includes(false));
  for (let ms = 41; ms < 80; ms++) if (shares.begin(0, ms)) ask();
  assert.ok(!shares.begin(0, 80));
  assert.ok(shares.begin(STANDING_BYTES, 81));
  assert.ok(!ask().includes(false), 'the first window only measures');
});
