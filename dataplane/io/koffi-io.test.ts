/**
 * The frame path's system calls over loopback sockets and a pair of Unix datagram sockets that stands in for a TAP:
 *
 *   arena A ── UDP 127.0.0.1 ── arena B ── Unix datagram pair ── the test
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { COUNTER, type CounterName } from '../base/counter.ts';
import { DROP, type DropName } from '../base/drop-code.ts';
import type { PacketIo } from '../contract/packet-io.ts';
import { type Arena, createArena } from '../shm/arena.ts';
import {
  ArenaHeader,
  FrameDescriptor,
  Iovec,
  Lane,
  LIMIT,
  READY_UDP,
  READY_WAKE,
  RxDatagram,
  RxMessage,
  TapQueue,
  TapWrite,
  Train,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, COUNTER_BASE, TABLE } from '../shm/memory-map.ts';
import { createTables, type Tables } from '../shm/tables.ts';
import { closeDescriptor, openEventfd, signalEventfd } from './eventfd.ts';
import { createKoffiIo } from './koffi-io.ts';
import { libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import { encodeSocketAddress } from './sockaddr.ts';
import { type DatagramSocket, openDatagramSocket } from './udp-socket.ts';

const LANE = 5;
const VLAN = 3;
let tables: Tables;
let a: Side;
let b: Side;
let tapEnd: number;

interface Side {
  readonly arena: Arena;
  readonly socket: DatagramSocket;
  readonly wake: number;
  readonly io: PacketIo;
}

function side(worker: number): Side {
  const arena = createArena(worker);
  const socket = openDatagramSocket({
    address: { ip: '127.0.0.1', port: 0 },
    bufferBytes: 4 << 20,
    gro: true,
  });
  const wake = openEventfd();
  arena.i32[ArenaHeader.at.udpFd >> 2] = socket.fd;
  arena.i32[ArenaHeader.at.wakeFd >> 2] = wake;
  return { arena, socket, wake, io: createKoffiIo(tables, arena) };
}

function counter(arena: Arena, name: CounterName): number {
  return arena.counters[COUNTER_BASE + COUNTER[name]] ?? 0;
}

function drops(arena: Arena, name: DropName): number {
  return arena.counters[DROP[name]] ?? 0;
}

/** Lays `count` datagrams of `size` bytes (the last `lastSize`) in one train for LANE. */
function layTrain(arena: Arena, count: number, size: number, lastSize: number): void {
  let offset = ARENA.txBuffer;
  for (let i = 0; i < count; i++) {
    const length = i === count - 1 ? lastSize : size;
    arena.bytes.fill(i + 1, offset, offset + length);
    const word = (ARENA.txDatagrams + i * TxDatagram.size) >> 2;
    arena.u32[word + (TxDatagram.at.offset >> 2)] = offset;
    arena.u32[word + (TxDatagram.at.length >> 2)] = length;
    offset += length;
  }
  const train = ARENA.trains >> 2;
  arena.u32[train + (Train.at.first >> 2)] = 0;
  arena.u32[train + (Train.at.count >> 2)] = count;
  arena.u32[train + (Train.at.lane >> 2)] = LANE;
  arena.u32[train + (Train.at.bytes >> 2)] = offset - ARENA.txBuffer;
}

/** Each received datagram as [first byte, length]. */
function received(arena: Arena, count: number): [number, number][] {
  return Array.from({ length: count }, (_, i) => {
    const word = (ARENA.rxDatagrams + i * RxDatagram.size) >> 2;
    const offset = arena.u32[word + (RxDatagram.at.offset >> 2)] ?? 0;
    const length = arena.u32[word + (RxDatagram.at.length >> 2)] ?? 0;
    assert.ok(arena.bytes.subarray(offset, offset + length).every((byte) => byte === arena.bytes[offset]));
    return [arena.bytes[offset] ?? 0, length];
  });
}

function header(arena: Arena, field: number): number {
  return arena.u32[field >> 2] ?? 0;
}

before(() => {
  tables = createTables({ workerCount: 1, tokenCapacity: 16, hashKey: { key0: 1, key1: 2 } });
  a = side(0);
  b = side(0);
  const lane = TABLE.lanes + LANE * Lane.size;
  const bytes = encodeSocketAddress(b.socket.address, false, tables.bytes, lane + Lane.at.address);
  tables.u32[(lane + Lane.at.addressBytes) >> 2] = bytes;
  const pair = allocateNative(8);
  assert.equal(libc.socketpair(1, 0o2004002, 0, pair.address), 0);
  tapEnd = pair.i32[1] ?? -1;
  const queue = (ARENA.tapQueues + VLAN * TapQueue.size) >> 2;
  b.arena.i32[queue + (TapQueue.at.fd >> 2)] = pair.i32[0] ?? -1;
  b.arena.u32[queue + (TapQueue.at.attached >> 2)] = 1;
  b.arena.u32[ArenaHeader.at.tapGeneration >> 2] = 1;
});

after(() => {
  for (const { io, socket, wake } of [a, b]) {
    io.close();
    closeDescriptor(socket.fd);
    closeDescriptor(wake);
  }
});

test('a train goes out whole and comes in as datagrams, with the address that it came from', () => {
  layTrain(a.arena, 5, 300, 40);
  a.io.send(0);
  b.io.wait(1000, 0);
  assert.equal(header(b.arena, ArenaHeader.at.ready) & READY_UDP, READY_UDP);
  const count = b.io.receive();
  assert.deepEqual(received(b.arena, count), [
    [1, 300],
    [2, 300],
    [3, 300],
    [4, 300],
    [5, 40],
  ]);
  const port = a.socket.address.port;
  const message = ARENA.messages;
  const address = b.arena.bytes.subarray(message + RxMessage.at.address, message + RxMessage.at.address + 8);
  assert.deepEqual([...address], [2, 0, port >> 8, port & 0xff, 127, 0, 0, 1]);
  const local = b.arena.bytes.subarray(
    message + RxMessage.at.localAddress,
    message + RxMessage.at.localAddress + 4,
  );
  assert.deepEqual([...local], [127, 0, 0, 1]);
  assert.equal(counter(a.arena, 'datagramsSent'), 5);
  assert.equal(counter(b.arena, 'datagramsReceived'), 5);
  assert.equal(b.io.receive(), 0);
});

test('a train that the kernel refuses is repeated datagram by datagram, and its lane stays with that', () => {
  // More segments than any kernel takes in one send.
  layTrain(a.arena, 200, 100, 100);
  a.io.send(0);
  assert.equal(counter(a.arena, 'gsoFallbacks'), 1);
  const firsts: number[] = [];
  for (let count = b.io.receive(); count > 0; count = b.io.receive()) {
    firsts.push(...received(b.arena, count).map(([first]) => first));
  }
  assert.deepEqual(
    firsts,
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  a.io.send(0);
  assert.equal(counter(a.arena, 'gsoFallbacks'), 1);
  while (b.io.receive() > 0);
  const serial = (TABLE.lanes + LANE * Lane.size + Lane.at.keySerial) >> 2;
  tables.u32[serial] = (tables.u32[serial] ?? 0) + 1;
});

test('a lane whose slot is being written, or without an address, drops its train and counts it', () => {
  const version = (TABLE.lanes + LANE * Lane.size) >> 2;
  layTrain(a.arena, 2, 100, 100);
  tables.u32[version] = 1;
  a.io.send(0);
  assert.equal(drops(a.arena, 'lane-down'), 2);
  tables.u32[version] = 2;
  a.io.send(0);
  assert.equal(drops(a.arena, 'lane-down'), 2);
  assert.equal(b.io.receive(), 2);
});

test('a datagram that is larger than UDP carries is counted as failed', () => {
  layTrain(a.arena, 1, 0, 65_600);
  a.io.send(0);
  assert.equal(drops(a.arena, 'send-failed'), 1);
});

test('a probe goes to its own endpoint, and the next train to its lane again', () => {
  const { arena } = a;
  arena.bytes.fill(9, ARENA.scratch + 100, ARENA.scratch + 200);
  const length = encodeSocketAddress(a.socket.address, false, arena.bytes, ARENA.scratch);
  arena.u32[(ARENA.scratch + 28) >> 2] = length;
  a.io.sendTo(LANE, ARENA.scratch, ARENA.scratch + 100, 100);
  a.io.wait(1000, 0);
  assert.deepEqual(received(arena, a.io.receive()), [[9, 100]]);
  arena.u32[(ARENA.scratch + 28) >> 2] = 0;
  a.io.sendTo(LANE, ARENA.scratch, ARENA.scratch + 100, 50);
  assert.deepEqual(received(b.arena, b.io.receive()), [[9, 50]]);
});

test('a wake-up is seen once; looking does not wait', () => {
  signalEventfd(b.wake);
  signalEventfd(b.wake);
  b.io.wait(1000, 0);
  assert.equal(header(b.arena, ArenaHeader.at.ready), READY_WAKE);
  b.io.wait(0, 0);
  assert.equal(header(b.arena, ArenaHeader.at.ready), 0);
  assert.notEqual(header(b.arena, ArenaHeader.at.nowMs), 0);
});

test('frames are read behind their virtio headers until the queue is empty', () => {
  const memory = allocateNative(128);
  memory.bytes.set([1, 0x84, 54, 0, 0x78, 5, 34, 0, 16, 0]);
  memory.bytes.fill(7, 10, 70);
  assert.equal(libc.write(tapEnd, memory.address, 70), 70);
  memory.bytes.fill(0, 0, 10);
  assert.equal(libc.write(tapEnd, memory.address, 24), 24);
  b.io.wait(1000, 0);
  assert.equal(header(b.arena, ArenaHeader.at.readyTapCount), 1);
  assert.equal(header(b.arena, ARENA.readyTaps), VLAN);
  assert.equal(b.io.readTap(VLAN), 2);
  const word = ARENA.frames >> 2;
  const frame = [...b.arena.u32.subarray(word, word + 7)];
  assert.deepEqual(frame, [ARENA.tapBuffer + 10, 60, VLAN, 0x8401, 1400, 34, 16]);
  assert.equal(b.arena.u32[(ARENA.frames + FrameDescriptor.size + FrameDescriptor.at.length) >> 2], 14);
  assert.equal(b.io.readTap(VLAN), 0);
  assert.equal(b.io.readTap(VLAN + 1), 0);
});

test('a TAP write gathers its pieces behind the virtio header, and one without a TAP is counted', () => {
  const { arena } = b;
  arena.bytes.set([0xaa, 0xab], ARENA.rxBuffer);
  arena.bytes.set([0xac], ARENA.rxBuffer + 500);
  arena.u32.set([ARENA.rxBuffer, 2, ARENA.rxBuffer + 500, 1], (ARENA.iovecs + 4 * Iovec.size) >> 2);
  const write = ARENA.writes >> 2;
  arena.u32.set([VLAN, 4, 2, 3], write);
  arena.bytes.fill(0x11, ARENA.writes + TapWrite.at.virtio, ARENA.writes + TapWrite.at.virtio + 10);
  arena.u32.set([VLAN + 1, 4, 1, 2], write + TapWrite.size / 4);
  arena.u32[(ARENA.writes + TapWrite.size + TapWrite.at.datagrams) >> 2] = 6;
  b.io.writeTap(2);
  const memory = allocateNative(64);
  assert.equal(libc.read(tapEnd, memory.address, 64), 13);
  assert.deepEqual(
    [...memory.bytes.subarray(0, 13)],
    [...new Array<number>(10).fill(0x11), 0xaa, 0xab, 0xac],
  );
  assert.equal(drops(arena, 'no-interface'), 6);
  assert.equal(counter(arena, 'tapFramesWritten'), 1);
});

test('each flow is written to one of the queues of its TAP, by the upper bits of its hash', () => {
  const { arena } = b;
  const pair = allocateNative(8);
  assert.equal(libc.socketpair(1, 0o2004002, 0, pair.address), 0);
  const first = (ARENA.tapQueues + VLAN * TapQueue.size) >> 2;
  const second = first + (LIMIT.vlans * TapQueue.size) / 4;
  arena.i32[second + (TapQueue.at.fd >> 2)] = pair.i32[0] ?? -1;
  arena.u32[second + (TapQueue.at.attached >> 2)] = 1;
  arena.u32[first + (TapQueue.at.queues >> 2)] = 2;
  arena.u32.set([ARENA.rxBuffer, 1], ARENA.iovecs >> 2);
  for (const [index, flowHash] of [0x1_ffff, 0x2_ffff, 0x3_0000].entries()) {
    const write = ARENA.writes + index * TapWrite.size;
    arena.u32.set([VLAN, 0, 1, 1], write >> 2);
    arena.u32[(write + TapWrite.at.flowHash) >> 2] = flowHash;
  }
  b.io.writeTap(3);
  const memory = allocateNative(64);
  assert.deepEqual(
    [0, 1].map(() => libc.read(pair.i32[1] ?? -1, memory.address, 11)),
    [11, 11],
  );
  assert.equal(libc.read(pair.i32[1] ?? -1, memory.address, 11), -1);
  assert.equal(libc.read(tapEnd, memory.address, 64), 11);
  // And what is read there is of the same VLAN.
  memory.bytes.fill(0, 0, 24);
  assert.equal(libc.write(pair.i32[1] ?? -1, memory.address, 24), 24);
  assert.equal(b.io.readTap(LIMIT.vlans + VLAN), 1);
  assert.equal(arena.u32[(ARENA.frames + FrameDescriptor.at.vlan) >> 2], VLAN);
  arena.u32[first + (TapQueue.at.queues >> 2)] = 1;
  arena.u32[second + (TapQueue.at.attached >> 2)] = 0;
  closeDescriptor(pair.i32[0] ?? -1);
  closeDescriptor(pair.i32[1] ?? -1);
});

test('a TAP that goes away is counted once and waited on no more', () => {
  closeDescriptor(tapEnd);
  const before = drops(b.arena, 'tap-read-failed');
  b.io.wait(0, 0);
  if (header(b.arena, ArenaHeader.at.readyTapCount) === 0) return;
  assert.equal(b.io.readTap(VLAN), 0);
  assert.ok(drops(b.arena, 'tap-read-failed') - before <= 1);
});
