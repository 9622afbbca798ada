/** When a trunk's cost is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costAtMs, costOf, NO_CARRIER_COST, newCostMemory, noteCost, type PathMeasure } from './cost.ts';

const UDP: PathMeasure = { carrier: 'udp', isRelayed: false, rttMs: 20, lossRatio: 0 };
const STREAM: PathMeasure = { ...UDP, carrier: 'stream' };
const NONE: PathMeasure = { ...UDP, carrier: undefined };

test('a cost is the round trip, and more with loss, on a stream, on a circuit and without a carrier', () => {
  assert.equal(costOf(UDP), 200);
  assert.equal(costOf({ ...UDP, lossRatio: 0.5 }), 800);
  assert.equal(costOf(STREAM), 2_200);
  assert.equal(costOf({ ...STREAM, isRelayed: true }), 20_200);
  assert.equal(costOf({ ...UDP, rttMs: 0 }), 1);
  assert.equal(costOf({ ...STREAM, isRelayed: true, rttMs: 60_000, lossRatio: 1 }), 65_534);
  assert.equal(costOf(NONE), NO_CARRIER_COST);
});

test('small changes are never told, others when they have lasted for 10 s', () => {
  const memory = newCostMemory();
  assert.ok(noteCost(memory, UDP, 0));
  assert.ok(!noteCost(memory, { ...UDP, rttMs: 24 }, 60_000));
  assert.equal(costAtMs(memory), Number.POSITIVE_INFINITY);
  assert.ok(!noteCost(memory, { ...UDP, rttMs: 40 }, 61_000));
  assert.ok(!noteCost(memory, UDP, 65_000), 'it was short');
  assert.ok(!noteCost(memory, { ...UDP, rttMs: 40 }, 66_000));
  assert.equal(costAtMs(memory), 76_000);
  assert.ok(!noteCost(memory, { ...UDP, rttMs: 40 }, 75_999));
  assert.ok(noteCost(memory, { ...UDP, rttMs: 40 }, 76_000));
  assert.equal(memory.told, 400);
});

test('a carrier that goes is told at once with its cost, one that comes at once without', () => {
  const memory = newCostMemory();
  noteCost(memory, UDP, 0);
  assert.ok(noteCost(memory, STREAM, 20_000));
  assert.equal(memory.told, 2_200);
  assert.ok(noteCost(memory, NONE, 21_000));
  assert.equal(memory.told, NO_CARRIER_COST);
  assert.ok(noteCost(memory, UDP, 22_000));
  assert.equal(memory.carrier, 'udp');
  assert.equal(memory.told, NO_CARRIER_COST);
  assert.ok(!noteCost(memory, UDP, 31_999));
  assert.ok(noteCost(memory, UDP, 32_000));
  assert.equal(memory.told, 200);
});

test('a trunk that begins on a stream and moves up soon is told as it is', () => {
  const memory = newCostMemory();
  noteCost(memory, STREAM, 0);
  assert.ok(noteCost(memory, UDP, 300));
  assert.equal(memory.told, 200);
});
