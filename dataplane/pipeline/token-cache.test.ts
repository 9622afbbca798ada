/** The tokens that a worker sends under: those of the vectors, derived once, and never those of another period or epoch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeEpoch } from '../../test/harness/table-writer.ts';
import { groupTokenOf, secretsOf, type TokenVector, tokenVectors } from '../../test/harness/token-vectors.ts';
import type { TokenPort } from '../crypto/crypto-port.ts';
import { createTokenHash } from '../crypto/token-hash.ts';
import { LIMIT } from '../shm/layout.ts';
import { createTables, type Tables } from '../shm/tables.ts';
import { NO_TOKEN, TokenCache } from './token-cache.ts';

const vectors = tokenVectors();

interface Bench {
  readonly tables: Tables;
  readonly cache: TokenCache;
  /** Derivations so far. */
  readonly count: () => number;
  /** The token of a station of epoch 3, in hexadecimal. */
  readonly station: (slot: number, mac: string) => string;
  /** Likewise of a group. */
  readonly group: (slot: number, mac: string) => string;
  readonly broadcast: () => string;
}

function bench(): Bench {
  const tables = createTables({ workerCount: 1, tokenCapacity: 64, hashKey: { key0: 1, key1: 2 } });
  const port = createTokenHash(tables);
  let derivations = 0;
  const counted: TokenPort = {
    token: port.token,
    setEpoch: (key, segment) => {
      port.setEpoch(key, segment);
    },
    derive: (kind, period, macLow, macHigh) => {
      derivations++;
      port.derive(kind, period, macLow, macHigh);
    },
  };
  const cache = new TokenCache(tables, counted);
  const text = (index: number): string =>
    index === NO_TOKEN ? 'none' : Buffer.from(cache.words.buffer, 4 * index, 16).toString('hex');
  const words = (mac: string): readonly [number, number] => {
    const bytes = Buffer.from(mac, 'hex');
    return [bytes.readInt32LE(0), bytes.readUInt16LE(4)];
  };
  return {
    tables,
    cache,
    count: () => derivations,
    station: (slot, mac) => text(cache.station(slot, 3, ...words(mac))),
    group: (slot, mac) => text(cache.group(slot, 3, ...words(mac))),
    broadcast: () => text(cache.broadcast(3)),
  };
}

function install(tables: Tables, vector: TokenVector, serial: number): void {
  const { tokenKey, segment } = secretsOf(vector);
  writeEpoch(tables, 3, { tokenKey, segment: segment.id, period: vector.period, serial });
}

test('they are those of the vectors', () => {
  const { tables, station, group, broadcast } = bench();
  for (const [index, vector] of vectors.entries()) {
    install(tables, vector, index + 1);
    assert.equal(station(9, vector.mac), vector.stationToken);
    assert.equal(group(10, vector.mac), groupTokenOf(vector));
    assert.equal(broadcast(), vector.broadcastToken);
  }
});

test('a token is derived once, until its period, its epoch or the station in its slot is another', () => {
  const { tables, station, broadcast, count } = bench();
  const [vector] = vectors as readonly [TokenVector];
  const { mac } = vector;
  const seen = new Set<string>();
  const expectNew = (isNew: boolean, look: () => string): void => {
    const before = count();
    const token = look();
    assert.equal(look(), token);
    assert.equal(count() - before, isNew ? 1 : 0);
    if (isNew) assert.ok(!seen.has(token));
    seen.add(token);
  };
  install(tables, vector, 1);
  expectNew(true, () => station(9, mac));
  expectNew(true, broadcast);
  expectNew(true, () => station(9, '0200000000ff'));
  expectNew(true, () => station(LIMIT.stations - 1, '0200000000fe'));
  expectNew(false, broadcast);
  install(tables, { ...vector, period: vector.period + 1 }, 1);
  expectNew(true, broadcast);
  expectNew(true, () => station(9, mac));
  install(tables, { ...vector, vlanId: 'ee'.repeat(16) }, 2);
  expectNew(true, broadcast);
  expectNew(true, () => station(9, mac));
});

test('while an epoch is written there is no token, and none is kept', () => {
  const { tables, station, broadcast } = bench();
  const [vector] = vectors as readonly [TokenVector];
  install(tables, vector, 5);
  writeEpoch(tables, 3, { version: 1 });
  assert.equal(station(9, vector.mac), 'none');
  assert.equal(broadcast(), 'none');
  writeEpoch(tables, 3, { version: 2 });
  assert.equal(station(9, vector.mac), vector.stationToken);
  assert.equal(broadcast(), vector.broadcastToken);
});

test('a slot that never held an epoch has no token', () => {
  const { station, broadcast } = bench();
  assert.equal(station(0, '000000000000'), 'none');
  assert.equal(broadcast(), 'none');
});
