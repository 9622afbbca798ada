/**
 * Reads frames from TAP queues into the arena and writes them from there, by read and writev. The worker's thread.
 *
 *   tap buffer   ┌ virtio header 10 │ frame ┬ virtio header 10 │ frame ┬ …      each place starts on 16 bytes
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { type Arena, count } from '../shm/arena.ts';
import {
  BATCH,
  FrameDescriptor,
  Iovec,
  LIMIT,
  TAP_QUEUE_SLOTS,
  TapQueue,
  TapWrite,
  VIRTIO_HEADER_BYTES,
} from '../shm/layout.ts';
import { ARENA, TAP_BUFFER_BYTES } from '../shm/memory-map.ts';
import { PointerCache } from '../shm/pointer-cache.ts';
import { errno, libc } from './libc.ts';
import { allocateNative, type NativeMemory, writeWord64 } from './native-memory.ts';
import { ERRNO } from './system-error.ts';

const IOVEC_BYTES = 16;
/** The kernel takes 1,024 pieces a write; one is the virtio header. */
const MAX_PIECES = 1023;
const PLACE_ALIGNMENT = 16;
const QUEUE_HASH_SHIFT = 16;

/** One worker's TAP queues. */
export class TapQueueIo {
  readonly #arena: Arena;
  readonly #memory: NativeMemory;
  /** Of the TAP buffer. */
  readonly #places: PointerCache;
  readonly #iovecs = allocateNative(IOVEC_BYTES * (MAX_PIECES + 1));
  readonly #onGone: (fd: number) => void;

  /**
   * @param memory - native views of the arena
   * @param onGone - told once about a queue whose interface was removed under us
   */
  constructor(arena: Arena, memory: NativeMemory, onGone: (fd: number) => void) {
    this.#arena = arena;
    this.#memory = memory;
    this.#places = new PointerCache(memory.address + ARENA.tapBuffer);
    this.#onGone = onGone;
  }

  /** As Engine.readTap. */
  read(queue: number): number {
    const fd = this.#fd(queue);
    const vlan = queue % LIMIT.vlans;
    if (fd < 0) return 0;
    let place = 0;
    let frames = 0;
    let bytes = 0;
    while (frames < BATCH.frames && place < BATCH.tapBudgetBytes) {
      const length = libc.read(fd, this.#places.at(place), TAP_BUFFER_BYTES - place);
      if (length < 0) {
        if (this.#mayReadAgain(fd)) continue;
        break;
      }
      // A read shorter than its own header cannot come from a TAP.
      if (length <= VIRTIO_HEADER_BYTES) break;
      this.#describe(frames, vlan, ARENA.tapBuffer + place, length - VIRTIO_HEADER_BYTES);
      frames++;
      bytes += length - VIRTIO_HEADER_BYTES;
      place += (length + PLACE_ALIGNMENT - 1) & -PLACE_ALIGNMENT;
    }
    count(this.#arena, COUNTER.tapFramesRead, frames);
    count(this.#arena, COUNTER.tapBytesRead, bytes);
    return frames;
  }

  /** As Engine.writeTap. */
  write(writes: number): void {
    for (let index = 0; index < writes; index++) this.#writeOne(ARENA.writes + index * TapWrite.size);
  }

  /** @param queue - TapQueue index */
  #fd(queue: number): number {
    if (queue >= TAP_QUEUE_SLOTS) return -1;
    const word = (ARENA.tapQueues + queue * TapQueue.size) >> 2;
    if (Atomics.load(this.#arena.u32, word + (TapQueue.at.attached >> 2)) !== 1) return -1;
    return Atomics.load(this.#arena.i32, word + (TapQueue.at.fd >> 2));
  }

  /**
   * The queue that a write goes to. The kernel sends a flow's answers to the queue on which the flow was written, so
   * flows that are kept apart here do not wait for each other there. The lower bits of the hash have chosen the lane.
   */
  #queueFor(write: number): number {
    const vlan = this.#u32(write + TapWrite.at.vlan);
    const field = ARENA.tapQueues + vlan * TapQueue.size + TapQueue.at.queues;
    const queues = Math.max(Atomics.load(this.#arena.u32, field >> 2), 1);
    const choice = (this.#u32(write + TapWrite.at.flowHash) >>> QUEUE_HASH_SHIFT) & (queues - 1);
    return choice * LIMIT.vlans + vlan;
  }

  /** Only an interrupted read is repeated; an empty queue ends the batch, and so does a failure, which is counted. */
  #mayReadAgain(fd: number): boolean {
    const number = errno();
    if (number === ERRNO.EINTR) return true;
    if (number === ERRNO.EAGAIN) return false;
    this.#drop(DROP['tap-read-failed'], 1);
    this.#onGone(fd);
    return false;
  }

  #describe(index: number, vlan: number, headerAt: number, length: number): void {
    const { u32 } = this.#arena;
    const at = FrameDescriptor.at;
    const word = (ARENA.frames + index * FrameDescriptor.size) >> 2;
    u32[word + (at.offset >> 2)] = headerAt + VIRTIO_HEADER_BYTES;
    u32[word + (at.length >> 2)] = length;
    u32[word + (at.vlan >> 2)] = vlan;
    u32[word + (at.virtioFlags >> 2)] = this.#u16(headerAt);
    u32[word + (at.gsoSize >> 2)] = this.#u16(headerAt + 4);
    u32[word + (at.csumStart >> 2)] = this.#u16(headerAt + 6);
    u32[word + (at.csumOffset >> 2)] = this.#u16(headerAt + 8);
  }

  #writeOne(write: number): void {
    const datagrams = this.#u32(write + TapWrite.at.datagrams);
    const pieces = this.#u32(write + TapWrite.at.iovecCount);
    const fd = this.#fd(this.#queueFor(write));
    if (fd < 0) return this.#drop(DROP['no-interface'], datagrams);
    if (pieces > MAX_PIECES) return this.#drop(DROP['tap-write-failed'], datagrams);
    this.#layIovecs(write, this.#u32(write + TapWrite.at.iovecFirst), pieces);
    if (libc.writev(fd, this.#iovecs.pointer, pieces + 1) >= 0) {
      count(this.#arena, COUNTER.tapFramesWritten, 1);
      count(this.#arena, COUNTER.tapBytesWritten, this.#u32(write + TapWrite.at.length));
      return;
    }
    const number = errno();
    const full = number === ERRNO.EAGAIN || number === ERRNO.ENOBUFS || number === ERRNO.ENOMEM;
    this.#drop(full ? DROP['tap-write-full'] : DROP['tap-write-failed'], datagrams);
  }

  #layIovecs(write: number, first: number, pieces: number): void {
    const { u32 } = this.#arena;
    const base = this.#memory.address;
    writeWord64(this.#iovecs, 0, base + write + TapWrite.at.virtio);
    writeWord64(this.#iovecs, 8, VIRTIO_HEADER_BYTES);
    for (let i = 0; i < pieces; i++) {
      const iovec = (ARENA.iovecs + (first + i) * Iovec.size) >> 2;
      writeWord64(this.#iovecs, IOVEC_BYTES * (i + 1), base + (u32[iovec] ?? 0));
      writeWord64(this.#iovecs, IOVEC_BYTES * (i + 1) + 8, u32[iovec + 1] ?? 0);
    }
  }

  #u16(at: number): number {
    return (this.#arena.bytes[at] ?? 0) | ((this.#arena.bytes[at + 1] ?? 0) << 8);
  }

  #u32(at: number): number {
    return this.#arena.u32[at >> 2] ?? 0;
  }

  #drop(code: number, datagrams: number): void {
    this.#arena.counters[code] = (this.#arena.counters[code] ?? 0) + datagrams;
  }
}
