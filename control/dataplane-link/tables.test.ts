/** Behaviour of the table writers, seen by the look-ups that workers do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Arena } from '../../dataplane/shm/arena.ts';
import {
  ArenaHeader,
  Epoch,
  FrameKey,
  Lane,
  LIMIT,
  NONE,
  RxSender,
  Salt,
  SenderWindow,
  STATION_ENFORCED,
  STATION_LOCAL,
  Station,
  TOKEN_CONTROL,
  Token,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { findRxSender, findStation } from '../../dataplane/shm/tables.ts';
import { macWords } from './station-table.ts';
import { bench, lookUpToken, mac, tokenOf } from './tables.fixture.ts';

test('what is retired waits until every running worker has ended a turn, and idle ones are woken', () => {
  const { arenas, quiescence, woken } = bench();
  let released = 0;
  quiescence.retire(() => released++);
  quiescence.poll();
  assert.deepEqual([released, woken], [0, [0, 1]]);

  const turn = (worker: number): void =>
    void Atomics.add((arenas[worker] as Arena).u32, ArenaHeader.at.turns >> 2, 1);
  turn(0);
  quiescence.poll();
  assert.equal(released, 0);
  turn(1);
  quiescence.poll();
  assert.equal(released, 1);
});

test('a worker that died, or started anew, holds nothing', () => {
  const { arenas, quiescence } = bench();
  let released = 0;
  quiescence.retire(() => released++);
  (arenas[0] as Arena).u32[ArenaHeader.at.running >> 2] = 0;
  (arenas[1] as Arena).u32[ArenaHeader.at.incarnation >> 2] = 2;
  quiescence.poll();

  assert.equal(released, 1);
});

test('tokens are found by the workers exactly while they are received', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 60 }), fc.boolean()), { maxLength: 300 }), (steps) => {
      const world = bench(64);
      const model = new Map<number, number>();
      for (const [number, pass] of steps) {
        const slot = model.get(number);
        if (slot === undefined) {
          const added = world.writers.tokens.setLocal(tokenOf(number), number, 'deliver');
          if (added !== undefined) model.set(number, added);
        } else {
          world.writers.tokens.clearLocal(slot);
          model.delete(number);
        }
        if (pass) world.pass();
        for (let each = 0; each <= 60; each++) {
          assert.equal(lookUpToken(world, tokenOf(each)), model.get(each) ?? NONE);
        }
      }
      assert.equal(world.writers.tokens.live, model.size);
    }),
    { numRuns: 20 },
  );
});

test('a token carries its epoch and use, and is never in the table twice', () => {
  const world = bench();
  const slot = world.writers.tokens.setLocal(tokenOf(7), 3, 'control');
  assert.ok(slot !== undefined);
  assert.equal(world.writers.tokens.setLocal(tokenOf(7), 4, 'deliver'), undefined);

  const word = (TABLE.tokens + slot * Token.size) >> 2;
  assert.equal(world.tables.u32[word + (Token.at.epoch >> 2)], 3);
  assert.equal(world.tables.u32[word + (Token.at.flags >> 2)], TOKEN_CONTROL);
  assert.equal(world.tables.u32[word + (Token.at.set >> 2)], NONE);
});

test('a full table refuses, and takes again after a removal and a turn', () => {
  const world = bench(64);
  const slots: number[] = [];
  for (let number = 0; number < 64; number++) {
    const slot = world.writers.tokens.setLocal(tokenOf(number), 0, 'deliver');
    if (slot !== undefined) slots.push(slot);
  }
  assert.ok(slots.length < 64 && slots.length >= 24, `${slots.length} tokens`);
  for (const slot of slots) world.writers.tokens.clearLocal(slot);
  world.pass();

  assert.equal(world.writers.tokens.live, 0);
  assert.ok(world.writers.tokens.setLocal(tokenOf(99), 0, 'deliver') !== undefined);
});

test('ten thousand additions and removals leave no search long', () => {
  const world = bench(64);
  for (let number = 0; number < 10_000; number++) {
    const slot = world.writers.tokens.setLocal(tokenOf(number), 0, 'deliver');
    assert.ok(slot !== undefined);
    world.writers.tokens.clearLocal(slot);
    world.pass();
  }
  const states = Array.from(
    { length: 64 },
    (_, slot) => world.tables.u32[(TABLE.tokens + slot * Token.size + Token.at.state) >> 2],
  );

  assert.ok(states.every((state) => state === 0));
});

test('stations are found by VLAN and address, local ones with their flags', () => {
  const world = bench();
  const { stations } = world.writers;
  const find = (vlan: number, address: Uint8Array): number =>
    findStation(world.tables, vlan, macWords(address).low, macWords(address).high);
  stations.setLocal(1, mac(1), { enforced: false, nowMs: 500 });
  stations.setRemote(1, mac(2), { trunk: 4, pairKeys: 20_000, epoch: 2, member: 9 });

  const word = (TABLE.stations + find(1, mac(1)) * Station.size) >> 2;
  assert.equal(world.tables.u32[word + (Station.at.flags >> 2)], STATION_LOCAL);
  assert.equal(stations.lastSeenMs(1, mac(1)), 500);
  assert.equal(stations.lastSeenMs(1, mac(2)), undefined);
  assert.equal(find(2, mac(1)), NONE);

  world.tables.u32[word + (Station.at.lastSeenMs >> 2)] = 900;
  stations.setLocal(1, mac(1), { enforced: true, nowMs: 1_000 });
  assert.equal(world.tables.u32[word + (Station.at.flags >> 2)], STATION_LOCAL | STATION_ENFORCED);
  assert.equal(stations.lastSeenMs(1, mac(1)), 900, 'what a worker noted stays');
  stations.remove(1, mac(1));
  assert.equal(find(1, mac(1)), NONE);
  assert.equal(stations.live, 1);
});

test('a station goes over to another trunk, key and epoch without being written for a moment', () => {
  const world = bench();
  const { stations } = world.writers;
  stations.setRemote(1, mac(2), { trunk: 4, pairKeys: 20_000, epoch: 2, member: 9 });
  const { low, high } = macWords(mac(2));
  const word = (TABLE.stations + findStation(world.tables, 1, low, high) * Station.size) >> 2;
  const version = world.tables.u32[word];
  stations.setRemote(1, mac(2), { trunk: 5, pairKeys: 65_520, epoch: 1_023, member: 9 });

  assert.equal(world.tables.u32[word], version);
  assert.equal(world.tables.u32[word + (Station.at.trunk >> 2)], 5);
  assert.equal(world.tables.u32[word + (Station.at.route >> 2)], 65_520 + 1_023 * 65_536);
  stations.setRemote(1, mac(2), { trunk: 5, pairKeys: NONE, epoch: 3, member: 9 });
  assert.equal(world.tables.u32[word + (Station.at.route >> 2)], NONE);
  stations.setRemote(1, mac(2), { trunk: 6, pairKeys: 1, epoch: 3, member: 8 });
  assert.notEqual(world.tables.u32[word], version, 'it moved to another member');
  assert.equal(world.tables.u32[word + (Station.at.member >> 2)], 8);
});

test('a new period is one word of an epoch, and each epoch has a serial of its own', () => {
  const world = bench();
  const { epochs } = world.writers;
  const parts = { vlan: 0, cipher: 1, segment: new Uint8Array(16) };
  const keys = { tokenKey: new Uint8Array(32).fill(5), maskKey: new Uint8Array(32) };
  const slots = [1, 2].map(() => epochs.add({ ...parts, ...keys, period: 7 }) ?? NONE);
  const words = slots.map((slot) => (TABLE.epochs + slot * Epoch.size) >> 2);
  const [first = 0, second = 0] = words;
  const version = world.tables.u32[first];
  epochs.setPeriod(slots[0] ?? NONE, 8);

  assert.equal(world.tables.u32[first + (Epoch.at.period >> 2)], 8);
  assert.equal(world.tables.u32[second + (Epoch.at.period >> 2)], 7);
  assert.equal(world.tables.u32[first], version);
  const serials = words.map((word) => world.tables.u32[word + (Epoch.at.serial >> 2)]);
  assert.ok(serials[0] !== 0 && serials[1] !== 0 && serials[0] !== serials[1]);
  epochs.remove(slots[0] ?? NONE);
  world.pass();
  assert.equal(world.tables.u32[first + (Epoch.at.tokenKey >> 2)], 0, 'the key is wiped');
});

test('a sender starts with empty windows, also in a slot that another one used', () => {
  const world = bench();
  const { senders } = world.writers;
  const sender = {
    epoch: 1,
    leaf: 0xabcdef,
    lane: 3,
    salt: Uint8Array.of(1, 2, 3, 4, 5, 6),
    groupKey: 5,
    pairKey: 6,
    firstCounter: 77,
    member: 2,
  };
  const find = (): number => findRxSender(world.tables, 1, 0x03ab_cdef, 0x0403_0201, 0x0605);
  const first = senders.add(sender);
  assert.equal(find(), first);
  assert.ok(first !== undefined);
  const window = TABLE.senderWindows + first * 2 * SenderWindow.size;
  world.tables.bytes.fill(255, window, window + 2 * SenderWindow.size);
  senders.remove(first);
  assert.equal(find(), NONE);
  world.pass();
  const again = senders.add(sender);

  assert.equal(again, first);
  assert.ok(world.tables.bytes.subarray(window, window + 2 * SenderWindow.size).every((byte) => byte === 0));
  const word = (TABLE.rxSenders + first * RxSender.size) >> 2;
  assert.equal(world.tables.u32[word + (RxSender.at.firstCounter >> 2)], 77);
});

test('a slot is not given out again before the workers have passed', () => {
  const world = bench();
  const { salts } = world.writers;
  const salt = { worker: 1, leaf: 5, value: new Uint8Array(6) };
  const first = salts.add(salt);
  assert.ok(first !== undefined);
  salts.remove(first);

  assert.notEqual(salts.add(salt), first);
  world.pass();
  assert.equal(salts.add(salt), first);
});

test("a worker's counter under a salt is read, and a new salt starts at 0", () => {
  const world = bench();
  const { salts } = world.writers;
  const first = salts.add({ worker: 1, leaf: 5, value: new Uint8Array(6) });
  assert.ok(first !== undefined);
  const word = (TABLE.salts + first * Salt.size + Salt.at.counter) >> 2;
  world.tables.u32[word] = 1_000;
  assert.equal(salts.counter(first), 1_000);
  salts.remove(first);
  world.pass();

  assert.equal(salts.add({ worker: 0, leaf: 5, value: new Uint8Array(6) }), first);
  assert.equal(salts.counter(first), 0);
});

test('sending keys come in runs of one a worker, live until the workers have passed, then wiped', () => {
  const world = bench();
  const { frameKeys } = world.writers;
  const key = (fill: number, salt: number): { key: Uint8Array; salt: number } => ({
    key: new Uint8Array(32).fill(fill),
    salt,
  });
  const first = frameKeys.addTx([key(1, 10), key(2, 11)], 1);
  assert.ok(first !== undefined && first >= 16_384);
  const at = (worker: number): number => TABLE.frameKeys + (first + worker) * FrameKey.size;
  const serials = [0, 1].map((worker) => world.tables.u32[(at(worker) + FrameKey.at.keySerial) >> 2]);
  assert.notEqual(serials[0], serials[1]);
  assert.equal(world.tables.u32[(at(1) + FrameKey.at.salt) >> 2], 11);
  frameKeys.removeTx(first);
  assert.equal(
    world.tables.u32[(at(0) + FrameKey.at.state) >> 2],
    1,
    'a frame under way still finds its key',
  );
  world.pass();

  assert.equal(world.tables.u32[(at(0) + FrameKey.at.state) >> 2], 0);
  assert.ok(
    world.tables.bytes
      .subarray(at(0) + FrameKey.at.key, at(0) + FrameKey.at.key + 32)
      .every((byte) => byte === 0),
  );
});

test('a lane is filled whole, with an empty window and no counters of the last one', () => {
  const world = bench();
  const { lanes } = world.writers;
  const keys = (
    fill: number,
  ): { k1: Uint8Array; k2: Uint8Array; k3: Uint8Array; k4: Uint8Array; linkToken: Uint8Array } => {
    const k = (index: number): Uint8Array => new Uint8Array(32).fill(fill + index);
    return { k1: k(1), k2: k(2), k3: k(3), k4: k(4), linkToken: new Uint8Array(16).fill(fill) };
  };
  const allocated = lanes.allocate();
  assert.ok(allocated);
  assert.equal(allocated.receiverIndex & (LIMIT.lanes - 1), allocated.slot);
  assert.ok(allocated.receiverIndex > LIMIT.lanes);
  const at = TABLE.lanes + allocated.slot * Lane.size;
  world.tables.bytes.fill(0xaa, at + 8, at + Lane.size);
  lanes.install(allocated.slot, {
    generation: 1,
    worker: 1,
    trunk: 2,
    carrier: 1,
    localIndex: allocated.receiverIndex,
    peerIndex: 99,
    rx: keys(10),
    tx: keys(20),
    notAfterMs: 5_000,
  });

  const bytes = (offset: number, length: number): Uint8Array =>
    world.tables.bytes.slice(at + offset, at + offset + length);
  assert.deepEqual(bytes(Lane.at.rxKeys + 96, 32), new Uint8Array(32).fill(14));
  assert.deepEqual(bytes(Lane.at.txLinkToken, 16), new Uint8Array(16).fill(20));
  assert.deepEqual(lanes.totals(allocated.slot), {
    txDatagrams: 0,
    txBytes: 0,
    rxBytes: 0,
    rxAccepted: 0,
    highestCounter: 0,
  });
  assert.ok(lanes.isLive(allocated.slot, allocated.receiverIndex));
  lanes.remove(allocated.slot);
  assert.ok(!lanes.isLive(allocated.slot, allocated.receiverIndex));
  world.pass();
  assert.ok(bytes(Lane.at.rxKeys, 128).every((byte) => byte === 0));
});

test('every write leaves an even version behind', () => {
  const world = bench();
  const epoch = world.writers.epochs.add({
    vlan: 0,
    cipher: 1,
    segment: new Uint8Array(16),
    tokenKey: new Uint8Array(32),
    maskKey: new Uint8Array(32),
    period: 7,
  });
  assert.ok(epoch !== undefined);
  world.writers.epochs.setGroupKey(epoch, 1, 17_000);
  const word = (TABLE.epochs + epoch * Epoch.size) >> 2;

  assert.equal((world.tables.u32[word] ?? 1) & 1, 0);
  assert.equal(world.tables.u32[word + (Epoch.at.groupKeys >> 2) + 1], 17_000);
  assert.equal(world.tables.u32[word + (Epoch.at.groupKeys >> 2)], NONE);
});
