/**
 * Drives the echo machine: real time, a timer, and sends that may fail.
 *
 * Main thread.
 */
import type { PingReply, PingSummary } from '../admin/inspection.ts';
import { MachineTimer } from '../machine-timer.ts';
import { EchoMachine } from './echo-machine.ts';
import type {
  EchoCounters,
  EchoEffect,
  EchoInput,
  EchoPorts,
  EchoTarget,
  PingId,
  PingInput,
} from './echo-port.ts';

/** What the driver needs of the node. */
export interface EchoDriverPorts extends EchoPorts {
  /**
   * Seals an echo for a station and sends it on the way that its frames take.
   *
   * @returns false when there is no way now, or no room
   */
  sendEcho(vlan: string, mac: Uint8Array, body: Uint8Array): boolean;
  /** CLOCK_MONOTONIC in milliseconds, with fractions. */
  nowMs(): number;
}

interface Waiting {
  onReply(reply: PingReply): void;
  done(summary: PingSummary): void;
}

/** See the file's head. */
export class EchoDriver {
  readonly #ports: EchoDriverPorts;
  readonly #machine: EchoMachine;
  readonly #waiting = new Map<PingId, Waiting>();
  readonly #inputs: EchoInput[] = [];
  readonly #timer: MachineTimer;
  #lastPing: PingId = 0;
  #isBusy = false;

  constructor(ports: EchoDriverPorts) {
    this.#ports = ports;
    this.#machine = new EchoMachine(ports);
    this.#timer = new MachineTimer({
      nowMs: () => ports.nowMs(),
      tick: () => this.#input({ kind: 'tick' }),
    });
  }

  get counters(): Readonly<EchoCounters> {
    return this.#machine.counters;
  }

  /** An echo of a member was opened; `peer` is whose leaf it was sealed under. */
  heard(vlan: string, peer: string, body: Uint8Array): void {
    this.#input({ kind: 'heard', vlan, peer, body });
  }

  /** Pings a station; resolves when it is over, or was ended by the signal. */
  ping(
    target: EchoTarget,
    request: PingInput['request'],
    onReply: (reply: PingReply) => void,
    signal: AbortSignal,
  ): Promise<PingSummary> {
    const ping = ++this.#lastPing;
    return new Promise((resolve) => {
      const stop = (): void => this.#input({ kind: 'stop-ping', ping });
      const done = (summary: PingSummary): void => {
        signal.removeEventListener('abort', stop);
        resolve(summary);
      };
      this.#waiting.set(ping, { onReply, done });
      this.#input({ kind: 'ping', ping, target, request });
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** Ends all pings. */
  stop(): void {
    for (const ping of [...this.#waiting.keys()]) this.#input({ kind: 'stop-ping', ping });
    this.#timer.stop();
  }

  /** What a send answers at once is the machine's next input, not a call within a call. */
  #input(input: EchoInput): void {
    this.#inputs.push(input);
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const effect of this.#machine.handle(next, this.#ports.nowMs())) this.#perform(effect);
    }
    this.#isBusy = false;
    this.#timer.plan(this.#machine.nextTimeoutMs());
  }

  #perform(effect: EchoEffect): void {
    switch (effect.kind) {
      case 'send': {
        const { vlan, mac, body, question } = effect;
        const isSent = this.#ports.sendEcho(vlan, mac, body);
        if (!isSent && question !== undefined) this.#inputs.push({ kind: 'unsent', ...question });
        return;
      }
      case 'reply':
        this.#waiting.get(effect.ping)?.onReply(effect.reply);
        return;
      case 'done': {
        const waiting = this.#waiting.get(effect.ping);
        this.#waiting.delete(effect.ping);
        waiting?.done(effect.summary);
      }
    }
  }
}
