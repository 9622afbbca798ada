import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ARENA_BYTES, TABLE, tablesBytes } from './memory-map.ts';
import { renderRust } from './render-layout.ts';
import { struct } from './struct.ts';

test('fields follow each other at their natural alignment', () => {
  const record = struct('Record', 24, { low: 'u32', high: 'u32', total: 'f64', bytes: ['u8', 3] });
  assert.deepEqual({ ...record.at }, { low: 0, high: 4, total: 8, bytes: 16 });
});

test('a structure that would need hidden padding is refused', () => {
  assert.throws(() => struct('Record', 16, { low: 'u32', total: 'f64' }), /Record.total is misaligned/);
});

test('fields that exceed the declared size are refused', () => {
  assert.throws(() => struct('Record', 8, { bytes: ['u8', 9] }), /needs 9 bytes and has 8/);
});

test('regions start on cache lines and the token table is last', () => {
  for (const offset of Object.values(TABLE)) assert.equal(offset % 64, 0);
  assert.equal(Math.max(...Object.values(TABLE)), TABLE.tokens);
  assert.equal(tablesBytes(16) - tablesBytes(8), 8 * 48);
  assert.equal(ARENA_BYTES % 64, 0);
});

test('the Rust mirror asserts the offset of every field', () => {
  const rust = renderRust();
  assert.match(rust, /offset_of!\(Lane, rx_keys\) == 32\)/);
  assert.match(rust, /size_of::<Lane>\(\) == 512\)/);
});
