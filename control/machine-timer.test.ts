/** When a machine's timer fires: at the last moment that was named, within its bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineTimer } from './machine-timer.ts';

test('the last plan counts, nothing is early, and stopped is stopped', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const ticks: number[] = [];
  const timer = new MachineTimer({ nowMs: () => Date.now(), tick: () => ticks.push(Date.now()) });
  timer.plan(50);
  timer.plan(80.5);
  context.mock.timers.tick(80);
  assert.deepEqual(ticks, []);
  context.mock.timers.tick(1);
  assert.deepEqual(ticks, [81]);
  timer.plan(90);
  timer.plan(Number.POSITIVE_INFINITY);
  context.mock.timers.tick(1_000);
  timer.plan(2_000);
  timer.stop();
  context.mock.timers.tick(5_000);
  assert.deepEqual(ticks, [81]);
});

test('what is past or near is not sooner than the least wait, what is far not later than the longest', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const ticks: number[] = [];
  const bounds = { leastMs: 20, mostMs: 500 };
  const timer = new MachineTimer({ nowMs: () => Date.now(), tick: () => ticks.push(Date.now()), ...bounds });
  timer.plan(-100);
  context.mock.timers.tick(19);
  assert.deepEqual(ticks, []);
  context.mock.timers.tick(1);
  timer.plan(1e12);
  context.mock.timers.tick(500);
  assert.deepEqual(ticks, [20, 520]);
});
