/**
 * One turn of a worker. The worker's thread; the loop around it is data-worker.ts.
 *
 *   1. wait          until something is ready; spinning first when little moves and an answer is near (spin.ts)
 *   2. injections    of the main thread and of other workers, within their budget
 *   3. egress        one batch of each ready TAP, and after each
 *   4. ingress       one batch of the socket, so that neither direction waits for the whole of the other
 *   5. finish        the turn is counted, and the main thread woken when it has events
 */
import { invariant } from '../base/invariant.ts';
import { ArenaHeader, READY_UDP, TAP_QUEUE_SLOTS, TablesHeader } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { egress } from './egress.ts';
import { ingress } from './ingress.ts';
import { drainInjections } from './injections.ts';
import { AFTER_NOTHING, AFTER_SENDING, AFTER_WRITING } from './spin.ts';
import { headerWord, type WorkerContext } from './worker-context.ts';

/** A sleeping worker looks around this often, so that a lost wake-up costs no more. */
const IDLE_WAIT_MS = 1000;
/**
 * With more turns in two milliseconds a worker is busy: spinning would take the core from the very programs that it waits
 * for, and the next batch is all the fuller for a short sleep.
 */
const SPIN_TURNS = 6;
/** Batches of the socket in a turn when no TAP is ready: with more, injections would wait. */
export const INGRESS_BATCHES = 4;

/**
 * Runs one turn.
 *
 * @returns frames, datagrams and messages moved
 */
export function runTurn(context: WorkerContext): number {
  const { arena } = context;
  wait(context);
  invariant(Atomics.load(arena.u32, ArenaHeader.at.crashRequest >> 2) === 0, 'a crash was asked for');
  const messages = drainInjections(context);
  let sent = 0;
  let written = 0;
  let mayReceive = (headerWord(arena, ArenaHeader.at.ready) & READY_UDP) !== 0;
  const taps = Math.min(headerWord(arena, ArenaHeader.at.readyTapCount), TAP_QUEUE_SLOTS);
  for (let i = 0; i < Math.max(taps, INGRESS_BATCHES); i++) {
    if (i >= taps && !mayReceive) break;
    if (i < taps) sent += egress(context, headerWord(arena, ARENA.readyTaps + 4 * i));
    const received = mayReceive ? ingress(context) : 0;
    mayReceive = received > 0;
    written += received;
  }
  context.turnBefore = written > 0 ? AFTER_WRITING : sent > 0 ? AFTER_SENDING : AFTER_NOTHING;
  finish(context);
  return messages + sent + written;
}

/** Stage 1; how long it took teaches how long to spin after the next turn of this kind. */
function wait(context: WorkerContext): void {
  const { arena, engine, spin, turnBefore } = context;
  if (context.backlog) {
    engine.wait(0, 0);
    return;
  }
  const windowUs = isQuiet(context) ? spin.windowUs(turnBefore) : 0;
  arena.u32[ArenaHeader.at.spinUs >> 2] = windowUs;
  engine.wait(IDLE_WAIT_MS, windowUs > 0 ? 1 : 0);
  const waitedUs = headerWord(arena, ArenaHeader.at.waitedUs);
  spin.waited(turnBefore, { waitedUs, spunUs: headerWord(arena, ArenaHeader.at.spunUs) });
}

/** Little moved in this millisecond and in the one before. */
function isQuiet(context: WorkerContext): boolean {
  const nowMs = headerWord(context.arena, ArenaHeader.at.nowMs);
  if (nowMs !== context.turnsMs) {
    context.turnsInMsBefore = nowMs === context.turnsMs + 1 ? context.turnsInMs : 0;
    context.turnsInMs = 0;
    context.turnsMs = nowMs;
  }
  context.turnsInMs++;
  return context.turnsInMs + context.turnsInMsBefore <= SPIN_TURNS;
}

/** Stage 5. The main thread waits on mainWake by Atomics.waitAsync. */
function finish(context: WorkerContext): void {
  Atomics.add(context.arena.u32, ArenaHeader.at.turns >> 2, 1);
  if (!context.eventsPut) return;
  context.eventsPut = false;
  const wake = TablesHeader.at.mainWake >> 2;
  Atomics.add(context.tables.i32, wake, 1);
  Atomics.notify(context.tables.i32, wake);
}
