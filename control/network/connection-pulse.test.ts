import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '@libp2p/interface';
import { ConnectionPulse } from './connection-pulse.ts';

interface Watched {
  readonly connection: Connection;
  pings: number;
  aborts: number;
  heardAtMs: number;
  /** `silent`: pings fail; `busy`: they fail, but other data comes in meanwhile. */
  peer: 'answers' | 'silent' | 'busy';
}

/** A pulse on a clock of the test's, with one connection that was opened at 0. */
function watching(direction: 'outbound' | 'inbound'): {
  readonly watched: Watched;
  readonly pulse: ConnectionPulse;
  readonly pass: (durationMs: number) => Promise<void>;
} {
  let nowMs = 0;
  const pulse = new ConnectionPulse(() => nowMs);
  const watched: Watched = {
    connection: {
      direction,
      abort: () => {
        watched.aborts += 1;
        pulse.forget(watched.connection);
      },
    } as Partial<Connection> as Connection,
    pings: 0,
    aborts: 0,
    heardAtMs: 0,
    peer: 'answers',
  };
  pulse.add(watched.connection, {
    heardAtMs: () => watched.heardAtMs,
    ping: () => {
      watched.pings += 1;
      if (watched.peer !== 'silent') watched.heardAtMs = nowMs;
      return watched.peer === 'answers' ? Promise.resolve(1) : Promise.reject(new Error('late'));
    },
  });
  const pass = async (durationMs: number): Promise<void> => {
    for (const endMs = nowMs + durationMs; nowMs < endMs; ) {
      nowMs += 1_000;
      pulse.look();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { watched, pulse, pass };
}

test('an idle connection is pinged once when it is new and once a minute, by the end that dialled', async (t) => {
  const [dialler, listener] = [watching('outbound'), watching('inbound')];
  t.after(() => [dialler, listener].forEach(({ pulse }) => pulse.stop()));
  await dialler.pass(600_000);
  assert.equal(dialler.watched.pings, 1 + 10);
  for (let minute = 0; minute < 10; minute++) {
    await listener.pass(60_000);
    listener.watched.heardAtMs += 60_000;
  }
  assert.equal(listener.watched.pings, 1, 'it hears the other end’s pings');
  await listener.pass(80_000);
  assert.equal(listener.watched.pings, 2, 'until they stop');
});

test('one that everything depends on is pinged every ten seconds, and cut when nothing comes back', async (t) => {
  const { watched, pulse, pass } = watching('outbound');
  t.after(() => pulse.stop());
  pulse.watchClosely(watched.connection, true);
  await pass(100_000);
  assert.equal(watched.pings, 1 + 10);
  watched.peer = 'silent';
  await pass(11_000);
  assert.equal(watched.aborts, 1);
});

test('a ping that is late behind other data cuts nothing', async (t) => {
  const { watched, pulse, pass } = watching('outbound');
  t.after(() => pulse.stop());
  watched.peer = 'busy';
  await pass(130_000);
  assert.deepEqual([watched.pings, watched.aborts], [3, 0]);
});

test('a message after which nothing at all comes back is followed by a ping', async (t) => {
  const { watched, pulse, pass } = watching('outbound');
  t.after(() => pulse.stop());
  await pass(10_000);
  pulse.expect(watched.connection);
  watched.heardAtMs = 10_000;
  await pass(10_000);
  assert.equal(watched.pings, 1, 'something came back');
  pulse.expect(watched.connection);
  watched.peer = 'silent';
  await pass(21_000);
  assert.deepEqual([watched.pings, watched.aborts], [2, 1]);
});

test('a check asks at once, and not of a connection that is gone', async (t) => {
  const { watched, pulse, pass } = watching('inbound');
  t.after(() => pulse.stop());
  await pass(1_000);
  assert.equal(pulse.check(watched.connection), true);
  assert.equal(watched.pings, 2);
  pulse.forget(watched.connection);
  assert.equal(pulse.check(watched.connection), false);
});
