import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableHash } from './table-hash.ts';

// From an independent implementation that also gives the published HalfSipHash-2-4 vectors for this key.
const KEY = { key0: 0x03020100, key1: 0x07060504 };
const WORDS = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c] as const;

test('the table hash is HalfSipHash-1-3 of one to four little-endian words', () => {
  const [w0, w1, w2, w3] = WORDS;
  assert.equal(tableHash(KEY, 1, w0, 0, 0, 0), 0x7e059ea6);
  assert.equal(tableHash(KEY, 2, w0, w1, 0, 0), 0x577999b1);
  assert.equal(tableHash(KEY, 3, w0, w1, w2, 0), 0x6b28096c);
  assert.equal(tableHash(KEY, 4, w0, w1, w2, w3), 0x8b31d501 | 0);
});

test('another key places the same token elsewhere', () => {
  const [w0, w1, w2, w3] = WORDS;
  const other = tableHash({ key0: 1, key1: 2 }, 4, w0, w1, w2, w3);
  assert.notEqual(other, tableHash(KEY, 4, w0, w1, w2, w3));
});
