/**
 * The process that is measured: turns of a data worker (workers/turn.ts) over tables that name the next trunk, or the
 * receive-and-send loop in the same turns. One socket, one thread.
 */
import { COUNTER } from '../../dataplane/base/counter.ts';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { monotonicMs } from '../../dataplane/io/clock.ts';
import { signalEventfd } from '../../dataplane/io/eventfd.ts';
import { COUNTER_BASE } from '../../dataplane/shm/memory-map.ts';
import { runTurn } from '../../dataplane/workers/turn.ts';
import { createWorkerContext, type WorkerContext } from '../../dataplane/workers/worker-context.ts';
import type { BenchEngine } from '../section.ts';
import { answerBench } from './child.ts';
import { type FlowPlan, makeRelayNode, type Passage, prolong, refill, relayedOf } from './flows.ts';
import { type LinkNode, openLinkNode } from './link-node.ts';
import { receiveAndSend } from './loop-engine.ts';

/** What is to be measured. */
export interface RelayQuestion extends FlowPlan {
  /** Make ready, or measure what comes. */
  readonly kind: 'prepare' | 'measure';
  /** `loop`: receive and send only. */
  readonly subject: BenchEngine | 'loop';
  readonly passage: Passage;
  readonly peer: string;
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
  readonly received: number;
  /** Passed on by the rules of a relay: 0 of the loop. */
  readonly forwarded: number;
  /** Those of the first flow among them. */
  readonly transferred: number;
  /** By how much the process's resident memory became larger. */
  readonly grownBytes: number;
  /** By drop code, those that are not 0. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Nothing comes: the generator has failed. */
const SILENCE_MS = 3000;

/** As the main thread of a daemon does. */
const REFILL_MS = 100;

interface Subject {
  readonly node: LinkNode;
  readonly context: WorkerContext;
}

const subjects = new Map<string, Subject>();

function subjectOf({ subject, passage, flowCount, tokenCount, peer }: RelayQuestion): Subject {
  const name = [subject, passage, flowCount, tokenCount].join();
  const present = subjects.get(name);
  if (present !== undefined) return present;
  const flows = makeRelayNode({ flowCount, tokenCount }, passage);
  const opened = openLinkNode(flows, subject === 'loop' ? 'native' : subject, peer);
  const node = subject === 'loop' ? receiveAndSend(opened) : opened;
  const { tables, arena } = node.node;
  const { engine } = node;
  const context = createWorkerContext({ engine, tables, arenas: [arena], worker: 0, wake: signalEventfd });
  subjects.set(name, { node, context });
  return { node, context };
}

interface Snapshot {
  readonly atMs: number;
  readonly cpuMicroseconds: number;
  readonly counters: Float64Array;
  readonly transferred: number;
  readonly residentBytes: number;
}

function look({ node, context }: Subject): Snapshot {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    cpuMicroseconds: user + system,
    counters: context.arena.counters.slice(),
    transferred: relayedOf(node.node, 0),
    residentBytes: process.memoryUsage.rss(),
  };
}

/** Turns until it is done, with new credits from time to time. */
function runUntil({ node, context }: Subject, done: (nowMs: number) => boolean): void {
  let refilledMs = 0;
  for (let nowMs = performance.now(); !done(nowMs); nowMs = performance.now()) {
    if (nowMs - refilledMs > REFILL_MS) {
      refill(node.node, node.lanes.length);
      refilledMs = nowMs;
    }
    runTurn(context);
  }
}

function measure(subject: Subject, { warmUpSeconds, seconds }: RelayQuestion): RelayReading {
  const { context } = subject;
  const startMs = performance.now();
  const sentIndex = COUNTER_BASE + COUNTER.datagramsSent;
  const sentBefore = context.arena.counters[sentIndex] ?? 0;
  context.backlog = true;
  runUntil(subject, (nowMs) => {
    if (nowMs - startMs > SILENCE_MS) throw new Error('nothing came to the relay');
    return (context.arena.counters[sentIndex] ?? 0) > sentBefore;
  });
  const warmMs = performance.now() + warmUpSeconds * 1000;
  runUntil(subject, (nowMs) => nowMs >= warmMs);
  const before = look(subject);
  const endMs = before.atMs + seconds * 1000;
  runUntil(subject, (nowMs) => nowMs >= endMs);
  return difference(before, look(subject));
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
    received: counted('datagramsReceived'),
    forwarded: counted('datagramsForwarded'),
    // The tables' totals wrap.
    transferred: (after.transferred - before.transferred) >>> 0,
    grownBytes: after.residentBytes - before.residentBytes,
    drops: Object.fromEntries(drops.filter(([, count]) => count > 0)),
  };
}

answerBench((question: RelayQuestion): RelayReading | undefined => {
  const subject = subjectOf(question);
  if (question.kind === 'measure') return measure(subject, question);
  prolong(subject.node.node, monotonicMs());
  // What the last subject left in the socket is not this one's.
  while (subject.context.engine.receive() > 0);
  return undefined;
});
