/** Credits for what is relayed: over time the rate holds, whatever is used when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RELAY_GRANT_MS, relayGrant } from './relay-credits.ts';

test('whoever takes all that there is gets the rate, to the datagram', () => {
  for (const perSecond of [1, 7, 1_500, 333_333, 10_000_000_000]) {
    let taken = 0;
    let left = 0;
    for (let atMs = 0; atMs < 60_000; atMs += RELAY_GRANT_MS) {
      left += relayGrant(perSecond, left, { fromMs: atMs, toMs: atMs + RELAY_GRANT_MS });
      taken += left;
      left = 0;
    }
    assert.equal(taken, perSecond * 60);
  }
});

test('a debt is paid before anything more is granted to use', () => {
  let left = -1_000;
  let atMs = 5_000;
  for (; left <= 0; atMs += RELAY_GRANT_MS) {
    left += relayGrant(1_000, left, { fromMs: atMs, toMs: atMs + RELAY_GRANT_MS });
  }
  assert.equal(atMs - 5_000, 1_100);
});

test('no more than two grants are saved up, after a pause of the main thread neither', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e10 }),
      fc.integer({ min: -1e9, max: 2e9 }),
      fc.tuple(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.double({ min: 0, max: 1e5, noNaN: true })),
      (perSecond, left, [fromMs, forMs]) => {
        const grant = relayGrant(perSecond, left, { fromMs, toMs: fromMs + forMs });

        assert.ok(Number.isInteger(grant) && grant >= 0);
        assert.ok(grant === 0 || left + grant <= Math.max(1, Math.ceil(perSecond / 5)));
        assert.ok(grant <= (perSecond * forMs) / 1_000 + 16, 'more than the time that went by');
      },
    ),
  );
});
