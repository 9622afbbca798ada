/** Behaviour of forwarding tokens and their periods, held by vectors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveOpenEpoch, utcDay } from '../vlan/open-epoch.ts';
import {
  broadcastToken,
  controlToken,
  DEFAULT_TOKEN_PERIOD_SECONDS,
  forwardingToken,
  groupRoute,
  routeNonce,
  stationRoute,
  stationToken,
} from './token.ts';
import { livePeriods, nextPeriodStartMs } from './token-period.ts';

interface TokenVector {
  readonly vlanId: string;
  readonly day: number;
  readonly period: number;
  readonly mac: string;
  readonly stationRoute: string;
  readonly stationToken: string;
  readonly broadcastToken: string;
  readonly multicastRoute: string;
  readonly controlToken: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/tokens.json', import.meta.url), 'utf8'),
) as readonly TokenVector[];

test('routes and tokens are those of the vectors', () => {
  for (const vector of vectors) {
    const epoch = deriveOpenEpoch(Buffer.from(vector.vlanId, 'hex'), vector.day);
    const mac = Buffer.from(vector.mac, 'hex');

    assert.equal(hex(stationRoute(epoch.tokenKey, vector.period, mac)), vector.stationRoute);
    assert.equal(hex(stationToken(epoch, vector.period, mac)), vector.stationToken);
    assert.equal(hex(broadcastToken(epoch, vector.period)), vector.broadcastToken);
    assert.equal(hex(groupRoute(epoch.tokenKey, vector.period, mac)), vector.multicastRoute);
    assert.equal(hex(controlToken(epoch, vector.period)), vector.controlToken);
  }
});

test('a route yields another token in another segment', () => {
  const one = deriveOpenEpoch(new Uint8Array(16), 1);
  const two = deriveOpenEpoch(new Uint8Array(16), 2);
  const route = stationRoute(one.tokenKey, 7, new Uint8Array(6));

  assert.notEqual(hex(forwardingToken(one.segment.id, route)), hex(forwardingToken(two.segment.id, route)));
});

test("members know a route's announcer by its key, each epoch by another name", () => {
  const [one, two] = [1, 2].map((day) => deriveOpenEpoch(new Uint8Array(16), day).controlKey) as [
    Uint8Array,
    Uint8Array,
  ];
  const key = new Uint8Array(32).fill(7);

  assert.equal(routeNonce(one, key).length, 16);
  assert.deepEqual(routeNonce(one, key), routeNonce(one, key));
  assert.notDeepEqual(routeNonce(one, key), routeNonce(two, key));
  assert.notDeepEqual(routeNonce(one, key), routeNonce(one, new Uint8Array(32)));
});

test('kinds, periods and addresses have tokens of their own', () => {
  const epoch = deriveOpenEpoch(new Uint8Array(16), 1);
  const mac = new Uint8Array(6);
  const tokens = [
    stationToken(epoch, 1, mac),
    stationToken(epoch, 2, mac),
    stationToken(epoch, 1, Uint8Array.of(2, 0, 0, 0, 0, 1)),
    broadcastToken(epoch, 1),
    broadcastToken(epoch, 2),
    controlToken(epoch, 1),
    forwardingToken(epoch.segment.id, groupRoute(epoch.tokenKey, 1, mac)),
  ];

  assert.equal(new Set(tokens.map(hex)).size, tokens.length);
});

test('two clocks less than a period apart accept each other, across midnight too', () => {
  const period = fc.constantFrom(60, 900, DEFAULT_TOKEN_PERIOD_SECONDS, 86_400);
  fc.assert(
    fc.property(
      period,
      fc.integer({ min: 86_400_000, max: 4e12 }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      (periodSeconds, senderMs, skewPeriods) => {
        const receiverMs = senderMs + Math.trunc(skewPeriods * periodSeconds * 1_000);
        const { current } = livePeriods(senderMs, periodSeconds);
        const live = livePeriods(receiverMs, periodSeconds);

        assert.equal(current.day, utcDay(senderMs));
        assert.ok(
          [live.previous, live.current, live.next].some(
            (accepted) => accepted.period === current.period && accepted.day === current.day,
          ),
        );
      },
    ),
  );
});

test('the next period starts when the current one ends', () => {
  const nowMs = Date.UTC(2026, 10, 21, 23, 59, 59);

  assert.equal(nextPeriodStartMs(nowMs, 3_600), Date.UTC(2026, 10, 22));
  assert.equal(livePeriods(nowMs, 3_600).next.day, utcDay(nowMs) + 1);
});

test('a period that does not divide a day is a bug of the caller', () => {
  for (const seconds of [0, 59, 7_000, 90_000, Number.NaN]) {
    assert.throws(() => livePeriods(0, seconds), RangeError);
  }
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
