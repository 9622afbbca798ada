/** The graph of one worker: what it tells of multicast, and frames that the main thread has it write to a TAP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP } from '../base/drop-code.ts';
import { EVENT, INJECTION } from '../contract/ring-message.ts';
import {
  ArenaHeader,
  Iovec,
  LIMIT,
  RX_PUNTED,
  RxDatagram,
  SEEN_GROUP,
  Seen,
  Snooped,
  TapWrite,
} from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { emptyMessage, RingConsumer, RingProducer } from '../shm/ring.ts';
import { type FakeGraph, fakeGraph, setFields, setReady } from './fake-engine.fixture.ts';
import { reportPunts } from './punts.ts';
import { runTurn } from './turn.ts';

interface Told {
  readonly type: number;
  readonly words: readonly number[];
  readonly payload: readonly number[];
}

function events({ arena }: FakeGraph): Told[] {
  const ring = new RingConsumer(arena.buffer, ARENA.events);
  const told: Told[] = [];
  const message = emptyMessage();
  while (ring.peek(message)) {
    const { type, a, b, c, payloadOffset, payloadBytes } = message;
    const payload = [...ring.memory.subarray(payloadOffset, payloadOffset + payloadBytes)];
    told.push({ type, words: [a, b, c], payload });
    ring.release();
  }
  return told;
}

/** A graph whose TAP has a frame each turn, of which classify says what `lay` writes. */
function tapGraph(lay: (graph: FakeGraph) => void): FakeGraph {
  const graph: FakeGraph = fakeGraph({
    readTap: () => 1,
    classify: () => {
      lay(graph);
      return 0;
    },
    segment: () => 1,
  });
  setReady(graph.arena, 0, [4]);
  return graph;
}

test('an unknown group is told as one, ten times a second at most', () => {
  const graph = tapGraph(({ arena }) => {
    setFields(arena, ARENA.header, { [ArenaHeader.at.seenCount]: 1 });
    setFields(arena, ARENA.seen, {
      [Seen.at.vlan]: 4,
      [Seen.at.macLow]: 0x015e_0001,
      [Seen.at.macHigh]: 7,
      [Seen.at.kind]: SEEN_GROUP,
    });
  });
  runTurn(graph.context);
  runTurn(graph.context);
  assert.deepEqual(events(graph), [{ type: EVENT.groupSeen, words: [4, 0x015e_0001, 7], payload: [] }]);
});

test('frames that speak of groups are told whole, two hundred in a tenth of a second', () => {
  const graph = tapGraph(({ arena }) => {
    setFields(arena, ARENA.header, { [ArenaHeader.at.snoopedCount]: 2 });
    for (const [index, offset] of [0, 3].entries()) {
      setFields(arena, ARENA.snooped + index * Snooped.size, {
        [Snooped.at.vlan]: 4 + index,
        [Snooped.at.offset]: ARENA.snoopBuffer + offset,
        [Snooped.at.length]: 3,
      });
    }
    arena.bytes.set([1, 2, 3, 4, 5, 6], ARENA.snoopBuffer);
  });
  runTurn(graph.context);
  assert.deepEqual(events(graph), [
    { type: EVENT.snooped, words: [4, 0, 0], payload: [1, 2, 3] },
    { type: EVENT.snooped, words: [5, 0, 0], payload: [4, 5, 6] },
  ]);
  for (let turn = 0; turn < 120; turn++) runTurn(graph.context);
  assert.equal(events(graph).length, 198);
  assert.equal(graph.arena.counters[DROP['ring-full']], 42);
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.nowMs]: 5000 });
  runTurn(graph.context);
  assert.equal(events(graph).length, 2);
});

test('an echo is told as members’ control is, with its kind', () => {
  const graph = fakeGraph({});
  setFields(graph.arena, ARENA.header, { [ArenaHeader.at.puntCount]: 1 });
  setFields(graph.arena, ARENA.rxDatagrams, {
    [RxDatagram.at.verdict]: RX_PUNTED,
    [RxDatagram.at.control]: 0x4014,
    [RxDatagram.at.epoch]: 9,
    [RxDatagram.at.trunk]: 3,
    [RxDatagram.at.offset]: ARENA.rxBuffer,
    [RxDatagram.at.length]: 80,
  });
  reportPunts(graph.context);
  const told = events(graph).map(({ type, words, payload }) => ({ type, words, bytes: payload.length }));
  assert.deepEqual(told, [{ type: EVENT.control, words: [9, 3, 0x4014], bytes: 64 }]);
});

test('a frame of the main thread’s own is written to its TAP at once; one that cannot be is counted', () => {
  const written: number[][] = [];
  const graph: FakeGraph = fakeGraph({
    writeTap: () => {
      const { u32, bytes } = graph.arena;
      const field = (at: number): number => u32[(ARENA.writes + at) >> 2] ?? 0;
      assert.equal(field(TapWrite.at.iovecCount), 1);
      const offset = u32[(ARENA.iovecs + Iovec.at.offset) >> 2] ?? 0;
      assert.equal(u32[(ARENA.iovecs + Iovec.at.length) >> 2], field(TapWrite.at.length));
      written.push([field(TapWrite.at.vlan), ...bytes.subarray(offset, offset + field(TapWrite.at.length))]);
      assert.ok(
        bytes.subarray(ARENA.writes + TapWrite.at.virtio, ARENA.writes + 28).every((byte) => byte === 0),
      );
      return 0;
    },
  });
  const ring = new RingProducer(graph.arena.buffer, ARENA.injections);
  const put = (vlan: number, frame: Uint8Array): void => {
    ring.put({ ...emptyMessage(), type: INJECTION.tap, a: vlan }, frame, 0, frame.length);
  };
  const frame = Uint8Array.from({ length: 60 }, (_, index) => index);
  put(6, frame);
  put(LIMIT.vlans, frame);
  put(6, frame.subarray(0, 13));
  runTurn(graph.context);
  assert.deepEqual(written, [[6, ...frame]]);
  assert.equal(graph.arena.counters[DROP['injection-invalid']], 2);
});
