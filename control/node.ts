/**
 * The node at work: passes on what trunks, VLANs and the data plane tell each other, carries out what the admin API
 * and a reload ask for, and reports.
 *
 *   TrunkDriver ──trunk notices──▶ Dataplane          Dataplane ──▶ TrunkDriver (by its port)
 *   VlanRegistry ──entries──▶ Dataplane.vlans, TrunkDriver (`set-vlans`)
 *
 * Main thread. The parts are made and ended by control/daemon.ts.
 */
import { randomBytes } from 'node:crypto';
import type {
  DaemonControl,
  DaemonStatus,
  JoinRequest,
  PeerReport,
  VlanReport,
} from './admin/daemon-control.ts';
import type { Config } from './config/config.ts';
import { EventLoopWatch } from './event-loop-watch.ts';
import { bootstrapPeers } from './network/bootstrap-peers.ts';
import { localAddresses } from './network/local-addresses.ts';
import type { NodeParts } from './node-parts.ts';
import { daemonStatus, peerReports, vlanReport } from './node-report.ts';
import { clockCorrection } from './trunk/peer-clocks.ts';
import { TrunkDriver } from './trunk/trunk-driver.ts';
import type { NoticeEffect } from './trunk/trunk-port.ts';
import { vlanLabel } from './vlan/vlan-id.ts';
import type { VlanEntry } from './vlan/vlan-registry.ts';

/** The clock is compared this often; addresses are, as they come and go without a word, and traffic waits for us. */
const UPKEEP_MS = 1000;
const ADDRESSES_MS = 250;
const VLAN_SEED_BYTES = 32;

/** See the file's head. */
export class PeertapNode implements DaemonControl {
  readonly #parts: NodeParts;
  readonly #driver: TrunkDriver;
  readonly #startedMs = performance.now();
  readonly #loopWatch = new EventLoopWatch();
  /** As last read; `#parts.config` is what the daemon was started with, and still listens by. */
  #config: Config;
  #upkeep: NodeJS.Timeout | undefined;
  #addressWatch: NodeJS.Timeout | undefined;
  #toldAddresses = '';
  readonly #crash = (): void => this.#crashWorker();

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.#driver = new TrunkDriver(
      {
        self: parts.identity.peerId,
        network: parts.network,
        dataplane: parts.dataplane.trunkDataplane,
        notify: (notice) => this.#trunkNotice(notice),
      },
      { trunksMax: parts.config.connectionLimit },
    );
  }

  /** Listens, joins the VLANs and begins to look for peers. @throws NetworkError, or a config VLAN's SystemError */
  async start(): Promise<void> {
    const { registry, network } = this.#parts;
    this.#driver.start();
    this.#loopWatch.start();
    await network.listen();
    for (const entry of registry.list()) await this.#joinAtStart(entry);
    this.#tellAddresses();
    this.#tellVlans();
    this.#tellPeers();
    this.#upkeep = setInterval(() => this.#compareClocks(), UPKEEP_MS);
    this.#addressWatch = setInterval(() => this.#tellAddresses(), ADDRESSES_MS);
    process.on('SIGUSR2', this.#crash);
  }

  /** Says goodbye, in the VLANs first and then to the peers. */
  async stop(): Promise<void> {
    clearInterval(this.#upkeep);
    clearInterval(this.#addressWatch);
    this.#loopWatch.stop();
    process.off('SIGUSR2', this.#crash);
    await this.#parts.dataplane.leaveVlans();
    this.#driver.stop();
  }

  /** Takes over VLANs, bootstrap peers and log level of a changed config; names what needs a restart. */
  async reload(config: Config): Promise<void> {
    const { registry, dataplane, logger } = this.#parts;
    const changes = registry.reconfigure(config.vlans);
    this.#warnOfRestart(config);
    this.#config = config;
    logger.level = config.log.level;
    for (const entry of changes.removed) await dataplane.vlans.leave(entry.id);
    for (const { after } of changes.changed) {
      await this.#attempt(after, () => dataplane.vlans.change(after.id, after.attachment));
    }
    const tried = new Set(changes.changed.map(({ after }) => after.id));
    for (const entry of registry.list()) {
      if (!tried.has(entry.id) && this.#isWanting(entry)) {
        await this.#attempt(entry, () => dataplane.vlans.join(entry));
      }
    }
    this.#tellVlans();
    this.#tellPeers();
  }

  // ── DaemonControl ────────────────────────────────────────────────────────────────────────────────────

  status(): DaemonStatus {
    return daemonStatus({
      ...this.#parts,
      driver: this.#driver,
      uptimeSeconds: (performance.now() - this.#startedMs) / 1000,
      eventLoopDelay: this.#loopWatch.read(),
    });
  }

  peers(): readonly PeerReport[] {
    const { dataplane } = this.#parts;
    return peerReports({ driver: this.#driver, dataplane, bootstrap: this.#config.bootstrap });
  }

  vlans(): readonly VlanReport[] {
    const { registry, dataplane } = this.#parts;
    return registry.list().map((entry) => vlanReport(entry, dataplane.vlans.find(entry.id)));
  }

  async createVlan(name: string): Promise<VlanReport> {
    const { registry, dataplane } = this.#parts;
    const entry = registry.create(name, randomBytes(VLAN_SEED_BYTES));
    const host = await dataplane.vlans.join(entry);
    this.#tellVlans();
    return vlanReport(entry, host);
  }

  async joinVlan(request: JoinRequest): Promise<VlanReport> {
    const { registry, dataplane } = this.#parts;
    const before = registry.find(request.id);
    const entry = registry.join(request);
    try {
      const host = await dataplane.vlans.join(entry);
      this.#tellVlans();
      return vlanReport(entry, host);
    } catch (error) {
      registry.undoJoin(entry.id, before);
      throw error;
    }
  }

  async leaveVlan(id: string): Promise<void> {
    const { registry, dataplane } = this.#parts;
    registry.leave(id);
    await dataplane.vlans.leave(id);
    this.#tellVlans();
  }

  // ── What the parts tell each other ───────────────────────────────────────────────────────────────────

  #trunkNotice(notice: NoticeEffect): void {
    const { dataplane, logger } = this.#parts;
    dataplane.trunkNotice(notice);
    if (notice.kind === 'log') logger[notice.level]({ code: notice.code, peer: notice.peer }, notice.message);
  }

  #tellVlans(): void {
    const vlans = this.#parts.registry.list().map((entry) => entry.idBytes);
    this.#driver.input({ kind: 'set-vlans', vlans });
  }

  #tellPeers(): void {
    this.#driver.input({ kind: 'set-peers', ...bootstrapPeers(this.#config.bootstrap) });
  }

  #tellAddresses(): void {
    const { dataplane, network } = this.#parts;
    const port = dataplane.sockets[0]?.address.port ?? 0;
    const interfaces = dataplane.vlans.all().flatMap((host) => host.interfaceName ?? []);
    const { own, ...addresses } = localAddresses({
      datagram: { address: this.#parts.config.listen.datagram.address, port },
      listen: network.listenAddresses(),
      ownInterfaces: new Set(interfaces),
    });
    const told = JSON.stringify([own, addresses]);
    if (told === this.#toldAddresses) return;
    this.#toldAddresses = told;
    // First, so that what the driver sends because of it leaves from an address that is there.
    dataplane.setOwnAddresses(new Set(own));
    this.#driver.input({ kind: 'set-addresses', datagramPort: port, ...addresses });
  }

  #compareClocks(): void {
    this.#parts.dataplane.setClockCorrection(clockCorrection(this.#driver.clockOffsetsMs()));
  }

  /** A VLAN of the config must come up; one joined at run time must not keep the daemon from starting. */
  async #joinAtStart(entry: VlanEntry): Promise<void> {
    const { dataplane, logger } = this.#parts;
    try {
      await dataplane.vlans.join(entry);
    } catch (error) {
      if (entry.source === 'config') throw error;
      const label = vlanLabel(entry.id, entry.attachment?.interface);
      logger.error({ vlan: label }, `a VLAN joined earlier is without its interface: ${reasonOf(error)}`);
      await dataplane.vlans.join({ idBytes: entry.idBytes });
    }
  }

  /** New, or without its interface since an earlier attempt failed: whatever was in the way may be gone. */
  #isWanting(entry: VlanEntry): boolean {
    const host = this.#parts.dataplane.vlans.find(entry.id);
    return host === undefined || (entry.attachment !== undefined && host.interfaceName === undefined);
  }

  async #attempt(entry: VlanEntry, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const label = vlanLabel(entry.id, entry.attachment?.interface);
      this.#parts.logger.error({ vlan: label }, `VLAN ${label} could not be taken over: ${reasonOf(error)}`);
    }
  }

  #warnOfRestart(config: Config): void {
    const fixed = ['stateDirectory', 'controlSocket', 'listen', 'dataplane', 'connectionLimit'] as const;
    const inUse = this.#parts.config;
    const changed = fixed.filter((key) => JSON.stringify(config[key]) !== JSON.stringify(inUse[key]));
    if (changed.length > 0) {
      this.#parts.logger.warn(`changed, but used only after a restart: ${changed.join(', ')}`);
    }
  }

  /** Tests of the supervisor make a worker throw; nothing happens unless the environment allows it. */
  #crashWorker(): void {
    if (this.#parts.dataplane.crashWorker(0)) this.#parts.logger.warn('worker 0 is made to throw');
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
