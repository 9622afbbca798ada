/**
 * The node at work: passes on what trunks, VLANs and the data plane tell each other, carries out what the admin API
 * and a reload ask for, and reports.
 *
 *   TrunkDriver ──trunk notices──▶ Dataplane, ExchangeHub     Dataplane ──▶ TrunkDriver (by its port)
 *   VlanService ──VLANs──────────▶ TrunkDriver (`set-vlans`)  ExchangeHub ──▶ VlanService
 *
 * Main thread. The parts are made and ended by control/daemon.ts.
 */
import { randomBytes } from 'node:crypto';
import type {
  AdmissionRequestReport,
  BrowsedVlan,
  CreateRequest,
  DaemonControl,
  DaemonStatus,
  InviteReport,
  InviteRequest,
  JoinRequest,
  MemberReport,
  PeerReport,
  SwarmKeyReport,
  SwarmReport,
  VlanReport,
} from './admin/daemon-control.ts';
import type { Config } from './config/config.ts';
import { DiscoveryDriver } from './discovery/discovery-driver.ts';
import { FabricNews } from './discovery/fabric-news.ts';
import { EventLoopWatch } from './event-loop-watch.ts';
import { ExchangeHub } from './exchange/exchange-hub.ts';
import { type InspectedNode, NOTHING_INSIDE } from './inspection/inspect-node.ts';
import { monotonicMs } from './monotonic-clock.ts';
import { localAddresses } from './network/local-addresses.ts';
import type { NodeParts } from './node-parts.ts';
import { daemonStatus, peerReports } from './node-report.ts';
import { clockCorrection } from './trunk/peer-clocks.ts';
import { RELAY_ROLE } from './trunk/relay-choice.ts';
import { TrunkDriver } from './trunk/trunk-driver.ts';
import type { NoticeEffect } from './trunk/trunk-port.ts';
import { formatVlanId } from './vlan/vlan-id.ts';
import { browsedVlans } from './vlan-service/browse.ts';
import { DirectoryDriver } from './vlan-service/directory-driver.ts';
import { createNodeSelf } from './vlan-service/node-self.ts';
import { VlanActs } from './vlan-service/vlan-acts.ts';
import type { PeerFacts, VlanServiceParts } from './vlan-service/vlan-parts.ts';
import { type VlanListener, VlanService } from './vlan-service/vlan-service.ts';

/** The clock is compared this often; addresses are, as they come and go without a word, and traffic waits for us. */
const UPKEEP_MS = 1000;
const ADDRESSES_MS = 250;
const SEED_BYTES = 32;

/** See the file's head. */
export class PeertapNode implements DaemonControl, InspectedNode {
  inside: InspectedNode['inside'] = NOTHING_INSIDE;
  readonly #parts: NodeParts;
  readonly trunks: TrunkDriver;
  readonly #hub: ExchangeHub;
  readonly #discovery: DiscoveryDriver;
  readonly #news: FabricNews;
  readonly #directory: DirectoryDriver;
  readonly #vlans: VlanService;
  readonly #acts: VlanActs;
  readonly #startedMs = performance.now();
  readonly #loopWatch = new EventLoopWatch();
  /** As last read; `#parts.config` is what the daemon was started with, and still listens by. */
  #config: Config;
  #upkeep: NodeJS.Timeout | undefined;
  #addressWatch: NodeJS.Timeout | undefined;
  #toldAddresses = '';
  #ownAddresses: readonly string[] = [];
  readonly #crash = (): void => this.#crashWorker();

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.trunks = new TrunkDriver(
      {
        self: parts.identity.peerId,
        network: parts.network,
        dataplane: parts.dataplane.trunkDataplane,
        notify: (notice) => this.#trunkNotice(notice),
        debug: (effect) => parts.log.effect('trunk', effect),
      },
      { trunksMax: parts.config.connectionLimit, roles: parts.config.relay.enabled ? [RELAY_ROLE] : [] },
    );
    this.#hub = new ExchangeHub({
      streams: parts.network.streams,
      self: parts.identity.peerId,
      publicKey: parts.identity.publicKey,
      randomBytes: (count) => new Uint8Array(randomBytes(count)),
      nowMs: monotonicMs,
    });
    this.#discovery = this.#createDiscovery();
    this.#news = new FabricNews(this.#discovery);
    this.#directory = this.#createDirectory();
    const vlanParts = this.#vlanParts();
    this.#vlans = new VlanService(vlanParts, this.#vlanListener());
    this.#acts = new VlanActs(vlanParts, this.#vlans);
  }

  /** Listens, joins the VLANs and begins to look for peers. @throws NetworkError, or a config VLAN's SystemError */
  async start(): Promise<void> {
    const { network } = this.#parts;
    this.trunks.start();
    this.#loopWatch.start();
    await this.#hub.start();
    await this.#directory.start();
    await this.#discovery.start();
    await network.listen();
    this.#tellAddresses();
    await this.#vlans.start();
    this.#tellVlans();
    this.#discovery.setConfigured(this.#config.bootstrap);
    this.#upkeep = setInterval(() => this.#keepUp(), UPKEEP_MS);
    this.#addressWatch = setInterval(() => this.#tellAddresses(), ADDRESSES_MS);
    process.on('SIGUSR2', this.#crash);
  }

  /** Says goodbye, in the VLANs first and then to the peers. */
  async stop(): Promise<void> {
    clearInterval(this.#upkeep);
    clearInterval(this.#addressWatch);
    this.#loopWatch.stop();
    process.off('SIGUSR2', this.#crash);
    await this.#discovery.stop();
    await this.#vlans.stop();
    await this.#parts.dataplane.leaveVlans();
    this.#directory.stop();
    this.#hub.stop();
    this.trunks.stop();
  }

  /** Takes over VLANs, bootstrap peers and log level of a changed config; names what needs a restart. */
  async reload(config: Config): Promise<void> {
    await this.#vlans.reload(config.vlans);
    this.#warnOfRestart(config);
    this.#config = config;
    this.#parts.log.setDefault(config.log.level);
    this.#discovery.setConfigured(config.bootstrap);
  }

  // ── DaemonControl ────────────────────────────────────────────────────────────────────────────────────

  status(): DaemonStatus {
    return daemonStatus({
      ...this.#parts,
      driver: this.trunks,
      vlans: this.vlans(),
      exchange: this.#hub.counters,
      inside: this.inside.counters,
      uptimeSeconds: (performance.now() - this.#startedMs) / 1000,
      eventLoopDelay: this.#loopWatch.read(),
    });
  }

  peers(): readonly PeerReport[] {
    const { dataplane } = this.#parts;
    return peerReports({ driver: this.trunks, dataplane, discovery: this.#discovery.status() });
  }

  vlans(): readonly VlanReport[] {
    return this.#vlans.reports();
  }

  createVlan(request: CreateRequest): Promise<VlanReport> {
    return this.#vlans.create(request);
  }

  joinVlan(request: JoinRequest): Promise<VlanReport> {
    return this.#vlans.join(request);
  }

  leaveVlan(id: string): Promise<void> {
    return this.#vlans.leave(id);
  }

  inviteToVlan(request: InviteRequest): Promise<InviteReport> {
    return this.#acts.invite(request);
  }

  vlanRequests(id: string): Promise<readonly AdmissionRequestReport[]> {
    return promised(() => this.#acts.requests(id));
  }

  approveRequest(id: string, peer: string): Promise<void> {
    return this.#acts.approve(id, peer);
  }

  removeMember(id: string, peer: string): Promise<void> {
    return this.#acts.remove(id, peer);
  }

  vlanMembers(id: string): Promise<readonly MemberReport[]> {
    return promised(() => this.#acts.members(id));
  }

  /** The VLAN of a directory key, for the DHT's rules about values. */
  vlanOfKey(keyHex: string): Uint8Array | undefined {
    return this.#directory.vlanOfKey(keyHex);
  }

  async browseVlans(): Promise<readonly BrowsedVlan[]> {
    return browsedVlans(await this.#directory.browse());
  }

  setVlan(id: string, changes: Readonly<Record<string, string>>): Promise<VlanReport> {
    return promised(() => this.#acts.set(id, changes));
  }

  swarm(): SwarmReport {
    return this.#parts.swarm.report();
  }

  configureSwarm(): Promise<SwarmKeyReport> {
    return promised(() => this.#parts.swarm.configure());
  }

  exchangeSwarm(): Promise<SwarmKeyReport> {
    return promised(() => this.#parts.swarm.exchange());
  }

  joinSwarm(key: string): Promise<SwarmReport> {
    return promised(() => this.#parts.swarm.join(key));
  }

  leaveSwarm(): Promise<SwarmReport> {
    return promised(() => this.#parts.swarm.leave());
  }

  rotateSwarm(): Promise<SwarmKeyReport> {
    return promised(() => this.#parts.swarm.rotate());
  }

  finishSwarmRotation(): Promise<SwarmReport> {
    return promised(() => this.#parts.swarm.finishRotation());
  }

  // ── What the parts tell each other ───────────────────────────────────────────────────────────────────

  #vlanParts(): VlanServiceParts {
    const { registry, dataplane, identity, openGroup, log } = this.#parts;
    return {
      registry,
      vlans: dataplane.vlans,
      hub: this.#hub,
      self: createNodeSelf(identity),
      stateDirectory: this.#parts.config.stateDirectory,
      openGroup,
      peer: (peer) => this.#peerFacts(peer),
      ownAddresses: () => this.#ownAddresses,
      nowMs: monotonicMs,
      unixMs: () => this.#unixMs(),
      events: {
        changed: () => this.#tellVlans(),
        seek: (vlanId, peers) => this.#discovery.invited(vlanId, peers),
        log: (level, code, message, vlan) => log.log(level, 'vlan', code, message, { vlan }),
        debug: (subsystem, effect) => log.effect(subsystem, effect),
      },
    };
  }

  #vlanListener(): VlanListener {
    return {
      vlan: ({ id, idBytes, record }) => this.#directory.input({ kind: 'vlan', id, idBytes, record }),
      vlanGone: ({ id }) => this.#directory.input({ kind: 'drop-vlan', id }),
      peerUp: ({ id, idBytes }, peer) => {
        this.#directory.input({ kind: 'peer-up', peer, vlan: id });
        this.#discovery.neighbourUp(idBytes, peer);
      },
      peerDown: ({ id, idBytes }, peer) => {
        this.#directory.input({ kind: 'peer-down', peer, vlan: id });
        this.#discovery.neighbourDown(idBytes, peer);
      },
      message: ({ id, idBytes }, peer, kind, bytes) => {
        if (kind === 'presence') this.#discovery.heard(idBytes, peer, bytes);
        else this.#directory.input({ kind: 'message', peer, vlan: id, bytes });
      },
    };
  }

  #createDiscovery(): DiscoveryDriver {
    const { identity, finder, network, config, log } = this.#parts;
    return new DiscoveryDriver(
      {
        self: identity.peerId,
        seed: identity.privateKey.subarray(0, SEED_BYTES),
        network: finder,
        streams: network.streams,
        setPeers: (peers, unnamed) => this.trunks.input({ kind: 'set-peers', peers, unnamed }),
        say: (vlanId, peer, bytes) =>
          void this.#vlans.exchangeOf(formatVlanId(vlanId))?.send(peer, 'presence', bytes),
        log: (level, code, message) => log.log(level, 'discovery', code, message),
        debug: (effect) => log.effect('discovery', effect),
      },
      {
        connectionLimit: config.connectionLimit,
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        ...config.discovery,
      },
    );
  }

  #createDirectory(): DirectoryDriver {
    const { finder } = this.#parts;
    return new DirectoryDriver({
      streams: this.#parts.network.streams,
      dht: finder,
      send: (vlan, peer, bytes) => void this.#vlans.exchangeOf(vlan)?.send(peer, 'record', bytes),
      learn: (record) => this.#vlans.learnRecord(record),
      peers: () => this.trunks.status().flatMap(({ peer, state }) => (state === 'up' ? peer : [])),
      unixMs: () => this.#unixMs(),
    });
  }

  #unixMs(): number {
    return Date.now() + clockCorrection(this.trunks.clockOffsetsMs());
  }

  #peerFacts(peer: string): PeerFacts | undefined {
    const trunk = this.trunks.status().find((row) => row.peer === peer);
    if (trunk === undefined) return undefined;
    const addresses = this.#discovery.addressesOf(peer);
    return { isUp: trunk.state === 'up', rttMs: trunk.rttMs, addresses };
  }

  #trunkNotice(notice: NoticeEffect): void {
    const { dataplane, log } = this.#parts;
    dataplane.trunkNotice(notice);
    this.#discovery.trunkNotice(notice);
    if (notice.kind === 'vlans-shared') this.#hub.share(notice.peer, notice.vlans);
    if (notice.kind === 'trunk-down') this.#hub.share(notice.peer, []);
    if (notice.kind === 'body' && notice.channel === 'trace')
      this.inside.traceHeard(notice.peer, notice.body);
    if (notice.kind === 'log') log.notice('trunk', notice);
  }

  #tellVlans(): void {
    this.trunks.input({ kind: 'set-vlans', vlans: this.#vlans.wantedIds() });
    this.#discovery.setVlans(this.#vlans.discoveryVlans());
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
    this.#ownAddresses = addresses.listen;
    this.#discovery.setAddresses(addresses.listen, new Set(interfaces));
    // First, so that what the driver sends because of it leaves from an address that is there.
    dataplane.setOwnAddresses(new Set(own));
    this.trunks.input({ kind: 'set-addresses', datagramPort: port, ...addresses });
  }

  #keepUp(): void {
    this.#parts.dataplane.setClockCorrection(clockCorrection(this.trunks.clockOffsetsMs()));
    this.#parts.swarm.tick();
    this.#discovery.trunkStatus(this.trunks.status());
    this.#news.look(this.#parts.dataplane.vlans.all(), this.#parts.dataplane.fabric.forwardingPeers());
  }

  #warnOfRestart(config: Config): void {
    const fixed = [
      'stateDirectory',
      'controlSocket',
      'listen',
      'dataplane',
      'connectionLimit',
      'discovery',
      'heartbeatIntervalMs',
      'relay',
    ] as const;
    const inUse = this.#parts.config;
    const changed = fixed.filter((key) => JSON.stringify(config[key]) !== JSON.stringify(inUse[key]));
    if (changed.length > 0) {
      const message = `changed, but used only after a restart: ${changed.join(', ')}`;
      this.#parts.log.log('warn', 'node', 'restart-needed', message);
    }
  }

  /** Tests of the supervisor make a worker throw; nothing happens unless the environment allows it. */
  #crashWorker(): void {
    if (!this.#parts.dataplane.crashWorker(0)) return;
    this.#parts.log.log('warn', 'node', 'crash-worker', 'worker 0 is made to throw');
  }
}

/** What is done at once, as a promise that is rejected where the deed throws. */
function promised<T>(act: () => T): Promise<T> {
  return Promise.resolve().then(act);
}
