/**
 * Puts one guard before every connection of a libp2p node, on every carrier, before any protocol can be spoken on it.
 *
 *   transport ─▶ encrypter ─▶ muxer ── held ──▶ guard: a proof on the muxer's first stream ─▶ Connection ─▶ protocols
 *     TCP, WebSocket    guardEncrypter   guardMuxer         gater's deny…UpgradedConnection
 *     QUIC: it brings its own encryption and muxer, which guardTransport wraps
 *
 * libp2p makes the Connection, and tells anybody of it, only after the gater has let it pass. Until then the muxer
 * holds back every stream, so a protocol that is registered later is guarded without knowing of it. A connection
 * whose muxer does not come from here is refused: a transport that nobody has wrapped lets nobody in.
 *
 * Main thread. It decides nothing: that is the `ConnectionGuard`'s.
 */
import {
  type AbortOptions,
  type Connection,
  type ConnectionEncrypter,
  type ConnectionGater,
  type CreateListenerOptions,
  type CreateStreamOptions,
  type DialTransportOptions,
  type MessageStream,
  type MultiaddrConnection,
  type PeerId,
  type SecuredConnection,
  type Stream,
  type StreamMuxer,
  type StreamMuxerEvents,
  type StreamMuxerFactory,
  type StreamMuxerStatus,
  type Transport,
  TypedEventEmitter,
  type Upgrader,
  type UpgraderOptions,
  type UpgraderWithoutEncryptionOptions,
} from '@libp2p/interface';
import { monotonicMs } from '../monotonic-clock.ts';
import { VlanNetworks } from '../trunk/vlan-networks.ts';
import type { Pulsed } from './connection-pulse.ts';
import { NetworkError } from './network-error.ts';
import type { Refusals } from './refusals.ts';

/** Streams that may wait for the guard: the proof's, and what a peer that shares many VLANs opens right behind it. */
const HELD_MAX = 128;
/** What they may have brought by then, all together: as many peers may wait as may be in their handshake. */
const HELD_MAX_BYTES = 1_048_576;

/** The first streams of a connection tell whether its peer speaks with us. */
const OPENED_KEPT = 4;

/** Decides about a connection by a stream of its own. */
export interface ConnectionGuard {
  /** Whether connections must be proven now. */
  isActive(): boolean;
  /**
   * Runs the proof.
   *
   * @param stream - the first of the connection, which carries nothing else; the dialler opens it
   * @throws NetworkError when the peer may not connect
   */
  admit(peer: string, stream: () => Promise<Stream>, openedHere: boolean): Promise<void>;
}

/** Makes the guarded parts of one libp2p node; see the file's head. */
export class GuardedConnections {
  readonly #guard: ConnectionGuard;
  readonly #refusals: Refusals;
  readonly #hasRoom: (peer: string) => boolean;
  #avoided = new VlanNetworks([]);
  readonly #muxers = new WeakMap<MessageStream, GuardedMuxer>();
  /** A libp2p Connection has no other object in common with what it was made of. */
  readonly #byTimeline = new WeakMap<object, GuardedMuxer>();
  /** From what an encrypter made to the connection under it. */
  readonly #under = new WeakMap<MessageStream, MessageStream>();

  /**
   * @param refusals - peers that are not dialled for a while
   * @param hasRoom - whether a peer that is not known to be a stranger of the swarm finds a place, inbound
   */
  constructor(guard: ConnectionGuard, refusals: Refusals, hasRoom: (peer: string) => boolean) {
    this.#refusals = refusals;
    this.#guard = guard;
    this.#hasRoom = hasRoom;
  }

  /** How to look whether a connection lives; undefined for one whose muxer has no pings. */
  pulseOf(connection: Connection): Pulsed | undefined {
    return this.#byTimeline.get(connection.timeline)?.pulse();
  }

  /** Whether anything was said on a connection: a protocol agreed upon, or a stream that the peer has opened. */
  hasSpoken(connection: Connection): boolean {
    return this.#byTimeline.get(connection.timeline)?.hasSpoken() ?? true;
  }

  /** Networks to and from which nothing goes from now on; what came up before they were known ends. */
  avoid(networks: readonly string[], open: readonly Connection[]): void {
    this.#avoided = new VlanNetworks(networks);
    for (const connection of open) {
      if (this.#avoided.hasMultiaddr(connection.remoteAddr.toString())) {
        connection.abort(new Error('it leads through an own VLAN'));
      }
    }
  }

  /** For the node's `connectionGater`. */
  gater(): ConnectionGater {
    return {
      denyDialPeer: (peer) => this.#refusals.has(peer.toString()),
      denyDialMultiaddr: (address) =>
        this.#refusals.has(address.toString()) || this.#avoided.hasMultiaddr(address.toString()),
      // A circuit shows where its relay is, to which there is a connection already.
      denyInboundConnection: ({ remoteAddr }) => this.#avoided.hasMultiaddr(remoteAddr.toString()),
      denyInboundUpgradedConnection: (peer, connection) => this.#admit(peer, connection, false),
      denyOutboundUpgradedConnection: (peer, connection) => this.#admit(peer, connection, true),
    };
  }

  guardEncrypter<C>(make: (components: C) => ConnectionEncrypter): (components: C) => ConnectionEncrypter {
    return (components) => {
      const inner = make(components);
      const [secureInbound, secureOutbound] = [
        inner.secureInbound.bind(inner),
        inner.secureOutbound.bind(inner),
      ];
      const follow = async (
        under: MessageStream,
        secured: Promise<SecuredConnection>,
      ): Promise<SecuredConnection> => {
        const result = await secured;
        this.#under.set(result.connection, under);
        return result;
      };
      inner.secureInbound = (stream, options) => follow(stream, secureInbound(stream, options));
      inner.secureOutbound = (stream, options) => follow(stream, secureOutbound(stream, options));
      return inner;
    };
  }

  guardMuxer<C>(make: (components: C) => StreamMuxerFactory): (components: C) => StreamMuxerFactory {
    return (components) => this.#guardFactory(make(components));
  }

  /** For a transport with a muxer of its own; does no harm to others. */
  guardTransport<C>(make: (components: C) => Transport): (components: C) => Transport {
    return (components) => {
      const inner = make(components);
      const [dial, createListener] = [inner.dial.bind(inner), inner.createListener.bind(inner)];
      inner.dial = (address, options: DialTransportOptions) =>
        dial(address, { ...options, upgrader: this.#guardUpgrader(options.upgrader) });
      inner.createListener = (options: CreateListenerOptions) =>
        createListener({ ...options, upgrader: this.#guardUpgrader(options.upgrader) });
      return inner;
    };
  }

  #guardUpgrader(upgrader: Upgrader): Upgrader {
    const guarded = (options: UpgraderWithoutEncryptionOptions): UpgraderWithoutEncryptionOptions =>
      options.muxerFactory === undefined
        ? options
        : { ...options, muxerFactory: this.#guardFactory(options.muxerFactory) };
    const wrapped: Pick<Upgrader, 'upgradeInbound' | 'upgradeOutbound'> = {
      upgradeInbound: (connection: MultiaddrConnection, options: UpgraderOptions) =>
        upgrader.upgradeInbound(connection, guarded(options as UpgraderWithoutEncryptionOptions)),
      upgradeOutbound: (connection: MultiaddrConnection, options: UpgraderOptions) =>
        upgrader.upgradeOutbound(connection, guarded(options as UpgraderWithoutEncryptionOptions)),
    };
    return Object.assign(Object.create(upgrader) as Upgrader, wrapped);
  }

  #guardFactory(factory: StreamMuxerFactory): StreamMuxerFactory {
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => {
        const muxer = new GuardedMuxer(factory.createStreamMuxer(connection), connection);
        const under = this.#under.get(connection) ?? connection;
        this.#muxers.set(under, muxer);
        this.#byTimeline.set(under.timeline, muxer);
        return muxer;
      },
    };
  }

  /** @returns false to let the connection pass; throws otherwise, with the reason */
  async #admit(peer: PeerId, connection: MultiaddrConnection, openedHere: boolean): Promise<boolean> {
    const muxer = this.#muxers.get(connection);
    if (muxer === undefined) {
      throw new NetworkError('refused', 'a connection that cannot be guarded is not taken');
    }
    const stream = (): Promise<Stream> => (openedHere ? muxer.createStream() : muxer.first());
    try {
      if (this.#guard.isActive()) {
        await this.#prove(peer.toString(), stream, openedHere);
      }
      if (!openedHere && !this.#hasRoom(peer.toString())) {
        throw new NetworkError('refused', 'all connections that this node keeps are taken');
      }
      return false;
    } catch (cause) {
      muxer.abort(cause instanceof Error ? cause : new Error('not admitted'));
      throw cause;
    }
  }

  async #prove(peer: string, stream: () => Promise<Stream>, openedHere: boolean): Promise<void> {
    try {
      await this.#guard.admit(peer, stream, openedHere);
      this.#refusals.forget(peer);
    } catch (cause) {
      this.#refusals.note(peer);
      throw cause;
    }
  }
}

/** A muxer that holds back what the peer opens until libp2p listens, and before that gives out the first stream. */
class GuardedMuxer extends TypedEventEmitter<StreamMuxerEvents> implements StreamMuxer {
  readonly protocol: string;
  readonly #inner: StreamMuxer;
  readonly #held: Stream[] = [];
  readonly #connection: MessageStream;
  readonly #ended = Promise.withResolvers<never>();
  readonly #opened: Stream[] = [];
  #hasSpoken = false;
  #isReleased = false;
  #heardAtMs = monotonicMs();
  #wake: () => void = () => undefined;

  constructor(inner: StreamMuxer, connection: MessageStream) {
    super();
    this.#inner = inner;
    this.#connection = connection;
    this.protocol = inner.protocol;
    this.#ended.promise.catch(() => undefined);
    inner.addEventListener('stream', ({ detail }) => this.#take(detail));
    connection.addEventListener('message', () => this.#checkHeld());
    connection.addEventListener('close', () => this.#ended.reject(new Error('the connection was closed')), {
      once: true,
    });
  }

  get streams(): Stream[] {
    return this.#inner.streams;
  }

  get status(): StreamMuxerStatus {
    return this.#inner.status;
  }

  async createStream(options?: CreateStreamOptions): Promise<Stream> {
    const stream = await this.#inner.createStream(options);
    if (this.#opened.length < OPENED_KEPT) this.#opened.push(stream);
    return stream;
  }

  /** libp2p names a stream's protocol when it is agreed upon. */
  hasSpoken(): boolean {
    this.#hasSpoken ||= this.#opened.some(({ protocol }) => protocol !== '');
    return this.#hasSpoken;
  }

  /** The first stream that the peer opens; only before libp2p listens. */
  async first(): Promise<Stream> {
    const opened = new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#held.length === 0) {
      await Promise.race([opened, this.#ended.promise]);
    }
    const stream = this.#held.shift();
    if (stream === undefined) {
      throw new Error('no stream was opened');
    }
    return stream;
  }

  pulse(): Pulsed | undefined {
    const inner = this.#inner;
    if (!('ping' in inner) || typeof inner.ping !== 'function') {
      return undefined;
    }
    const ping = inner.ping.bind(inner) as (options: AbortOptions) => Promise<number>;
    this.#connection.addEventListener('message', () => (this.#heardAtMs = monotonicMs()));
    return { ping: (signal) => ping({ signal }), heardAtMs: () => this.#heardAtMs };
  }

  close(options?: Parameters<StreamMuxer['close']>[0]): Promise<void> {
    return this.#inner.close(options);
  }

  abort(error: Error): void {
    this.#held.length = 0;
    this.#inner.abort(error);
  }

  override addEventListener(
    ...args: Parameters<TypedEventEmitter<StreamMuxerEvents>['addEventListener']>
  ): void {
    super.addEventListener(...args);
    // A muxer has no other event.
    if (!this.#isReleased) {
      this.#isReleased = true;
      // Later, as the listener's owner may still be in its constructor.
      queueMicrotask(() => {
        for (const stream of this.#held.splice(0)) this.#tell(stream);
      });
    }
  }

  #take(stream: Stream): void {
    if (this.#isReleased && this.#held.length === 0) {
      this.#tell(stream);
      return;
    }
    this.#held.push(stream);
    this.#wake();
    this.#checkHeld();
  }

  #checkHeld(): void {
    const heldBytes = this.#held.reduce((sum, { readBufferLength }) => sum + readBufferLength, 0);
    if (this.#held.length > HELD_MAX || heldBytes > HELD_MAX_BYTES) {
      const error = new Error('too much before the connection is open');
      this.abort(error);
      this.#connection.abort(error);
    }
  }

  #tell(stream: Stream): void {
    this.#hasSpoken = true;
    this.safeDispatchEvent('stream', { detail: stream });
  }
}
