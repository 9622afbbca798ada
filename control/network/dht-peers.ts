/**
 * The peers whose addresses the DHT remembers: libp2p's peer store, as kad-dht sees it.
 *
 * Every answer of a query names peers, and kad-dht would have them all remembered for hours. Here those that the DHT
 * alone named are few, the oldest leave; and a peer that is not known any more is one without addresses, not a failure
 * of the whole answer in which it stands.
 *
 * Main thread.
 */
import type { PeerId, PeerInfo } from '@libp2p/interface';
import type { KadDHTComponents } from '@libp2p/kad-dht';

type PeerStore = KadDHTComponents['peerStore'];
type Peer = Awaited<ReturnType<PeerStore['get']>>;
type PeerData = Parameters<PeerStore['merge']>[1];

/** Each takes about a kilobyte. */
const PEERS_MAX = 2_048;
const ADDRESSES_MAX = 16;

/** See the file's head. */
export class DhtPeers {
  /** For kad-dht. */
  readonly store: PeerStore;
  readonly #inner: PeerStore;
  readonly #isConnected: (peer: PeerId) => boolean;
  readonly #known = new Map<string, PeerId>();

  constructor(inner: PeerStore, isConnected: (peer: PeerId) => boolean) {
    this.#inner = inner;
    this.#isConnected = isConnected;
    this.store = {
      forEach: (visit, query) => inner.forEach(visit, query),
      all: (query) => inner.all(query),
      delete: (peer, options) => inner.delete(peer, options),
      has: (peer, options) => inner.has(peer, options),
      get: async (peer, options) => (await this.#find(peer, options)) ?? emptyPeer(peer),
      getInfo: async (peer, options) => {
        const { addresses } = (await this.#find(peer, options)) ?? emptyPeer(peer);
        return { id: peer, multiaddrs: addresses.map(({ multiaddr }) => multiaddr) };
      },
      save: (peer, data, options) => inner.save(peer, data, options),
      patch: (peer, data, options) => inner.patch(peer, data, options),
      merge: (peer, data, options) => this.#merge(peer, data, options),
      consumePeerRecord: (envelope, options) => inner.consumePeerRecord(envelope, options),
    };
  }

  get size(): number {
    return this.#known.size;
  }

  /** An answer has named a peer. */
  learn({ id, multiaddrs }: PeerInfo): void {
    if (multiaddrs.length > 0) {
      void this.#merge(id, { multiaddrs });
    }
  }

  async #find(peer: PeerId, options?: Parameters<PeerStore['get']>[1]): Promise<Peer | undefined> {
    try {
      return await this.#inner.get(peer, options);
    } catch {
      return undefined;
    }
  }

  async #merge(peer: PeerId, data: PeerData, options?: Parameters<PeerStore['merge']>[2]): Promise<Peer> {
    const name = peer.toString();
    this.#known.delete(name);
    this.#known.set(name, peer);
    for (const [oldest, id] of this.#known) {
      if (this.#known.size <= PEERS_MAX) {
        break;
      }
      this.#known.delete(oldest);
      if (!this.#isConnected(id)) {
        await this.#inner.delete(id);
      }
    }
    try {
      const bounded =
        data.multiaddrs === undefined
          ? data
          : { ...data, multiaddrs: data.multiaddrs.slice(0, ADDRESSES_MAX) };
      return await this.#inner.merge(peer, bounded, options);
    } catch {
      // Addresses that libp2p cannot read: the peer is as it was.
      return emptyPeer(peer);
    }
  }
}

function emptyPeer(id: PeerId): Peer {
  return { id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() };
}
