import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMIT, NONE, SLOT_DELETED, SLOT_LIVE, Station, Token } from './layout.ts';
import { TABLE } from './memory-map.ts';
import { tableHash } from './table-hash.ts';
import { createTables, findStation, findToken, openTables } from './tables.ts';

const HASH_KEY = { key0: 0x1234_5678, key1: 0x9abc_def0 };

function smallTables() {
  return createTables({ workerCount: 2, tokenCapacity: 64, hashKey: HASH_KEY });
}

function putToken(tables: ReturnType<typeof smallTables>, slot: number, words: readonly number[]): void {
  const word = (TABLE.tokens + slot * Token.size) >> 2;
  tables.u32.set(words, word + (Token.at.token >> 2));
  tables.u32[word + (Token.at.state >> 2)] = SLOT_LIVE;
}

test('views opened by another thread read what the creator wrote', () => {
  const tables = smallTables();
  const opened = openTables(tables.buffer);
  assert.equal(opened.tokenCapacity, 64);
  assert.equal(opened.workerCount, 2);
  assert.deepEqual(opened.hashKey, HASH_KEY);
});

test('a buffer of something else is refused', () => {
  assert.throws(() => openTables(new SharedArrayBuffer(1024)), /not a tables buffer/);
});

test('a token is found only when all sixteen bytes agree', () => {
  const tables = smallTables();
  const home = tableHash(HASH_KEY, 4, 1, 2, 3, 4) & 63;
  putToken(tables, home, [1, 2, 3, 4]);
  assert.equal(findToken(tables, 1, 2, 3, 4), home);
  assert.equal(findToken(tables, 1, 2, 3, 5), NONE);
});

test('a probe goes on past a deleted slot and stops at an empty one', () => {
  const tables = smallTables();
  const home = tableHash(HASH_KEY, 4, 1, 2, 3, 4) & 63;
  const next = (home + 1) & 63;
  putToken(tables, next, [1, 2, 3, 4]);
  assert.equal(findToken(tables, 1, 2, 3, 4), NONE);
  tables.u32[((TABLE.tokens + home * Token.size) >> 2) + (Token.at.state >> 2)] = SLOT_DELETED;
  assert.equal(findToken(tables, 1, 2, 3, 4), next);
});

test('a probe is bounded even when every slot is taken', () => {
  const tables = smallTables();
  for (let slot = 0; slot < 64; slot++) putToken(tables, slot, [9, 9, 9, slot]);
  assert.equal(findToken(tables, 1, 2, 3, 4), NONE);
});

test('a station whose slot is being written counts as absent', () => {
  const tables = smallTables();
  const home = tableHash(HASH_KEY, 3, 5, 6, 7, 0) & (LIMIT.stations - 1);
  const word = (TABLE.stations + home * Station.size) >> 2;
  tables.u32[word + (Station.at.vlan >> 2)] = 5;
  tables.u32[word + (Station.at.macLow >> 2)] = 6;
  tables.u32[word + (Station.at.macHigh >> 2)] = 7;
  tables.u32[word + (Station.at.state >> 2)] = SLOT_LIVE;
  assert.equal(findStation(tables, 5, 6, 7), home);
  tables.u32[word] = 1;
  assert.equal(findStation(tables, 5, 6, 7), NONE);
});
