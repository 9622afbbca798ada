/**
 * The DHT and what it stands on, as libp2p services of this node: identify (who speaks the DHT's protocol), ping, kad-dht.
 *
 *   /peertap/id/1.0.0, /peertap/id/push/1.0.0   which protocols a peer speaks
 *   /peertap/ping/1.0.0                         whether a peer of a full bucket still lives
 *   /peertap/kad/1.0.0                          the DHT: a network of its own, without default peers
 *
 * A node answers for the DHT (server) once somebody has dialled it: before, nobody knows that it can be reached.
 * All of them tell others the addresses of `setAnnounced` and no more: libp2p's own list has those of our TAP interfaces,
 * and a trunk inside the VLAN that it carries would feed on itself.
 *
 * Main thread. No libp2p type leaves this folder. kad-dht is not registered as libp2p's peer router: whom the node dials
 * is for the trunk machine to say, not for a DHT.
 */
import { identify, identifyPush } from '@libp2p/identify';
import type { PeerId, PeerInfo } from '@libp2p/interface';
import { type KadDHT, type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import type { DiscoveryNetwork, OnFound } from '../discovery/discovery-network.ts';
import { DhtPeers } from './dht-peers.ts';
import { DhtStore } from './dht-store.ts';
import type { ServiceFactories } from './libp2p-node.ts';
import { type MdnsComponents, MdnsLan } from './mdns.ts';

/** What decides about values of others. Pure; both may get any bytes. */
export interface DhtValueRules {
  isValid(key: Uint8Array, value: Uint8Array): boolean;
  /** @returns the index of the one that holds */
  selectNewest(key: Uint8Array, values: readonly Uint8Array[]): number;
}

export interface DhtServicesOptions {
  readonly dht: boolean;
  readonly mdns: boolean;
  /** Absent: no value is taken. */
  readonly values?: DhtValueRules;
}

const PREFIX = 'peertap';
const PROTOCOL = '/peertap/kad/1.0.0';
/** What stands before a value's key: kad-dht finds the rules by it. */
const NAMESPACE = 'peertap';
/** Kademlia's k and α (20 and 10 by default): the networks here are small, and each contact may cost a dial. */
const BUCKET_SIZE = 10;
const ALPHA = 3;
/** Kademlia's refresh of what is near us; the table's own is each 5 minutes. */
const SELF_QUERY_MS = 15 * 60_000;
const INBOUND_STREAMS_MAX = 16;
const OUTBOUND_STREAMS_MAX = 32;
/** A lookup takes some round trips and dials to nodes that may be gone. */
const OPERATION_TIMEOUT_MS = 30_000;
const SHA2_256 = 0x12;

type ServiceComponents = KadDHTComponents &
  Parameters<ReturnType<typeof identify>>[0] &
  Parameters<ReturnType<typeof ping>>[0] &
  MdnsComponents;

/** Made before the node, whose `services` are {@link factories}; see the file's head. */
export class DhtServices implements DiscoveryNetwork {
  readonly factories: ServiceFactories;
  readonly #options: DhtServicesOptions;
  #announced: readonly string[] = [];
  #dht: KadDHT | undefined;
  #lan: MdnsLan | undefined;
  #self: PeerId | undefined;

  constructor(options: DhtServicesOptions) {
    this.#options = options;
    const lan = { lan: (components: ServiceComponents) => this.#makeLan(components) };
    this.factories = {
      ...(options.mdns ? lan : {}),
      ...(options.dht ? this.#dhtFactories() : {}),
    };
  }

  setAnnounced(addresses: readonly string[]): void {
    this.#announced = addresses;
  }

  async findProviders(digest: Uint8Array, onFound: OnFound): Promise<number> {
    const dht = this.#dht;
    if (dht === undefined) {
      return 0;
    }
    return this.#count(async (answered) => {
      for await (const event of dht.findProviders(cidOf(digest), timeLimit())) {
        if (event.name === 'PEER_RESPONSE' && event.from.toString() !== this.#self?.toString()) {
          answered(event.from);
        } else if (event.name === 'PROVIDER') {
          onFound(event.providers.map(foundPeer));
        }
      }
    });
  }

  async provide(digest: Uint8Array): Promise<number> {
    const dht = this.#dht;
    if (dht === undefined) {
      return 0;
    }
    return this.#count(async (answered) => {
      for await (const event of dht.provide(cidOf(digest), timeLimit())) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') {
          answered(event.from);
        }
      }
    });
  }

  async unprovide(digest: Uint8Array): Promise<void> {
    await this.#dht?.cancelReprovide(cidOf(digest));
  }

  /**
   * Stores a value with the nodes nearest to its key.
   *
   * @returns how many took it
   */
  async putValue(key: Uint8Array, value: Uint8Array): Promise<number> {
    const dht = this.#dht;
    if (dht === undefined) {
      return 0;
    }
    return this.#count(async (answered) => {
      for await (const event of dht.put(valueKey(key), value, timeLimit())) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') {
          answered(event.from);
        }
      }
    });
  }

  /** The newest valid value of a key; undefined when none is found. */
  async getValue(key: Uint8Array): Promise<Uint8Array | undefined> {
    const values: Uint8Array[] = [];
    const dht = this.#dht;
    if (dht !== undefined) {
      await this.#count(async () => {
        for await (const event of dht.get(valueKey(key), timeLimit())) {
          if (event.name === 'VALUE' && this.#options.values?.isValid(key, event.value) === true) {
            values.push(Uint8Array.from(event.value));
          }
        }
      });
    }
    return values[this.#options.values?.selectNewest(key, values) ?? 0];
  }

  async startLan(onFound: OnFound, onNoRoute: () => void): Promise<void> {
    await this.#lan?.open(onFound, onNoRoute);
  }

  async stopLan(): Promise<void> {
    await this.#lan?.end();
  }

  async askLan(): Promise<void> {
    await this.#lan?.ask();
  }

  // ── libp2p's side ────────────────────────────────────────────────────────────────────────────────────

  #makeLan(components: ServiceComponents): MdnsLan {
    this.#lan = new MdnsLan({ logger: components.logger, addressManager: this.#addresses(components) });
    return this.#lan;
  }

  #dhtFactories(): Record<string, (components: ServiceComponents) => unknown> {
    const identified = (components: ServiceComponents): ServiceComponents =>
      replace(components, {
        addressManager: this.#addresses(components),
        nodeInfo: { name: 'peertap', version: '1', userAgent: 'peertap' },
      });
    return {
      identify: (components) => identify({ protocolPrefix: PREFIX })(identified(components)),
      identifyPush: (components) => identifyPush({ protocolPrefix: PREFIX })(identified(components)),
      ping: (components) => ping({ protocolPrefix: PREFIX })(components),
      dht: (components) => this.#makeDht(components),
    };
  }

  #makeDht(components: ServiceComponents): { start(): Promise<void>; stop(): Promise<void> } {
    const peers = new DhtPeers(
      components.peerStore,
      (peer) => components.connectionManager.getConnections(peer).length > 0,
    );
    const make = kadDHT({
      protocol: PROTOCOL,
      logPrefix: 'peertap:kad',
      clientMode: true,
      kBucketSize: BUCKET_SIZE,
      alpha: ALPHA,
      querySelfInterval: SELF_QUERY_MS,
      allowQueryWithZeroPeers: true,
      maxInboundStreams: INBOUND_STREAMS_MAX,
      maxOutboundStreams: OUTBOUND_STREAMS_MAX,
      peerInfoMapper: passthroughMapper,
      validators: { [NAMESPACE]: (key, value) => this.#requireValid(key, value) },
      selectors: { [NAMESPACE]: (key, values) => this.#select(key, values) },
    });
    const datastore = new DhtStore({
      nowMs: () => performance.now(),
      pick: (key, stored, offered) => (this.#select(key, [stored, offered]) === 1 ? 'offered' : 'stored'),
    });
    const dht = make(
      replace(components, { addressManager: this.#addresses(components), peerStore: peers.store, datastore }),
    ) as KadDHT & LibraryDht;
    dht.addEventListener('peer', ({ detail }) => {
      peers.learn(detail);
    });
    this.#dht = dht;
    this.#self = components.peerId;
    components.events.addEventListener('connection:open', ({ detail }) => {
      if (detail.direction === 'inbound') {
        void dht.setMode('server').catch(() => undefined);
      }
    });
    return { start: () => dht.start(), stop: () => dht.stop() };
  }

  /** What libp2p's services take for the list of our addresses. */
  #addresses(components: ServiceComponents): KadDHTComponents['addressManager'] {
    type Told = Pick<
      Parameters<ReturnType<typeof identify>>[0]['addressManager'],
      'getAddresses' | 'addObservedAddr'
    >;
    const told: Told = {
      getAddresses: () => this.#announcedMultiaddrs(components.peerId),
      // What peers say of our address is not believed: nothing here could check it.
      addObservedAddr: () => undefined,
    };
    return told as KadDHTComponents['addressManager'];
  }

  #announcedMultiaddrs(self: PeerId): Multiaddr[] {
    return this.#announced.map((address) => multiaddr(`${address}/p2p/${self.toString()}`));
  }

  #requireValid(key: Uint8Array, value: Uint8Array): void {
    if (this.#options.values?.isValid(bareKey(key), value) !== true) {
      throw new Error('this value is none of ours, or not signed by its VLAN');
    }
  }

  #select(key: Uint8Array, values: readonly Uint8Array[]): number {
    return this.#options.values?.selectNewest(bareKey(key), values) ?? 0;
  }

  /** Runs an operation to its end or its time limit, and counts who answered. */
  async #count(run: (answered: (peer: PeerId) => void) => Promise<void>): Promise<number> {
    const answered = new Set<string>();
    try {
      await run((peer) => answered.add(peer.toString()));
    } catch {
      // Timeouts, nodes that are gone, a node that stops: what was found until then counts.
    }
    return answered.size;
  }
}

/** What the library's class has beside its interface. */
interface LibraryDht {
  start(): Promise<void>;
  stop(): Promise<void>;
  addEventListener(type: 'peer', listener: (event: { readonly detail: PeerInfo }) => void): void;
}

/** The node's components, some of them others; not every one is there yet when a service is made. */
function replace(components: ServiceComponents, instead: Partial<ServiceComponents>): ServiceComponents {
  return new Proxy(components, {
    get: (target, name) => Reflect.get(name in instead ? instead : target, name) as unknown,
  });
}

function cidOf(digest: Uint8Array): CID {
  return CID.createV0(Digest.create(SHA2_256, digest));
}

function valueKey(key: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([Buffer.from(`/${NAMESPACE}/`), key]));
}

function bareKey(key: Uint8Array): Uint8Array {
  return key.subarray(NAMESPACE.length + 2);
}

function timeLimit(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(OPERATION_TIMEOUT_MS) };
}

/** The same address may stand there twice, with its peer and without. */
function foundPeer({ id, multiaddrs }: PeerInfo): { peer: string; addresses: string[] } {
  const peer = id.toString();
  const bare = multiaddrs.map((address) => address.toString().replace(`/p2p/${peer}`, ''));
  return { peer, addresses: [...new Set(bare)] };
}
