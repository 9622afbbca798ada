/**
 * Each engine's system calls against each other's, over loopback sockets and Unix datagram pairs that stand in for TAPs:
 *
 *   test ─ pair ─▶ left: wait, readTap … send ── UDP ──▶ right: wait, receive … writeTap ─ pair ─▶ test
 *
 * Every combination of engines must carry the same frames and count the same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNTER_NAMES } from '../../dataplane/base/counter.ts';
import { DROP } from '../../dataplane/base/drop-code.ts';
import type { Engine, EngineName } from '../../dataplane/contract/engine.ts';
import { closeDescriptor, openEventfd, signalEventfd } from '../../dataplane/io/eventfd.ts';
import { libc } from '../../dataplane/io/libc.ts';
import { allocateNative } from '../../dataplane/io/native-memory.ts';
import { encodeIp, encodeSocketAddress } from '../../dataplane/io/sockaddr.ts';
import { type DatagramSocket, openDatagramSocket } from '../../dataplane/io/udp-socket.ts';
import { createNativeEngine, nativeAvailability } from '../../dataplane/native/load.ts';
import {
  ArenaHeader,
  CARRIER_UDP,
  Lane,
  READY_UDP,
  READY_WAKE,
  RX_PUNTED,
  RxDatagram,
  RxMessage,
  TapQueue,
} from '../../dataplane/shm/layout.ts';
import { ARENA, COUNTER_BASE, TABLE } from '../../dataplane/shm/memory-map.ts';
import { createTypescriptEngine } from '../../dataplane/workers/typescript-engine.ts';
import {
  createPair,
  type FixtureNode,
  type FixtureOptions,
  type TapFrame,
} from '../harness/dataplane-fixture.ts';
import { getField, setFields } from '../harness/table-writer.ts';
import { tcpRun } from './random-frames.ts';
import { seeded } from './seeded.ts';

const availability = nativeAvailability();
const skip = availability.ok ? false : availability.reason;

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0o2004002;
const VIRTIO_BYTES = 10;
const COMBINATIONS: readonly (readonly [EngineName, EngineName])[] = [
  ['typescript', 'typescript'],
  ['typescript', 'native'],
  ['native', 'typescript'],
  ['native', 'native'],
];

interface Station {
  readonly node: FixtureNode;
  readonly engine: Engine;
  readonly socket: DatagramSocket;
  readonly wake: number;
  /** The test's end of the TAP. */
  readonly tap: number;
  readonly close: () => void;
}

const buffer = allocateNative(70_000);

function openStation(node: FixtureNode, name: EngineName, ip: string): Station {
  const socket = openDatagramSocket({ address: { ip, port: 0 }, bufferBytes: 4 << 20, gro: true });
  const wake = openEventfd();
  const ends = allocateNative(8);
  assert.equal(libc.socketpair(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0, ends.address), 0);
  const [ours, tap] = [ends.i32[0] ?? -1, ends.i32[1] ?? -1];
  const arena = node.arena;
  setFields(arena.buffer, ArenaHeader, ARENA.header, {
    udpFd: socket.fd,
    wakeFd: wake,
    ipv6: socket.ipv6 ? 1 : 0,
    tapGeneration: 1,
  });
  setFields(arena.buffer, TapQueue, ARENA.tapQueues, { fd: ours, attached: 1 });
  const engine =
    name === 'native' ? createNativeEngine(node.tables, arena) : createTypescriptEngine(node.tables, arena);
  const close = (): void => {
    engine.close();
    for (const fd of [socket.fd, wake, ours, tap]) closeDescriptor(fd);
  };
  return { node, engine, socket, wake, tap, close };
}

function openStations(
  [left, right]: readonly [EngineName, EngineName],
  ip: string,
  options: FixtureOptions = {},
): { left: Station; right: Station; close: () => void } {
  const pair = createPair(options);
  const [a, b] = [openStation(pair.left, left, ip), openStation(pair.right, right, ip)];
  aim(a, b.socket.address.port, ip);
  aim(b, a.socket.address.port, ip);
  const close = (): void => {
    a.close();
    b.close();
  };
  return { left: a, right: b, close };
}

/** Points a station's lane at a port; loopback of the same family, from its own loopback address. */
function aim(station: Station, port: number, ip: string): void {
  const { node, socket } = station;
  const lane = TABLE.lanes + node.lane * Lane.size;
  const target = { ip: ip === '::' ? '127.0.0.1' : ip, port };
  const addressBytes = encodeSocketAddress(target, socket.ipv6, node.tables.bytes, lane + Lane.at.address);
  const sourceAddress = new Uint8Array(16);
  sourceAddress.set(encodeIp(target.ip, socket.ipv6));
  setFields(node.tables.buffer, Lane, lane, { addressBytes, sourceAddress });
  // Clocks of real engines: the lane lives on.
  station.engine.wait(0, 0);
  setFields(node.tables.buffer, Lane, lane, { notAfterMs: headerOf(node, 'nowMs') + 180_000 });
}

function headerOf(node: FixtureNode, name: string): number {
  return getField(node.arena.buffer, ArenaHeader, ARENA.header, name);
}

function writeFrame(station: Station, frame: TapFrame): void {
  const data = new DataView(buffer.bytes.buffer);
  buffer.bytes.fill(0, 0, VIRTIO_BYTES);
  data.setUint16(0, frame.virtioFlags ?? 0, true);
  data.setUint16(4, frame.gsoSize ?? 0, true);
  data.setUint16(6, frame.csumStart ?? 0, true);
  data.setUint16(8, frame.csumOffset ?? 0, true);
  buffer.bytes.set(frame.bytes, VIRTIO_BYTES);
  assert.ok(libc.write(station.tap, buffer.address, VIRTIO_BYTES + frame.bytes.length) > 0);
}

function readFrames(station: Station): string[] {
  const frames: string[] = [];
  for (;;) {
    const length = libc.read(station.tap, buffer.address, 70_000);
    if (length < 0) return frames;
    frames.push(Buffer.from(buffer.bytes.subarray(0, length)).toString('hex'));
  }
}

/** One turn of egress: what lies on the TAP goes out. */
function sendFrames(station: Station): number {
  const { engine, node } = station;
  engine.wait(1000, 0);
  assert.equal(headerOf(node, 'readyTapCount'), 1);
  const frames = engine.readTap(0);
  engine.classify(frames);
  for (let from = 0; from < frames; ) {
    from = engine.segment(from, frames);
    const datagrams = headerOf(node, 'txDatagramCount');
    engine.seal(datagrams);
    const trains = engine.train(datagrams);
    for (let train = 0; train < trains; train++) {
      assert.equal(engine.closeLink(train), 0);
      engine.send(train);
    }
  }
  return frames;
}

/** Turns of ingress until nothing comes; loopback delivers before send returns. */
function receiveFrames(station: Station): number {
  const { engine, node } = station;
  let datagrams = 0;
  for (;;) {
    engine.wait(0, 1);
    if ((headerOf(node, 'ready') & READY_UDP) === 0) return datagrams;
    const count = engine.receive();
    engine.openLink(count, CARRIER_UDP);
    engine.forward(count);
    engine.openFrame(count);
    engine.learn(count);
    engine.writeTap(engine.coalesce(count));
    datagrams += count;
  }
}

/** Counters that do not depend on how often a thread slept. */
function counters(station: Station): Record<string, number> {
  const values = station.node.arena.counters;
  const named = COUNTER_NAMES.map((name, index) => [name, values[COUNTER_BASE + index] ?? 0] as const);
  const timeless = named.filter(([name]) => name !== 'wakeups' && name !== 'spins');
  return {
    ...Object.fromEntries(timeless),
    drops: values.subarray(0, COUNTER_BASE).reduce((sum, drop) => sum + drop),
  };
}

const SETTINGS: readonly { readonly name: string; readonly ip: string; readonly options: FixtureOptions }[] =
  [
    { name: 'IPv4, GSO', ip: '127.0.0.1', options: {} },
    { name: 'IPv4, one datagram a send', ip: '127.0.0.1', options: { gsoSegments: 1 } },
    { name: 'IPv6', ip: '::1', options: { datagramMtuBytes: 600 } },
    { name: 'IPv4 on a dual-stack socket', ip: '::', options: {} },
  ];

for (const { name, ip, options } of SETTINGS) {
  test(`every combination of engines carries the same frames: ${name}`, { skip }, () => {
    const outcomes = COMBINATIONS.map((combination) => {
      const { left, right, close } = openStations(combination, ip, options);
      const random = seeded(7);
      const macs = { own: left.node.mac, peer: right.node.mac };
      const written: string[] = [];
      for (let round = 0; round < 6; round++) {
        for (const frame of tcpRun(random, macs, 8)) writeFrame(left, frame);
        sendFrames(left);
        receiveFrames(right);
        written.push(...readFrames(right));
      }
      const outcome = { written, sender: counters(left), receiver: counters(right) };
      close();
      return outcome;
    });
    assert.ok((outcomes[0]?.written.length ?? 0) > 6);
    for (const outcome of outcomes) assert.deepEqual(outcome, outcomes[0]);
  });
}

test('both engines tell the same of where a message came from and went to', { skip }, () => {
  for (const ip of ['127.0.0.1', '::1', '::']) {
    const told = COMBINATIONS.map((combination) => {
      const { left, right, close } = openStations(combination, ip);
      for (const frame of tcpRun(seeded(1), { own: left.node.mac, peer: right.node.mac }, 1))
        writeFrame(left, frame);
      sendFrames(left);
      right.engine.wait(1000, 0);
      assert.equal(right.engine.receive(), 1);
      const bytes = Buffer.from(
        right.node.arena.bytes.slice(ARENA.messages, ARENA.messages + RxMessage.size),
      );
      bytes.writeUInt16BE(0, RxMessage.at.address + 2); // the port differs from run to run
      close();
      return bytes.toString('hex');
    });
    for (const message of told) assert.equal(message, told[0], ip);
  }
});

for (const combination of COMBINATIONS) {
  test(`probes cross from ${combination[0]} to ${combination[1]}, to the lane's address and to a named one`, {
    skip,
  }, () => {
    const { left, right, close } = openStations(combination, '127.0.0.1');
    for (const isNamed of [false, true]) {
      const at = ARENA.scratch;
      const body = seeded(3).bytes(1200);
      const { bytes } = left.node.arena;
      bytes.fill(0, at, at + 48);
      if (isNamed) {
        new DataView(bytes.buffer).setUint32(
          at + 28,
          encodeSocketAddress(right.socket.address, false, bytes, at),
          true,
        );
      }
      bytes.set(body, at + 48);
      assert.equal(left.engine.sendLink(left.node.lane, body.length), 0);
      right.engine.wait(1000, 0);
      const count = right.engine.receive();
      right.engine.openLink(count, CARRIER_UDP);
      right.engine.forward(count);
      const { buffer: memory } = right.node.arena;
      const field = (name: string): number => getField(memory, RxDatagram, ARENA.rxDatagrams, name);
      assert.equal(field('verdict'), RX_PUNTED);
      const opened = Buffer.from(memory, field('frameOffset'), field('frameLength'));
      assert.ok(opened.equals(body));
    }
    close();
  });
}

for (const engine of ['typescript', 'native'] as const) {
  test(`the ${engine} engine wakes for the eventfd, drains it, and follows its TAP queues`, { skip }, () => {
    const { left, close } = openStations([engine, engine], '127.0.0.1');
    signalEventfd(left.wake);
    left.engine.wait(1000, 0);
    assert.equal(headerOf(left.node, 'ready'), READY_WAKE);
    left.engine.wait(0, 0);
    assert.equal(headerOf(left.node, 'ready'), 0);
    setFields(left.node.arena.buffer, TapQueue, ARENA.tapQueues, { attached: 0 });
    setFields(left.node.arena.buffer, ArenaHeader, ARENA.header, { tapGeneration: 2 });
    writeFrame(left, { bytes: new Uint8Array(60) });
    left.engine.wait(0, 0);
    assert.equal(headerOf(left.node, 'readyTapCount'), 0);
    assert.equal(left.engine.readTap(0), 0);
    setFields(left.node.arena.buffer, TapQueue, ARENA.tapQueues, { attached: 1 });
    setFields(left.node.arena.buffer, ArenaHeader, ARENA.header, { tapGeneration: 3 });
    left.engine.wait(0, 0);
    assert.equal(headerOf(left.node, 'readyTapCount'), 1);
    close();
  });

  test(`the ${engine} engine says how long a queue stands in its socket`, { skip }, () => {
    const { left, right, close } = openStations([engine, engine], '127.0.0.1');
    const body = new Uint8Array(100);
    for (let sent = 0; sent < 100; sent++) {
      left.node.arena.bytes.fill(0, ARENA.scratch, ARENA.scratch + 48);
      left.node.arena.bytes.set(body, ARENA.scratch + 48);
      left.engine.sendLink(left.node.lane, body.length);
    }
    let standing = 0;
    for (let received = 0; received < 100; ) {
      received += right.engine.receive();
      const before = standing;
      standing = headerOf(right.node, 'standingBytes');
      if (standing === 0) assert.equal(received, 100, 'the socket is not empty yet');
      else assert.ok(standing - before >= 2048 + 148, `${before} then ${standing}`);
    }
    assert.equal(right.engine.receive(), 0);
    assert.equal(headerOf(right.node, 'standingBytes'), 0);
    close();
  });

  test(`the ${engine} engine counts what the kernel refuses`, { skip }, () => {
    const { left, right, close } = openStations([engine, engine], '127.0.0.1');
    const lane = TABLE.lanes + left.node.lane * Lane.size;
    // Port 0 is no destination.
    left.node.tables.bytes.fill(0, lane + Lane.at.address + 2, lane + Lane.at.address + 4);
    for (const frame of tcpRun(seeded(2), { own: left.node.mac, peer: right.node.mac }, 3))
      writeFrame(left, frame);
    sendFrames(left);
    assert.equal(left.node.arena.counters[DROP['send-failed']], 3);
    setFields(left.node.tables.buffer, Lane, lane, { addressBytes: 0, version: 2 });
    for (const frame of tcpRun(seeded(2), { own: left.node.mac, peer: right.node.mac }, 3))
      writeFrame(left, frame);
    sendFrames(left);
    assert.equal(left.node.arena.counters[DROP['lane-down']], 3);
    close();
  });
}
