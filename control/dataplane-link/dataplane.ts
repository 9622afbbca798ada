/**
 * The data plane as control sees it: workers, shared tables, trunks' lanes, and the VLANs that use them.
 *
 *   open ─▶ memory, sockets, tables │ start ─▶ workers, events, timer │ vlans.join … │ stop
 *
 *   event rings ─▶ TrunkLink (probes, stream carriers)     TrunkLink ─▶ lane and trunk tables
 *              └─▶ VlanSet   (control, stations, senders)  VlanSet   ─▶ every other table
 *
 * Main thread only: the single writer of the shared tables. Never on the frame path.
 *
 * @see docs/architecture.md
 */
import { randomBytes } from 'node:crypto';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { deriveTokensNatively } from '../../dataplane/native/load.ts';
import { ArenaHeader } from '../../dataplane/shm/layout.ts';
import { type WorkerDown, WorkerSupervisor } from '../../dataplane/workers/supervisor.ts';
import { monotonicMs } from '../monotonic-clock.ts';
import { createRoutePorts } from '../token/node-ports.ts';
import type { BodyHeard, NoticeEffect, TrunkDataplane, TrunkId } from '../trunk/trunk-port.ts';
import { type DataplaneTotals, totalCounters } from './dataplane-counters.ts';
import {
  closeDataplaneMemory,
  type DataplaneMemory,
  limitTapOffloads,
  openDataplaneMemory,
} from './dataplane-memory.ts';
import type { DataplaneOptions } from './dataplane-options.ts';
import { EventPump } from './event-pump.ts';
import { createEventSink, type EchoListener } from './event-sink.ts';
import { FabricLink } from './fabric-link.ts';
import { Injector } from './injector.ts';
import { Quiescence } from './quiescence.ts';
import { RelayLink } from './relay-link.ts';
import { createTableWriters, type TableWriters } from './table-writers.ts';
import { TapLink } from './tap-link.ts';
import { TrunkLink } from './trunk-link.ts';
import { VlanSet } from './vlan-set.ts';

const POLL_MS = 100;
const STOP_DEADLINE_MS = 2_000;
const SETTLE_STEP_MS = 5;
const SETTLE_STEPS = 100;
/** After a worker's death its lanes are made anew within this time. */
const RECOVERY_MS = 10_000;
/** A step of the clock by less is no news to membership. */
const CLOCK_STEP_MS = 50;

/** See the file's head. */
export class Dataplane {
  /** The VLANs that this node takes part in. */
  readonly vlans: VlanSet;
  /** Which segments are carried, along which trunks. */
  readonly fabric: FabricLink;
  /** What is carried for others. */
  readonly relay: RelayLink;
  /** Takes members' echoes. */
  echoHeard: EchoListener = () => undefined;
  readonly #options: DataplaneOptions;
  readonly #memory: DataplaneMemory;
  readonly #quiescence: Quiescence;
  readonly #writers: TableWriters;
  readonly #injector: Injector;
  readonly #supervisor: WorkerSupervisor;
  readonly #trunkLink: TrunkLink;
  readonly #pump: EventPump;
  readonly #drops = new Float64Array(DROP_CODES.length);
  #timer: NodeJS.Timeout | undefined;
  #unixOffsetMs = Date.now() - monotonicMs();
  #clockCorrectionMs = 0;
  #workerRestarts = 0;
  #recoveringUntilMs = 0;
  #greeting: NodeJS.Immediate | undefined;

  /**
   * Binds sockets and makes the tables; no worker runs yet.
   *
   * @throws SystemError when the kernel refuses
   */
  static open(options: DataplaneOptions): Dataplane {
    return new Dataplane(options, openDataplaneMemory(options));
  }

  private constructor(options: DataplaneOptions, memory: DataplaneMemory) {
    this.#options = options;
    this.#memory = memory;
    const wake = (worker: number): void => {
      this.#supervisor.wake(worker);
    };
    this.#quiescence = new Quiescence(memory.arenas, wake);
    this.#writers = createTableWriters(memory.tables, this.#quiescence, () => randomBytes(4).readUInt32LE());
    this.#injector = new Injector(memory.arenas, wake, this.#drops);
    this.#supervisor = this.#createSupervisor();
    this.relay = this.#createRelay();
    this.fabric = this.#createFabric();
    this.vlans = this.#createVlans();
    this.#trunkLink = this.#createTrunkLink();
    const sink = createEventSink(this.vlans, this.#trunkLink, this);
    this.#pump = new EventPump(memory.tables, memory.arenas, sink);
  }

  /** What the trunk driver drives. */
  get trunkDataplane(): TrunkDataplane {
    return this.#trunkLink;
  }

  /** The workers' sockets, as bound and with what the kernel granted; worker 0's first. */
  get sockets(): DataplaneMemory['sockets'] {
    return this.#memory.sockets;
  }

  /** Why offloads are off. */
  get offloadReasons(): readonly string[] {
    return this.#memory.offloadReasons;
  }

  /** Counters of all workers, and drops. */
  totals(): DataplaneTotals {
    const totals = totalCounters(this.#memory.arenas, this.#drops);
    return { ...totals, counters: { ...totals.counters, workerRestarts: this.#workerRestarts } };
  }

  /** Bytes that a trunk's present lanes have carried. */
  trunkBytes(trunk: TrunkId): { readonly sent: number; readonly received: number } {
    return this.#trunkLink.trunkBytes(trunk);
  }

  /**
   * Starts the workers.
   *
   * @throws Error when one does not start
   */
  async start(): Promise<void> {
    await this.#supervisor.start();
    this.#pump.start();
    this.#timer = setInterval(() => {
      this.#poll();
    }, POLL_MS);
  }

  /** What the trunk machine tells of trunks. */
  trunkNotice(notice: NoticeEffect): void {
    switch (notice.kind) {
      case 'trunk-up':
        return this.fabric.input({ kind: 'trunk-up', peer: notice.peer, roles: notice.roles });
      case 'trunk-cost':
        return this.fabric.input({ kind: 'trunk-cost', peer: notice.peer, cost: notice.cost });
      case 'vlans-shared':
        return this.vlans.share(notice.peer, notice.vlans);
      case 'trunk-down':
        this.vlans.share(notice.peer, []);
        return this.fabric.input({ kind: 'trunk-down', peer: notice.peer });
      case 'trunk-back':
        return this.vlans.greetPeer(notice.peer);
      case 'trunk-stream':
        return this.fabric.input({ kind: 'trunk-again', peer: notice.peer });
      case 'body':
        return this.#bodyHeard(notice);
      case 'log':
    }
  }

  #bodyHeard({ peer, channel, body }: BodyHeard): void {
    if (channel !== 'trace') {
      this.fabric.input({ kind: 'heard', peer, channel, body });
    }
  }

  /** What to add to our clock to be with the trunk peers: tokens and epochs go by it. */
  setClockCorrection(correctionMs: number): void {
    this.#clockCorrectionMs = correctionMs;
    this.#checkClock();
  }

  /** The addresses that this node has now: nothing is sent from others any more. */
  setOwnAddresses(ips: ReadonlySet<string>): void {
    this.#trunkLink.keepSources(ips);
  }

  /** Makes a worker throw, for tests; false unless `debug` is on. */
  crashWorker(worker: number): boolean {
    return this.#supervisor.crashWorker(worker);
  }

  /** Says goodbye in every VLAN, while the trunks that carry it are still there; @returns when no interface is left */
  async leaveVlans(): Promise<void> {
    const left = Promise.all(this.vlans.ids().map((id) => this.vlans.leave(id)));
    await this.#settle();
    await left;
  }

  /** Leaves every VLAN, ends the workers, closes everything. */
  async stop(): Promise<void> {
    await this.leaveVlans();
    clearInterval(this.#timer);
    clearImmediate(this.#greeting);
    this.fabric.stop();
    this.#pump.stop();
    if (!(await this.#supervisor.stop(STOP_DEADLINE_MS))) {
      this.#options.log({
        level: 'warn',
        code: 'worker-terminated',
        message: 'A data worker did not end in time.',
      });
    }
    this.#quiescence.releaseAll();
    closeDataplaneMemory(this.#memory);
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────

  #poll(): void {
    this.#checkClock();
    this.#trunkLink.pollAccepted();
    this.relay.poll(monotonicMs(), this.fabric);
    this.vlans.poll();
    this.#quiescence.poll();
  }

  /** The wall clock may be set while the monotonic one goes on. */
  #checkClock(): void {
    const offsetMs = Date.now() - monotonicMs() + this.#clockCorrectionMs;
    if (Math.abs(offsetMs - this.#unixOffsetMs) >= CLOCK_STEP_MS) {
      this.#unixOffsetMs = offsetMs;
      this.vlans.clockChanged(offsetMs);
    }
  }

  /** Lets the workers pass turns until nothing waits for them: what was said last is sent, interfaces are closed. */
  async #settle(): Promise<void> {
    this.#quiescence.retire(() => undefined);
    for (let step = 0; step < SETTLE_STEPS && this.#quiescence.waiting > 0; step++) {
      this.#quiescence.poll();
      await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
    }
    // Only a worker that hangs leaves something; it will be terminated, and what it held with it.
    while (this.#quiescence.waiting > 0) {
      this.#quiescence.releaseAll();
    }
  }

  // ── Workers ──────────────────────────────────────────────────────────────────────────────────────────

  #workerDown({ worker, reason }: WorkerDown): void {
    this.#workerRestarts++;
    this.#options.log({
      level: 'error',
      code: 'worker-died',
      message: `Data worker ${worker} died: ${reason}`,
    });
    this.#recoveringUntilMs = monotonicMs() + RECOVERY_MS;
    this.#trunkLink.workerDied(worker);
    this.vlans.workerDied(worker);
  }

  /** The new salts were announced when perhaps no lane was left to carry the news: say it again on the new ones. */
  #laneUsed(): void {
    if (monotonicMs() < this.#recoveringUntilMs) {
      this.#greeting ??= setImmediate(() => {
        this.#greeting = undefined;
        this.vlans.greet();
      });
    }
  }

  #workerRestarted(worker: number): void {
    this.#options.log({
      level: 'info',
      code: 'worker-restarted',
      message: `Data worker ${worker} runs again.`,
    });
    this.#trunkLink.workerRestarted(worker);
  }

  #anyWorker(): number {
    const running = this.#memory.arenas.findIndex((arena) => arena.u32[ArenaHeader.at.running >> 2] !== 0);
    return Math.max(0, running);
  }

  // ── Making the parts ─────────────────────────────────────────────────────────────────────────────────

  #createSupervisor(): WorkerSupervisor {
    return new WorkerSupervisor({
      engine: this.#options.engine,
      tables: this.#memory.tables,
      arenas: this.#memory.arenas,
      debug: this.#options.debug ?? false,
      onWorkerDown: (down) => {
        this.#workerDown(down);
      },
      onWorkerRestarted: (worker) => {
        this.#workerRestarted(worker);
      },
    });
  }

  #createVlans(): VlanSet {
    const { engine, identity, workerCount, tokenPeriodSeconds } = this.#options;
    return new VlanSet({
      identity,
      workerCount,
      tokenPeriodSeconds,
      deriveTokens: engine === 'native' ? deriveTokensNatively : undefined,
      fabric: this.fabric,
      writers: this.#writers,
      injector: this.#injector,
      taps: this.#createTaps(),
      drops: this.#drops,
      nowMs: monotonicMs,
      unixOffsetMs: () => this.#unixOffsetMs,
      anyWorker: () => this.#anyWorker(),
      tapOpened: (tap) => limitTapOffloads(this.#memory.arenas, tap),
      log: (entry) => this.#options.log(entry),
      debug: (subsystem, effect) => this.#options.debugEffect(subsystem, effect),
    });
  }

  #createRelay(): RelayLink {
    return new RelayLink({
      config: this.#options.relay,
      writers: this.#writers,
      trunks: () => this.vlans.trunks(),
      debug: (effect) => this.#options.debugEffect('relay', effect),
      log: (peer, text) => {
        const message = `${peer} ${text}`;
        this.#options.log({ level: 'warn', subsystem: 'relay', code: 'loop-guard', message });
      },
    });
  }

  #createFabric(): FabricLink {
    const { enabled: isRelay, total } = this.#options.relay;
    return new FabricLink({
      options: { isRelay, foreignSegmentsMax: total.segments },
      ports: {
        ...createRoutePorts(),
        mayCarry: (peer, segment) => this.relay.mayCarry(peer, segment),
        release: (peer, segment) => {
          this.relay.release(peer, segment);
        },
      },
      writers: this.#writers,
      drops: this.#drops,
      nowMs: monotonicMs,
      unixOffsetMs: () => this.#unixOffsetMs,
      debug: (subsystem, effect) => this.#options.debugEffect(subsystem, effect),
      send: (peer, channel, body) => {
        this.#trunkLink.sendBody(peer, channel, body);
      },
      trunkOf: (peer) => this.vlans.trunkOf(peer)?.slot,
      changed: (segment) => {
        this.vlans.fabricChanged(segment);
      },
    });
  }

  #createTaps(): TapLink {
    const { tapTso, tapUso } = this.#options.offloads;
    return new TapLink({
      workerCount: this.#options.workerCount,
      quiescence: this.#quiescence,
      offloads: { tso: tapTso, uso: tapUso },
      attach: (worker, vlan, fds) => {
        this.#supervisor.attachTap(worker, vlan, fds);
      },
      detach: (worker, vlan) => {
        this.#supervisor.detachTap(worker, vlan);
      },
    });
  }

  #createTrunkLink(): TrunkLink {
    return new TrunkLink({
      workerCount: this.#options.workerCount,
      ipv6: this.#memory.sockets[0]?.ipv6 ?? false,
      lanes: this.#writers.lanes,
      trunks: this.#writers.trunks,
      injector: this.#injector,
      drops: this.#drops,
      trunkChanged: (peer, trunk) => {
        const isNew = trunk !== undefined && this.vlans.trunkOf(peer)?.slot !== trunk.slot;
        this.vlans.trunkChanged(peer, trunk);
        if (isNew) this.relay.trunkAdded(trunk.slot);
        if (trunk === undefined) {
          this.fabric.input({ kind: 'trunk-down', peer });
        } else if (trunk.carrier !== undefined) {
          this.fabric.input({ kind: 'trunk-size', peer, datagramMtuBytes: trunk.datagramMtuBytes });
        }
      },
      laneUsed: () => this.#laneUsed(),
    });
  }
}
