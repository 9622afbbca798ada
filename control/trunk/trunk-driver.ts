/**
 * Runs the trunk machine: feeds it what network, data plane and clock say, and carries out its effects.
 *
 * Main thread. No decision is taken here. Inputs that arrive while another is being handled wait in line, so
 * the machine never sees one inside another. Carrier datagrams pass by the machine: they go straight from the
 * stream to the data plane and back, by the binding that the machine has set.
 */
import { monotonicMs } from '../monotonic-clock.ts';
import { createTrunkCrypto } from './handshake.ts';
import type { StreamId, TrunkNetwork } from './network-port.ts';
import type { TrunkConfig } from './trunk-config.ts';
import { TrunkMachine } from './trunk-machine.ts';
import type {
  LocalInput,
  NoticeEffect,
  PeerIdText,
  TrunkDataplane,
  TrunkEffect,
  TrunkId,
  TrunkInput,
} from './trunk-port.ts';
import type { TrunkStatus } from './trunk-status.ts';

export interface TrunkDriverPorts {
  readonly self: PeerIdText;
  readonly network: TrunkNetwork;
  readonly dataplane: TrunkDataplane;
  /** Trunks that come, go and get through again, shared VLANs, log lines. */
  readonly notify: (notice: NoticeEffect) => void;
  /** Every effect but log lines, for the log at its most talkative. */
  readonly debug?: (effect: TrunkEffect) => void;
  /** CLOCK_MONOTONIC in ms; the default is the process's own. */
  readonly nowMs?: () => number;
}

const STATS_INTERVAL_MS = 250;
/** Timers closer than this run together. */
const TICK_MIN_MS = 5;
const TICK_MAX_MS = 60_000;

export class TrunkDriver {
  readonly #ports: TrunkDriverPorts;
  readonly #machine: TrunkMachine;
  readonly #nowMs: () => number;
  readonly #waiting: TrunkInput[] = [];
  readonly #streamOfTrunk = new Map<TrunkId, StreamId>();
  readonly #trunkOfStream = new Map<StreamId, TrunkId>();
  #isHandling = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #statsTimer: NodeJS.Timeout | undefined;

  constructor(ports: TrunkDriverPorts, config: Partial<TrunkConfig> = {}) {
    this.#ports = ports;
    this.#nowMs = ports.nowMs ?? monotonicMs;
    const machinePorts = {
      self: ports.self,
      workerCount: ports.dataplane.workerCount,
      lanes: ports.dataplane,
      crypto: createTrunkCrypto(),
      unixOffsetMs: () => Date.now() - this.#nowMs(),
    };
    this.#machine = new TrunkMachine(machinePorts, config);
  }

  /** Begins to listen to network and data plane. Say `set-addresses`, `set-vlans` and `set-peers` by `input`. */
  start(): void {
    const { dataplane, network } = this.#ports;
    dataplane.attach({
      input: (input) => this.#input(input),
      sendStream: (trunk, bytes, offset, length) => {
        const stream = this.#streamOfTrunk.get(trunk);
        return stream !== undefined && network.sendCarrier(stream, bytes, offset, length);
      },
      sendBody: (peer, channel, body) => this.#input({ kind: 'send-body', peer, channel, body }),
    });
    network.attach({
      input: (input) => this.#input(input),
      carrierDatagram: (stream, bytes, offset, length) => {
        const trunk = this.#trunkOfStream.get(stream);
        if (trunk !== undefined) {
          dataplane.deliverStream(trunk, bytes, offset, length);
        }
      },
    });
    this.#statsTimer = setInterval(() => this.#pollStats(), STATS_INTERVAL_MS);
  }

  /** What the daemon decides: peers, VLANs, addresses. */
  input(input: LocalInput): void {
    this.#input(input);
  }

  status(): TrunkStatus[] {
    return this.#machine.status();
  }

  counters(): ReadonlyMap<string, number> {
    return this.#machine.counters();
  }

  /** @returns each neighbour's unix clock less ours, in ms */
  clockOffsetsMs(): number[] {
    return this.#machine.clockOffsetsMs();
  }

  /** Says goodbye to every peer, frees all lanes, and stops the timers. Stop the network after it. */
  stop(): void {
    this.#input({ kind: 'stop' });
    clearInterval(this.#statsTimer);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #input(input: TrunkInput): void {
    this.#waiting.push(input);
    if (this.#isHandling) {
      return;
    }
    this.#isHandling = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        for (const effect of this.#machine.handle(next, this.#nowMs())) {
          if (effect.kind !== 'log') this.#ports.debug?.(effect);
          this.#perform(effect);
        }
      }
    } finally {
      this.#isHandling = false;
    }
    this.#planTick();
  }

  #perform(effect: TrunkEffect): void {
    const { network, dataplane, notify } = this.#ports;
    switch (effect.kind) {
      case 'dial':
      case 'dial-unnamed':
      case 'open-stream':
      case 'send-message':
      case 'close-stream':
      case 'disconnect':
      case 'check-connections':
      case 'watch-connection':
      case 'want-peers':
      case 'want-relays':
      case 'avoid-networks':
        network.perform(effect);
        return;
      case 'bind-carrier':
        this.#bindCarrier(effect.trunk, effect.stream);
        return;
      case 'trunk-up':
      case 'trunk-back':
      case 'trunk-down':
      case 'vlans-shared':
      case 'trunk-stream':
      case 'trunk-cost':
      case 'body':
      case 'log':
        notify(effect);
        return;
      default:
        dataplane.perform(effect);
    }
  }

  #bindCarrier(trunk: TrunkId, stream: StreamId | undefined): void {
    const old = this.#streamOfTrunk.get(trunk);
    if (old !== undefined) {
      this.#trunkOfStream.delete(old);
      this.#streamOfTrunk.delete(trunk);
    }
    if (stream !== undefined) {
      this.#streamOfTrunk.set(trunk, stream);
      this.#trunkOfStream.set(stream, trunk);
    }
  }

  #pollStats(): void {
    const lanes = this.#ports.dataplane.laneStats();
    if (lanes.length > 0) {
      this.#input({ kind: 'lane-stats', lanes });
    }
  }

  #planTick(): void {
    const atMs = this.#machine.nextTimeoutMs();
    if (atMs === this.#timerAtMs && this.#timer !== undefined) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = atMs;
    if (Number.isFinite(atMs)) {
      const delayMs = Math.min(TICK_MAX_MS, Math.max(TICK_MIN_MS, Math.ceil(atMs - this.#nowMs())));
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#input({ kind: 'tick' });
      }, delayMs);
    }
  }
}
