/**
 * Behaviour of a VLAN's link: two nodes' membership machines, each with tables of its own, and between them only
 * what a worker would carry. Checked with the look-ups that workers do.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { INJECTION } from '../../dataplane/contract/ring-message.ts';
import { type Arena, createArena } from '../../dataplane/shm/arena.ts';
import {
  Epoch,
  ForwardSet,
  FrameKey,
  NONE,
  RxSender,
  Salt,
  Station,
  TOKEN_CONTROL,
  TOKEN_LOCAL,
  Token,
  Vlan,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { emptyMessage, RingConsumer } from '../../dataplane/shm/ring.ts';
import {
  createTables,
  findRxSender,
  findStation,
  findToken,
  type Tables,
} from '../../dataplane/shm/tables.ts';
import { controlClass, controlFlags, controlKind } from '../../dataplane/wire/link-datagram.ts';
import { formatPeerId } from '../identity/peer-id.ts';
import { NOON_UNIX_MS, OPEN_OPTIONS, SeededRandom } from '../membership/membership-fixture.ts';
import { MembershipMachine } from '../membership/membership-machine.ts';
import type { MembershipInput } from '../membership/membership-port.ts';
import { createNodePorts } from '../membership/node-ports.ts';
import { broadcastToken, stationToken, type TokenSecrets } from '../token/token.ts';
import type { SegmentKeys } from '../vlan/epoch-keys.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import { Injector } from './injector.ts';
import { Quiescence } from './quiescence.ts';
import { macWords } from './station-table.ts';
import { createTableWriters, type TableWriters } from './table-writers.ts';
import { VlanLink } from './vlan-link.ts';

const WORKERS = 2;
const VLAN_ID = new SeededRandom('vlan').bytes(16);
const MAC = { a: Uint8Array.of(2, 0, 0, 0, 0, 0xa), b: Uint8Array.of(2, 0, 0, 0, 0, 0xb) } as const;

class Node {
  readonly peer: string;
  readonly tables: Tables;
  readonly arenas: readonly Arena[];
  readonly quiescence: Quiescence;
  readonly writers: TableWriters;
  readonly link: VlanLink;
  readonly machine: MembershipMachine;
  readonly drops = new Float64Array(DROP_CODES.length);
  readonly trunks = new Map<string, number>();
  /** How many routes neighbours were told of, each time. */
  readonly announced: number[] = [];
  readonly #clock: Clock;

  constructor(name: string, clock: Clock) {
    this.#clock = clock;
    const seed = new SeededRandom(`node ${name}`).bytes(32);
    const publicKey = rawPublicKey(privateKeyFromRaw('ed25519', seed));
    this.peer = formatPeerId(publicKey);
    this.tables = createTables({ workerCount: WORKERS, tokenCapacity: 1_024, hashKey: { key0: 3, key1: 4 } });
    this.arenas = [createArena(0), createArena(1)];
    this.quiescence = new Quiescence(this.arenas, () => undefined);
    this.writers = createTableWriters(this.tables, this.quiescence, () => 1);
    const parts = {
      ...OPEN_OPTIONS,
      writers: this.writers,
      injector: new Injector(this.arenas, () => undefined, this.drops),
      workerCount: WORKERS,
      deriveTokens: undefined,
      routes: {
        announce: (_segment: SegmentKeys, routes: readonly Uint8Array[]) =>
          this.announced.push(routes.length),
        forget: () => this.announced.push(0),
      },
      drops: this.drops,
      trunkOf: (peer: string) => this.trunks.get(peer),
      nowMs: () => clock.nowMs,
      unixMs: () => clock.nowMs + clock.unixOffsetMs,
      anyWorker: () => 1,
    };
    const link = VlanLink.open(parts, 1_500);
    assert.ok(link);
    this.link = link;
    const options = {
      ...OPEN_OPTIONS,
      vlanId: VLAN_ID,
      publicKey,
      workerCount: WORKERS,
      unixOffsetMs: clock.unixOffsetMs,
    };
    this.machine = new MembershipMachine(options, createNodePorts(seed, link), clock.nowMs);
  }

  input(input: MembershipInput): void {
    for (const effect of this.machine.handle(input, this.#clock.nowMs)) {
      this.link.perform(effect);
    }
  }

  /** Control datagrams that a worker would have sent: their payloads. */
  sent(): readonly { readonly control: number; readonly set: number; readonly payload: Uint8Array }[] {
    const ring = new RingConsumer((this.arenas[1] as Arena).buffer, ARENA.injections);
    const message = emptyMessage();
    const into = new Uint8Array(2_048);
    const out: { control: number; set: number; payload: Uint8Array }[] = [];
    while (ring.take(message, into, 0)) {
      assert.equal(message.type, INJECTION.sealed);
      out.push({ control: message.c, set: message.b, payload: into.slice(0, message.payloadBytes) });
    }
    return out;
  }

  u32(table: keyof typeof TABLE, layout: { readonly size: number }, slot: number, at: number): number {
    return this.tables.u32[(TABLE[table] + slot * layout.size + at) >> 2] ?? 0;
  }

  bytes(
    table: keyof typeof TABLE,
    layout: { readonly size: number },
    slot: number,
    place: { at: number; length: number },
  ): Uint8Array {
    const start = TABLE[table] + slot * layout.size + place.at;
    return this.tables.bytes.slice(start, start + place.length);
  }

  token(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return findToken(
      this.tables,
      view.getUint32(0, true),
      view.getUint32(4, true),
      view.getUint32(8, true),
      view.getUint32(12, true),
    );
  }

  station(mac: Uint8Array): number {
    const { low, high } = macWords(mac);
    return findStation(this.tables, this.link.slot, low, high);
  }
}

interface Clock {
  nowMs: number;
  unixOffsetMs: number;
}

class Pair {
  readonly clock: Clock;
  readonly a: Node;
  readonly b: Node;

  constructor(unixMs = NOON_UNIX_MS) {
    this.clock = { nowMs: 10_000, unixOffsetMs: unixMs - 10_000 };
    this.a = new Node('a', this.clock);
    this.b = new Node('b', this.clock);
    for (const [node, other, mac] of [
      [this.a, this.b, MAC.a],
      [this.b, this.a, MAC.b],
    ] as const) {
      node.trunks.set(other.peer, 7);
      node.input({ kind: 'start' });
      node.link.setNeighbours([other.peer]);
      node.input({ kind: 'neighbour' });
      node.input({ kind: 'interface-mac', mac });
    }
    this.run(2_000);
  }

  run(durationMs: number): void {
    const endMs = this.clock.nowMs + durationMs;
    while (this.clock.nowMs < endMs) {
      this.clock.nowMs += 50;
      for (const node of [this.a, this.b]) {
        node.input({ kind: 'tick' });
        node.link.roll();
        node.quiescence.poll();
      }
      carry(this.a, this.b);
      carry(this.b, this.a);
    }
  }
}

/** What the workers of both ends do with members' control: the token decides whether it gets to the main thread. */
function carry(from: Node, to: Node): void {
  for (const { control, payload, set } of from.sent()) {
    assert.equal(from.u32('sets', ForwardSet, set, ForwardSet.at.count), 1);
    const slot = to.token(payload);
    assert.notEqual(slot, NONE, 'the receiver does not know the control token');
    assert.equal(to.u32('tokens', Token, slot, Token.at.flags), TOKEN_CONTROL);
    const epoch = to.link.epochOf(to.u32('tokens', Token, slot, Token.at.epoch));
    assert.ok(epoch !== undefined);
    const header = { kind: controlKind(control), flags: controlFlags(control), class: controlClass(control) };
    to.input({ kind: 'control', epoch, control: header, payload });
  }
}

/** Seals as `from`'s worker would with this key slot, and opens as `to`'s would: both must find the same key. */
function assertOpens(
  from: Node,
  to: Node,
  facts: { key: number; token: Uint8Array; pairwise: boolean },
): void {
  const salt = from.u32('frameKeys', FrameKey, facts.key, FrameKey.at.salt);
  assert.equal(from.u32('frameKeys', FrameKey, facts.key, FrameKey.at.state), 1);
  const tokenSlot = to.token(facts.token);
  assert.notEqual(tokenSlot, NONE, 'token unknown');
  assert.equal(to.u32('tokens', Token, tokenSlot, Token.at.flags), TOKEN_LOCAL);
  const sender = findRxSender(
    to.tables,
    to.u32('tokens', Token, tokenSlot, Token.at.epoch),
    from.u32('salts', Salt, salt, Salt.at.leafLane),
    from.u32('salts', Salt, salt, Salt.at.saltLow),
    from.u32('salts', Salt, salt, Salt.at.saltHigh),
  );
  assert.notEqual(sender, NONE, 'sender unknown');
  const key = to.u32(
    'rxSenders',
    RxSender,
    sender,
    facts.pairwise ? RxSender.at.pairKey : RxSender.at.groupKey,
  );
  const place = { at: FrameKey.at.key, length: 32 };
  assert.deepEqual(
    to.bytes('frameKeys', FrameKey, key, place),
    from.bytes('frameKeys', FrameKey, facts.key, place),
  );
}

/** What the workers of a node derive tokens of. */
function tokenSource(node: Node, epoch: number): [TokenSecrets, number] {
  const tokenKey = node.bytes('epochs', Epoch, epoch, { at: Epoch.at.tokenKey, length: 32 });
  const id = node.bytes('epochs', Epoch, epoch, { at: Epoch.at.segment, length: 16 });
  return [{ tokenKey, segment: { id } }, node.u32('epochs', Epoch, epoch, Epoch.at.period)];
}

function assertReaches(from: Node, to: Node, mac: Uint8Array): void {
  const txEpoch = from.u32('vlans', Vlan, from.link.slot, Vlan.at.txEpoch);
  const broadcast = broadcastToken(...tokenSource(from, txEpoch));
  const station = from.station(mac);
  assert.notEqual(station, NONE, 'station unknown');
  assert.equal(from.u32('stations', Station, station, Station.at.trunk), 7);
  const route = from.u32('stations', Station, station, Station.at.route);
  const token = stationToken(...tokenSource(from, route >>> 16), mac);
  const run = route & 0xffff;
  for (let worker = 0; worker < WORKERS; worker++) {
    const group = from.u32('epochs', Epoch, txEpoch, Epoch.at.groupKeys + worker * 4);
    assertOpens(from, to, { key: group, token: broadcast, pairwise: false });
    assertOpens(from, to, { key: run + worker, token, pairwise: true });
  }
}

function assertBothWays({ a, b }: Pair): void {
  assertReaches(a, b, MAC.b);
  assertReaches(b, a, MAC.a);
}

test('each worker of two members can reach the other, unicast and broadcast', () => {
  assertBothWays(new Pair());
});

test('neighbours are told once of each change what is received under each epoch, and nothing when nothing changed', () => {
  const { a } = new Pair();
  a.link.routes.tell();
  const before = a.announced.splice(0);
  // Yesterday, today and tomorrow; at noon all tokens are today's: broadcast, control and a station in three periods.
  assert.deepEqual(
    [...before.slice(-3)].sort((left, right) => left - right),
    [0, 0, 9],
  );
  a.link.routes.tell();
  assert.deepEqual(a.announced, []);
  a.link.perform({ kind: 'add-own-station', mac: Uint8Array.of(2, 0, 0, 0, 9, 9), enforced: false });
  a.link.perform({ kind: 'add-own-station', mac: Uint8Array.of(2, 0, 0, 0, 9, 8), enforced: false });
  a.link.routes.tell();
  assert.deepEqual(
    a.announced.splice(0).sort((left, right) => left - right),
    [0, 0, 15],
  );
});

test('hour after hour and over midnight the tokens and keys of both ends meet', () => {
  const pair = new Pair(Date.UTC(2026, 10, 21, 22, 58));
  for (let hour = 0; hour < 3; hour++) {
    pair.run(60 * 60_000);
    assertBothWays(pair);
  }
  assert.ok(pair.a.writers.tokens.live <= 3 * 3, `${pair.a.writers.tokens.live} tokens`);
});

test('after a worker died both ends meet under keys and counters that were never used', () => {
  const pair = new Pair();
  const epoch = pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.txEpoch);
  const before = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys + 4);
  pair.a.input({ kind: 'worker-restarted', worker: 1 });
  const after = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys + 4);

  assert.notEqual(after, before);
  pair.run(500);
  assertBothWays(pair);
});

test('a salt that nears its end is reported once, and its successor takes over', () => {
  const pair = new Pair();
  const epoch = pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.txEpoch);
  const key = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys);
  const salt = pair.a.u32('frameKeys', FrameKey, key, FrameKey.at.salt);
  pair.a.tables.u32[(TABLE.salts + salt * Salt.size + Salt.at.counter) >> 2] = 0xc000_0001;
  const low = pair.a.link.lowSalts();
  assert.equal(low.length, 1);
  assert.equal(pair.a.link.saltCounter(low[0] as number), 0xc000_0001);
  assert.equal(pair.a.link.lowSalts().length, 0);
  pair.a.input({ kind: 'salt-low', salt: low[0] as number });
  pair.run(5_000);

  const next = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys);
  assert.notEqual(pair.a.u32('frameKeys', FrameKey, next, FrameKey.at.salt), salt);
  assertBothWays(pair);
});

test('without a trunk a station stays, and its frames have nowhere to go', () => {
  const pair = new Pair();
  pair.a.trunks.clear();
  pair.a.link.trunksChanged();

  const station = pair.a.station(MAC.b);
  assert.equal(pair.a.u32('stations', Station, station, Station.at.trunk), NONE);
  assert.equal(pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.floodSet), NONE);
  pair.a.trunks.set(pair.b.peer, 7);
  pair.a.link.trunksChanged();
  assertBothWays(pair);
});

test('a member that leaves is out of the tables, and so are the tables of who left', () => {
  const pair = new Pair();
  pair.a.input({ kind: 'leave' });
  pair.run(500);
  assert.equal(pair.b.station(MAC.a), NONE);
  assert.equal(pair.b.writers.senders.live, 0);

  pair.a.link.close();
  assert.equal(pair.a.writers.tokens.live, 0);
  assert.equal(pair.a.writers.stations.live, 0);
  assert.equal(pair.a.writers.senders.live, 0);
  assert.equal(pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.state), 0);
});

test('workers that die again and again, and stations that come and go, leave the tables as they were', () => {
  const pair = new Pair();
  const live = (): readonly number[] => [
    pair.b.writers.tokens.live,
    pair.b.writers.stations.live,
    pair.b.writers.senders.live,
  ];
  const before = live();
  for (let round = 0; round < 30; round++) {
    pair.b.input({ kind: 'worker-restarted', worker: round % 2 });
    pair.b.input({ kind: 'station-seen', mac: Uint8Array.of(2, 9, 0, 0, 0, round) });
    pair.run(200);
  }
  pair.b.input({ kind: 'interface-mac', mac: undefined });
  pair.b.input({ kind: 'interface-mac', mac: MAC.b });
  pair.run(12_000);

  assert.deepEqual(live(), before);
  assertBothWays(pair);
});
