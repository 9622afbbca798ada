/**
 * Drives the trace machine: real time, a timer, and the trunks' channel.
 *
 * Main thread.
 */
import type { TraceHop, TraceSummary } from '../admin/inspection.ts';
import { TraceMachine } from './trace-machine.ts';
import type {
  TraceCounters,
  TraceEffect,
  TraceId,
  TraceInput,
  TracePorts,
  TraceTarget,
} from './trace-port.ts';

/** What the driver needs of the node. */
export interface TraceDriverPorts extends TracePorts {
  /** Says something to a neighbour in the channel `trace`; without a trunk it is lost. */
  sendTrace(peer: string, bytes: Uint8Array): void;
  /** CLOCK_MONOTONIC in milliseconds, with fractions. */
  nowMs(): number;
}

interface Waiting {
  onHop(hop: TraceHop): void;
  done(summary: TraceSummary): void;
}

/** See the file's head. */
export class TraceDriver {
  readonly #ports: TraceDriverPorts;
  readonly #machine: TraceMachine;
  readonly #waiting = new Map<TraceId, Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #lastTrace: TraceId = 0;

  constructor(ports: TraceDriverPorts) {
    this.#ports = ports;
    this.#machine = new TraceMachine(ports);
  }

  get counters(): Readonly<TraceCounters> {
    return this.#machine.counters;
  }

  /** A neighbour said something in the channel `trace`. */
  heard(peer: string, bytes: Uint8Array): void {
    this.#input({ kind: 'heard', peer, bytes });
  }

  /** Traces the way to a station; resolves when it is over, or was ended by the signal. */
  trace(
    target: TraceTarget,
    timeoutMs: number,
    onHop: (hop: TraceHop) => void,
    signal: AbortSignal,
  ): Promise<TraceSummary> {
    const trace = ++this.#lastTrace;
    return new Promise((resolve) => {
      const stop = (): void => this.#input({ kind: 'stop-trace', trace });
      const done = (summary: TraceSummary): void => {
        signal.removeEventListener('abort', stop);
        resolve(summary);
      };
      this.#waiting.set(trace, { onHop, done });
      signal.addEventListener('abort', stop, { once: true });
      this.#input({ kind: 'trace', trace, target, timeoutMs });
      if (signal.aborted) stop();
    });
  }

  /** Ends all traces. */
  stop(): void {
    for (const trace of [...this.#waiting.keys()]) this.#input({ kind: 'stop-trace', trace });
    clearTimeout(this.#timer);
  }

  #input(input: TraceInput): void {
    for (const effect of this.#machine.handle(input, this.#ports.nowMs())) this.#perform(effect);
    this.#schedule();
  }

  #perform(effect: TraceEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#ports.sendTrace(effect.peer, effect.bytes);
        return;
      case 'hop':
        this.#waiting.get(effect.trace)?.onHop(effect.hop);
        return;
      case 'done': {
        const waiting = this.#waiting.get(effect.trace);
        this.#waiting.delete(effect.trace);
        waiting?.done(effect.summary);
      }
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const dueMs = this.#machine.nextTimeoutMs();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, Math.ceil(dueMs - this.#ports.nowMs()));
    this.#timer = setTimeout(() => this.#input({ kind: 'tick' }), delayMs);
  }
}
