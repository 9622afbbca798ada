/**
 * Drives the trace machine: real time, a timer, and the trunks' channel.
 *
 * Main thread.
 */
import type { TraceHop, TraceSummary } from '../admin/inspection.ts';
import { MachineTimer } from '../machine-timer.ts';
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
  readonly #timer: MachineTimer;
  #lastTrace: TraceId = 0;

  constructor(ports: TraceDriverPorts) {
    this.#ports = ports;
    this.#machine = new TraceMachine(ports);
    this.#timer = new MachineTimer({
      nowMs: () => ports.nowMs(),
      tick: () => this.#input({ kind: 'tick' }),
    });
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
    this.#timer.stop();
  }

  #input(input: TraceInput): void {
    for (const effect of this.#machine.handle(input, this.#ports.nowMs())) this.#perform(effect);
    this.#timer.plan(this.#machine.nextTimeoutMs());
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
}
