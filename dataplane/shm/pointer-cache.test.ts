import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PointerCache } from './pointer-cache.ts';

const BASE = 0x7f12_3456_7000;

test('every offset has its address, whatever was asked for before', () => {
  const pointers = new PointerCache(BASE);
  for (let round = 0; round < 2; round++) {
    for (let offset = 0; offset < 400_000; offset += 7) {
      assert.equal(pointers.at(offset), BigInt(BASE + offset));
    }
  }
});

test('an offset that comes back gets the very same object while few others come between', () => {
  const pointers = new PointerCache(BASE);
  const offsets = Array.from({ length: 2000 }, (_, index) => index * 1406 + 48);
  const first = offsets.map((offset) => pointers.at(offset));
  assert.deepEqual(
    offsets.map((offset) => pointers.at(offset)),
    first,
  );
});
