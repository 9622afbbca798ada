/**
 * The entry of the other thread of the ring's figures: takes messages from one ring, and answers through a second one
 * when it is asked to. It sleeps between figures.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { drainEventfd, signalEventfd } from '../../dataplane/io/eventfd.ts';
import { emptyMessage, RingConsumer, RingProducer } from '../../dataplane/shm/ring.ts';
import { createSleeper } from './ring-sleeper.ts';

/** What both threads agree on. */
export interface RingPeerStart {
  readonly there: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  /** Words of {@link RING_CONTROL}. */
  readonly control: SharedArrayBuffer;
  readonly wakeThereFd: number;
  readonly wakeBackFd: number;
}

/** Words that the threads share: what is asked for, what the peer does by now, and what it took. */
export const RING_CONTROL = { mode: 0, entered: 1, taken: 2, words: 3 } as const;

/** What the peer does until the mode changes. */
export const RING_MODE = { idle: 0, take: 1, echoSpinning: 2, echoWoken: 3, end: 4 } as const;

function serve(start: RingPeerStart): void {
  const control = new Int32Array(start.control);
  const modes: Readonly<Record<number, () => void>> = {
    [RING_MODE.idle]: () => void Atomics.wait(control, RING_CONTROL.mode, RING_MODE.idle),
    [RING_MODE.take]: makeTake(start, control),
    [RING_MODE.echoSpinning]: makeEcho(start, () => undefined),
    [RING_MODE.echoWoken]: makeWokenEcho(start),
  };
  parentPort?.postMessage('ready');
  for (;;) {
    const mode = Atomics.load(control, RING_CONTROL.mode);
    Atomics.store(control, RING_CONTROL.entered, mode);
    if (mode === RING_MODE.end) return;
    modes[mode]?.();
  }
}

/** Takes whatever is there. */
function makeTake({ there }: RingPeerStart, control: Int32Array): () => void {
  const ring = new RingConsumer(there, 0);
  const message = emptyMessage();
  return () => {
    let taken = 0;
    while (ring.peek(message)) {
      ring.release();
      taken++;
    }
    if (taken > 0) Atomics.add(control, RING_CONTROL.taken, taken);
  };
}

/** Answers each message that is there. */
function makeEcho({ there, back }: RingPeerStart, wake: () => void): () => void {
  const from = new RingConsumer(there, 0);
  const to = new RingProducer(back, 0);
  const message = emptyMessage();
  return () => {
    while (from.peek(message)) {
      from.release();
      to.putEmpty(message);
      wake();
    }
  };
}

/** Sleeps until a message is there. */
function makeWokenEcho(start: RingPeerStart): () => void {
  const sleep = createSleeper(start.wakeThereFd);
  const echo = makeEcho(start, () => signalEventfd(start.wakeBackFd));
  return () => {
    sleep();
    drainEventfd(start.wakeThereFd);
    echo();
  };
}

const start = workerData as RingPeerStart | null;
if (start !== null && 'wakeThereFd' in start) serve(start);
