/**
 * The libp2p node: listening, dialling, and the two protocols of a trunk, told as `NetworkInput`s. Every other
 * protocol goes by `streams`.
 *
 * Main thread; this folder is the only importer of libp2p, and no libp2p type leaves it. The node itself is made in
 * libp2p-node.ts; what is refused by the private swarm's gate is never seen here.
 *
 *   /peertap/trunk/1.0.0     messages, varint length prefix, at most 64 KiB
 *   /peertap/carrier/1.0.0   link datagrams, u16 length prefix, batched
 */
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { monotonicMs } from '../monotonic-clock.ts';
import type {
  BindCarrier,
  ConnectionId,
  NetworkEffect,
  OpenStream,
  StreamId,
  StreamProtocol,
  TrunkNetwork,
  TrunkNetworkHost,
} from '../trunk/network-port.ts';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import type { Circuits } from './circuits.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { ConnectionPulse } from './connection-pulse.ts';
import {
  checkConnection,
  closeConnection,
  closeWhenIdle,
  isUnsupported,
  remoteIp,
  rootMessage,
  startError,
  transportOf,
} from './connections.ts';
import { Dialler } from './dialler.ts';
import type { GuardedConnections } from './guarded-connections.ts';
import { Libp2pMessageStreams } from './libp2p-message-streams.ts';
import { type CreatedNode, createNode, type NetworkOptions, type TransportManager } from './libp2p-node.ts';
import type { MessageStreams } from './message-streams.ts';
import { expandedAddresses, parseAddress } from './multiaddrs.ts';
import { NetworkError } from './network-error.ts';
import { CLOSED_UNSAID, noteEnd, type Refusals } from './refusals.ts';
import { CarrierChannel, type Channel, ControlChannel } from './stream-channel.ts';

const PROTOCOLS: Readonly<Record<StreamProtocol, string>> = {
  trunk: '/peertap/trunk/1.0.0',
  carrier: '/peertap/carrier/1.0.0',
};
const OPEN_TIMEOUT_MS = 5_000;
/** A peer opens one stream of each kind; two more may be on their way out. */
const STREAMS_PER_PROTOCOL_MAX = 4;
const EMPTY_HOST: TrunkNetworkHost = { input: () => undefined, carrierDatagram: () => undefined };

/**
 * Starts the node: {@link createNetwork} and `listen` at once, for those who attach in the same turn.
 *
 * @throws NetworkError `listen-failed`, `bad-address` or `start-failed`
 */
export async function startNetwork(options: NetworkOptions): Promise<Libp2pNetwork> {
  const network = await createNetwork(options);
  await network.listen();
  return network;
}

/**
 * Makes the node, which neither listens nor dials yet. Attach a host before `listen`: a peer may open its stream
 * within the same millisecond, and a stream that nobody hears of costs it a handshake timeout.
 *
 * @throws NetworkError `bad-address` or `start-failed`
 */
export async function createNetwork(options: NetworkOptions): Promise<Libp2pNetwork> {
  for (const address of options.listen) {
    parseAddress(address);
  }
  try {
    return await Libp2pNetwork.adopt(await createNode(options), options.listen);
  } catch (cause) {
    throw startError(options.listen, cause);
  }
}

export class Libp2pNetwork implements TrunkNetwork {
  readonly peerId: PeerIdText;
  /** What does not work on this machine, for the log. */
  readonly warnings: readonly string[];
  /** What is neither a trunk nor a carrier. */
  readonly streams: MessageStreams;
  readonly #node: Libp2p;
  readonly #guarded: GuardedConnections;
  readonly #limit: ConnectionLimit;
  readonly #refusals: Refusals;
  readonly #circuits: Circuits;
  readonly #dialler: Dialler;
  readonly #transports: TransportManager;
  readonly #messageStreams: Libp2pMessageStreams;
  readonly #pulse = new ConnectionPulse(monotonicMs);
  /** Connections that the trunk machine has given up, while message streams go over them. */
  readonly #unwanted = new WeakSet<Connection>();
  readonly #listen: readonly string[];
  readonly #connectionIds = new Map<Connection, ConnectionId>();
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #controls = new Map<StreamId, ControlChannel>();
  readonly #carriers = new Map<StreamId, CarrierChannel>();
  #host = EMPTY_HOST;
  #nextId = 1;
  #isStopped = false;

  private constructor(created: CreatedNode, listen: readonly string[]) {
    const { node, guarded, limit, refusals, circuits, warnings } = created;
    this.#node = node;
    this.#circuits = circuits;
    this.#dialler = new Dialler(node, refusals, created.transportManager.dial.bind(created.transportManager));
    this.#transports = created.transportManager;
    this.warnings = warnings;
    this.#listen = listen;
    this.peerId = node.peerId.toString();
    this.#guarded = guarded;
    this.#limit = limit;
    this.#refusals = refusals;
    this.#messageStreams = new Libp2pMessageStreams(node);
    this.#messageStreams.isTrunks = (connection) => this.#isTrunks(connection);
    this.#messageStreams.onSent = (connection) => this.#pulse.expect(connection);
    this.#messageStreams.onUnused = (connection) => this.#watchIdle(connection);
    this.streams = this.#messageStreams;
  }

  static async adopt(created: CreatedNode, listen: readonly string[]): Promise<Libp2pNetwork> {
    const { node, gate } = created;
    const network = new Libp2pNetwork(created, listen);
    if (gate !== undefined) {
      gate.onAuthorised = (peers) => network.#host.input({ kind: 'authorised', peers });
    }
    node.addEventListener('connection:open', ({ detail }) => {
      const pulsed = network.#guarded.pulseOf(detail);
      if (pulsed !== undefined) {
        network.#pulse.add(detail, pulsed);
      }
      if (detail.direction === 'inbound') {
        network.#idOf(detail);
      } else {
        network.#watchIdle(detail);
      }
    });
    node.addEventListener('connection:close', ({ detail }) => network.#forget(detail));
    for (const protocol of ['trunk', 'carrier'] as const) {
      await node.handle(
        PROTOCOLS[protocol],
        (stream, connection) => network.#adoptStream(stream, connection, protocol, false),
        {
          maxInboundStreams: STREAMS_PER_PROTOCOL_MAX,
          maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX,
          runOnLimitedConnection: true,
        },
      );
    }
    return network;
  }

  /**
   * Listens and may dial from now on.
   *
   * @throws NetworkError `listen-failed` or `start-failed`
   */
  async listen(): Promise<void> {
    try {
      await this.#node.start();
    } catch (cause) {
      throw startError(this.#listen, cause);
    }
  }

  /** Tells the host from now on, and of connections that came before. */
  attach(host: TrunkNetworkHost): void {
    this.#host = host;
    for (const connection of this.#node.getConnections()) {
      this.#idOf(connection);
    }
  }

  /** @returns the addresses that the node listens on, ports resolved, and its circuits, without its own `/p2p/` part */
  listenAddresses(): string[] {
    return [...expandedAddresses(this.#transports.getAddrs()), ...this.#circuits.addresses()];
  }

  perform(effect: Exclude<NetworkEffect, BindCarrier>): void {
    switch (effect.kind) {
      case 'dial':
        void this.#dial(effect.peer, effect.addresses, effect.isFresh === true);
        return;
      case 'dial-unnamed':
        void this.#dialUnnamed(effect.address);
        return;
      case 'open-stream':
        void this.#open(effect);
        return;
      case 'send-message':
        this.#controls.get(effect.stream)?.send(effect.message);
        return;
      case 'close-stream':
        (this.#controls.get(effect.stream) ?? this.#carriers.get(effect.stream))?.close(effect.abort);
        return;
      case 'disconnect':
        this.#disconnect(effect.connection);
        return;
      case 'check-connections':
        for (const connection of this.#node.getConnections()) {
          if (!this.#pulse.check(connection)) {
            void checkConnection(connection);
          }
        }
        return;
      case 'want-peers':
        this.#limit.want(effect.peers);
        return;
      case 'want-relays':
        this.#circuits.want(effect);
        return;
      case 'avoid-networks':
        this.#guarded.avoid(effect.networks, this.#node.getConnections());
        return;
      case 'watch-connection':
        this.#watch(effect.connection, effect.isClose);
    }
  }

  #isTrunks(connection: Connection): boolean {
    const id = this.#connectionIds.get(connection);
    return [...this.#controls.values()].some((control) => control.connection === id);
  }

  #watch(id: ConnectionId, isClose: boolean): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined) {
      this.#pulse.watchClosely(connection, isClose);
    }
  }

  #disconnect(id: ConnectionId): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) {
      return;
    }
    if (this.#messageStreams.uses(connection)) this.#unwanted.add(connection);
    else closeConnection(connection);
  }

  #watchIdle(connection: Connection): void {
    closeWhenIdle(connection, () => {
      const isTheMachines = this.#connectionIds.has(connection) && !this.#unwanted.has(connection);
      return isTheMachines || this.#messageStreams.uses(connection);
    });
  }

  sendCarrier(stream: StreamId, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#carriers.get(stream)?.send(bytes, offset, length) ?? false;
  }

  /** Closes every connection and socket; tells the host nothing more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#host = EMPTY_HOST;
    this.#pulse.stop();
    this.#circuits.stop();
    await this.#node.stop();
  }

  async #dial(peer: PeerIdText, addresses: readonly string[], isFresh: boolean): Promise<void> {
    try {
      const connection = await this.#dialler.dialPeer(peer, addresses, isFresh);
      this.#tellDialled(connection);
    } catch (cause) {
      this.#host.input({ kind: 'dial-failed', peer, reason: rootMessage(cause) });
    }
  }

  async #dialUnnamed(address: string): Promise<void> {
    try {
      const connection = await this.#dialler.dialUnnamed(address);
      this.#host.input({ kind: 'peer-named', address, peer: connection.remotePeer.toString() });
      this.#tellDialled(connection);
    } catch (cause) {
      this.#host.input({ kind: 'dial-failed', peer: undefined, address, reason: rootMessage(cause) });
    }
  }

  #tellDialled(connection: Connection): void {
    if (this.#isStopped || connection.status !== 'open') {
      throw new NetworkError('start-failed', 'the connection closed at once');
    }
    this.#unwanted.delete(connection);
    const id = this.#connectionIds.get(connection) ?? this.#register(connection);
    this.#host.input({
      kind: 'connected',
      peer: connection.remotePeer.toString(),
      connection: id,
      dialled: true,
      transport: transportOf(connection.remoteAddr),
      remoteIp: remoteIp(connection),
    });
  }

  async #open({ connection: id, protocol }: OpenStream): Promise<void> {
    const connection = this.#connections.get(id);
    if (connection === undefined) {
      // Its `disconnected` has been told, or is about to be: the machine no longer waits for this stream.
      return;
    }
    try {
      const stream = await connection.newStream(PROTOCOLS[protocol], {
        signal: AbortSignal.timeout(OPEN_TIMEOUT_MS),
        runOnLimitedConnection: true,
      });
      this.#adoptStream(stream, connection, protocol, true);
    } catch (cause) {
      const reason = isUnsupported(cause)
        ? 'the peer does not speak this protocol: it is no PeerTap, or another version of it'
        : rootMessage(cause);
      this.#host.input({
        kind: 'stream-failed',
        peer: connection.remotePeer.toString(),
        connection: id,
        protocol,
        reason,
      });
    }
  }

  #adoptStream(stream: Stream, connection: Connection, protocol: StreamProtocol, openedHere: boolean): void {
    const id = this.#nextId++;
    this.#unwanted.delete(connection);
    const connectionId = this.#idOf(connection);
    const channels: Map<StreamId, Channel> = protocol === 'trunk' ? this.#controls : this.#carriers;
    const host: TrunkNetworkHost = {
      input: (input) => this.#host.input(input),
      carrierDatagram: (streamId, bytes, offset, length) =>
        this.#host.carrierDatagram(streamId, bytes, offset, length),
    };
    const origin = { id, connection: connectionId, stream, host, ended: () => channels.delete(id) };
    // What the stream has buffered reaches the channel's listener in a later microtask: `stream-opened` is told first.
    channels.set(id, protocol === 'trunk' ? new ControlChannel(origin) : new CarrierChannel(origin));
    this.#host.input({
      kind: 'stream-opened',
      peer: connection.remotePeer.toString(),
      connection: connectionId,
      stream: id,
      protocol,
      openedHere,
    });
    if (stream.status !== 'open' && channels.delete(id)) {
      this.#host.input({ kind: 'stream-closed', stream: id, reason: 'closed while it was opened' });
    }
  }

  #idOf(connection: Connection): ConnectionId {
    const known = this.#connectionIds.get(connection);
    if (known !== undefined) {
      return known;
    }
    const id = this.#register(connection);
    this.#host.input({
      kind: 'connected',
      peer: connection.remotePeer.toString(),
      connection: id,
      dialled: false,
      transport: transportOf(connection.remoteAddr),
      remoteIp: remoteIp(connection),
    });
    return id;
  }

  #register(connection: Connection): ConnectionId {
    const id = this.#nextId++;
    this.#connectionIds.set(connection, id);
    this.#connections.set(id, connection);
    return id;
  }

  #forget(connection: Connection): void {
    this.#pulse.forget(connection);
    const hasSpoken = this.#guarded.hasSpoken(connection);
    const isRefused = !this.#isStopped && noteEnd(this.#refusals, connection, hasSpoken);
    const id = this.#connectionIds.get(connection);
    if (id !== undefined) {
      this.#connectionIds.delete(connection);
      this.#connections.delete(id);
      const ended = { peer: connection.remotePeer.toString(), connection: id };
      this.#host.input({ kind: 'disconnected', ...ended, ...(isRefused && { reason: CLOSED_UNSAID }) });
    }
  }
}
