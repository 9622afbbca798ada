/**
 * Real workers with either engine between two nodes of one process; see loopback.fixture.ts for the picture.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bytesOf } from '../../test/harness/dataplane-fixture.ts';
import { ethernetFrame, filler, tcpFrame } from '../../test/harness/frame-builder.ts';
import type { EngineName } from '../contract/engine.ts';
import { ENDPOINT_BYTES, EVENT, INJECTION } from '../contract/ring-message.ts';
import { nativeAvailability } from '../native/load.ts';
import { ArenaHeader, CARRIER_STREAM } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { emptyMessage, RingConsumer, RingProducer } from '../shm/ring.ts';
import { type LoopbackNode, startPair, until } from './loopback.fixture.ts';

const LEFT_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const RIGHT_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const BROADCAST = new Uint8Array(6).fill(0xff);
const ETHER_TYPE = 0x88b5;

function frameTo(destination: Uint8Array, source: Uint8Array, payload: Uint8Array): Uint8Array {
  return ethernetFrame(ETHER_TYPE, payload, { destination, source });
}

/** Takes the next event of a type, skipping others; its payload is copied. */
async function nextEvent(node: LoopbackNode, type: number): Promise<{ a: number; payload: Uint8Array }> {
  const { arena } = node.fixture;
  const ring = new RingConsumer(arena.buffer, ARENA.events);
  const message = emptyMessage();
  const payload = new Uint8Array(66_000);
  await until(
    () => {
      while (ring.take(message, payload, 0)) if (message.type === type) return true;
      return false;
    },
    () => `event ${type} did not come to ${node.fixture.name}: ${node.drops()}`,
  );
  return { a: message.a, payload: payload.slice(0, message.payloadBytes) };
}

function inject(node: LoopbackNode, type: number, payload: Uint8Array): void {
  const ring = new RingProducer(node.fixture.arena.buffer, ARENA.injections);
  assert.ok(ring.put({ ...emptyMessage(), type, a: node.fixture.lane }, payload, 0, payload.length));
  node.supervisor.wake(0);
}

function suite(engine: EngineName): void {
  let left: LoopbackNode;
  let right: LoopbackNode;

  before(async () => {
    ({ left, right } = await startPair(engine, { datagramMtuBytes: 1400 }));
  });

  after(async () => {
    await Promise.all([left.close(), right.close()]);
  });

  test('unicast and broadcast frames arrive as they left', async () => {
    const unicast = frameTo(RIGHT_MAC, LEFT_MAC, filler(100));
    left.write(unicast);
    assert.deepEqual(await right.next(), unicast);
    const broadcast = frameTo(BROADCAST, RIGHT_MAC, filler(46, 7));
    right.write(broadcast);
    assert.deepEqual(await left.next(), broadcast);
  });

  test('a frame larger than a datagram is put together again', async () => {
    const frame = frameTo(RIGHT_MAC, LEFT_MAC, filler(1500, 3));
    left.write(frame);
    assert.deepEqual(await right.next(), frame);
  });

  test('a run of frames arrives whole and in order, both ways at once', async () => {
    const count = 3000;
    const sent = { left: 0, right: 0 };
    const got = { left: 0, right: 0 };
    const step = (from: LoopbackNode, to: LoopbackNode, side: 'left' | 'right'): void => {
      const [source, destination] = side === 'left' ? [LEFT_MAC, RIGHT_MAC] : [RIGHT_MAC, LEFT_MAC];
      // Few frames are under way at a time, so that no buffer between here and there overflows.
      while (sent[side] < count && sent[side] - got[side] < 60) {
        const payload = filler(60 + ((sent[side] * 37) % 1100), sent[side]);
        if (!from.write(frameTo(destination, source, payload))) break;
        sent[side]++;
      }
      for (let frame = to.read(); frame !== undefined; frame = to.read()) {
        const payload = filler(60 + ((got[side] * 37) % 1100), got[side]);
        assert.deepEqual(frame, frameTo(destination, source, payload), `frame ${got[side]} from ${side}`);
        got[side]++;
      }
    };
    await until(
      () => {
        step(left, right, 'left');
        step(right, left, 'right');
        return got.left === count && got.right === count;
      },
      () => `${got.left} and ${got.right} of ${count}; drops ${left.drops()} ${right.drops()}`,
    );
  });

  test('a TCP super-frame crosses as datagrams and comes out with the same bytes in its segments', async () => {
    const payload = filler(20_000, 5);
    const built = tcpFrame({ source: LEFT_MAC, destination: RIGHT_MAC, payload });
    const virtio = new DataView(new ArrayBuffer(10));
    // NEEDS_CSUM, TCPv4, whole header, gso size, checksum start and offset.
    [1, 1].forEach((value, i) => {
      virtio.setUint8(i, value);
    });
    [built.headerBytes, 1200, built.transport, 16].forEach((value, i) => {
      virtio.setUint16(2 + 2 * i, value, true);
    });
    left.write(built.bytes, new Uint8Array(virtio.buffer));
    const parts: Uint8Array[] = [];
    for (let bytes = 0; bytes < payload.length; ) {
      const frame = await right.next();
      const part = frame.subarray(built.headerBytes);
      parts.push(part);
      bytes += part.length;
    }
    assert.deepEqual(new Uint8Array(Buffer.concat(parts)), payload);
  });

  test('a probe is sealed by one worker and told by the other, with the address that it came from', async () => {
    const body = bytesOf('probe', 40);
    const payload = new Uint8Array(ENDPOINT_BYTES + body.length);
    payload.set(body, ENDPOINT_BYTES);
    inject(left, INJECTION.link, payload);
    const event = await nextEvent(right, EVENT.link);
    assert.equal(event.a, right.fixture.lane);
    assert.deepEqual(event.payload.subarray(ENDPOINT_BYTES), body);
    const port = left.socket.address.port;
    assert.deepEqual([...event.payload.subarray(2, 8)], [port >> 8, port & 0xff, 127, 0, 0, 1]);
  });

  test('a station that is none of ours is told to the main thread', async () => {
    const stranger = Uint8Array.of(2, 0, 0, 0, 0, 0x99);
    const frame = frameTo(RIGHT_MAC, stranger, filler(60));
    left.write(frame);
    await nextEvent(left, EVENT.stationSeen);
    assert.deepEqual(await right.next(), frame);
  });

  test('a worker that crashes is reported and replaced, and traffic resumes', async () => {
    assert.ok(right.supervisor.crashWorker(0));
    await until(
      () => right.log.includes('restarted 0'),
      () => right.log.join('; '),
    );
    assert.match(right.log[0] ?? '', /down 1: .*a crash was asked for/);
    while (right.read() !== undefined);
    const frame = frameTo(RIGHT_MAC, LEFT_MAC, filler(200, 9));
    left.write(frame);
    assert.deepEqual(await right.next(), frame);
    assert.equal(right.fixture.arena.u32[ArenaHeader.at.incarnation >> 2], 2);
  });
}

function streamSuite(engine: EngineName): void {
  test('frames of a stream carrier cross through the main threads', async () => {
    const { left, right } = await startPair(engine, { carrier: CARRIER_STREAM, datagramMtuBytes: 9000 });
    try {
      const frame = frameTo(RIGHT_MAC, LEFT_MAC, filler(1500, 4));
      left.write(frame);
      const event = await nextEvent(left, EVENT.carrier);
      assert.equal(event.a, left.fixture.lane);
      inject(right, INJECTION.carrier, event.payload);
      assert.deepEqual(await right.next(), frame);
      const probe = new Uint8Array(ENDPOINT_BYTES + 40).fill(6, ENDPOINT_BYTES);
      inject(left, INJECTION.link, probe);
      inject(right, INJECTION.carrier, (await nextEvent(left, EVENT.carrier)).payload);
      const told = await nextEvent(right, EVENT.link);
      assert.deepEqual(told.payload, probe);
    } finally {
      assert.deepEqual(await Promise.all([left.close(), right.close()]), [true, true]);
    }
  });
}

const native = nativeAvailability();
for (const engine of ['typescript', 'native'] as const) {
  const skip = engine === 'native' && !native.ok ? native.reason : false;
  describe(`workers with the ${engine} engine`, { skip }, () => {
    suite(engine);
    streamSuite(engine);
  });
}
