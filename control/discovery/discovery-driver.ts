/**
 * Runs the discovery machine: feeds it what trunks, exchange, DHT and LAN say, and carries out its effects.
 *
 * Main thread. No decision is taken here. Inputs that arrive while another is being handled wait in line, so the machine
 * never sees one inside another. Nothing that the network does makes it throw.
 */
import { randomBytes, sign } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { bytesToHex } from '@noble/hashes/utils.js';
import { MachineTimer } from '../machine-timer.ts';
import { verifySignature } from '../membership/node-ports.ts';
import { monotonicMs } from '../monotonic-clock.ts';
import { bootstrapPeers } from '../network/bootstrap-peers.ts';
import type { MessageStreams } from '../network/message-streams.ts';
import { RELAY_ROLE } from '../trunk/relay-choice.ts';
import type { PeerIdText, NoticeEffect as TrunkNotice } from '../trunk/trunk-port.ts';
import type { TrunkStatus } from '../trunk/trunk-status.ts';
import { privateKeyFromRaw } from '../vlan/raw-keys.ts';
import { DEFAULT_DISCOVERY_CONFIG, type DiscoveryConfig } from './discovery-config.ts';
import { DiscoveryMachine } from './discovery-machine.ts';
import type { DiscoveryNetwork } from './discovery-network.ts';
import type {
  DiscoveryEffect,
  DiscoveryInput,
  DiscoveryRow,
  DiscoveryVlan,
  FindProvidersEffect,
  FoundPeer,
  HeartbeatEffect,
  ProvideEffect,
} from './discovery-port.ts';
import { HeartbeatDriver } from './heartbeat-driver.ts';
import { hasNetwork } from './interfaces-driver.ts';

/** Timers closer than this run together. */
const TICK_MIN_MS = 20;
const TICK_MAX_MS = 60_000;

/** What the driver is made of. */
export interface DiscoveryDriverPorts {
  readonly self: PeerIdText;
  /** 32 bytes: the seed of the node's Ed25519 key. */
  readonly seed: Uint8Array;
  readonly network: DiscoveryNetwork;
  readonly streams: MessageStreams;
  /** Whom to keep trunks with: the trunk driver's `set-peers`. */
  setPeers(peers: readonly FoundPeer[], unnamed: readonly string[]): void;
  /** Sends presence over the VLAN's exchange stream to a peer. */
  say(vlanId: Uint8Array, peer: PeerIdText, bytes: Uint8Array): void;
  log(level: 'debug' | 'info' | 'warn', code: string, message: string): void;
  /** Every effect but log lines, for the log at its most talkative. */
  debug?(effect: DiscoveryEffect): void;
}

/** See the file's head. */
export class DiscoveryDriver {
  readonly #ports: DiscoveryDriverPorts;
  readonly #machine: DiscoveryMachine;
  readonly #heartbeats: HeartbeatDriver;
  readonly #waiting: DiscoveryInput[] = [];
  /** What this node says to be at, by VLAN. */
  readonly #provided = new Map<string, readonly Uint8Array[]>();
  readonly #connectionLimit: number;
  #load = 0;
  #isHandling = false;
  #isStopped = false;
  readonly #timer = new MachineTimer({
    nowMs: monotonicMs,
    tick: () => {
      this.#input({ kind: 'tick' });
    },
    leastMs: TICK_MIN_MS,
    mostMs: TICK_MAX_MS,
  });

  constructor(ports: DiscoveryDriverPorts, config: Partial<DiscoveryConfig> = {}) {
    this.#ports = ports;
    const key = privateKeyFromRaw('ed25519', ports.seed);
    this.#machine = new DiscoveryMachine(
      {
        self: ports.self,
        sign: (bytes) => new Uint8Array(sign(null, bytes, key)),
        verify: verifySignature,
        randomBytes: (count) => new Uint8Array(randomBytes(count)),
        unixOffsetMs: () => Date.now() - monotonicMs(),
      },
      config,
    );
    const { connectionLimit, heartbeatIntervalMs } = { ...DEFAULT_DISCOVERY_CONFIG, ...config };
    this.#connectionLimit = connectionLimit;
    this.#heartbeats = new HeartbeatDriver({
      streams: ports.streams,
      intervalMs: heartbeatIntervalMs,
      randomBytes: (count) => new Uint8Array(randomBytes(count)),
      nowMs: monotonicMs,
      load: () => this.#load,
    });
  }

  /** Answers heartbeats from now on. The rest begins with what it is told. */
  async start(): Promise<void> {
    await this.#heartbeats.start();
  }

  /** Asks and tells nothing any more. */
  async stop(): Promise<void> {
    this.#input({ kind: 'stop' });
    this.#isStopped = true;
    this.#timer.stop();
    this.#heartbeats.stop();
    await this.#ports.network.stopLan();
  }

  /** The bootstrap addresses of the config, whole. */
  setConfigured(bootstrap: readonly string[]): void {
    const { peers, unnamed = [] } = bootstrapPeers(bootstrap);
    this.#input({ kind: 'configured', peers, unnamed });
  }

  /** The VLANs of this node, whole; again when epochs or members of one have changed. */
  setVlans(vlans: readonly DiscoveryVlan[]): void {
    this.#input({ kind: 'vlans', vlans });
  }

  /**
   * Where this node may be reached.
   *
   * @param listen - multiaddrs that others may be told
   * @param ownInterfaces - names of our TAP interfaces: they are no network
   */
  setAddresses(listen: readonly string[], ownInterfaces: ReadonlySet<string>): void {
    this.#ports.network.setAnnounced(listen);
    const isOnline = hasNetwork(networkInterfaces(), ownInterfaces);
    this.#input({ kind: 'addresses', listen, isOnline });
  }

  /** Whatever the trunk driver tells. */
  trunkNotice(notice: TrunkNotice): void {
    if (notice.kind === 'trunk-up') {
      this.#input({ kind: 'trunk-up', peer: notice.peer, isRelay: notice.roles.includes(RELAY_ROLE) });
    } else if (notice.kind === 'trunk-down') {
      this.#input({ kind: 'trunk-down', peer: notice.peer });
    } else if (notice.kind === 'vlans-shared') {
      this.#input({ kind: 'shared', peer: notice.peer, vlans: notice.vlans });
    }
  }

  /** What trunks' probes say; now and then. */
  trunkStatus(rows: readonly TrunkStatus[]): void {
    const trunks = rows.filter(({ trunk }) => trunk !== undefined).length;
    this.#load = Math.min(255, Math.floor((trunks / this.#connectionLimit) * 255));
    for (const { peer, trunk, rttMs, lossRatio } of rows) {
      if (trunk !== undefined) {
        this.#input({ kind: 'path', peer, rttMs, lossRatio });
      }
    }
  }

  /** Members of a VLAN that live, as the fabric knows them, whole, at each change: trunks to them are tried. */
  setMembers(vlanId: Uint8Array, peers: readonly PeerIdText[]): void {
    this.#input({ kind: 'members', vlan: bytesToHex(vlanId), peers });
  }

  /** Peers by whose trunks the fabric forwards, whole, at each change: their trunks are kept before others. */
  setTreePeers(peers: readonly PeerIdText[]): void {
    this.#input({ kind: 'tree-peers', peers });
  }

  /** Addresses in an invite. */
  invited(vlanId: Uint8Array, peers: readonly FoundPeer[]): void {
    this.#input({ kind: 'found', source: 'invite', vlan: bytesToHex(vlanId), peers });
  }

  /** An exchange stream for a VLAN is open. */
  neighbourUp(vlanId: Uint8Array, peer: PeerIdText): void {
    this.#input({ kind: 'neighbour-up', vlan: bytesToHex(vlanId), peer });
  }

  neighbourDown(vlanId: Uint8Array, peer: PeerIdText): void {
    this.#input({ kind: 'neighbour-down', vlan: bytesToHex(vlanId), peer });
  }

  /** An exchange stream brought presence. */
  heard(vlanId: Uint8Array, peer: PeerIdText, bytes: Uint8Array): void {
    this.#input({ kind: 'heard', vlan: bytesToHex(vlanId), peer, bytes });
  }

  status(): DiscoveryRow[] {
    return this.#machine.status();
  }

  /** Where a peer may be reached, as far as is known; cheaper than its row. */
  addressesOf(peer: PeerIdText): readonly string[] {
    return this.#machine.addressesOf(peer);
  }

  counters(): ReadonlyMap<string, number> {
    return this.#machine.counters();
  }

  #input(input: DiscoveryInput): void {
    this.#waiting.push(input);
    if (this.#isHandling || this.#isStopped) {
      return;
    }
    this.#isHandling = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        for (const effect of this.#machine.handle(next, monotonicMs())) {
          if (effect.kind !== 'notice') this.#ports.debug?.(effect);
          this.#perform(effect);
        }
      }
    } finally {
      this.#isHandling = false;
    }
    this.#timer.plan(this.#machine.nextTimeoutMs());
  }

  #perform(effect: DiscoveryEffect): void {
    const { network } = this.#ports;
    switch (effect.kind) {
      case 'set-peers':
        this.#ports.setPeers(effect.peers, effect.unnamed);
        return;
      case 'say':
        this.#ports.say(effect.vlan, effect.peer, effect.bytes);
        return;
      case 'notice':
        this.#ports.log(effect.level, effect.code, effect.message);
        return;
      case 'find-providers':
        void this.#find(effect);
        return;
      case 'provide':
        void this.#provide(effect);
        return;
      case 'unprovide':
        void this.#unprovide(effect.vlan, []);
        return;
      case 'heartbeat':
        void this.#ask(effect);
        return;
      case 'mdns':
        void (effect.isOn ? this.#startLan() : network.stopLan());
        return;
      case 'mdns-ask':
        void network.askLan();
    }
  }

  async #find({ vlan, digest }: FindProvidersEffect): Promise<void> {
    const contacted = await this.#ports.network.findProviders(digest, (peers) => {
      this.#input({ kind: 'found', source: 'dht', vlan, peers });
    });
    this.#input({ kind: 'looked-up', vlan, contacted });
  }

  /** One point after the other: they are at other places of the DHT, and nothing hurries. */
  async #provide({ vlan, digests }: ProvideEffect): Promise<void> {
    await this.#unprovide(vlan, digests);
    let stored = Number.POSITIVE_INFINITY;
    for (const digest of digests) {
      stored = Math.min(stored, this.#isStopped ? 0 : await this.#ports.network.provide(digest));
    }
    this.#input({ kind: 'provided', vlan, stored });
  }

  async #unprovide(vlan: string, kept: readonly Uint8Array[]): Promise<void> {
    const names = new Set(kept.map(bytesToHex));
    const former = this.#provided.get(vlan) ?? [];
    this.#provided.set(vlan, kept);
    if (kept.length === 0) {
      this.#provided.delete(vlan);
    }
    for (const digest of former.filter((point) => !names.has(bytesToHex(point)))) {
      await this.#ports.network.unprovide(digest);
    }
  }

  async #ask({ peer, addresses }: HeartbeatEffect): Promise<void> {
    const answer = await this.#heartbeats.ask(peer, addresses);
    this.#input(
      answer === undefined
        ? { kind: 'heartbeat-failed', peer }
        : { kind: 'heartbeat-answered', peer, ...answer },
    );
  }

  async #startLan(): Promise<void> {
    const { network } = this.#ports;
    const advice = 'A default route mends it, or `ip route add 224.0.0.0/4 dev INTERFACE`.';
    await network.startLan(
      (peers) => {
        this.#input({ kind: 'found', source: 'mdns', vlan: undefined, peers });
      },
      () => {
        this.#ports.log(
          'warn',
          'no-multicast-route',
          `the LAN cannot be asked: multicast has no route. ${advice}`,
        );
      },
    );
  }
}
