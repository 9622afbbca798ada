/**
 * Two nodes' membership machines, each with tables of its own, and between them only what a worker would carry; for
 * tests of a VLAN's link, checked with the look-ups that workers do.
 *
 * Tests only.
 */
import assert from 'node:assert/strict';
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
import type { MembershipInput, VlanKind } from '../membership/membership-port.ts';
import { createNodePorts } from '../membership/node-ports.ts';
import { broadcastToken, stationToken, type TokenSecrets } from '../token/token.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import type { TokenWay } from './fabric-link.ts';
import { Injector } from './injector.ts';
import type { TrunkWay } from './neighbours.ts';
import { Quiescence } from './quiescence.ts';
import { macWords } from './station-table.ts';
import { createTableWriters, type TableWriters } from './table-writers.ts';
import { VlanLink } from './vlan-link.ts';

const WORKERS = 2;
const VLAN_ID = new SeededRandom('vlan').bytes(16);
export const MAC = { a: Uint8Array.of(2, 0, 0, 0, 0, 0xa), b: Uint8Array.of(2, 0, 0, 0, 0, 0xb) } as const;

/** One node: its machine over tables of its own. */
export class Node {
  readonly peer: string;
  readonly tables: Tables;
  readonly arenas: readonly Arena[];
  readonly quiescence: Quiescence;
  readonly writers: TableWriters;
  readonly link: VlanLink;
  readonly machine: MembershipMachine;
  readonly drops = new Float64Array(DROP_CODES.length);
  readonly trunks = new Map<string, TrunkWay>();
  /** What the fabric says of the way to whoever is asked for. */
  path: TokenWay | undefined;
  /** Control datagrams to it under tokens that it does not receive. */
  unknownTokens = 0;
  /** How many routes neighbours were told of, each time. */
  readonly announced: number[] = [];
  readonly #clock: Clock;

  constructor(name: string, clock: Clock, kind: VlanKind = 'open') {
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
      kind,
      writers: this.writers,
      injector: new Injector(this.arenas, () => undefined, this.drops),
      workerCount: WORKERS,
      deriveTokens: undefined,
      fabric: {
        announce: ({ routes }: { readonly routes: readonly Uint8Array[] }) =>
          this.announced.push(routes.length),
        forget: () => this.announced.push(0),
        waysOf: () => [],
        wantedBy: () => [],
        pathTo: () => this.path,
        announcers: () => [],
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
      kind,
      vlanId: VLAN_ID,
      publicKey,
      workerCount: WORKERS,
      unixOffsetMs: clock.unixOffsetMs,
    };
    this.machine = new MembershipMachine(options, createNodePorts(seed, link), clock.nowMs);
    link.routes.identify({ peer: this.peer, agreementKey: this.machine.agreementKey });
  }

  /** A trunk of its own to a peer. */
  connect(peer: string, slot: number): void {
    this.trunks.set(peer, { slot, carrier: 'udp', datagramMtuBytes: 1_400 });
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

/** Time for all nodes. */
export interface Clock {
  nowMs: number;
  unixOffsetMs: number;
}

/** Two nodes with a trunk between them. */
export class Pair {
  readonly clock: Clock;
  readonly a: Node;
  readonly b: Node;

  constructor(unixMs = NOON_UNIX_MS, kind: VlanKind = 'open') {
    this.clock = { nowMs: 10_000, unixOffsetMs: unixMs - 10_000 };
    this.a = new Node('a', this.clock, kind);
    this.b = new Node('b', this.clock, kind);
    for (const [node, other, mac] of [
      [this.a, this.b, MAC.a],
      [this.b, this.a, MAC.b],
    ] as const) {
      node.connect(other.peer, 7);
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
    if (slot === NONE) {
      to.unknownTokens++;
      continue;
    }
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

export function assertReaches(from: Node, to: Node, mac: Uint8Array): void {
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

export function assertBothWays({ a, b }: Pair): void {
  assertReaches(a, b, MAC.b);
  assertReaches(b, a, MAC.a);
}
