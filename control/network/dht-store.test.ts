/** Behaviour of the DHT's store: what others put there stays within bounds and runs out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Record as DhtRecord } from '@libp2p/kad-dht';
import { DhtStore } from './dht-store.ts';

type Key = Parameters<DhtStore['get']>[0];
const HOUR_MS = 3_600_000;

/** What the store needs of a key is its text. */
function key(text: string): Key {
  const named: Pick<Key, 'toString'> = { toString: () => text };
  return named as never;
}

function record(value: number): Uint8Array {
  const bytes = new DhtRecord(Uint8Array.of(47), Uint8Array.of(value), new Date(0)).serialize();
  return Uint8Array.from('subarray' in bytes ? bytes.subarray() : bytes);
}

function store(): { readonly kept: DhtStore; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  const pick = (_key: Uint8Array, stored: Uint8Array, offered: Uint8Array): 'stored' | 'offered' =>
    (offered[0] ?? 0) > (stored[0] ?? 0) ? 'offered' : 'stored';
  return { clock, kept: new DhtStore({ nowMs: () => clock.nowMs, pick }) };
}

test('a flood of provider records leaves no more than the newest of them', () => {
  const { kept } = store();
  for (let count = 0; count < 20_000; count++) kept.put(key(`/dht/provider/a/${count}`), Uint8Array.of(1));
  assert.equal(kept.sizes().providers, 16_384);
  assert.equal(kept.has(key('/dht/provider/a/0')), false);
  assert.ok(kept.has(key('/dht/provider/a/19999')));
});

test('provider records are found by prefix until they run out', () => {
  const { kept, clock } = store();
  kept.put(key('/dht/provider/a/1'), Uint8Array.of(1));
  kept.put(key('/dht/provider/b/1'), Uint8Array.of(1));
  assert.equal([...kept.query({ prefix: '/dht/provider/a' })].length, 1);
  clock.nowMs = 2 * HOUR_MS;
  assert.equal([...kept.query({ prefix: '/dht/provider/a' })].length, 0);
  assert.throws(() => kept.get(key('/dht/provider/a/1')), { name: 'NotFoundError' });
});

test('an older value does not replace a newer one, and a huge one is not taken', () => {
  const { kept } = store();
  const name = key('/dht/record/x');
  kept.put(name, record(5));
  kept.put(name, record(4));
  assert.deepEqual(DhtRecord.deserialize(kept.get(name)).value[0], 5);
  kept.put(name, record(6));
  assert.deepEqual(DhtRecord.deserialize(kept.get(name)).value[0], 6);
  kept.put(name, Uint8Array.of(255, 255));
  assert.deepEqual(DhtRecord.deserialize(kept.get(name)).value[0], 6);
  kept.put(key('/dht/record/y'), new Uint8Array(70_000));
  assert.equal(kept.sizes().values, 1);
});
