/** Behaviour of the event loop's watch, by histograms that the tests fill. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DelayHistogram, EventLoopWatch } from './event-loop-watch.ts';

/** A histogram of given timer distances in ms. */
class FilledHistogram implements DelayHistogram {
  samplesMs: readonly number[] = [];
  isEnabled = false;

  get count(): number {
    return this.samplesMs.length;
  }

  get max(): number {
    return Math.max(...this.samplesMs) * 1e6;
  }

  percentile(): number {
    const sorted = [...this.samplesMs].sort((left, right) => left - right);
    return (sorted[Math.ceil(this.count * 0.99) - 1] ?? 0) * 1e6;
  }

  enable(): boolean {
    this.isEnabled = true;
    return true;
  }

  disable(): boolean {
    this.isEnabled = false;
    return true;
  }
}

function watched(): { readonly watch: EventLoopWatch; readonly windows: FilledHistogram[] } {
  const windows: FilledHistogram[] = [];
  const watch = new EventLoopWatch(() => {
    const window = new FilledHistogram();
    windows.push(window);
    return window;
  });
  watch.rotate();
  return { watch, windows };
}

function fill(window: FilledHistogram | undefined, samplesMs: readonly number[]): void {
  assert.ok(window !== undefined);
  window.samplesMs = samplesMs;
}

test('a loop that nobody has sampled yet has no delay', () => {
  assert.deepEqual(watched().watch.read(), { maxMs: 0, p99Ms: 0 });
});

test('a loop that is on time has no delay, although its timer has an interval', () => {
  const { watch, windows } = watched();
  fill(windows[0], [9.5, 10, 10]);
  assert.equal(watch.read().maxMs, 0);
});

test('reading changes nothing: two who ask are told the same', () => {
  const { watch, windows } = watched();
  fill(windows[0], [10, 35]);
  assert.equal(watch.read().maxMs, 25);
  assert.equal(watch.read().maxMs, 25);
});

test('a delay is told through one rotation and forgotten by the second', () => {
  const { watch, windows } = watched();
  fill(windows[0], [10, 60]);
  watch.rotate();
  fill(windows[1], [10, 12]);
  assert.equal(watch.read().maxMs, 50);
  watch.rotate();
  assert.equal(watch.read().maxMs, 2);
});

test('only the newest window is sampled, and none after the end', () => {
  const { watch, windows } = watched();
  watch.rotate();
  assert.deepEqual(
    windows.map((window) => window.isEnabled),
    [false, true],
  );
  watch.stop();
  assert.equal(windows[1]?.isEnabled, false);
});
