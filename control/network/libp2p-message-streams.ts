/**
 * Streams of messages over libp2p: opening by an open connection or a dial, accepting by protocol, and the limits.
 *
 * Main thread. A connection that carries such a stream is in use: `Libp2pNetwork` asks here before it closes one
 * that no trunk needs. How long an idle stream stays open is its user's decision.
 */
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { isUnsupported, rootMessage } from './connections.ts';
import { MessageChannel } from './message-channel.ts';
import type { MessageStream, MessageStreams } from './message-streams.ts';
import { namedAddress } from './multiaddrs.ts';
import { NetworkError } from './network-error.ts';

/** A stream for each VLAN that two nodes may share, and some on their way out. */
const INBOUND_PER_PEER_MAX = 64;
const OUTBOUND_PER_PEER_MAX = 64;
const DIAL_TIMEOUT_MS = 5_000;
const OPEN_TIMEOUT_MS = 5_000;

/** See the file's head. */
export class Libp2pMessageStreams implements MessageStreams {
  readonly #node: Libp2p;
  readonly #streamCounts = new Map<Connection, number>();
  /** By peer and protocol: a peer may have more than one connection. */
  readonly #inboundCounts = new Map<string, number>();
  readonly #dials = new Map<string, Promise<Connection>>();
  /** Told when a connection carries none of these streams any more. */
  onUnused: (connection: Connection) => void = () => undefined;
  /** Whether a trunk has its streams on a connection: the other of two is about to be closed. */
  isTrunks: (connection: Connection) => boolean = () => false;
  /** Told of each message that goes out. */
  onSent: (connection: Connection) => void = () => undefined;

  constructor(node: Libp2p) {
    this.#node = node;
  }

  /** Whether a connection carries one of these streams. */
  uses(connection: Connection): boolean {
    return this.#streamCounts.has(connection);
  }

  async open(peer: string, protocol: string, addresses: readonly string[]): Promise<MessageStream> {
    let failure: unknown;
    for (const connection of this.#openConnections(peer)) {
      try {
        return await this.#openOn(connection, protocol);
      } catch (cause) {
        if (isUnsupported(cause)) throw unsupported(peer, protocol, cause);
        failure = cause;
      }
    }
    if (addresses.length === 0) {
      const why = failure === undefined ? 'there is no connection to it' : rootMessage(failure);
      throw new NetworkError('unreachable', `cannot reach ${peer}: ${why}`, { cause: failure });
    }
    try {
      return await this.#openOn(await this.#dial(peer, addresses), protocol);
    } catch (cause) {
      if (isUnsupported(cause)) throw unsupported(peer, protocol, cause);
      throw new NetworkError('unreachable', `cannot reach ${peer}: ${rootMessage(cause)}`, { cause });
    }
  }

  async accept(protocol: string, onStream: (stream: MessageStream) => void): Promise<void> {
    const options = {
      maxInboundStreams: INBOUND_PER_PEER_MAX,
      maxOutboundStreams: OUTBOUND_PER_PEER_MAX,
      runOnLimitedConnection: true,
    };
    await this.#node.handle(
      protocol,
      (stream, connection) => {
        const count = `${connection.remotePeer.toString()} ${protocol}`;
        const inbound = this.#inboundCounts.get(count) ?? 0;
        if (inbound >= INBOUND_PER_PEER_MAX) {
          stream.abort(new Error('too many streams of this protocol'));
          return;
        }
        this.#inboundCounts.set(count, inbound + 1);
        const ended = (): void => {
          const rest = (this.#inboundCounts.get(count) ?? 1) - 1;
          if (rest === 0) this.#inboundCounts.delete(count);
          else this.#inboundCounts.set(count, rest);
        };
        onStream(this.#channel(stream, connection, { openedHere: false, ended }));
      },
      options,
    );
  }

  async #openOn(connection: Connection, protocol: string): Promise<MessageChannel> {
    const stream = await connection.newStream(protocol, {
      signal: AbortSignal.timeout(OPEN_TIMEOUT_MS),
      maxOutboundStreams: OUTBOUND_PER_PEER_MAX,
      runOnLimitedConnection: true,
    });
    return this.#channel(stream, connection, { openedHere: true, ended: () => undefined });
  }

  #channel(
    stream: Stream,
    connection: Connection,
    { openedHere, ended }: { readonly openedHere: boolean; readonly ended: () => void },
  ): MessageChannel {
    this.#streamCounts.set(connection, (this.#streamCounts.get(connection) ?? 0) + 1);
    return new MessageChannel({
      peer: connection.remotePeer.toString(),
      openedHere,
      stream,
      sent: () => this.onSent(connection),
      ended: () => {
        ended();
        this.#release(connection);
      },
    });
  }

  #release(connection: Connection): void {
    const rest = (this.#streamCounts.get(connection) ?? 1) - 1;
    if (rest > 0) {
      this.#streamCounts.set(connection, rest);
      return;
    }
    this.#streamCounts.delete(connection);
    this.onUnused(connection);
  }

  /**
   * The best first: the one with the trunk; else, of two that raced, the one that the lower PeerId dialled, as the
   * trunk machines at both ends will choose (peer-streams.ts); else the newest.
   */
  #openConnections(peer: string): Connection[] {
    let connections: Connection[];
    try {
      connections = this.#node.getConnections(peerIdFromString(peer));
    } catch (cause) {
      throw new NetworkError('bad-address', `${peer} is not a PeerId`, { cause });
    }
    const lowers = this.#node.peerId.toString() < peer ? 'outbound' : 'inbound';
    const worth = (connection: Connection): number =>
      (this.isTrunks(connection) ? 2 : 0) + (connection.direction === lowers ? 1 : 0);
    return connections
      .filter(({ status }) => status === 'open')
      .reverse()
      .sort((one, other) => worth(other) - worth(one));
  }

  /** Those who want the same peer at the same time wait for one dial; if it fails, each has addresses of its own. */
  async #dial(peer: string, addresses: readonly string[]): Promise<Connection> {
    const pending = this.#dials.get(peer);
    const theirs = await pending?.catch(() => undefined);
    if (theirs?.status === 'open') {
      return theirs;
    }
    const targets = addresses.flatMap((address) => namedAddress(address, peer) ?? []);
    if (targets.length === 0) {
      throw new NetworkError('bad-address', 'none of the peer’s addresses can be dialled');
    }
    const dial = this.#node.dial(targets, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
    this.#dials.set(peer, dial);
    try {
      return await dial;
    } finally {
      if (this.#dials.get(peer) === dial) this.#dials.delete(peer);
    }
  }
}

function unsupported(peer: string, protocol: string, cause: unknown): NetworkError {
  return new NetworkError('unsupported', `${peer} does not speak ${protocol}`, { cause });
}
