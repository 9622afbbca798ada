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
import { controlClass, controlFlags, controlKind } from '../../dataplane/wire/link-datagram.ts';
import { type WorkerDown, WorkerSupervisor } from '../../dataplane/workers/supervisor.ts';
import { monotonicMs } from '../monotonic-clock.ts';
import { createRoutePorts } from '../token/node-ports.ts';
import type { NoticeEffect, TrunkDataplane, TrunkId } from '../trunk/trunk-port.ts';
import { type DataplaneTotals, totalCounters } from './dataplane-counters.ts';
import {
  closeDataplaneMemory,
  type DataplaneMemory,
  limitTapOffloads,
  openDataplaneMemory,
} from './dataplane-memory.ts';
import type { DataplaneOptions } from './dataplane-options.ts';
import { type EventPayload, EventPump, type EventSink } from './event-pump.ts';
import { Injector } from './injector.ts';
import { Quiescence } from './quiescence.ts';
import { RouteLink } from './route-link.ts';
import { macFromWords } from './station-table.ts';
import { createTableWriters, type TableWriters } from './table-writers.ts';
import { TapLink } from './tap-link.ts';
import { TrunkLink } from './trunk-link.ts';
import { VlanSet } from './vlan-set.ts';

const POLL_MS = 100;
const STOP_DEADLINE_MS = 2_000;
const SETTLE_STEP_MS = 5;
const SETTLE_STEPS = 100;
const LEAF_MASK = 0xff_ffff;
/** After a worker's death its lanes are made anew within this time. */
const RECOVERY_MS = 10_000;
/** A step of the clock by less is no news to membership. */
const CLOCK_STEP_MS = 50;

/** See the file's head. */
export class Dataplane {
  /** The VLANs that this node takes part in. */
  readonly vlans: VlanSet;
  /** Which tokens neighbours want, and are told that we do. */
  readonly routes: RouteLink;
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
    this.routes = this.#createRoutes();
    this.vlans = this.#createVlans();
    this.#trunkLink = this.#createTrunkLink();
    this.#pump = new EventPump(memory.tables, memory.arenas, this.#eventSink());
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
    if (notice.kind === 'vlans-shared') {
      this.vlans.share(notice.peer, notice.vlans);
    } else if (notice.kind === 'trunk-down') {
      this.vlans.share(notice.peer, []);
      this.routes.trunkDown(notice.peer);
    } else if (notice.kind === 'trunk-back') {
      this.vlans.greetPeer(notice.peer);
    } else if (notice.kind === 'trunk-stream') {
      this.routes.streamChanged(notice.peer);
    } else if (notice.kind === 'body' && notice.channel === 'routes') {
      this.routes.heard(notice.peer, notice.body);
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
    this.vlans.poll();
    this.routes.poll();
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

  // ── Events ───────────────────────────────────────────────────────────────────────────────────────────

  #eventSink(): EventSink {
    return {
      link: (lane, payload) => {
        this.#trunkLink.probeReceived(lane, payload);
      },
      control: (epoch, _trunk, control, payload) => {
        this.#control(epoch, control, payload);
      },
      stationSeen: (vlan, macLow, macHigh) => {
        this.vlans.findBySlot(vlan)?.input({ kind: 'station-seen', mac: macFromWords(macLow, macHigh) });
      },
      senderUnknown: (epoch, leafLane) => {
        const found = this.vlans.findByEpoch(epoch);
        found?.host.input({ kind: 'sender-unknown', epoch: found.epoch, leaf: leafLane & LEAF_MASK });
      },
      carrier: (_lane, trunk, payload) => {
        this.#trunkLink.carrierDatagram(trunk, payload);
      },
      // Only where a VLAN snoops, which none does yet.
      snooped: () => {},
      groupSeen: () => {},
    };
  }

  #control(epoch: number, control: number, { bytes, offset, length }: EventPayload): void {
    const found = this.vlans.findByEpoch(epoch);
    found?.host.input({
      kind: 'control',
      epoch: found.epoch,
      control: { kind: controlKind(control), flags: controlFlags(control), class: controlClass(control) },
      payload: bytes.slice(offset, offset + length),
    });
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
      routes: this.routes,
      writers: this.#writers,
      injector: this.#injector,
      taps: this.#createTaps(),
      drops: this.#drops,
      nowMs: monotonicMs,
      unixOffsetMs: () => this.#unixOffsetMs,
      anyWorker: () => this.#anyWorker(),
      tapOpened: (tap) => {
        limitTapOffloads(this.#memory.arenas, tap);
      },
      log: (entry) => {
        this.#options.log(entry);
      },
    });
  }

  #createRoutes(): RouteLink {
    return new RouteLink({
      ports: createRoutePorts(),
      drops: this.#drops,
      nowMs: monotonicMs,
      unixOffsetMs: () => this.#unixOffsetMs,
      send: (peer, body) => {
        this.#trunkLink.sendBody(peer, 'routes', body);
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
      trunkChanged: (peer, slot) => {
        this.vlans.trunkChanged(peer, slot);
      },
      laneUsed: () => {
        this.#laneUsed();
      },
    });
  }
}
