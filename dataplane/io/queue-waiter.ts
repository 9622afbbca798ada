/**
 * Where a worker of the TypeScript engine sleeps: one epoll over its TAP queues, its socket and its wake eventfd.
 * The worker's thread. The set is made anew when the main thread has changed the TAP queues, so that no descriptor
 * that was closed and opened again is mistaken for an old one.
 */
import { arch } from 'node:os';
import { COUNTER } from '../base/counter.ts';
import { type Arena, count } from '../shm/arena.ts';
import { ArenaHeader, READY_UDP, READY_WAKE, TAP_QUEUE_SLOTS, TapQueue } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { monotonicMs, monotonicUs } from './clock.ts';
import { drainEventfd } from './eventfd.ts';
import { errno, libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import { unexpectedError } from './system-error.ts';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** The kernel packs struct epoll_event on x86-64 only. */
const PACKED = arch() === 'x64';
const EVENT_BYTES = PACKED ? 12 : 16;
const EVENT_DATA = PACKED ? 4 : 8;
const MAX_EVENTS = TAP_QUEUE_SLOTS + 2;
const TAG_UDP = 0xffff_0001;
const TAG_WAKE = 0xffff_0002;

const H = {
  nowMs: ArenaHeader.at.nowMs >> 2,
  ready: ArenaHeader.at.ready >> 2,
  readyTapCount: ArenaHeader.at.readyTapCount >> 2,
  tapGeneration: ArenaHeader.at.tapGeneration >> 2,
  spinUs: ArenaHeader.at.spinUs >> 2,
  spunUs: ArenaHeader.at.spunUs >> 2,
  waitedUs: ArenaHeader.at.waitedUs >> 2,
} as const;

/** Waits on one worker's descriptors. */
export class QueueWaiter {
  readonly #arena: Arena;
  readonly #events = allocateNative(EVENT_BYTES * MAX_EVENTS);
  readonly #control = allocateNative(16);
  #epoll = -1;
  #generation = 0;

  /** @throws SystemError when the kernel gives no epoll */
  constructor(arena: Arena) {
    this.#arena = arena;
    this.#rebuild();
  }

  /** As Engine.wait. */
  wait(timeoutMs: number, spin: number): void {
    const { u32 } = this.#arena;
    if (Atomics.load(u32, H.tapGeneration) !== this.#generation) this.#rebuild();
    const startUs = monotonicUs();
    let ready = spin === 0 ? 0 : this.#spin(startUs, u32[H.spinUs] ?? 0);
    const spunUs = spin === 0 ? 0 : (monotonicUs() - startUs) >>> 0;
    if (ready <= 0) {
      ready = this.#poll(timeoutMs);
      if (timeoutMs > 0) count(this.#arena, COUNTER.wakeups, 1);
    }
    u32[H.spunUs] = spunUs;
    u32[H.waitedUs] = (monotonicUs() - startUs) >>> 0;
    this.#publish(ready);
  }

  /** Stops waiting on a TAP queue whose interface is gone: it would be readable for ever. */
  forget(fd: number): void {
    libc.epollControl(this.#epoll, EPOLL_CTL_DEL, fd, this.#control.address);
  }

  close(): void {
    if (this.#epoll >= 0) libc.close(this.#epoll);
    this.#epoll = -1;
  }

  #poll(timeoutMs: number): number {
    return libc.epollWait(this.#epoll, this.#events.pointer, MAX_EVENTS, timeoutMs);
  }

  #spin(startUs: number, spinUs: number): number {
    for (;;) {
      const ready = this.#poll(0);
      if (ready !== 0) return ready;
      count(this.#arena, COUNTER.spins, 1);
      if ((monotonicUs() - startUs) >>> 0 >= spinUs) return 0;
    }
  }

  /** Writes what is ready into the arena; -1 (a signal) is taken as nothing. */
  #publish(events: number): void {
    const { u32, i32 } = this.#arena;
    const { u32: event } = this.#events;
    let ready = 0;
    let taps = 0;
    for (let i = 0; i < events; i++) {
      const tag = event[(EVENT_BYTES * i + EVENT_DATA) >> 2] ?? 0;
      if (tag === TAG_UDP) ready |= READY_UDP;
      else if (tag === TAG_WAKE) ready |= READY_WAKE;
      else u32[(ARENA.readyTaps >> 2) + taps++] = tag;
    }
    if ((ready & READY_WAKE) !== 0) drainEventfd(i32[ArenaHeader.at.wakeFd >> 2] ?? -1);
    u32[H.ready] = ready;
    u32[H.readyTapCount] = taps;
    u32[H.nowMs] = monotonicMs();
  }

  #rebuild(): void {
    const { u32, i32 } = this.#arena;
    this.close();
    this.#epoll = libc.epollCreate(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw unexpectedError('make an epoll', errno());
    this.#generation = Atomics.load(u32, H.tapGeneration);
    this.#add(i32[ArenaHeader.at.udpFd >> 2] ?? -1, TAG_UDP);
    this.#add(i32[ArenaHeader.at.wakeFd >> 2] ?? -1, TAG_WAKE);
    for (let queue = 0; queue < TAP_QUEUE_SLOTS; queue++) {
      const word = (ARENA.tapQueues + queue * TapQueue.size) >> 2;
      const attached = Atomics.load(u32, word + (TapQueue.at.attached >> 2));
      if (attached === 1) this.#add(Atomics.load(i32, word + (TapQueue.at.fd >> 2)), queue);
    }
  }

  #add(fd: number, tag: number): void {
    if (fd < 0) return;
    this.#control.u32.fill(0);
    this.#control.u32[0] = EPOLLIN;
    this.#control.u32[EVENT_DATA >> 2] = tag;
    libc.epollControl(this.#epoll, EPOLL_CTL_ADD, fd, this.#control.address);
  }
}
