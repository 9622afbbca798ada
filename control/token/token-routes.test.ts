/** Behaviour of token announcements between neighbours, and towards neighbours that lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EpochKeys } from '../vlan/epoch-keys.ts';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { encodePaths, encodePull, NONCE_BYTES, ROUTES_MAX } from './route-message.ts';
import { broadcastRoute, broadcastToken } from './token.ts';
import {
  Clock,
  EPOCH,
  epochOf,
  forge,
  Net,
  Node,
  nonceOf,
  routeOf,
  routesFrom,
  tokenOf,
} from './token-routes.fixture.ts';
import { TokenRoutes } from './token-routes.ts';

const PERIOD = 494_000;
const TOKEN = broadcastToken(EPOCH, PERIOD);

/** Nodes a and b, each the other's forwarding port. */
class Pair extends Net {
  readonly a = this.node('a');
  readonly b = this.node('b');

  constructor(epoch: EpochKeys = EPOCH) {
    super();
    for (const node of [this.a, this.b]) {
      node.want(epoch, [broadcastRoute(epoch.tokenKey, PERIOD), routeOf(node === this.a ? 1 : 2)]);
    }
  }

  meet(): this {
    meet(this.a, EPOCH, this.b);
    meet(this.b, EPOCH, this.a);
    this.settle();
    return this;
  }
}

/** Makes neighbours out of peers, through whom the tree leads. */
function meet(node: Node, epoch: EpochKeys, ...peers: readonly Node[]): void {
  node.partners(epoch, ...peers);
  node.ports(epoch, ...peers);
}

function isRouted(node: Node, token: Uint8Array): boolean {
  return node.leadsTo(token).includes('a');
}

test('neighbours that share a VLAN know what the other wants', () => {
  const { a, b } = new Pair().meet();

  assert.deepEqual(a.machine.routesOf(TOKEN), [{ peer: 'b', pathMtuBytes: 65_535 }]);
  assert.deepEqual(b.leadsTo(tokenOf(1)), ['a']);
  assert.deepEqual(b.leadsTo(tokenOf(2)), []);
  assert.ok(b.hasChanged(tokenOf(1)) && b.announcersChanged > 0);
  b.handle({ kind: 'trunk-size', peer: 'a', datagramMtuBytes: 1_472 });
  assert.deepEqual(b.machine.routesOf(TOKEN), [{ peer: 'a', pathMtuBytes: 1_472 }]);
  const path = { peer: 'a', pathMtuBytes: 1_472, hops: 0 };
  assert.deepEqual(b.machine.pathOf(EPOCH.segment.id, nonceOf('a')), path);
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
  assert.ok(isRouted(pair.b, tokenOf(3)) && isRouted(pair.b, tokenOf(4)));

  pair.a.want(EPOCH, [broadcast, routeOf(4)]);
  assert.equal(pair.a.sent.length, 1);
  pair.settle();
  assert.ok(!isRouted(pair.b, tokenOf(3)) && isRouted(pair.b, tokenOf(4)));
});

test('what is refreshed lives on for hours, at less than a byte a second', () => {
  const pair = new Pair().meet();
  pair.bytes = 0;
  pair.run(6 * 3_600_000);

  assert.ok(isRouted(pair.b, tokenOf(1)));
  assert.ok(pair.bytes / (6 * 3_600) < 1, `${pair.bytes} bytes in six hours`);
});

test('what is not refreshed ends, and its end is told', () => {
  const pair = new Pair().meet();
  pair.b.changed.clear();
  pair.run(ROUTE_TIMING.lifetimeMs - 1, () => false);
  assert.ok(isRouted(pair.b, tokenOf(1)));
  pair.run(2, () => false);
  assert.ok(!isRouted(pair.b, tokenOf(1)));
  assert.equal(pair.b.machine.live, 0);
  assert.ok(pair.b.hasChanged(tokenOf(1)));
});

test('two refreshes may be lost', () => {
  const pair = new Pair().meet();
  const startMs = pair.clock.nowMs;
  pair.run(3 * 3_600_000, () => {
    const turn = Math.floor((pair.clock.nowMs - startMs) / ROUTE_TIMING.refreshMs) % 3;
    return turn === 0;
  });
  assert.ok(isRouted(pair.b, tokenOf(1)));
});

test('a lost change is noticed by the next, and the whole set is asked for', () => {
  const pair = new Pair().meet();
  const many = routesFrom(100, 40);
  pair.a.want(EPOCH, [...many, routeOf(4)]);
  pair.settle();
  pair.a.want(EPOCH, [...many, routeOf(5)]);
  pair.settle(() => false);
  pair.a.want(EPOCH, [...many, routeOf(6)]);
  pair.settle();
  assert.equal(pair.b.machine.counters.gaps, 1);
  pair.run(2_000);
  assert.equal(pair.a.machine.counters.pullsAnswered, 1);
  assert.ok(isRouted(pair.b, tokenOf(6)));
  assert.ok(!isRouted(pair.b, tokenOf(1)));
  assert.ok(!isRouted(pair.b, TOKEN));
});

test('a neighbour that did not know the segment yet asks when it does', () => {
  const pair = new Pair();
  meet(pair.a, EPOCH, pair.b);
  pair.settle();
  assert.ok(pair.b.machine.counters.foreignSegment > 0);
  meet(pair.b, EPOCH, pair.a);
  pair.settle();
  pair.run(2_000);
  assert.ok(isRouted(pair.b, tokenOf(1)));
});

test('each epoch is announced by itself, and forgotten by itself', () => {
  const pair = new Pair().meet();
  const next = epochOf(2);
  for (const node of [pair.a, pair.b]) {
    node.want(next, [broadcastRoute(next.tokenKey, PERIOD)]);
    meet(node, next, node === pair.a ? pair.b : pair.a);
  }
  pair.settle();
  pair.run(2_000);
  assert.ok(isRouted(pair.b, broadcastToken(next, PERIOD)));
  pair.b.handle({ kind: 'forget', segmentId: EPOCH.segment.id });
  assert.ok(!isRouted(pair.b, TOKEN));
  assert.ok(isRouted(pair.b, broadcastToken(next, PERIOD)));
});

test('a trunk that is gone leaves nothing; a neighbour that comes again is told all', () => {
  const pair = new Pair().meet();
  for (const node of [pair.a, pair.b]) {
    node.handle({ kind: 'trunk-down', peer: node === pair.a ? 'b' : 'a' });
  }
  assert.ok(!isRouted(pair.b, tokenOf(1)) && pair.b.machine.announcers(EPOCH.segment.id).length === 0);
  pair.run(3_600_000);
  assert.equal(pair.a.machine.live, 0);
  pair.meet();
  assert.ok(isRouted(pair.b, tokenOf(1)));
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
  say(forge({}, { seed: other.seed }));
  say(forge({ segmentKey: new Uint8Array(32).fill(0xff) }));
  say(forge({ segmentKey: other.publicKey }, { seed: other.seed }));
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
  assert.ok(isRouted(b, tokenOf(9)));
  say(forge({ sequence: 2, base: 1, added: [], withdrawn: [routeOf(9)] }));
  assert.ok(!isRouted(b, tokenOf(9)));
  say(recorded);
  say(forge({ sequence: 2, base: 1, added: [routeOf(9)] }));
  assert.ok(!isRouted(b, tokenOf(9)));
  assert.equal(b.machine.counters.stale, 2);
});

test('a life longer than anybody means is cut', () => {
  const pair = new Pair().meet();
  pair.b.handle({ kind: 'message', peer: 'a', bytes: forge({ expiresAtUnixMs: 2 ** 48 - 1 }) });
  pair.run(2 * ROUTE_TIMING.lifetimeMs + 1);
  assert.ok(!isRouted(pair.b, tokenOf(9)));
});

test('a neighbour that wants too much is held to its quota, and takes nothing from others', () => {
  const clock = new Clock();
  const [b, a, c] = ['b', 'a', 'c'].map((name) => new Node(name, clock)) as [Node, Node, Node];
  b.want(EPOCH, [routeOf(2)]);
  meet(b, EPOCH, a, c);
  for (let announcer = 0; announcer < 250; announcer++) {
    const nonce = new Uint8Array(NONCE_BYTES).fill(announcer);
    b.hear('a', forge({ nonce, added: routesFrom(announcer * ROUTES_MAX, ROUTES_MAX) }));
  }
  assert.equal(b.machine.live, Math.floor(ROUTE_LIMIT.tokensPerTrunk / ROUTES_MAX) * ROUTES_MAX);
  assert.equal(b.machine.counters.overQuota, 246);
  b.hear('c', forge({}));
  assert.deepEqual(b.leadsTo(tokenOf(9)), ['a', 'c']);
  b.hear('c', forge({ nonce: new Uint8Array(NONCE_BYTES).fill(249), added: [routeOf(5)] }));
  assert.ok(b.leadsTo(tokenOf(5)).includes('c'), 'what was too much of one is taken from another');
  b.handle({ kind: 'trunk-down', peer: 'a' });
  b.handle({ kind: 'tick' });
  clock.nowMs += ROUTE_TIMING.dormantMs;
  b.handle({ kind: 'tick' });
  assert.equal(b.machine.live, 2);
});

test('many announcers are held to a quota, too, and each takes what one withdraws', () => {
  const clock = new Clock();
  const [b, a, c] = ['b', 'a', 'c'].map((name) => new Node(name, clock)) as [Node, Node, Node];
  b.want(EPOCH, []);
  meet(b, EPOCH, a, c);
  const say = (peer: string, index: number): void => {
    const nonce = new Uint8Array(NONCE_BYTES);
    new DataView(nonce.buffer).setUint32(0, index);
    b.hear(peer, forge({ nonce, added: [] }));
  };
  for (let index = 0; index < ROUTE_LIMIT.announcersPerTrunk + 50; index++) {
    say('a', index);
  }
  assert.equal(b.machine.announcers(EPOCH.segment.id).length, ROUTE_LIMIT.announcersPerTrunk);
  assert.equal(b.machine.counters.overQuota, 50);
  say('c', ROUTE_LIMIT.announcersPerTrunk + 1);
  assert.equal(b.machine.announcers(EPOCH.segment.id).length, ROUTE_LIMIT.announcersPerTrunk + 1);
  b.handle({ kind: 'trunk-down', peer: 'a' });
  assert.equal(b.machine.announcers(EPOCH.segment.id).length, 1);
});

test('signatures and pulls beyond the budget are not worked on', () => {
  const clock = new Clock();
  const [a, b] = [new Node('a', clock), new Node('b', clock)];
  const { segment } = EPOCH;
  b.want(EPOCH, [routeOf(2)]);
  meet(b, EPOCH, a);
  b.handle({ kind: 'tick' });
  clock.nowMs += ROUTE_TIMING.batchMs;
  b.handle({ kind: 'tick' });
  b.sent.length = 0;
  let verified = 0;
  const counting = new TokenRoutes({ sign: () => new Uint8Array(64), verify: () => ++verified < 0 });
  counting.handle({ kind: 'carry', segmentKey: segment.publicKey }, clock.now());
  counting.handle({ kind: 'partners', segmentId: segment.id, peers: ['a'] }, clock.now());
  const bytes = forge({});
  for (let tries = 0; tries < 4_000; tries++) {
    counting.handle({ kind: 'message', peer: 'a', bytes }, clock.now());
    b.hear('a', encodePull(segment.id, [nonceOf('b')]));
  }
  assert.equal(verified, ROUTE_LIMIT.verifications.burst);
  assert.equal(counting.counters.overBudget, 4_000 - ROUTE_LIMIT.verifications.burst);
  assert.equal(b.sent.length, ROUTE_LIMIT.pulls.burst);
});

test('what is missing is asked for ever less often, and then no more', () => {
  const clock = new Clock();
  const [a, b] = [new Node('a', clock), new Node('b', clock)];
  b.want(EPOCH, []);
  meet(b, EPOCH, a);
  b.sent.length = 0;
  b.hear(
    'a',
    encodePaths(EPOCH.segment.id, [{ nonce: nonceOf('c'), sequence: 7, pathMtuBytes: 1_472, hops: 1 }], true),
  );
  const startMs = clock.nowMs;
  const askedMs = b.sent.map(() => 0);
  for (let dueMs = 0; dueMs < Number.POSITIVE_INFINITY; dueMs = b.machine.nextTimeoutMs(clock.now())) {
    clock.nowMs = Math.max(clock.nowMs, dueMs);
    const before = b.sent.length;
    b.handle({ kind: 'tick' });
    askedMs.push(...b.sent.slice(before).map(() => clock.nowMs - startMs));
  }
  assert.deepEqual(askedMs, [0, 1_000, 3_000, 7_000, 15_000]);
});
