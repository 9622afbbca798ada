/** The graph of one worker around a fake engine: order, bounds, punts, injections, hand-off, fairness. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNTER, type CounterName } from '../base/counter.ts';
import { DROP, type DropName } from '../base/drop-code.ts';
import { InvariantError } from '../base/invariant.ts';
import { ENDPOINT_BYTES, EVENT, INJECTION } from '../contract/ring-message.ts';
import type { Arena } from '../shm/arena.ts';
import {
  ArenaHeader,
  CARRIER_STREAM,
  FRAME_FLOOD,
  FRAME_UNICAST,
  KIND_CONTROL,
  KIND_LINK,
  Lane,
  NONE,
  READY_UDP,
  RX_DROPPED,
  RX_PUNTED,
  RxDatagram,
  RxMessage,
  Seen,
  TablesHeader,
  Train,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, COUNTER_BASE, HANDOFF_STRIDE_BYTES, TABLE } from '../shm/memory-map.ts';
import { emptyMessage, type PeekedMessage, RingConsumer, RingProducer } from '../shm/ring.ts';
import { type FakeGraph, fakeGraph, forwardTo, setFields, setReady } from './fake-engine.fixture.ts';
import { INJECTION_BUDGET } from './injections.ts';
import { runTurn } from './turn.ts';

interface Told {
  readonly message: PeekedMessage;
  readonly payload: Uint8Array;
}

function takeAll(arena: Arena, ring: number): Told[] {
  const consumer = new RingConsumer(arena.buffer, ring);
  const told: Told[] = [];
  for (;;) {
    const payload = new Uint8Array(66_000);
    const message = emptyMessage();
    if (!consumer.take(message, payload, 0)) return told;
    told.push({ message, payload: payload.slice(0, message.payloadBytes) });
  }
}

/** Message `index` of what was told; it must be there. */
function at(told: readonly Told[], index: number): Told {
  const one = told[index];
  assert.ok(one !== undefined, `only ${told.length} messages`);
  return one;
}

function events(graph: FakeGraph): Told[] {
  return takeAll(graph.arena, ARENA.events);
}

function inject(
  arena: Arena,
  message: Partial<PeekedMessage>,
  payload: Uint8Array,
  ring = ARENA.injections,
): void {
  const producer = new RingProducer(arena.buffer, ring);
  assert.ok(producer.put({ ...emptyMessage(), ...message }, payload, 0, payload.length));
}

function drops(arena: Arena, name: DropName): number {
  return arena.counters[DROP[name]] ?? 0;
}

function counter(arena: Arena, name: CounterName): number {
  return arena.counters[COUNTER_BASE + COUNTER[name]] ?? 0;
}

/** One datagram of 80 bytes at the transmit buffer's start, in one train. */
function layOneTrain(arena: Arena, train: { lane: number; owner: number }): void {
  arena.bytes.fill(0x5e, ARENA.txBuffer + 32, ARENA.txBuffer + 80);
  setFields(arena, ARENA.txDatagrams, {
    [TxDatagram.at.offset]: ARENA.txBuffer,
    [TxDatagram.at.length]: 80,
    [TxDatagram.at.control]: 0x100002,
    [TxDatagram.at.flowHash]: 77,
  });
  arena.bytes.fill(
    0x70,
    ARENA.txDatagrams + TxDatagram.at.token,
    ARENA.txDatagrams + TxDatagram.at.token + 16,
  );
  setFields(arena, ARENA.trains, {
    [Train.at.first]: 0,
    [Train.at.count]: 1,
    [Train.at.trunk]: 9,
    [Train.at.lane]: train.lane,
    [Train.at.owner]: train.owner,
  });
}

test('a batch from the TAP passes the stages in order, in as many rounds as the buffer needs', () => {
  let round = 0;
  const graph = fakeGraph({
    readTap: () => 5,
    segment: () => {
      setFields(graph.arena, ARENA.header, { [ArenaHeader.at.txDatagramCount]: 7 + round });
      return [3, 5][round++] ?? 5;
    },
    train: () => 1,
  });
  setReady(graph.arena, 0, [4]);
  layOneTrain(graph.arena, { lane: 2, owner: 0 });
  runTurn(graph.context);
  assert.deepEqual(graph.calls, [
    'wait(1000,0)',
    ...['readTap(4)', 'classify(5)'],
    ...['segment(0,5)', 'seal(7)', 'train(7)', 'closeLink(0)', 'send(0)'],
    ...['segment(3,5)', 'seal(8)', 'train(8)', 'closeLink(0)', 'send(0)'],
  ]);
});

test('a batch whose frames are all dropped neither seals nor sends', () => {
  const graph = fakeGraph({ readTap: () => 2, segment: () => 2 });
  setReady(graph.arena, 0, [1]);
  runTurn(graph.context);
  assert.deepEqual(graph.calls.slice(1), ['readTap(1)', 'classify(2)', 'segment(0,2)']);
});

test('a segment stage that makes no progress is a bug, not an endless loop', () => {
  const graph = fakeGraph({ readTap: () => 2, segment: () => 0 });
  setReady(graph.arena, 0, [1]);
  assert.throws(() => runTurn(graph.context), InvariantError);
});

test('neither direction waits for the whole of the other', () => {
  const graph = fakeGraph({ readTap: () => 64, segment: () => 64, receive: () => 32 });
  setReady(graph.arena, READY_UDP, [1, 2]);
  runTurn(graph.context);
  const batches = graph.calls.filter((call) => call.startsWith('readTap') || call.startsWith('receive'));
  assert.deepEqual(batches, ['readTap(1)', 'receive()', 'readTap(2)', 'receive()', 'receive()', 'receive()']);
});

test('a turn without work ends in the next wait, and every turn is counted', () => {
  const graph = fakeGraph({});
  setReady(graph.arena, 0, []);
  assert.equal(runTurn(graph.context), 0);
  runTurn(graph.context);
  assert.deepEqual(graph.calls, ['wait(1000,0)', 'wait(1000,0)']);
  assert.equal(graph.arena.u32[ArenaHeader.at.turns >> 2], 2);
});

test('a train that its lane refuses is counted datagram by datagram and not sent', () => {
  const graph = fakeGraph({
    readTap: () => 1,
    segment: () => 1,
    train: () => 1,
    closeLink: () => DROP['lane-exhausted'],
  });
  setReady(graph.arena, 0, [1]);
  layOneTrain(graph.arena, { lane: 2, owner: 0 });
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.txDatagramCount]: 3 });
  setFields(graph.arena, ARENA.trains, { [Train.at.count]: 3 });
  runTurn(graph.context);
  assert.equal(drops(graph.arena, 'lane-exhausted'), 3);
  assert.ok(!graph.calls.includes('send(0)'));
});

test('a train of a stream carrier goes to the main thread, which is woken once', () => {
  const graph = fakeGraph({ readTap: () => 1, segment: () => 1, train: () => 1 });
  setReady(graph.arena, 0, [1]);
  layOneTrain(graph.arena, { lane: 2, owner: 0 });
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.txDatagramCount]: 1 });
  graph.tables.u32[(TABLE.lanes + 2 * Lane.size + Lane.at.carrier) >> 2] = CARRIER_STREAM;
  runTurn(graph.context);
  const all = events(graph);
  assert.equal(all.length, 1);
  const told = at(all, 0);
  assert.equal(told.message.type, EVENT.carrier);
  assert.deepEqual([told.message.a, told.message.b, told.payload.length], [2, 9, 80]);
  assert.equal(graph.tables.u32[TablesHeader.at.mainWake >> 2], 1);
  assert.ok(!graph.calls.includes('send(0)'));
});

test('a stream carrier that is slower than its traffic leaves room for the rest, and counts', () => {
  const graph = fakeGraph({ readTap: () => 1, segment: () => 1, train: () => 1 });
  setReady(graph.arena, 0, [1]);
  layOneTrain(graph.arena, { lane: 2, owner: 0 });
  setFields(graph.arena, ARENA.txDatagrams, { [TxDatagram.at.length]: 60_000 });
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.txDatagramCount]: 1 });
  graph.tables.u32[(TABLE.lanes + 2 * Lane.size + Lane.at.carrier) >> 2] = CARRIER_STREAM;
  for (let i = 0; i < 80; i++) runTurn(graph.context);
  assert.ok(drops(graph.arena, 'carrier-queue-full') > 0);
  assert.ok(graph.context.events.freeBytes() > 256 * 1024);
});

test('a train whose lane another worker owns is handed to it, and its owner woken once', () => {
  const graph = fakeGraph({ readTap: () => 1, segment: () => 1, train: () => 1 });
  setReady(graph.arena, 0, [1]);
  layOneTrain(graph.arena, { lane: NONE, owner: 1 });
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.txDatagramCount]: 1 });
  runTurn(graph.context);
  const told = at(takeAll(graph.other, ARENA.handoffs), 0);
  assert.equal(told.message.type, INJECTION.sealed);
  assert.deepEqual(
    [told.message.a, told.message.b, told.message.c, told.message.d],
    [FRAME_UNICAST, 9, 0x100002, 77],
  );
  assert.deepEqual(told.payload, new Uint8Array(64).fill(0x5e).fill(0x70, 0, 16));
  assert.deepEqual(graph.woken, [1001]);
  assert.equal(counter(graph.arena, 'handoffs'), 1);
});

test('a handed-off datagram is laid as the other worker sealed it, and never handed off again', () => {
  const graph = fakeGraph({ train: () => 1 });
  setReady(graph.arena, 0, []);
  layOneTrain(graph.arena, { lane: NONE, owner: 1 });
  const payload = new Uint8Array(64).fill(0x5e).fill(0x70, 0, 16);
  const message = { type: INJECTION.sealed, a: FRAME_UNICAST, b: 9, c: 0x100002, d: 77 };
  inject(graph.arena, message, payload, ARENA.handoffs + HANDOFF_STRIDE_BYTES);
  runTurn(graph.context);
  assert.deepEqual(graph.calls, ['wait(1000,0)', 'train(1)']);
  const at = ARENA.txDatagrams;
  const field = (offset: number): number | undefined => graph.arena.u32[(at + offset) >> 2];
  assert.deepEqual([field(TxDatagram.at.length), field(TxDatagram.at.verdict)], [80, FRAME_UNICAST]);
  assert.deepEqual([field(TxDatagram.at.destination), field(TxDatagram.at.control)], [9, 0x100002]);
  assert.equal(graph.arena.bytes[at + TxDatagram.at.token], 0x70);
  assert.equal(graph.arena.bytes[ARENA.txBuffer + 32], 0x5e);
  assert.equal(drops(graph.arena, 'lane-down'), 1);
  assert.equal(takeAll(graph.other, ARENA.handoffs).length, 0);
});

test('sealed injections lie end to end and go as one batch; what the tables cannot hold is refused', () => {
  const graph = fakeGraph({ train: () => 0 });
  setReady(graph.arena, 0, []);
  const sealed = { type: INJECTION.sealed, a: FRAME_FLOOD, b: 3 };
  inject(graph.arena, sealed, new Uint8Array(64));
  inject(graph.arena, { ...sealed, b: 5000 }, new Uint8Array(64));
  inject(graph.arena, { ...sealed, a: 7 }, new Uint8Array(64));
  inject(graph.arena, sealed, new Uint8Array(47));
  inject(graph.arena, { type: 99 }, new Uint8Array(4));
  inject(graph.arena, sealed, new Uint8Array(100));
  runTurn(graph.context);
  assert.deepEqual(graph.calls.slice(1), ['train(2)']);
  assert.equal(drops(graph.arena, 'injection-invalid'), 4);
  const second = graph.arena.u32[(ARENA.txDatagrams + TxDatagram.size + TxDatagram.at.offset) >> 2];
  assert.equal(second, ARENA.txBuffer + 80);
});

test('a probe is sealed and sent at once; on a stream lane it goes to the main thread', () => {
  const graph = fakeGraph({ sendLink: (lane) => (lane === 6 ? 90 : 0) });
  setReady(graph.arena, 0, []);
  const payload = new Uint8Array(ENDPOINT_BYTES + 26).fill(3);
  inject(graph.arena, { type: INJECTION.link, a: 5 }, payload);
  inject(graph.arena, { type: INJECTION.link, a: 6 }, payload);
  inject(graph.arena, { type: INJECTION.link, a: 8192 }, payload);
  graph.tables.u32[(TABLE.lanes + 6 * Lane.size + Lane.at.trunk) >> 2] = 12;
  runTurn(graph.context);
  assert.deepEqual(graph.calls.slice(1), ['sendLink(5,26)', 'sendLink(6,26)']);
  const told = events(graph).map(({ message }) => [message.type, message.a, message.b, message.payloadBytes]);
  assert.deepEqual(told, [[EVENT.carrier, 6, 12, 90]]);
  assert.equal(drops(graph.arena, 'injection-invalid'), 1);
});

test('datagrams of a stream pass the ingress stages as one batch without an address', () => {
  const graph = fakeGraph({});
  setReady(graph.arena, 0, []);
  setFields(graph.arena, ARENA.messages, { [RxMessage.at.addressBytes]: 16 });
  inject(graph.arena, { type: INJECTION.carrier, a: 1 }, new Uint8Array(70).fill(1));
  inject(graph.arena, { type: INJECTION.carrier, a: 1 }, new Uint8Array(90).fill(2));
  runTurn(graph.context);
  assert.deepEqual(graph.calls.slice(1, 3), ['openLink(2,2)', 'forward(2)']);
  assert.equal(graph.arena.u32[(ARENA.messages + RxMessage.at.addressBytes) >> 2], 0);
  const at = ARENA.rxDatagrams + RxDatagram.size;
  const offset = graph.arena.u32[(at + RxDatagram.at.offset) >> 2] ?? 0;
  assert.deepEqual([graph.arena.bytes[offset], graph.arena.u32[(at + RxDatagram.at.length) >> 2]], [2, 90]);
});

test('injections beyond the budget wait for the next turn, which does not sleep', () => {
  const graph = fakeGraph({});
  setReady(graph.arena, 0, []);
  const message = { type: INJECTION.link, a: 1 };
  for (let i = 0; i < INJECTION_BUDGET + 1; i++) inject(graph.arena, message, new Uint8Array(ENDPOINT_BYTES));
  runTurn(graph.context);
  assert.equal(graph.calls.filter((call) => call.startsWith('sendLink')).length, INJECTION_BUDGET);
  runTurn(graph.context);
  assert.ok(graph.calls.includes('wait(0,0)'));
  assert.equal(graph.calls.filter((call) => call.startsWith('sendLink')).length, INJECTION_BUDGET + 1);
});

test('probes, control datagrams and unknown senders are told to the main thread', () => {
  let batches = 1;
  const graph = fakeGraph({
    receive: () => (batches-- > 0 ? 3 : 0),
    forward: forwardTo(() => graph, 1, 0),
    openFrame: () => {
      layPunts(graph.arena);
    },
  });
  setReady(graph.arena, READY_UDP, []);
  runTurn(graph.context);
  const all = events(graph);
  assert.equal(all.length, 3);
  const [probe, control, sender] = [at(all, 0), at(all, 1), at(all, 2)];
  assert.deepEqual([probe.message.type, probe.message.a, probe.message.b], [EVENT.link, 11, 100]);
  assert.equal(probe.payload.length, ENDPOINT_BYTES + 100 - 32 - 16);
  assert.deepEqual(
    [probe.payload[0], probe.payload[28], probe.payload[32], probe.payload[48]],
    [2, 16, 127, 1],
  );
  assert.deepEqual([control.message.type, control.message.a, control.message.b], [EVENT.control, 4, 8]);
  assert.equal(control.message.c, KIND_CONTROL);
  assert.deepEqual([control.payload.length, control.payload[0], control.payload[16]], [84, 0x70, 2]);
  assert.deepEqual(
    [sender.message.type, sender.message.a, sender.message.b, sender.message.c, sender.message.d],
    [EVENT.senderUnknown, 4, 21, 22, 23],
  );
});

function layPunts(arena: Arena): void {
  arena.bytes.set([2, 0], ARENA.messages + RxMessage.at.address);
  arena.bytes.set([127], ARENA.messages + RxMessage.at.localAddress);
  setFields(arena, ARENA.messages, { [RxMessage.at.addressBytes]: 16 });
  [KIND_LINK, KIND_CONTROL, 1].forEach((control, i) => {
    const at = ARENA.rxDatagrams + i * RxDatagram.size;
    arena.bytes.fill(i + 1, ARENA.rxBuffer + 200 * i, ARENA.rxBuffer + 200 * i + 100);
    arena.bytes.fill(0x70, at + RxDatagram.at.token, at + RxDatagram.at.token + 16);
    setFields(arena, at, {
      [RxDatagram.at.offset]: ARENA.rxBuffer + 200 * i,
      [RxDatagram.at.length]: 100,
      [RxDatagram.at.verdict]: i === 2 ? RX_DROPPED : RX_PUNTED,
      [RxDatagram.at.lane]: 11,
      [RxDatagram.at.trunk]: 8,
      [RxDatagram.at.epoch]: 4,
      [RxDatagram.at.control]: control,
      [RxDatagram.at.sender]: 21,
      [RxDatagram.at.sender + 4]: 22,
      [RxDatagram.at.sender + 8]: 23 | (9 << 16),
    });
    arena.u32[(ARENA.punts >> 2) + i] = i;
  });
  setFields(arena, ARENA.header, { [ArenaHeader.at.puntCount]: 3 });
}

test('a station that is seen in every batch is told ten times a second at most', () => {
  const graph = fakeGraph({
    readTap: () => 1,
    segment: () => 1,
    classify: () => {
      setFields(graph.arena, ARENA.header, { [ArenaHeader.at.seenCount]: 1 });
      setFields(graph.arena, ARENA.seen, { [Seen.at.vlan]: 1, [Seen.at.macLow]: 5, [Seen.at.macHigh]: 6 });
    },
  });
  setReady(graph.arena, 0, [1]);
  for (const nowMs of [0, 50, 99, 100, 150]) {
    setFields(graph.arena, ARENA.header, { [ArenaHeader.at.nowMs]: nowMs });
    runTurn(graph.context);
  }
  const told = events(graph).map(({ message }) => [message.type, message.a, message.b, message.c]);
  assert.deepEqual(told, [
    [EVENT.stationSeen, 1, 5, 6],
    [EVENT.stationSeen, 1, 5, 6],
  ]);
});

test('a crash that was asked for ends the turn by a bug', () => {
  const graph = fakeGraph({});
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.crashRequest]: 1 });
  assert.throws(() => runTurn(graph.context), InvariantError);
});
