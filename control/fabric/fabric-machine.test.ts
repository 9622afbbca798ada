/** Behaviour of the fabric machine: members that meet through a relay, and what a relay refuses and forgets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRoutePorts } from '../token/node-ports.ts';
import type { RouteNow } from '../token/route-announcer.ts';
import { keyOf } from '../token/route-message.ts';
import { broadcastRoute, broadcastToken, routeNonce, stationRoute, stationToken } from '../token/token.ts';
import { deriveEpochKeys, type EpochKeys } from '../vlan/epoch-keys.ts';
import { FabricMachine } from './fabric-machine.ts';
import type { FabricEffect, FabricInput, FabricSegment } from './fabric-port.ts';
import { rootPriority } from './root-priority.ts';

const PERIOD = 494_000;
const UNIX_OFFSET_MS = 1_778_400_000_000;
const EPOCH = deriveEpochKeys(new Uint8Array(32).fill(1));
const NEXT = deriveEpochKeys(new Uint8Array(32).fill(2));
const SIZE_BYTES = 1_472;

const macOf = (name: string): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, name.charCodeAt(0));
const keyAgreement = (name: string): Uint8Array => new Uint8Array(32).fill(name.charCodeAt(0));

class Node {
  readonly machine: FabricMachine;
  readonly name: string;
  readonly sent: { readonly to: string; readonly input: FabricInput }[] = [];
  readonly segments = new Map<string, FabricSegment>();
  readonly gone: string[] = [];
  readonly asked: string[] = [];
  isAllowed = true;
  rank = 128;
  readonly #world: World;

  constructor(world: World, name: string, isRelay: boolean) {
    this.#world = world;
    this.name = name;
    const mayCarry = (peer: string): boolean => {
      this.asked.push(peer);
      return this.isAllowed;
    };
    const options = { isRelay, foreignSegmentsMax: 2 };
    this.machine = new FabricMachine(options, { ...createRoutePorts(), mayCarry, release: () => undefined });
  }

  input(input: FabricInput): void {
    for (const effect of this.machine.handle(input, this.#world.now())) this.#perform(effect);
  }

  #perform(effect: FabricEffect): void {
    if (effect.kind === 'segment') this.segments.set(effect.segment, effect);
    if (effect.kind === 'segment-gone') this.gone.push(effect.segment);
    if (effect.kind !== 'send') return;
    const { peer, channel, body } = effect;
    this.sent.push({ to: peer, input: { kind: 'heard', peer: this.name, channel, body } });
  }

  join(epoch: EpochKeys, members: readonly string[] = [], previous?: EpochKeys): void {
    const { tokenKey, controlKey, segment } = epoch;
    this.input({
      kind: 'own',
      segment,
      previous: previous?.segment.id,
      nonce: routeNonce(controlKey, keyAgreement(this.name)),
      priority: rootPriority(controlKey, this.name),
      rank: this.rank,
      routes: [broadcastRoute(tokenKey, PERIOD), stationRoute(tokenKey, PERIOD, macOf(this.name))],
      members,
    });
  }

  waysTo(token: Uint8Array): readonly string[] {
    return this.machine.routes.routesOf(token).map(({ peer }) => peer);
  }

  ports(epoch: EpochKeys): readonly string[] {
    return this.segments.get(keyOf(epoch.segment.id))?.ports ?? [];
  }
}

class World {
  nowMs = 1_000;
  readonly nodes = new Map<string, Node>();

  now(): RouteNow {
    return { nowMs: this.nowMs, unixMs: this.nowMs + UNIX_OFFSET_MS };
  }

  add(name: string, isRelay = false): Node {
    const node = new Node(this, name, isRelay);
    this.nodes.set(name, node);
    return node;
  }

  connect(a: Node, b: Node, roles: { readonly [name: string]: readonly string[] } = {}): void {
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      node.input({ kind: 'trunk-up', peer: other.name, roles: roles[other.name] ?? [] });
      node.input({ kind: 'trunk-size', peer: other.name, datagramMtuBytes: SIZE_BYTES });
      node.input({ kind: 'trunk-cost', peer: other.name, cost: 10 });
    }
  }

  cut(a: Node, b: Node): void {
    a.input({ kind: 'trunk-down', peer: b.name });
    b.input({ kind: 'trunk-down', peer: a.name });
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      node.sent.splice(0, Infinity, ...node.sent.filter(({ to }) => to !== other.name));
    }
  }

  /** Carries what was said until nobody says anything more, and lets time pass where somebody waits for it. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let turns = 0; turns < 100_000; turns++) {
      for (const node of this.nodes.values()) {
        for (const { to, input } of node.sent.splice(0)) this.nodes.get(to)?.input(input);
      }
      if ([...this.nodes.values()].some(({ sent }) => sent.length > 0)) continue;
      const due = [...this.nodes.values()].map(({ machine }) => machine.nextTimeoutMs(this.now()));
      const nextMs = Math.max(this.nowMs, Math.min(...due));
      if (nextMs > endMs) break;
      this.nowMs = nextMs;
      for (const node of this.nodes.values()) node.input({ kind: 'tick' });
    }
    this.nowMs = endMs;
  }
}

/** a ── r ── b, with r no member. */
function line(): { readonly world: World; readonly a: Node; readonly r: Node; readonly b: Node } {
  const world = new World();
  const [a, r, b] = [world.add('a'), world.add('r', true), world.add('b')] as const;
  world.connect(a, r, { r: ['relay'] });
  world.connect(r, b, { r: ['relay'] });
  a.join(EPOCH);
  b.join(EPOCH);
  world.run(1_000);
  return { world, a, r, b };
}

test('the member of the lowest rank is the root, and one that gets another rank takes its new place', () => {
  const { world, a, r, b } = line();
  const root = (): number | undefined => r.machine.status()[0]?.root?.rank;
  const broadcast = broadcastToken(EPOCH, PERIOD);
  for (const [member, rank] of [
    [a, 5],
    [b, 4],
    [a, 0],
  ] as const) {
    member.rank = rank;
    member.join(EPOCH);
    world.run(2_000);
    assert.equal(root(), rank);
    assert.deepEqual(a.waysTo(broadcast), ['r']);
    assert.deepEqual([...r.waysTo(broadcast)].toSorted(), ['a', 'b']);
  }
  a.rank = 255;
  a.join(EPOCH);
  world.run(2_000);
  assert.equal(root(), 4, 'who gives the place up leaves it to the next');
});

test('two members that know only a relay have ways to each other through it', () => {
  const { a, r, b } = line();
  const broadcast = broadcastToken(EPOCH, PERIOD);

  assert.deepEqual(a.waysTo(broadcast), ['r']);
  assert.deepEqual(b.waysTo(broadcast), ['r']);
  assert.deepEqual([...r.waysTo(broadcast)].toSorted(), ['a', 'b']);
  assert.deepEqual(r.waysTo(stationToken(EPOCH, PERIOD, macOf('b'))), ['b']);
  assert.deepEqual(a.waysTo(stationToken(EPOCH, PERIOD, macOf('b'))), ['r']);
  assert.deepEqual([...r.ports(EPOCH)].toSorted(), ['a', 'b']);
  assert.equal(r.segments.get(keyOf(EPOCH.segment.id))?.isForeign, true);
  const nonce = routeNonce(EPOCH.controlKey, keyAgreement('b'));
  const path = a.machine.routes.pathOf(EPOCH.segment.id, nonce);
  assert.equal(path?.peer, 'r');
  assert.equal(path.pathMtuBytes, SIZE_BYTES);
});

test('what a neighbour says before the trunk is known to be up is not lost', () => {
  const world = new World();
  const [a, r] = [world.add('a'), world.add('r', true)] as const;
  a.join(EPOCH);
  a.input({ kind: 'trunk-up', peer: 'r', roles: ['relay'] });
  a.input({ kind: 'trunk-cost', peer: 'r', cost: 10 });
  world.run(100);
  r.input({ kind: 'trunk-up', peer: 'a', roles: [] });
  r.input({ kind: 'trunk-cost', peer: 'a', cost: 10 });
  world.run(1_000);
  assert.deepEqual(r.ports(EPOCH), ['a']);
  assert.deepEqual(r.waysTo(broadcastToken(EPOCH, PERIOD)), ['a']);
});

test('a relay forgets a segment whose members are gone', () => {
  const { world, a, r, b } = line();
  world.cut(a, r);
  world.cut(b, r);
  world.run(29_000);
  assert.deepEqual(r.gone, []);
  world.run(2_000);
  assert.deepEqual(r.gone, [keyOf(EPOCH.segment.id)]);
  assert.deepEqual(r.machine.status(), []);
  assert.equal(r.machine.routes.live, 0);
});

test('who is no relay carries nothing for others, and who is asks its policy', () => {
  const world = new World();
  const [a, plain, strict] = [world.add('a'), world.add('p'), world.add('s', true)] as const;
  strict.isAllowed = false;
  for (const node of [plain, strict]) world.connect(a, node, { p: ['relay'], s: ['relay'] });
  a.join(EPOCH);
  world.run(1_000);

  assert.equal(plain.machine.status().length + strict.machine.status().length, 0);
  assert.ok(plain.machine.counters.unknownSegment > 0);
  assert.deepEqual([...new Set(strict.asked)], ['a']);
  assert.deepEqual(a.ports(EPOCH), []);
});

test('a policy that no longer allows it ends what is carried', () => {
  const { world, a, r } = line();
  r.isAllowed = false;
  r.input({ kind: 'policy-changed' });
  world.run(1_000);
  assert.deepEqual(r.gone, [keyOf(EPOCH.segment.id)]);
  assert.deepEqual(a.ports(EPOCH), []);
});

test('segments of others beyond the limit are refused and counted', () => {
  const { world, a, r } = line();
  for (let seed = 10; seed < 14; seed++) a.join(deriveEpochKeys(new Uint8Array(32).fill(seed)));
  world.run(1_000);
  assert.equal(r.machine.status().length, 2);
  assert.ok(r.machine.counters.segmentsRefused >= 3);
});

test('the next epoch is carried beside the one before it, until that is forgotten', () => {
  const { world, a, r, b } = line();
  for (const node of [a, b]) node.join(NEXT, [], EPOCH);
  world.run(1_000);
  assert.deepEqual(a.waysTo(broadcastToken(NEXT, PERIOD)), ['r']);
  assert.deepEqual(a.waysTo(broadcastToken(EPOCH, PERIOD)), ['r']);
  for (const node of [a, b]) node.input({ kind: 'forget', segmentId: EPOCH.segment.id });
  world.run(31_000);
  assert.deepEqual(a.waysTo(broadcastToken(EPOCH, PERIOD)), []);
  assert.deepEqual(a.waysTo(broadcastToken(NEXT, PERIOD)), ['r']);
  assert.deepEqual(
    r.machine.status().map(({ segment }) => segment),
    [keyOf(NEXT.segment.id)],
  );
});

test('a relay that becomes a member goes on carrying the segment as its own', () => {
  const { world, a, r, b } = line();
  r.join(EPOCH, ['a', 'b']);
  for (const node of [a, b]) node.join(EPOCH, ['r']);
  world.run(1_000);
  assert.equal(r.machine.status()[0]?.isForeign, false);
  assert.deepEqual([...a.waysTo(broadcastToken(EPOCH, PERIOD))], ['r']);
  assert.deepEqual([...r.waysTo(broadcastToken(EPOCH, PERIOD))].toSorted(), ['a', 'b']);
});

test('what a stranger or a neighbour outside the VLAN says of a segment changes nothing', () => {
  const { world, a } = line();
  const stranger = world.add('x');
  world.connect(a, stranger);
  stranger.join(EPOCH, ['a']);
  world.run(1_000);
  assert.ok(a.machine.counters.notPartner > 0);
  assert.deepEqual(a.waysTo(broadcastToken(EPOCH, PERIOD)), ['r']);
  for (const channel of ['tree', 'routes'] as const) {
    for (let length = 0; length < 200; length++) {
      a.input({ kind: 'heard', peer: 'x', channel, body: new Uint8Array(length).fill(length) });
    }
  }
  assert.deepEqual(a.waysTo(broadcastToken(EPOCH, PERIOD)), ['r']);
});

test('with many segments, a trunk that goes and comes back at once leaves none as it was on the old one', () => {
  const world = new World();
  const [a, b] = [world.add('a'), world.add('b')] as const;
  const epochs = Array.from({ length: 50 }, (_, index) =>
    deriveEpochKeys(new Uint8Array(32).fill(100 + index)),
  );
  world.connect(a, b);
  for (const epoch of epochs) {
    a.join(epoch, ['b']);
    b.join(epoch, ['a']);
  }
  world.run(2_000);
  const leads = (): readonly boolean[] =>
    epochs.map((epoch) => {
      const token = stationToken(epoch, PERIOD, macOf('b'));
      return a.waysTo(token).includes('b') && a.ports(epoch).includes('b') && b.ports(epoch).includes('a');
    });
  assert.ok(leads().every((isLed) => isLed));

  world.cut(a, b);
  world.connect(a, b);
  assert.ok(a.machine.nextTimeoutMs(world.now()) <= world.nowMs, 'the rest is done in later turns');
  world.run(2_000);
  assert.ok(leads().every((isLed) => isLed));
  world.cut(a, b);
  world.run(0);
  assert.deepEqual(
    epochs.flatMap((epoch) => [...a.ports(epoch), ...b.ports(epoch)]),
    [],
  );
});
