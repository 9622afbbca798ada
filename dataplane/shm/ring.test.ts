/** The ring against a queue as its model, and between two real threads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { RingHeader } from './layout.ts';
import { checksum, payloadByteOf, payloadBytesOf, type RingFixtureStart } from './ring.fixture.ts';
import { emptyMessage, RingConsumer, RingProducer } from './ring.ts';

function ringBuffer(capacity: number, position = 0): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(RingHeader.size + capacity);
  const u32 = new Uint32Array(buffer);
  u32[RingHeader.at.capacity >> 2] = capacity;
  u32[RingHeader.at.head >> 2] = position;
  u32[RingHeader.at.tail >> 2] = position;
  return buffer;
}

test('a message comes out as it went in', () => {
  const buffer = ringBuffer(1024);
  const producer = new RingProducer(buffer, 0);
  const consumer = new RingConsumer(buffer, 0);
  const payload = Uint8Array.from({ length: 13 }, (_, i) => i);
  assert.ok(producer.put({ type: 9, a: 1, b: 2, c: 3, d: 4, e: 5, f: 0xffff_fffe }, payload, 1, 12));
  const message = emptyMessage();
  const out = new Uint8Array(20);
  assert.ok(consumer.take(message, out, 4));
  assert.deepEqual(message, {
    type: 9,
    a: 1,
    b: 2,
    c: 3,
    d: 4,
    e: 5,
    f: 0xffff_fffe,
    payloadOffset: 4,
    payloadBytes: 12,
  });
  assert.deepEqual([...out.subarray(4, 16)], [...payload.subarray(1)]);
  assert.equal(consumer.peek(message), false);
});

test('a full ring refuses, counts it, and takes messages again once one was released', () => {
  const buffer = ringBuffer(64);
  const producer = new RingProducer(buffer, 0);
  const consumer = new RingConsumer(buffer, 0);
  const message = emptyMessage();
  assert.ok(producer.putEmpty(message));
  assert.ok(producer.putEmpty(message));
  assert.equal(producer.putEmpty(message), false);
  assert.equal(producer.refused(), 1);
  assert.ok(consumer.peek(message));
  consumer.release();
  assert.ok(producer.putEmpty(message));
});

test('a payload that does not fit the caller stays in the ring', () => {
  const buffer = ringBuffer(256);
  const message = emptyMessage();
  const consumer = new RingConsumer(buffer, 0);
  new RingProducer(buffer, 0).put(message, new Uint8Array(50), 0, 50);
  assert.equal(consumer.take(message, new Uint8Array(49), 0), false);
  assert.ok(consumer.take(message, new Uint8Array(50), 0));
});

test('what a dead consumer left is discarded', () => {
  const buffer = ringBuffer(256);
  const producer = new RingProducer(buffer, 0);
  const consumer = new RingConsumer(buffer, 0);
  producer.putEmpty(emptyMessage());
  producer.putEmpty(emptyMessage());
  consumer.discard();
  assert.equal(consumer.peek(emptyMessage()), false);
  assert.equal(producer.freeBytes(), 256);
});

test('any run of puts and takes behaves as a bounded queue, wherever the positions start', () => {
  const step = fc.oneof(
    fc.record({ put: fc.uint8Array({ maxLength: 200 }), type: fc.nat(1000) }),
    fc.constant('take' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(0x1fff_ffff), (steps, start) => {
      const buffer = ringBuffer(1024, (start * 8) >>> 0);
      const producer = new RingProducer(buffer, 0);
      const consumer = new RingConsumer(buffer, 0);
      const model: { type: number; payload: Uint8Array }[] = [];
      const message = emptyMessage();
      const out = new Uint8Array(256);
      for (const action of steps) {
        if (action !== 'take') {
          const sent = producer.put({ ...message, type: action.type }, action.put, 0, action.put.length);
          if (sent) model.push({ type: action.type, payload: action.put });
          else assert.ok(model.length > 0, 'an empty ring refused');
          continue;
        }
        const expected = model.shift();
        assert.equal(consumer.take(message, out, 0), expected !== undefined);
        if (expected === undefined) continue;
        assert.equal(message.type, expected.type);
        assert.deepEqual(out.subarray(0, message.payloadBytes), expected.payload);
      }
    }),
  );
});

test('two threads move 200,000 messages, each whole and in order', async () => {
  const start: RingFixtureStart = { buffer: ringBuffer(65_536), count: 200_000, longestBytes: 300 };
  const worker = new Worker(new URL('./ring.fixture.ts', import.meta.url), { workerData: start });
  const consumer = new RingConsumer(start.buffer, 0);
  const message = emptyMessage();
  let failure: Error | undefined;
  worker.once('error', (error) => {
    failure = error as Error;
  });
  let next = 0;
  while (next < start.count) {
    for (let turn = 0; turn < 5000 && consumer.peek(message); turn++) {
      const length = payloadBytesOf(next, start.longestBytes);
      const sum = checksum(consumer.memory, message.payloadOffset, message.payloadBytes);
      const last = length > 0 ? consumer.memory[message.payloadOffset + length - 1] : undefined;
      if (message.a !== next || message.payloadBytes !== length || message.b !== sum)
        assert.fail(`message ${next}`);
      if (length > 0 && last !== payloadByteOf(next, length - 1)) assert.fail(`message ${next} ends wrongly`);
      consumer.release();
      next++;
    }
    if (failure !== undefined) throw failure;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(consumer.peek(message), false);
});
