/**
 * The process that is measured: turns of a data worker (workers/turn.ts) over tables that name the next trunk, or the
 * receive-and-send loop in the same turns. One socket, one thread.
 */
import { COUNTER } from '../../dataplane/base/counter.ts';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { signalEventfd } from '../../dataplane/io/eventfd.ts';
import { COUNTER_BASE } from '../../dataplane/shm/memory-map.ts';
import { runTurn } from '../../dataplane/workers/turn.ts';
import { createWorkerContext, type WorkerContext } from '../../dataplane/workers/worker-context.ts';
import type { BenchEngine } from '../section.ts';
import { answerBench } from './child.ts';
import { makeRelayNode } from './flows.ts';
import { openLinkNode } from './link-node.ts';
import { receiveAndSend } from './loop-engine.ts';

/** What is to be measured. */
export interface RelayQuestion {
  /** Make ready, or measure what comes. */
  readonly kind: 'prepare' | 'measure';
  /** `loop`: receive and send only. */
  readonly subject: BenchEngine | 'loop';
  readonly peer: string;
  readonly flowCount: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** What was measured. */
export interface RelayReading {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Sent on, and their bytes with the link header. */
  readonly datagrams: number;
  readonly bytes: number;
  readonly trains: number;
  /** By drop code, those that are not 0. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Nothing comes: the generator has failed. */
const SILENCE_MS = 3000;

const contexts = new Map<string, WorkerContext>();

function contextOf({ subject, flowCount, peer }: RelayQuestion): WorkerContext {
  const name = `${subject} ${flowCount}`;
  const present = contexts.get(name);
  if (present !== undefined) return present;
  const node = openLinkNode(makeRelayNode(flowCount), subject === 'loop' ? 'native' : subject, peer);
  const { engine } = subject === 'loop' ? receiveAndSend(node) : node;
  const { tables, arena } = node.node;
  const context = createWorkerContext({ engine, tables, arenas: [arena], worker: 0, wake: signalEventfd });
  contexts.set(name, context);
  return context;
}

interface Snapshot {
  readonly atMs: number;
  readonly cpuMicroseconds: number;
  readonly counters: Float64Array;
}

function look({ arena }: WorkerContext): Snapshot {
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), cpuMicroseconds: user + system, counters: arena.counters.slice() };
}

function runUntil(context: WorkerContext, done: () => boolean): void {
  while (!done()) runTurn(context);
}

function measure(context: WorkerContext, { warmUpSeconds, seconds }: RelayQuestion): RelayReading {
  const startMs = performance.now();
  const sentIndex = COUNTER_BASE + COUNTER.datagramsSent;
  const sentBefore = context.arena.counters[sentIndex] ?? 0;
  context.backlog = true;
  runUntil(context, () => {
    if (performance.now() - startMs > SILENCE_MS) throw new Error('nothing came to the relay');
    return (context.arena.counters[sentIndex] ?? 0) > sentBefore;
  });
  const warmMs = performance.now() + warmUpSeconds * 1000;
  runUntil(context, () => performance.now() >= warmMs);
  const before = look(context);
  const endMs = before.atMs + seconds * 1000;
  runUntil(context, () => performance.now() >= endMs);
  return difference(before, look(context));
}

function difference(before: Snapshot, after: Snapshot): RelayReading {
  const grown = (index: number): number => (after.counters[index] ?? 0) - (before.counters[index] ?? 0);
  const counted = (name: keyof typeof COUNTER): number => grown(COUNTER_BASE + COUNTER[name]);
  const drops = DROP_CODES.map((name, code) => [name, grown(code)] as const);
  return {
    seconds: (after.atMs - before.atMs) / 1000,
    cpuSeconds: (after.cpuMicroseconds - before.cpuMicroseconds) / 1e6,
    datagrams: counted('datagramsSent'),
    bytes: counted('datagramBytesSent'),
    trains: counted('trainsSent'),
    drops: Object.fromEntries(drops.filter(([, count]) => count > 0)),
  };
}

answerBench((question: RelayQuestion): RelayReading | undefined => {
  const context = contextOf(question);
  if (question.kind === 'measure') return measure(context, question);
  // What the last subject left in the socket is not this one's.
  while (context.engine.receive() > 0);
  return undefined;
});
