/** How long a worker spins, over waits that the test tells. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AFTER_NOTHING, AFTER_SENDING, AFTER_WRITING, SpinGovernor } from './spin.ts';

const LIMIT_US = 300;

/** Tells a wait that spun as it was allowed to; returns what it spun. */
function wait(spin: SpinGovernor, turn: number, waitedUs: number): number {
  const spunUs = Math.min(spin.windowUs(turn), waitedUs);
  spin.waited(turn, { waitedUs, spunUs });
  return spunUs;
}

test('a worker does not spin before it has seen a short wait', () => {
  const spin = new SpinGovernor(LIMIT_US);
  assert.equal(spin.windowUs(AFTER_SENDING), 0);
  assert.equal(spin.windowUs(AFTER_WRITING), 0);
});

test('a short wait opens the window of its kind of turn only, wider than itself', () => {
  const spin = new SpinGovernor(LIMIT_US);
  wait(spin, AFTER_SENDING, 100);
  assert.ok(spin.windowUs(AFTER_SENDING) > 100);
  assert.equal(spin.windowUs(AFTER_WRITING), 0);
});

test('a window never passes its limit', () => {
  const spin = new SpinGovernor(LIMIT_US);
  wait(spin, AFTER_SENDING, LIMIT_US - 1);
  assert.equal(spin.windowUs(AFTER_SENDING), LIMIT_US);
});

test('a long wait closes the window at once', () => {
  const spin = new SpinGovernor(LIMIT_US);
  wait(spin, AFTER_SENDING, 100);
  wait(spin, AFTER_SENDING, LIMIT_US + 1);
  assert.equal(spin.windowUs(AFTER_SENDING), 0);
});

test('a lone ping is spun for where it waits for its answer, and only there', () => {
  const spin = new SpinGovernor(LIMIT_US);
  let sending = 0;
  let writing = 0;
  for (let ping = 0; ping < 100; ping++) {
    sending += wait(spin, AFTER_SENDING, 150);
    writing += wait(spin, AFTER_WRITING, 10_000);
  }
  assert.equal(sending, 99 * 150);
  assert.equal(writing, 0);
});

test('a turn that moved nothing leaves the windows as they are and does not spin', () => {
  const spin = new SpinGovernor(LIMIT_US);
  wait(spin, AFTER_SENDING, 100);
  wait(spin, AFTER_NOTHING, 1_000_000);
  assert.equal(spin.windowUs(AFTER_NOTHING), 0);
  assert.ok(spin.windowUs(AFTER_SENDING) > 0);
});

test('spinning takes no more than an eighth of the time waited, however often waits are short', () => {
  const spin = new SpinGovernor(LIMIT_US);
  let spun = 0;
  let waited = 0;
  for (let i = 0; i < 100_000; i++) {
    spun += wait(spin, AFTER_SENDING, 200);
    waited += 200;
  }
  assert.ok(spun <= waited / 8 + 10_000, `${spun} of ${waited}`);
});

test('a limit of nothing forbids spinning', () => {
  const spin = new SpinGovernor(0);
  wait(spin, AFTER_SENDING, 0);
  wait(spin, AFTER_SENDING, 5);
  assert.equal(spin.windowUs(AFTER_SENDING), 0);
});
