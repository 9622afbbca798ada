/**
 * Owns the figures of the ring between two threads: how many messages a second cross it, and how long one takes. A
 * measuring thread, which has a peer of its own for it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { closeDescriptor, drainEventfd, openEventfd, signalEventfd } from '../../dataplane/io/eventfd.ts';
import { RingHeader } from '../../dataplane/shm/layout.ts';
import { emptyMessage, RingConsumer, RingProducer } from '../../dataplane/shm/ring.ts';
import { BatchTimes } from '../path/batch-times.ts';
import { FIGURE } from './micro-figures.ts';
import { RING_CONTROL, RING_MODE, type RingPeerStart } from './ring-peer.ts';
import { createSleeper } from './ring-sleeper.ts';
import type { MicroReading } from './stage-cells.ts';

/** As the rings between two workers (RING_BYTES.handoff). */
const RING_DATA_BYTES = 512 * 1024;
const DATAGRAM_BYTES = 1472;
const NS_A_MS = 1e6;
const BITS = 8;
/** Messages between two looks at the clock, and round trips. */
const MESSAGES_A_LOOK = 64;
const ROUNDS_A_BATCH = 8;

/** The rings, and the thread at their other end. */
export class RingBench {
  readonly #start: RingPeerStart;
  readonly #worker: Worker;
  readonly #control: Int32Array;
  readonly #producer: RingProducer;
  readonly #consumer: RingConsumer;
  readonly #payload = new Uint8Array(DATAGRAM_BYTES);
  readonly #message = emptyMessage();

  /** Starts the other thread and waits for it. */
  static async start(): Promise<RingBench> {
    const start = {
      there: makeRing(),
      back: makeRing(),
      control: new SharedArrayBuffer(4 * RING_CONTROL.words),
      wakeThereFd: openEventfd(),
      wakeBackFd: openEventfd(),
    };
    const worker = new Worker(new URL('./ring-peer.ts', import.meta.url), { workerData: start });
    await once(worker, 'message');
    return new RingBench(start, worker);
  }

  private constructor(start: RingPeerStart, worker: Worker) {
    this.#start = start;
    this.#worker = worker;
    this.#control = new Int32Array(start.control);
    this.#producer = new RingProducer(start.there, 0);
    this.#consumer = new RingConsumer(start.back, 0);
  }

  /** All figures once; a third of the time of each warms up. */
  measure(seconds: number): MicroReading[] {
    const place = { subject: 'ring' };
    const emptyRate = this.#rate(0, seconds);
    const datagramRate = this.#rate(DATAGRAM_BYTES, seconds);
    const spinning = this.#oneWayNs(RING_MODE.echoSpinning, seconds);
    const woken = this.#oneWayNs(RING_MODE.echoWoken, seconds);
    return [
      { group: 'ring', place: { ...place, figure: FIGURE.ringRate }, value: emptyRate / 1e6 },
      {
        group: 'ring',
        place: { ...place, figure: FIGURE.ringDatagramRate },
        value: (datagramRate * DATAGRAM_BYTES * BITS) / 1e9,
      },
      { group: 'ring', place: { ...place, figure: FIGURE.ringSpinning }, value: spinning },
      { group: 'ring', place: { ...place, figure: FIGURE.ringWoken }, value: woken },
    ];
  }

  /** The other thread must be gone before its descriptors are. */
  async close(): Promise<void> {
    const gone = once(this.#worker, 'exit');
    this.#setMode(RING_MODE.end);
    await gone;
    closeDescriptor(this.#start.wakeThereFd);
    closeDescriptor(this.#start.wakeBackFd);
  }

  /** Messages a second that the peer took. */
  #rate(payloadBytes: number, seconds: number): number {
    this.#setMode(RING_MODE.take);
    this.#pump(payloadBytes, seconds / 3);
    const rate = this.#pump(payloadBytes, seconds);
    this.#setMode(RING_MODE.idle);
    return rate;
  }

  #pump(payloadBytes: number, seconds: number): number {
    const takenBefore = Atomics.load(this.#control, RING_CONTROL.taken);
    const startMs = performance.now();
    let put = 0;
    do {
      for (let turn = 0; turn < MESSAGES_A_LOOK; turn++) {
        if (this.#producer.put(this.#message, this.#payload, 0, payloadBytes)) put++;
      }
    } while (performance.now() - startMs < seconds * 1000);
    while (((Atomics.load(this.#control, RING_CONTROL.taken) - takenBefore) | 0) < put);
    return (put * 1000) / (performance.now() - startMs);
  }

  /** Half of what it takes to the peer and back. */
  #oneWayNs(mode: number, seconds: number): number {
    const sleep = mode === RING_MODE.echoWoken ? createSleeper(this.#start.wakeBackFd) : undefined;
    this.#setMode(mode);
    this.#pingPong(sleep, seconds / 3);
    const ns = this.#pingPong(sleep, seconds);
    this.#setMode(RING_MODE.idle);
    return ns;
  }

  #pingPong(sleep: (() => void) | undefined, seconds: number): number {
    const times = new BatchTimes();
    const endMs = performance.now() + seconds * 1000;
    const batch = (): void => {
      for (let round = 0; round < ROUNDS_A_BATCH; round++) this.#thereAndBack(sleep);
    };
    do times.time(batch);
    while (performance.now() < endMs);
    return (times.medianMs() * NS_A_MS) / (2 * ROUNDS_A_BATCH);
  }

  #thereAndBack(sleep: (() => void) | undefined): void {
    this.#producer.putEmpty(this.#message);
    if (sleep !== undefined) signalEventfd(this.#start.wakeThereFd);
    while (!this.#consumer.peek(this.#message)) sleep?.();
    if (sleep !== undefined) drainEventfd(this.#start.wakeBackFd);
    this.#consumer.release();
  }

  /** A peer that sleeps, in whichever way, is woken for it. What is put from now on finds it in the new mode. */
  #setMode(mode: number): void {
    Atomics.store(this.#control, RING_CONTROL.mode, mode);
    Atomics.notify(this.#control, RING_CONTROL.mode);
    signalEventfd(this.#start.wakeThereFd);
    while (Atomics.load(this.#control, RING_CONTROL.entered) !== mode);
  }
}

function makeRing(): SharedArrayBuffer {
  const ring = new SharedArrayBuffer(RingHeader.size + RING_DATA_BYTES);
  new Uint32Array(ring)[RingHeader.at.capacity >> 2] = RING_DATA_BYTES;
  return ring;
}
