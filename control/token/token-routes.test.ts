/** Behaviour of token announcements between neighbours, and towards neighbours that lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveEpochKeys, type EpochKeys } from '../vlan/epoch-keys.ts';
import { createRoutePorts } from './node-ports.ts';
import type { RouteNow } from './route-announcer.ts';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { encodeAnnounce, encodePull, NONCE_BYTES, ROUTES_MAX, type RouteSet } from './route-message.ts';
import { broadcastRoute, broadcastToken, forwardingToken } from './token.ts';
import { type RouteEffect, type RouteInput, TokenRoutes } from './token-routes.ts';

const PERIOD = 494_000;
const UNIX_OFFSET_MS = 1_778_400_000_000;
const ports = createRoutePorts();
const epochOf = (seed: number): EpochKeys => deriveEpochKeys(new Uint8Array(32).fill(seed));
const EPOCH = epochOf(1);
const TOKEN = broadcastToken(EPOCH, PERIOD);

/** Route number `index`, of 16 bytes. */
function routeOf(index: number): Uint8Array {
  const route = new Uint8Array(16);
  new DataView(route.buffer).setUint32(0, index);
  return route;
}

class Clock {
  nowMs = 1_000;
  now(): RouteNow {
    return { nowMs: this.nowMs, unixMs: this.nowMs + UNIX_OFFSET_MS };
  }
}

class Node {
  readonly name: string;
  readonly machine = new TokenRoutes(ports);
  readonly sent: { readonly peer: string; readonly bytes: Uint8Array }[] = [];
  readonly changes: string[] = [];
  readonly #clock: Clock;

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#clock = clock;
  }

  handle(input: RouteInput): void {
    for (const effect of this.machine.handle(input, this.#clock.now())) {
      this.#perform(effect);
    }
  }

  #perform(effect: RouteEffect): void {
    if (effect.kind === 'send') {
      this.sent.push(effect);
    } else {
      this.changes.push(`${effect.peer} ${effect.segment.slice(0, 4)}`);
    }
  }

  want(epoch: EpochKeys, routes: readonly Uint8Array[]): void {
    this.handle({ kind: 'want', segment: epoch.segment, routes });
  }

  meet(epoch: EpochKeys, ...peers: Node[]): void {
    const names = peers.map(({ name }) => name);
    this.handle({ kind: 'neighbours', segmentId: epoch.segment.id, peers: names });
  }
}

/** Nodes a and b, whose messages arrive when the test lets them. */
class Pair {
  readonly clock = new Clock();
  readonly a = new Node('a', this.clock);
  readonly b = new Node('b', this.clock);
  bytes = 0;

  constructor(epoch: EpochKeys = EPOCH) {
    for (const node of [this.a, this.b]) {
      node.want(epoch, [broadcastRoute(epoch.tokenKey, PERIOD), routeOf(node === this.a ? 1 : 2)]);
    }
  }

  meet(): this {
    this.a.meet(EPOCH, this.b);
    this.b.meet(EPOCH, this.a);
    this.settle();
    return this;
  }

  /** Carries what was sent, until nobody says anything more. @param keep - false loses a message */
  settle(keep: (bytes: Uint8Array) => boolean = () => true): void {
    for (let rounds = 0; this.a.sent.length + this.b.sent.length > 0; rounds++) {
      assert.ok(rounds < 50, 'they talk for ever');
      for (const [from, to] of [
        [this.a, this.b],
        [this.b, this.a],
      ] as const) {
        for (const { bytes } of from.sent.splice(0)) {
          this.bytes += bytes.length;
          if (keep(bytes)) {
            to.handle({ kind: 'message', peer: from.name, bytes });
          }
        }
      }
    }
  }

  run(forMs: number, keep?: (bytes: Uint8Array) => boolean): void {
    const endMs = this.clock.nowMs + forMs;
    for (;;) {
      const dueMs = Math.min(
        ...[this.a, this.b].map(({ machine }) => machine.nextTimeoutMs(this.clock.now())),
      );
      if (dueMs > endMs) {
        break;
      }
      this.clock.nowMs = Math.max(this.clock.nowMs, dueMs);
      this.a.handle({ kind: 'tick' });
      this.b.handle({ kind: 'tick' });
      this.settle(keep);
    }
    this.clock.nowMs = endMs;
  }
}

function tokenOf(index: number, epoch: EpochKeys = EPOCH): Uint8Array {
  return forwardingToken(epoch.segment.id, routeOf(index));
}

/** A message of a's announcer as a hostile neighbour makes it. */
function forge(change: Partial<RouteSet>, seed: Uint8Array = EPOCH.segment.seed): Uint8Array {
  const set: RouteSet = {
    segmentKey: EPOCH.segment.publicKey,
    nonce: new Uint8Array(NONCE_BYTES).fill(0xee),
    sequence: 1,
    base: 0,
    expiresAtUnixMs: UNIX_OFFSET_MS + 600_000,
    added: [routeOf(9)],
    withdrawn: [],
    ...change,
  };
  return encodeAnnounce(set, (bytes) => ports.sign(seed, bytes));
}

test('neighbours that share a VLAN know what the other wants', () => {
  const { a, b } = new Pair().meet();

  assert.deepEqual(
    a.machine.routesOf(TOKEN).map(({ peer }) => peer),
    ['b'],
  );
  assert.ok(b.machine.isRouted('a', tokenOf(1)));
  assert.ok(!b.machine.isRouted('a', tokenOf(2)));
  assert.equal(
    b.machine.pathMtuBytes(TOKEN, () => 1_472),
    1_472,
  );
  assert.equal(
    b.machine.pathMtuBytes(tokenOf(7), () => 1_472),
    undefined,
  );
});

test('stations that come together go in one message after 100 ms; one that leaves is withdrawn at once', () => {
  const pair = new Pair().meet();
  const broadcast = broadcastRoute(EPOCH.tokenKey, PERIOD);
  pair.a.want(EPOCH, [broadcast, routeOf(1), routeOf(3)]);
  pair.a.want(EPOCH, [broadcast, routeOf(1), routeOf(3), routeOf(4)]);
  assert.equal(pair.a.sent.length, 0);
  pair.clock.nowMs += ROUTE_TIMING.batchMs;
  pair.a.handle({ kind: 'tick' });
  assert.equal(pair.a.sent.length, 1);
  pair.settle();
  assert.ok(pair.b.machine.isRouted('a', tokenOf(3)) && pair.b.machine.isRouted('a', tokenOf(4)));

  pair.a.want(EPOCH, [broadcast, routeOf(4)]);
  assert.equal(pair.a.sent.length, 1);
  pair.settle();
  assert.ok(!pair.b.machine.isRouted('a', tokenOf(3)) && pair.b.machine.isRouted('a', tokenOf(4)));
});

test('what is refreshed lives on for hours, at less than a byte a second', () => {
  const pair = new Pair().meet();
  pair.bytes = 0;
  pair.run(6 * 3_600_000);

  assert.ok(pair.b.machine.isRouted('a', tokenOf(1)));
  assert.ok(pair.bytes / (6 * 3_600) < 1, `${pair.bytes} bytes in six hours`);
});

test('what is not refreshed ends, and its end is told', () => {
  const pair = new Pair().meet();
  pair.b.changes.length = 0;
  pair.run(ROUTE_TIMING.lifetimeMs - 1, () => false);
  assert.ok(pair.b.machine.isRouted('a', tokenOf(1)));
  pair.run(2, () => false);
  assert.ok(!pair.b.machine.isRouted('a', tokenOf(1)));
  assert.equal(pair.b.machine.live, 0);
  assert.equal(pair.b.changes.length, 1);
});

test('two refreshes may be lost', () => {
  const pair = new Pair().meet();
  const startMs = pair.clock.nowMs;
  pair.run(3 * 3_600_000, () => {
    const turn = Math.floor((pair.clock.nowMs - startMs) / ROUTE_TIMING.refreshMs) % 3;
    return turn === 0;
  });
  assert.ok(pair.b.machine.isRouted('a', tokenOf(1)));
});

test('a lost change is noticed by the next, and the whole set is asked for', () => {
  const pair = new Pair().meet();
  pair.a.want(EPOCH, [routeOf(5)]);
  pair.settle(() => false);
  pair.a.want(EPOCH, [routeOf(6)]);
  pair.settle();
  assert.equal(pair.b.machine.counters.gaps, 1);
  pair.run(2_000);
  assert.equal(pair.a.machine.counters.pullsAnswered, 1);
  assert.ok(pair.b.machine.isRouted('a', tokenOf(6)));
  assert.ok(!pair.b.machine.isRouted('a', tokenOf(1)));
  assert.ok(!pair.b.machine.isRouted('a', TOKEN));
});

test('a neighbour that did not know the segment yet asks when it does', () => {
  const pair = new Pair();
  pair.a.meet(EPOCH, pair.b);
  pair.settle();
  assert.equal(pair.b.machine.counters.foreignSegment, 1);
  pair.b.meet(EPOCH, pair.a);
  pair.settle();
  pair.run(2_000);
  assert.ok(pair.b.machine.isRouted('a', tokenOf(1)));
});

test('each epoch is announced by itself, and forgotten by itself', () => {
  const pair = new Pair().meet();
  const next = epochOf(2);
  for (const node of [pair.a, pair.b]) {
    node.want(next, [broadcastRoute(next.tokenKey, PERIOD)]);
    node.meet(next, node === pair.a ? pair.b : pair.a);
  }
  pair.settle();
  pair.run(2_000);
  assert.ok(pair.b.machine.isRouted('a', broadcastToken(next, PERIOD)));
  pair.b.handle({ kind: 'forget', segmentId: EPOCH.segment.id });
  assert.ok(!pair.b.machine.isRouted('a', TOKEN));
  assert.ok(pair.b.machine.isRouted('a', broadcastToken(next, PERIOD)));
});

test('a trunk that is gone leaves nothing; a neighbour that comes again is told all', () => {
  const pair = new Pair().meet();
  for (const node of [pair.a, pair.b]) {
    node.handle({ kind: 'trunk-down', peer: node === pair.a ? 'b' : 'a' });
  }
  assert.equal(pair.a.machine.live + pair.b.machine.live, 0);
  pair.run(3_600_000);
  assert.equal(pair.a.machine.live, 0);
  pair.meet();
  assert.ok(pair.b.machine.isRouted('a', tokenOf(1)));
  pair.a.handle({ kind: 'again', peer: 'b' });
  assert.equal(pair.a.sent.length, 1);
});

test('wrong signatures, other segments, old and expired ones are counted and change nothing', () => {
  const { a, b, clock } = new Pair().meet();
  const live = b.machine.live;
  const say = (bytes: Uint8Array): void => {
    b.handle({ kind: 'message', peer: 'a', bytes });
  };
  const other = epochOf(3).segment;
  say(forge({}, other.seed));
  say(forge({ segmentKey: new Uint8Array(32).fill(0xff) }));
  say(forge({ segmentKey: other.publicKey }, other.seed));
  say(forge({ expiresAtUnixMs: clock.now().unixMs }));
  say(Uint8Array.of(1, 2, 3));
  b.handle({ kind: 'message', peer: 'a stranger', bytes: forge({}) });
  const { forged, foreignSegment, expired, malformed } = b.machine.counters;
  assert.deepEqual(
    { forged, foreignSegment, expired, malformed },
    { ...{ forged: 1, foreignSegment: 3 }, ...{ expired: 1, malformed: 1 } },
  );
  assert.equal(b.machine.live, live);
  assert.equal(a.machine.live, live);
});

test('a replayed set neither comes back nor prolongs what was withdrawn', () => {
  const { b } = new Pair().meet();
  const say = (bytes: Uint8Array): void => {
    b.handle({ kind: 'message', peer: 'a', bytes });
  };
  const recorded = forge({});
  say(recorded);
  assert.ok(b.machine.isRouted('a', tokenOf(9)));
  say(forge({ sequence: 2, base: 1, added: [], withdrawn: [routeOf(9)] }));
  assert.ok(!b.machine.isRouted('a', tokenOf(9)));
  say(recorded);
  say(forge({ sequence: 2, base: 1, added: [routeOf(9)] }));
  assert.ok(!b.machine.isRouted('a', tokenOf(9)));
  assert.equal(b.machine.counters.stale, 2);
});

test('a life longer than anybody means is cut', () => {
  const pair = new Pair().meet();
  pair.b.handle({ kind: 'message', peer: 'a', bytes: forge({ expiresAtUnixMs: 2 ** 48 - 1 }) });
  pair.run(2 * ROUTE_TIMING.lifetimeMs + 1);
  assert.ok(!pair.b.machine.isRouted('a', tokenOf(9)));
});

test('a neighbour that wants too much is held to its quota, and takes nothing from others', () => {
  const clock = new Clock();
  const [b, a, c] = ['b', 'a', 'c'].map((name) => new Node(name, clock)) as [Node, Node, Node];
  b.want(EPOCH, [routeOf(2)]);
  b.meet(EPOCH, a, c);
  const routes = (first: number): Uint8Array[] =>
    Array.from({ length: ROUTES_MAX }, (_, index) => routeOf(first + index));
  for (let announcer = 0; announcer < 6; announcer++) {
    const nonce = new Uint8Array(NONCE_BYTES).fill(announcer);
    const bytes = forge({ nonce, added: routes(announcer * ROUTES_MAX) });
    b.handle({ kind: 'message', peer: 'a', bytes });
  }
  assert.equal(b.machine.live, ROUTE_LIMIT.tokensPerTrunk);
  assert.ok(b.machine.counters.overQuota > 0);
  b.handle({ kind: 'message', peer: 'c', bytes: forge({}) });
  assert.ok(b.machine.isRouted('c', tokenOf(9)));
  b.handle({ kind: 'trunk-down', peer: 'a' });
  assert.equal(b.machine.live, 1);
});

test('signatures and pulls beyond the budget are not worked on', () => {
  const clock = new Clock();
  const [a, b] = [new Node('a', clock), new Node('b', clock)];
  b.want(EPOCH, [routeOf(2)]);
  b.meet(EPOCH, a);
  b.sent.length = 0;
  let verified = 0;
  const counting = new TokenRoutes({ ...ports, verify: () => ++verified < 0 });
  counting.handle({ kind: 'want', segment: EPOCH.segment, routes: [] }, clock.now());
  counting.handle({ kind: 'neighbours', segmentId: EPOCH.segment.id, peers: ['a'] }, clock.now());
  const bytes = forge({});
  for (let tries = 0; tries < 2_000; tries++) {
    counting.handle({ kind: 'message', peer: 'a', bytes }, clock.now());
    b.handle({ kind: 'message', peer: 'a', bytes: encodePull(EPOCH.segment.id) });
  }
  assert.equal(verified, ROUTE_LIMIT.verifications.burst);
  assert.equal(counting.counters.overBudget, 2_000 - ROUTE_LIMIT.verifications.burst);
  assert.equal(b.sent.length, ROUTE_LIMIT.pulls.burst);
});
