import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import {
  BATCH,
  FRAME_UNICAST,
  FrameDescriptor,
  NONE,
  RX_LOCAL,
  RxDatagram,
} from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { findToken } from '../../dataplane/shm/tables.ts';
import { fillStations, fillTokens, measureStations, measureTokens, RandomWords } from './table-cells.ts';

const START = { engine: 'typescript', seconds: 0, smoke: true, first: true } as const;

test('random words are the same in every run and do not repeat soon', () => {
  const words = new RandomWords(7);
  const drawn = Array.from({ length: 1000 }, () => words.next());
  assert.equal(new Set(drawn).size, 1000);
  const again = new RandomWords(7);
  assert.deepEqual(drawn.slice(0, 3), [again.next(), again.next(), again.next()]);
});

test('every token of a filled table is found, and every datagram that carries one is for this node', () => {
  const filled = fillTokens('typescript', 1000);
  const { node, keys } = filled;
  for (let entry = 0; entry < 1000; entry++) {
    const [a = 0, b = 0, c = 0, d = 0] = keys.subarray(4 * entry, 4 * entry + 4);
    assert.notEqual(findToken(node.tables, a, b, c, d), NONE);
  }
  measureTokens(filled, START);
  const verdicts = Array.from({ length: BATCH.rxDatagrams }, (_, index) => {
    return node.arena.u32[(ARENA.rxDatagrams + index * RxDatagram.size + RxDatagram.at.verdict) >> 2];
  });
  assert.deepEqual(new Set(verdicts), new Set([RX_LOCAL]));
  filled.engine.close();
});

test('every frame for a station of a filled table has a destination', () => {
  const filled = fillStations('typescript', 500);
  measureStations(filled, START);
  const { u32, counters } = filled.node.arena;
  const verdicts = Array.from({ length: BATCH.frames }, (_, index) => {
    return u32[(ARENA.frames + index * FrameDescriptor.size + FrameDescriptor.at.verdict) >> 2];
  });
  assert.deepEqual(new Set(verdicts), new Set([FRAME_UNICAST]));
  assert.deepEqual(
    DROP_CODES.filter((_, code) => counters[code] !== 0),
    [],
  );
  filled.engine.close();
});
