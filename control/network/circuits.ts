/**
 * Circuits through relays (libp2p's circuit-relay-v2): being reachable at relays, and being one.
 *
 *   this node ── reservation ──▶ relay ◀── /p2p-circuit ── another node        (the relay's own policy: `mayRelay`)
 *
 * A circuit is a connection like any other: Noise, muxer and the swarm's gate run between its two ends, and the relay
 * sees neither their keys nor their words. Relays set no limit of time or bytes, since a trunk's frames may go by it; a
 * reservation is kept while its peer is connected.
 *
 * Main thread. It reads a few private fields of the transport, and has no circuits when they are not as known: the
 * transport would dial relays by itself and for ever leave alone one that failed once, which is for us to decide.
 */
import {
  type CircuitRelayService,
  circuitRelayServer,
  circuitRelayTransport,
} from '@libp2p/circuit-relay-v2';
import {
  type Connection,
  type Libp2p,
  type PeerId,
  type Stream,
  serviceDependencies,
  type Transport,
} from '@libp2p/interface';
import type { WantRelays } from '../trunk/network-port.ts';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { transportOf } from './connections.ts';
import type { ServiceFactories } from './libp2p-node.ts';

/** What this node does as a relay. */
export interface RelayOptions {
  /** Reservations at one time: as many as there are connections. */
  readonly reservationsMax: number;
  /** Whether a peer may be reached, or reach another, through this node. */
  mayRelay(peer: PeerIdText): boolean;
}

/** Refreshed by the client five minutes before. */
const RESERVATION_MS = 3_600_000;
/** HOP and STOP messages take a round trip each. */
const HOP_TIMEOUT_MS = 5_000;
/** Circuits that a peer may have through a relay, and that may be opened to this node. */
const CIRCUITS_PER_PEER_MAX = 64;
const RETRY_MIN_MS = 2_000;
const RETRY_MAX_MS = 300_000;

/** CircuitRelayTransport as of 4.2.13. */
interface CircuitTransport extends Transport {
  onStop: (stream: Stream, connection: Connection) => Promise<void>;
  readonly reservationStore: {
    addRelay(peer: PeerId, type: 'configured'): Promise<unknown>;
    hasReservation(peer: PeerId): boolean;
    relayFilter: { has(item: Uint8Array): boolean; add(item: Uint8Array): void };
  };
}

interface Relay {
  readonly addresses: readonly string[];
  isAsked: boolean;
  retryAtMs: number;
  failures: number;
}

/** See the file's head. */
export class Circuits {
  readonly #nowMs: () => number;
  readonly #relays = new Map<PeerIdText, Relay>();
  #transport: CircuitTransport | undefined;
  #node: Libp2p | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** For the node's `transports`. */
  makeTransport(components: Parameters<ReturnType<typeof circuitRelayTransport>>[0]): Transport {
    const transport = circuitRelayTransport({
      maxInboundStopStreams: CIRCUITS_PER_PEER_MAX,
      maxOutboundStopStreams: CIRCUITS_PER_PEER_MAX,
      reservationCompletionTimeout: HOP_TIMEOUT_MS,
    })(components);
    // It would need identify to find relays by itself, which it is not asked to.
    Object.defineProperty(transport, serviceDependencies, { value: [] });
    if (isCircuitTransport(transport)) {
      this.#adopt(transport);
    }
    return transport;
  }

  /** For the node's `services`, when it relays for others. */
  serverFactories({ reservationsMax }: RelayOptions): ServiceFactories {
    return {
      circuitRelay: circuitRelayServer({
        hopTimeout: HOP_TIMEOUT_MS,
        maxInboundHopStreams: CIRCUITS_PER_PEER_MAX,
        maxOutboundStopStreams: CIRCUITS_PER_PEER_MAX,
        reservations: {
          maxReservations: reservationsMax,
          reservationTtl: RESERVATION_MS,
          applyDefaultLimit: false,
        },
      }),
    };
  }

  /** Works with a node from now on. */
  attach(node: Libp2p): void {
    this.#node = node;
    const server = serverOf(node);
    node.addEventListener('connection:close', ({ detail }) => {
      if (server !== undefined && node.getConnections(detail.remotePeer).length === 0) {
        // Its place is another's; if it comes back, it asks again.
        server.reservations.delete(detail.remotePeer);
      }
      this.#look();
    });
    node.addEventListener('connection:open', () => this.#look());
  }

  /** Be reachable at these relays, and at no others. */
  want({ relays }: WantRelays): void {
    const named = new Map(relays.map(({ peer, addresses }) => [peer, addresses]));
    for (const peer of this.#relays.keys()) {
      if (!named.has(peer)) this.#relays.delete(peer);
    }
    for (const [peer, addresses] of named) {
      const known = this.#relays.get(peer) ?? { isAsked: false, retryAtMs: 0, failures: 0 };
      this.#relays.set(peer, { ...known, addresses });
    }
    this.#look();
  }

  /** @returns where this node can be reached through relays, without the `/p2p/` part of its own */
  addresses(): string[] {
    return [...this.#relays].flatMap(([peer, { addresses }]) => {
      const isReserved = this.#connectionTo(peer, (id) =>
        this.#transport?.reservationStore.hasReservation(id),
      );
      const ways = addresses.length === 0 ? [''] : addresses;
      return isReserved === true ? ways.map((way) => `${way}/p2p/${peer}/p2p-circuit`) : [];
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#node = undefined;
    this.#relays.clear();
  }

  #adopt(transport: CircuitTransport): void {
    this.#transport = transport;
    transport.reservationStore.relayFilter = { has: () => false, add: () => undefined };
    const onStop = transport.onStop.bind(transport);
    transport.onStop = async (stream, connection) => {
      // Whoever is none of our relays would have us make a reservation, and a listener, with it.
      if (!transport.reservationStore.hasReservation(connection.remotePeer)) {
        stream.abort(new Error('no relay of this node'));
        return;
      }
      await onStop(stream, connection).catch((cause: unknown) => {
        stream.abort(cause instanceof Error ? cause : new Error('the circuit did not come up'));
      });
    };
  }

  /** Asks relays for a reservation where there is none and a connection to ask on. */
  #look(): void {
    clearTimeout(this.#timer);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [peer, relay] of this.#relays) {
      const wait = relay.retryAtMs - this.#nowMs();
      if (wait <= 0 && !relay.isAsked) {
        this.#connectionTo(peer, (id) => void this.#reserve(peer, id, relay));
      } else if (wait > 0) {
        nextMs = Math.min(nextMs, wait);
      }
    }
    if (Number.isFinite(nextMs)) {
      this.#timer = setTimeout(() => this.#look(), nextMs);
      this.#timer.unref();
    }
  }

  async #reserve(peer: PeerIdText, id: PeerId, relay: Relay): Promise<void> {
    const store = this.#transport?.reservationStore;
    if (store === undefined || store.hasReservation(id)) {
      return;
    }
    relay.isAsked = true;
    try {
      await store.addRelay(id, 'configured');
      relay.failures = 0;
    } catch {
      // It has no place or relays no longer: it may later, and others do meanwhile.
      relay.retryAtMs = this.#nowMs() + Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** relay.failures);
      relay.failures += 1;
    } finally {
      relay.isAsked = false;
    }
    if (this.#relays.has(peer) && this.#node !== undefined) this.#look();
  }

  /** @returns what `use` says of a peer to which there is a connection that is no circuit */
  #connectionTo<T>(peer: PeerIdText, use: (id: PeerId) => T): T | undefined {
    const connection = this.#node
      ?.getConnections()
      .find(
        ({ remotePeer, remoteAddr, status }) =>
          status === 'open' && remotePeer.toString() === peer && transportOf(remoteAddr) !== 'circuit',
      );
    return connection === undefined ? undefined : use(connection.remotePeer);
  }
}

function isCircuitTransport(transport: Transport): transport is CircuitTransport {
  const store = 'reservationStore' in transport ? transport.reservationStore : undefined;
  return (
    'onStop' in transport &&
    typeof transport.onStop === 'function' &&
    typeof store === 'object' &&
    store !== null &&
    ['addRelay', 'hasReservation'].every((name) => name in store) &&
    'relayFilter' in store
  );
}

function serverOf(node: Libp2p): CircuitRelayService | undefined {
  const { circuitRelay } = node.services as { readonly circuitRelay?: CircuitRelayService };
  return circuitRelay;
}
