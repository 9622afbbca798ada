/** Newcomers are greeted together, and asked for while they stay unknown, ever less often. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Newcomers } from './newcomers.ts';

function world(): { said: string[]; announcers: Set<string>; strangers: boolean; newcomers: Newcomers } {
  const said: string[] = [];
  const state = { said, announcers: new Set<string>(), strangers: false };
  const newcomers = new Newcomers({
    announcers: () => new Set(state.announcers),
    hasStrangers: () => state.strangers,
    greet: () => said.push('greet'),
    ask: () => said.push('ask'),
  });
  return Object.assign(state, { newcomers });
}

test('who begins to announce is greeted once, with those who come at the same time', () => {
  const { announcers, newcomers, said } = world();
  announcers.add('a');
  newcomers.changed(0);
  announcers.add('b');
  newcomers.changed(60);
  newcomers.poll(90);
  assert.deepEqual(said, []);
  newcomers.poll(100);
  newcomers.changed(110);
  announcers.delete('a');
  newcomers.changed(120);
  for (let nowMs = 120; nowMs < 100_000; nowMs += 100) newcomers.poll(nowMs);
  assert.deepEqual(said, ['greet']);
});

test('everybody is asked while somebody is unknown, after 1, 2, 4 … seconds, and no more when he is known', () => {
  const state = world();
  state.announcers.add('a');
  state.strangers = true;
  state.newcomers.changed(0);
  const askedAtMs: number[] = [];
  for (let nowMs = 0; nowMs <= 100_000; nowMs += 100) {
    state.newcomers.poll(nowMs);
    if (state.said.splice(0).includes('ask')) askedAtMs.push(nowMs);
  }
  assert.deepEqual(askedAtMs, [1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000]);
  state.strangers = false;
  for (let nowMs = 100_100; nowMs <= 300_000; nowMs += 100) state.newcomers.poll(nowMs);
  assert.deepEqual(state.said, []);
});
