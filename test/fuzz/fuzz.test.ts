/**
 * Runs every fuzzing entry for a moment, from a fixed seed: each takes bytes and must return. A failure prints the bytes
 * that caused it; they go into the entry's corpus below.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';

const RUNS = 3000;
const MAX_BYTES = 400;
const SEED = 0x5eed;

/** Inputs that once failed, by entry. */
const CORPUS: Readonly<Record<string, readonly string[]>> = {};

interface FuzzEntry {
  fuzz(bytes: Uint8Array): void;
}

const folder = new URL('./', import.meta.url);
const entries = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));

test('there are entries', () => {
  assert.ok(entries.length > 0);
});

for (const name of entries) {
  test(`${name} takes any bytes`, async () => {
    const entry = (await import(new URL(name, folder).href)) as FuzzEntry;
    for (const hex of CORPUS[name] ?? []) run(entry, new Uint8Array(Buffer.from(hex, 'hex')));
    const random = generator(SEED);
    for (let round = 0; round < RUNS; round++) run(entry, randomBytes(random, round));
  });
}

function run(entry: FuzzEntry, bytes: Uint8Array): void {
  try {
    entry.fuzz(bytes);
  } catch (cause) {
    throw new Error(`failed for ${Buffer.from(bytes).toString('hex')}`, { cause });
  }
}

/** Short ones first; every third has long runs of zeros, which random bytes alone would never have. */
function randomBytes(random: () => number, round: number): Uint8Array {
  const length = random() % (1 + Math.min(MAX_BYTES, round));
  const isSparse = round % 3 === 0;
  return Uint8Array.from({ length }, () => (isSparse && random() % 4 !== 0 ? 0 : random() & 0xff));
}

/** Xorshift32 (Marsaglia): enough for choosing bytes. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
