/**
 * Discovery machines in one process on virtual time: a model of trunks, exchange streams, a DHT and LANs around them.
 *
 *   node A ──set-peers──▶ world: B alive, at that address, in A's part, and has room? ─▶ trunk-up at both, shared, neighbours
 *   find, provide ──▶ one table for each part of the network      mdns-ask ──▶ all on the LAN answer to all
 *
 * Signatures are keyed hashes by keys that only the world knows, so a forged one is one that a liar could really make.
 * The seed decides everything.
 */
import assert from 'node:assert/strict';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { DiscoveryConfig } from '../../control/discovery/discovery-config.ts';
import { DiscoveryMachine } from '../../control/discovery/discovery-machine.ts';
import type {
  DiscoveryEffect,
  DiscoveryInput,
  DiscoveryVlan,
  FoundPeer,
} from '../../control/discovery/discovery-port.ts';
import { presenceKeyOf } from '../../control/discovery/presence.ts';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import { keyedHash } from '../../control/vlan/hash.ts';
import { Simulation } from './simulation.ts';

const TICK_MIN_MS = 20;
const DIAL_MS = 200;
const UNIX_OFFSET_MS = 1_790_000_000_000;

/** A node of the world. */
export interface SimPeer {
  readonly peer: string;
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
  readonly config: Partial<DiscoveryConfig>;
  machine: DiscoveryMachine;
  address: string;
  vlans: readonly Uint8Array[];
  bootstrap: readonly FoundPeer[];
  isAlive: boolean;
  /** Nodes of different parts do not reach each other. */
  part: number;
  wanted: Map<string, readonly string[]>;
  readonly trunks: Set<SimPeer>;
  hasMdns: boolean;
  dials: number;
  generation: number;
}

/** See the file's head. */
export class DiscoveryWorld {
  readonly sim: Simulation;
  readonly nodes: SimPeer[] = [];
  readonly said: Uint8Array[] = [];
  readonly notices: string[] = [];
  /** What a lookup answers beside the truth: invented peers. */
  inventProviders: () => FoundPeer[] = () => [];
  /** By part and digest. */
  readonly #records = new Map<string, Map<string, FoundPeer>>();
  readonly #byPeer = new Map<string, SimPeer>();
  readonly #timers = new Map<SimPeer, number>();
  #addresses = 0;

  constructor(seed: number) {
    this.sim = new Simulation(seed);
  }

  add(
    vlans: readonly Uint8Array[],
    bootstrap: readonly SimPeer[],
    config: Partial<DiscoveryConfig> = {},
  ): SimPeer {
    const publicKey = this.sim.bytes(32);
    const node: SimPeer = {
      peer: formatPeerId(publicKey),
      publicKey,
      secret: this.sim.bytes(32),
      config,
      machine: undefined as never,
      address: this.#newAddress(),
      vlans,
      bootstrap: bootstrap.map(({ peer, address }) => ({ peer, addresses: [address] })),
      isAlive: false,
      part: 0,
      wanted: new Map(),
      trunks: new Set(),
      hasMdns: false,
      dials: 0,
      generation: 0,
    };
    this.nodes.push(node);
    this.#byPeer.set(node.peer, node);
    this.start(node);
    return node;
  }

  start(node: SimPeer): void {
    node.isAlive = true;
    node.generation += 1;
    node.machine = new DiscoveryMachine(
      {
        self: node.peer,
        sign: (bytes) => this.sign(node, bytes),
        verify: (key, bytes, signature) => this.#verify(key, bytes, signature),
        randomBytes: (count) => this.sim.bytes(count),
        unixOffsetMs: () => UNIX_OFFSET_MS,
      },
      node.config,
    );
    this.input(node, { kind: 'addresses', listen: [node.address], isOnline: true });
    this.setVlans(node, node.vlans);
    this.input(node, { kind: 'configured', peers: node.bootstrap, unnamed: [] });
  }

  kill(node: SimPeer): void {
    node.isAlive = false;
    node.wanted = new Map();
    node.hasMdns = false;
    for (const other of [...node.trunks]) {
      this.cut(node, other);
    }
  }

  /** Comes back elsewhere. */
  move(node: SimPeer): void {
    node.address = this.#newAddress();
    this.input(node, { kind: 'addresses', listen: [node.address], isOnline: true });
  }

  setVlans(node: SimPeer, ids: readonly Uint8Array[]): void {
    node.vlans = ids;
    const vlans: DiscoveryVlan[] = ids.map((id) => ({
      id,
      presenceKeys: [presenceKeyOf(id)],
      members: undefined,
      segments: [],
    }));
    this.input(node, { kind: 'vlans', vlans });
  }

  /** Puts nodes into parts that do not reach each other; trunks across break. */
  split(partOf: (node: SimPeer, index: number) => number): void {
    for (const [index, node] of this.nodes.entries()) {
      node.part = partOf(node, index);
    }
    for (const node of this.nodes) {
      for (const other of [...node.trunks]) {
        if (other.part !== node.part) this.cut(node, other);
      }
    }
  }

  cut(node: SimPeer, other: SimPeer): void {
    node.trunks.delete(other);
    other.trunks.delete(node);
    for (const [end, far] of [
      [node, other],
      [other, node],
    ] as const) {
      if (!end.isAlive) continue;
      for (const id of shared(end, far)) {
        this.input(end, { kind: 'neighbour-down', vlan: bytesToHex(id), peer: far.peer });
      }
      this.input(end, { kind: 'trunk-down', peer: far.peer });
    }
  }

  input(node: SimPeer, input: DiscoveryInput): void {
    if (!node.isAlive) return;
    for (const effect of node.machine.handle(input, this.sim.nowMs)) {
      this.#perform(node, effect);
    }
    this.#plan(node);
  }

  sign(node: SimPeer, bytes: Uint8Array): Uint8Array {
    const half = keyedHash(node.secret, bytes);
    return Uint8Array.from([...half, ...half]);
  }

  /** Every node reaches every other of its VLAN and part over trunks of members. */
  assertConnected(vlan: Uint8Array, label: string): void {
    const members = this.nodes.filter((node) => node.isAlive && node.vlans.includes(vlan));
    for (const part of new Set(members.map((node) => node.part))) {
      const inside = members.filter((node) => node.part === part);
      const reached = new Set<SimPeer>(inside.slice(0, 1));
      for (const node of reached) {
        for (const other of node.trunks) {
          if (other.vlans.includes(vlan)) reached.add(other);
        }
      }
      assert.equal(reached.size, inside.length, `${label}: members in one piece`);
    }
  }

  assertWithinLimits(label: string): void {
    for (const node of this.nodes.filter(({ isAlive }) => isAlive)) {
      const limit = node.config.connectionLimit ?? 256;
      const { candidates, warm } = node.machine.sizes();
      assert.ok(node.trunks.size <= limit, `${label}: ${node.trunks.size} trunks of ${limit}`);
      assert.ok(node.wanted.size <= limit, `${label}: ${node.wanted.size} peers wanted of ${limit}`);
      assert.ok(candidates <= (node.config.candidatesMax ?? 4_096), `${label}: ${candidates} candidates`);
      assert.ok(warm <= (node.config.warmMax ?? 64), `${label}: ${warm} warm peers`);
    }
  }

  // ── What effects do ──────────────────────────────────────────────────────────────────────────────────

  #perform(node: SimPeer, effect: DiscoveryEffect): void {
    switch (effect.kind) {
      case 'set-peers':
        node.wanted = new Map(effect.peers.map(({ peer, addresses }) => [peer, addresses]));
        this.#dialSoon(node);
        return;
      case 'say':
        this.said.push(effect.bytes);
        this.#say(node, effect.vlan, effect.peer, effect.bytes);
        return;
      case 'find-providers':
        this.#find(node, effect.vlan, effect.digest);
        return;
      case 'provide':
        this.#provide(node, effect.vlan, effect.digests);
        return;
      case 'heartbeat':
        this.#heartbeat(node, effect.peer, effect.addresses);
        return;
      case 'mdns':
        node.hasMdns = effect.isOn;
        return;
      case 'mdns-ask':
        this.#askLan(node);
        return;
      case 'notice':
        this.notices.push(effect.code);
        return;
      case 'unprovide':
        return;
    }
  }

  #plan(node: SimPeer): void {
    const atMs = node.machine.nextTimeoutMs();
    const planned = this.#timers.get(node) ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(atMs) || (planned > this.sim.nowMs && planned <= atMs)) return;
    const wakeMs = Math.max(atMs, this.sim.nowMs + TICK_MIN_MS);
    this.#timers.set(node, wakeMs);
    const { generation } = node;
    this.sim.after(wakeMs - this.sim.nowMs, () => {
      if (node.generation === generation && this.#timers.get(node) === wakeMs) {
        this.#timers.delete(node);
        this.input(node, { kind: 'tick' });
      }
    });
  }

  /** As the trunk machine does: again and again while it is wanted. */
  #dialSoon(node: SimPeer): void {
    for (const peer of node.wanted.keys()) {
      this.sim.after(this.sim.between(DIAL_MS, 2 * DIAL_MS), () => {
        this.#dial(node, peer);
      });
    }
  }

  #dial(node: SimPeer, peer: string): void {
    const addresses = node.wanted.get(peer);
    if (!node.isAlive || addresses === undefined) return;
    const other = this.#byPeer.get(peer);
    if (other !== undefined && node.trunks.has(other)) return;
    node.dials += 1;
    if (other === undefined || !this.#reaches(node, other, addresses) || !makeRoom(this, other, node)) {
      this.sim.after(5_000, () => {
        this.#dial(node, peer);
      });
      return;
    }
    if (makeRoom(this, node, other)) this.#connect(node, other);
  }

  #reaches(node: SimPeer, other: SimPeer, addresses: readonly string[]): boolean {
    return other.isAlive && other.part === node.part && addresses.includes(other.address);
  }

  #connect(node: SimPeer, other: SimPeer): void {
    node.trunks.add(other);
    other.trunks.add(node);
    for (const [end, far] of [
      [node, other],
      [other, node],
    ] as const) {
      this.input(end, { kind: 'trunk-up', peer: far.peer, isRelay: false });
      this.sim.after(50, () => {
        if (!end.trunks.has(far)) return;
        const vlans = shared(end, far);
        this.input(end, { kind: 'shared', peer: far.peer, vlans });
        for (const id of vlans) {
          this.input(end, { kind: 'neighbour-up', vlan: bytesToHex(id), peer: far.peer });
        }
      });
    }
  }

  #say(node: SimPeer, vlan: Uint8Array, peer: string, bytes: Uint8Array): void {
    const other = this.#byPeer.get(peer);
    this.sim.after(this.sim.between(5, 50), () => {
      if (other !== undefined && node.trunks.has(other) && other.vlans.includes(vlan)) {
        this.input(other, { kind: 'heard', vlan: bytesToHex(vlan), peer: node.peer, bytes });
      }
    });
  }

  #find(node: SimPeer, vlan: string, digest: Uint8Array): void {
    this.sim.after(this.sim.between(50, 500), () => {
      const contacted = node.trunks.size;
      const found = [...(this.#records.get(`${node.part} ${bytesToHex(digest)}`)?.values() ?? [])];
      const peers = contacted === 0 ? [] : [...found, ...this.inventProviders()];
      this.input(node, { kind: 'found', source: 'dht', vlan, peers });
      this.input(node, { kind: 'looked-up', vlan, contacted });
    });
  }

  #provide(node: SimPeer, vlan: string, digests: readonly Uint8Array[]): void {
    this.sim.after(this.sim.between(50, 500), () => {
      const stored = node.trunks.size;
      for (const digest of stored === 0 ? [] : digests) {
        const key = `${node.part} ${bytesToHex(digest)}`;
        const records = this.#records.get(key) ?? new Map<string, FoundPeer>();
        records.set(node.peer, { peer: node.peer, addresses: [node.address] });
        this.#records.set(key, records);
      }
      this.input(node, { kind: 'provided', vlan, stored });
    });
  }

  #heartbeat(node: SimPeer, peer: string, addresses: readonly string[]): void {
    const other = this.#byPeer.get(peer);
    const isThere = other !== undefined && this.#reaches(node, other, addresses);
    this.sim.after(isThere ? 40 : 5_000, () => {
      this.input(
        node,
        isThere
          ? { kind: 'heartbeat-answered', peer, rttMs: 40, load: 0 }
          : { kind: 'heartbeat-failed', peer },
      );
    });
  }

  #askLan(node: SimPeer): void {
    const answers = this.nodes.filter((other) => other.hasMdns && other.isAlive && other.part === node.part);
    for (const listener of answers) {
      const peers = answers.map(({ peer, address }) => ({ peer, addresses: [address] }));
      this.sim.after(20, () => {
        for (const found of peers) {
          this.input(listener, { kind: 'found', source: 'mdns', vlan: undefined, peers: [found] });
        }
      });
    }
  }

  #verify(key: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
    const node = this.#byPeer.get(formatPeerId(key));
    return node !== undefined && Buffer.compare(this.sign(node, bytes), signature) === 0;
  }

  #newAddress(): string {
    this.#addresses += 1;
    return `/ip4/10.${this.#addresses >> 16}.${(this.#addresses >> 8) & 255}.${this.#addresses & 255}/tcp/7946`;
  }
}

function shared(node: SimPeer, other: SimPeer): Uint8Array[] {
  return node.vlans.filter((id) => other.vlans.includes(id));
}

/** As control/trunk/admission.ts: a wanted peer gets a place, if need be that of one who is not wanted. */
function makeRoom(world: DiscoveryWorld, node: SimPeer, newcomer: SimPeer): boolean {
  if (node.trunks.size < (node.config.connectionLimit ?? 256)) return true;
  const victim = [...node.trunks].find(({ peer }) => !node.wanted.has(peer));
  if (!node.wanted.has(newcomer.peer) || victim === undefined) return false;
  world.cut(node, victim);
  return true;
}
