/**
 * Discovery as one sans-I/O machine: whom this node knows of, with whom it keeps trunks, whom it asks and tells.
 *
 *     candidates.ts   who is known, with quotas        lookups.ts          when DHT and LAN are asked
 *     standing.ts     full, warm, known                presence-books.ts   what members say of themselves
 *
 * Main thread. It has no clock, socket, timer or randomness of its own. Nothing that a peer sends makes it throw.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { ADDRESSES_PER_SOURCE_MAX, isLoopbackAddress, usableAddresses } from './address-text.ts';
import { addressesOf, type Candidate, CandidateTable, hasMember, trunkCount } from './candidates.ts';
import { drawnFrom } from './chance.ts';
import { DEFAULT_DISCOVERY_CONFIG, type DiscoveryConfig } from './discovery-config.ts';
import type {
  AddressesInput,
  ConfiguredInput,
  DiscoveryCounter,
  DiscoveryEffect,
  DiscoveryInput,
  DiscoveryPorts,
  DiscoveryRow,
  DiscoverySource,
  DiscoveryVlan,
  FoundPeer,
  HeardInput,
  PeerInput,
  SharedInput,
  TrunkUpInput,
  VlanKey,
  VlansInput,
} from './discovery-port.ts';
import { discoveryRows } from './discovery-rows.ts';
import { FabricPeers } from './fabric-peers.ts';
import { dueHeartbeats, heartbeatAnswered, heartbeatFailed } from './heartbeats.ts';
import { type LookupContext, Lookups } from './lookups.ts';
import { NetworkWatch } from './network-watch.ts';
import { PresenceBooks } from './presence-books.ts';
import { type ChoiceContext, chooseFull, chooseWarm, type SwapMemory } from './standing.ts';

/** Peers that one answer may name: a provider list has 20, an invite a few. */
const PEERS_PER_ANSWER_MAX = 64;

/** See the file's head. */
export class DiscoveryMachine {
  readonly #ports: DiscoveryPorts;
  readonly #config: DiscoveryConfig;
  readonly #table: CandidateTable;
  readonly #fabric: FabricPeers;
  readonly #lookups = new Lookups();
  readonly #books: PresenceBooks;
  readonly #network: NetworkWatch;
  readonly #counters = new Map<DiscoveryCounter, number>();
  readonly #swaps: SwapMemory = { swappedAtMs: Number.NEGATIVE_INFINITY };
  #effects: DiscoveryEffect[] = [];
  #vlans = new Map<VlanKey, DiscoveryVlan>();
  #unnamed: readonly string[] = [];
  #listen: readonly string[] = [];
  #takesLoopback = false;
  #warm = new Set<Candidate>();
  #toldPeers: string | undefined;
  #decideAtMs = Number.POSITIVE_INFINITY;
  #isStopped = false;
  #nowMs = 0;

  readonly #random = (): number => drawnFrom((count) => this.#ports.randomBytes(count));
  readonly #count = (counter: DiscoveryCounter): void => {
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + 1);
  };
  readonly #emit = (effect: DiscoveryEffect): void => {
    this.#effects.push(effect);
  };

  constructor(ports: DiscoveryPorts, config: Partial<DiscoveryConfig> = {}) {
    this.#ports = ports;
    this.#config = { ...DEFAULT_DISCOVERY_CONFIG, ...config };
    this.#table = new CandidateTable(this.#config, ports.self, this.#random);
    this.#fabric = new FabricPeers(this.#table);
    this.#books = new PresenceBooks({
      ports,
      config: this.#config,
      random: this.#random,
      count: this.#count,
    });
    this.#network = new NetworkWatch(this.#config.offlineMs);
  }

  /**
   * Takes one input.
   *
   * @param nowMs - CLOCK_MONOTONIC in ms, never less than at the last call
   * @returns what to carry out, in this order
   */
  handle(input: DiscoveryInput, nowMs: number): DiscoveryEffect[] {
    this.#nowMs = nowMs;
    if (!this.#isStopped) {
      this.#dispatch(input);
      this.#settle();
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** @returns when the next `tick` is due, on the clock of `nowMs`; Infinity when nothing waits for time */
  nextTimeoutMs(): number {
    if (this.#isStopped) {
      return Number.POSITIVE_INFINITY;
    }
    return Math.min(
      this.#decideAtMs,
      this.#lookups.nextAtMs(this.#config),
      this.#books.nextAtMs(),
      this.#network.nextAtMs(),
    );
  }

  /** @returns a row for each candidate: the full first, then the warm */
  status(): DiscoveryRow[] {
    return discoveryRows(this.#table.all.values(), this.#warm, this.#config.addressesMax);
  }

  /** @returns where a peer may be reached, as far as is known; cheaper than its row */
  addressesOf(peer: PeerIdText): readonly string[] {
    const known = this.#table.all.get(peer);
    return known === undefined ? [] : addressesOf(known, this.#config.addressesMax);
  }

  /** @returns what was counted since start, by name */
  counters(): ReadonlyMap<DiscoveryCounter, number> {
    return this.#counters;
  }

  /** @returns how much it remembers, for tests */
  sizes(): { readonly candidates: number; readonly presences: number; readonly warm: number } {
    return { candidates: this.#table.all.size, presences: this.#books.size(), warm: this.#warm.size };
  }

  #dispatch(input: DiscoveryInput): void {
    switch (input.kind) {
      case 'tick':
        return;
      case 'configured':
        this.#configure(input);
        return;
      case 'vlans':
        this.#setVlans(input);
        return;
      case 'addresses':
        this.#setAddresses(input);
        return;
      case 'found':
        for (const found of input.peers.slice(0, PEERS_PER_ANSWER_MAX)) {
          this.#see(found, input.source, input.vlan);
        }
        return;
      case 'members':
        for (const peer of this.#vlans.has(input.vlan) ? this.#fabric.setMembers(input) : []) {
          this.#see({ peer, addresses: [] }, 'fabric', input.vlan);
        }
        this.#changed();
        return;
      case 'tree-peers':
        this.#fabric.setTreePeers(input);
        this.#changed();
        return;
      case 'looked-up':
        this.#lookups.lookedUp(input.vlan, input.contacted, this.#lookupContext());
        return;
      case 'provided':
        this.#lookups.provided(input.vlan, input.stored, this.#lookupContext());
        return;
      case 'neighbour-up':
        this.#books.neighbourUp(input.vlan, input.peer, this.#nowMs);
        return;
      case 'neighbour-down':
        this.#books.neighbourDown(input.vlan, input.peer);
        return;
      case 'heard':
        this.#heard(input);
        return;
      case 'stop':
        this.#isStopped = true;
        return;
      default:
        this.#dispatchPeer(input);
    }
  }

  #dispatchPeer(input: PeerInput): void {
    if (input.kind === 'trunk-up') {
      this.#trunkUp(input);
      return;
    }
    const candidate = this.#table.all.get(input.peer);
    if (candidate === undefined) {
      return;
    }
    switch (input.kind) {
      case 'trunk-down':
        this.#trunkDown(candidate);
        return;
      case 'shared':
        this.#share(candidate, input);
        return;
      case 'path':
        candidate.rttMs = input.rttMs ?? candidate.rttMs;
        candidate.lossRatio = input.lossRatio;
        return;
      case 'heartbeat-answered':
        heartbeatAnswered(candidate, input, this.#nowMs);
        return;
      case 'heartbeat-failed':
        this.#count('discoveryHeartbeatsFailed');
        heartbeatFailed(candidate, this.#lookupContext());
    }
  }

  #configure({ peers, unnamed }: ConfiguredInput): void {
    this.#table.configure(peers, this.#nowMs);
    this.#unnamed = unnamed;
    this.#decideAtMs = this.#nowMs;
  }

  #setVlans({ vlans }: VlansInput): void {
    const known = [...this.#vlans.keys()].sort().join();
    this.#vlans = new Map(vlans.map((vlan) => [bytesToHex(vlan.id), vlan]));
    this.#books.setVlans(this.#vlans, this.#nowMs);
    if ([...this.#vlans.keys()].sort().join() === known) {
      return;
    }
    this.#lookups.setVlans(
      new Map([...this.#vlans].map(([key, { id }]) => [key, id])),
      this.#lookupContext(),
    );
    const keys = new Set(this.#vlans.keys());
    this.#table.keepVlans(keys, this.#nowMs);
    this.#fabric.keepVlans(keys);
    this.#changed();
  }

  #setAddresses({ listen, isOnline }: AddressesInput): void {
    this.#listen = listen;
    this.#takesLoopback = listen.length === 0 ? !isOnline : listen.every(isLoopbackAddress);
    this.#network.setAddresses(isOnline, this.#nowMs);
    this.#lookups.setAddresses(this.#network.isOnline, this.#lookupContext());
    this.#books.setOwn(listen, this.#load(), this.#nowMs);
    this.#changed();
  }

  #see({ peer, addresses }: FoundPeer, source: DiscoverySource, vlan: VlanKey | undefined): void {
    if (peer === this.#ports.self || (vlan !== undefined && !this.#vlans.has(vlan))) {
      return;
    }
    const usable = usableAddresses(addresses, peer, { loopback: this.#takesLoopback });
    if (usable.length === 0 && source !== 'presence' && source !== 'fabric') {
      this.#count('discoveryPeersRefused');
      return;
    }
    const isNew = !this.#table.all.has(peer);
    const candidate = this.#table.see({ peer, source, addresses: usable, vlan }, this.#nowMs);
    if (candidate === undefined) this.#count('discoveryPeersRefused');
    else if (isNew) this.#count('discoveryPeersFound');
    this.#changed();
  }

  #heard({ vlan, peer, bytes }: HeardInput): void {
    for (const presence of this.#books.heard(vlan, peer, bytes, this.#nowMs)) {
      this.#see(presence, 'presence', vlan);
      const candidate = this.#table.all.get(presence.peer);
      if (candidate !== undefined) {
        candidate.load = presence.load;
      }
    }
  }

  #trunkUp({ peer, isRelay }: TrunkUpInput): void {
    this.#fabric.trunkUp(peer, isRelay);
    const known = this.#table.all.get(peer);
    const addresses = known === undefined ? [] : addressesOf(known, ADDRESSES_PER_SOURCE_MAX);
    const candidate = this.#table.see({ peer, source: 'trunk', addresses, vlan: undefined }, this.#nowMs);
    if (candidate === undefined) {
      return;
    }
    candidate.hasTrunk = true;
    candidate.trunkSinceMs = this.#nowMs;
    this.#countTrunks();
    this.#lookups.trunkUp(this.#lookupContext());
    this.#changed();
  }

  #trunkDown(candidate: Candidate): void {
    candidate.hasTrunk = false;
    this.#fabric.trunkDown(candidate.peer);
    candidate.chosenSinceMs = this.#nowMs;
    this.#countTrunks();
    if (!candidate.isProven) {
      this.#table.unsee(candidate, 'trunk');
    }
    this.#changed();
  }

  #share(candidate: Candidate, { vlans }: SharedInput): void {
    candidate.shared = new Set(vlans.map((id) => bytesToHex(id)).filter((key) => this.#vlans.has(key)));
    if (candidate.shared.size > 0) {
      candidate.isProven = true;
      candidate.failures = 0;
      candidate.leftAloneUntilMs = Number.NEGATIVE_INFINITY;
    }
    this.#changed();
  }

  #settle(): void {
    if (this.#decideAtMs <= this.#nowMs) {
      this.#decide();
    }
    this.#lookups.settle(this.#lookupContext());
    for (const message of this.#books.settle(this.#nowMs)) {
      this.#emit({ kind: 'say', ...message });
    }
    const notice = this.#network.settle(this.#nowMs);
    if (notice !== undefined) {
      this.#emit(notice);
    }
  }

  #decide(): void {
    const [config, nowMs] = [this.#config, this.#nowMs];
    this.#table.expire(nowMs);
    const context: ChoiceContext = {
      config,
      nowMs,
      unnamedCount: this.#unnamed.length,
      hasVlans: this.#vlans.size > 0,
      hasRelay: this.#fabric.hasRelay,
    };
    const full = chooseFull(this.#table.all.values(), context, this.#swaps);
    this.#warm = new Set(chooseWarm(this.#table.all.values(), context));
    this.#tellPeers(full);
    this.#beat();
    for (const key of this.#vlans.keys()) {
      this.#lookups.setLonely(key, !hasMember(this.#table.all.values(), key), this.#lookupContext());
    }
    this.#decideAtMs = this.#table.all.size > 0 ? nowMs + config.reviewMs : Number.POSITIVE_INFINITY;
  }

  #tellPeers(full: readonly Candidate[]): void {
    const peers = full
      .map(({ peer }) => ({ peer, addresses: this.addressesOf(peer) }))
      .sort((left, right) => (left.peer < right.peer ? -1 : 1));
    const text = JSON.stringify([peers, this.#unnamed]);
    if (text !== this.#toldPeers) {
      this.#toldPeers = text;
      this.#emit({ kind: 'set-peers', peers, unnamed: this.#unnamed });
    }
  }

  #beat(): void {
    if (this.#network.isOnline) {
      for (const heartbeat of dueHeartbeats(this.#warm, this.#lookupContext())) {
        this.#count('discoveryHeartbeats');
        this.#emit(heartbeat);
      }
    }
  }

  #changed(): void {
    this.#decideAtMs = Math.min(this.#decideAtMs, this.#nowMs + this.#config.decideDelayMs);
  }

  #countTrunks(): void {
    const wasOnline = this.#network.isOnline;
    this.#network.setTrunks(trunkCount(this.#table.all.values()) > 0, this.#nowMs);
    if (this.#network.isOnline !== wasOnline) {
      this.#lookups.setAddresses(this.#network.isOnline, this.#lookupContext());
    }
    this.#books.setOwn(this.#listen, this.#load(), this.#nowMs);
  }

  #load(): number {
    return Math.min(
      255,
      Math.floor((trunkCount(this.#table.all.values()) / Math.max(1, this.#config.connectionLimit)) * 255),
    );
  }

  #lookupContext(): LookupContext {
    return {
      config: this.#config,
      nowMs: this.#nowMs,
      unixMs: this.#nowMs + this.#ports.unixOffsetMs(),
      random: this.#random,
      emit: this.#emit,
      count: this.#count,
    };
  }
}
