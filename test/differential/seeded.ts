/**
 * Numbers and bytes from a seed, so that a failing run can be repeated. Tests only; pure.
 */

/** A generator; not for secrets. */
export interface Seeded {
  /** 0 … below-1. */
  readonly below: (below: number) => number;
  /** True once in `times`. */
  readonly oneIn: (times: number) => boolean;
  readonly pick: <T>(values: readonly T[]) => T;
  readonly bytes: (length: number) => Uint8Array;
}

/** Starts a generator (mulberry32). */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => word() % limit;
  return {
    below,
    oneIn: (times) => below(times) === 0,
    pick: <T>(values: readonly T[]): T => {
      const value = values[below(values.length)];
      if (value === undefined) throw new RangeError('nothing to pick from');
      return value;
    },
    bytes: (length) => Uint8Array.from({ length }, () => word() & 0xff),
  };
}
