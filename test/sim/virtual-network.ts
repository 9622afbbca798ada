/**
 * A virtual underlay for simulated nodes: datagrams with loss, delay, reordering and a path size, and
 * connections with ordered, reliable streams, as control/network would show them.
 *
 *   node A ── datagram(from, to, payload, size) ──▶ node B      lost, delayed, reordered, cut, blocked
 *   node A ── dial, streams, messages ────────────▶ node B      ordered; held while cut, reset at a crash
 *
 * It calls hosts only from events of the simulation, never from inside a host's call.
 */
import type { NetworkInput, StreamProtocol } from '../../control/trunk/network-port.ts';
import type { DatagramAddress, PeerIdText } from '../../control/trunk/trunk-port.ts';
import type { Simulation } from './simulation.ts';

/** What a node gives the network; `ip` changes when it roams. */
export interface VirtualHost {
  readonly id: PeerIdText;
  readonly ip: string;
  readonly isAlive: boolean;
  networkInput(input: NetworkInput): void;
  datagram(from: DatagramAddress, to: DatagramAddress, payload: unknown, sizeBytes: number): void;
  streamData(stream: number, payload: unknown): void;
}

/** The state of the path between two nodes, both ways alike. */
export interface VirtualPath {
  delayMs: number;
  jitterMs: number;
  lossRatio: number;
  mtuBytes: number;
  isCut: boolean;
  isUdpBlocked: boolean;
}

interface Connection {
  readonly id: number;
  readonly ends: readonly [VirtualHost, VirtualHost];
  readonly ips: readonly [string, string];
  readonly streams: Set<number>;
  isOpen: boolean;
}

interface QueuedItem {
  readonly atMs: number;
  readonly run: () => void;
}

interface Stream {
  readonly id: number;
  readonly connection: Connection;
  /** On their way, by the end that sent them. */
  readonly queues: readonly [QueuedItem[], QueuedItem[]];
  isOpen: boolean;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** How long a dead path takes to break a connection, as TCP and yamux would see it. */
const KEEPALIVE_TIMEOUT_MS = 20_000;
const HELD_RETRY_MS = 200;

export class VirtualNetwork {
  readonly #simulation: Simulation;
  readonly #hosts = new Map<PeerIdText, VirtualHost>();
  readonly #paths = new Map<string, VirtualPath>();
  readonly #connections = new Map<number, Connection>();
  readonly #streams = new Map<number, Stream>();
  #nextId = 1;
  defaults: VirtualPath = {
    delayMs: 10,
    jitterMs: 3,
    lossRatio: 0,
    mtuBytes: 1_472,
    isCut: false,
    isUdpBlocked: false,
  };

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  add(host: VirtualHost): void {
    this.#hosts.set(host.id, host);
  }

  path(one: PeerIdText, other: PeerIdText): VirtualPath {
    const key = [one, other].sort().join();
    let path = this.#paths.get(key);
    if (path === undefined) {
      path = { ...this.defaults };
      this.#paths.set(key, path);
    }
    return path;
  }

  sendDatagram(
    from: VirtualHost,
    source: DatagramAddress,
    to: DatagramAddress,
    payload: unknown,
    sizeBytes: number,
  ): void {
    const target = [...this.#hosts.values()].find((host) => host.ip === to.ip);
    if (target === undefined || !from.isAlive) {
      return;
    }
    const path = this.path(from.id, target.id);
    if (
      path.isCut ||
      path.isUdpBlocked ||
      sizeBytes > path.mtuBytes ||
      this.#simulation.random() < path.lossRatio
    ) {
      return;
    }
    const targetIp = target.ip;
    this.#simulation.after(path.delayMs + this.#simulation.random() * path.jitterMs, () => {
      if (target.isAlive && target.ip === targetIp && !path.isCut) {
        target.datagram(source, to, payload, sizeBytes);
      }
    });
  }

  dial(from: VirtualHost, peer: PeerIdText, addresses: readonly string[]): void {
    const target = this.#hosts.get(peer);
    const isKnown = target !== undefined && addresses.includes(target.ip);
    const path = this.path(from.id, peer);
    const isReachable = isKnown && target.isAlive && !path.isCut;
    const fromIp = from.ip;
    this.#simulation.after(isReachable || !path.isCut ? 2 * path.delayMs : CONNECT_TIMEOUT_MS, () => {
      if (!from.isAlive) {
        return;
      }
      const isLost = this.path(from.id, peer).isCut || from.ip !== fromIp;
      if (!isReachable || this.#hosts.get(peer)?.isAlive !== true || isLost) {
        from.networkInput({ kind: 'dial-failed', peer, reason: 'connection refused' });
        return;
      }
      this.#connect(from, target);
    });
  }

  open(from: VirtualHost, connectionId: number, protocol: StreamProtocol): void {
    const connection = this.#connections.get(connectionId);
    const peer = connection === undefined ? undefined : otherEnd(connection, from);
    if (connection?.isOpen !== true || peer === undefined) {
      this.#simulation.after(0, () => {
        from.networkInput({
          kind: 'stream-failed',
          peer: peer?.id ?? '',
          connection: connectionId,
          protocol,
          reason: 'connection closed',
        });
      });
      return;
    }
    const stream: Stream = { id: this.#nextId++, connection, queues: [[], []], isOpen: true };
    this.#streams.set(stream.id, stream);
    connection.streams.add(stream.id);
    const opened = { kind: 'stream-opened' as const, connection: connectionId, stream: stream.id, protocol };
    this.#simulation.after(0, () => {
      if (stream.isOpen) {
        from.networkInput({ ...opened, peer: peer.id, openedHere: true });
      }
    });
    this.#deliver(stream, from, () => {
      peer.networkInput({ ...opened, peer: from.id, openedHere: false });
    });
  }

  send(from: VirtualHost, streamId: number, message: Uint8Array): void {
    const stream = this.#streams.get(streamId);
    if (stream?.isOpen === true) {
      const peer = otherEnd(stream.connection, from);
      const copy = message.slice();
      this.#deliver(stream, from, () => {
        peer.networkInput({ kind: 'message', stream: streamId, message: copy });
      });
    }
  }

  /** @returns false when the stream is gone */
  sendData(from: VirtualHost, streamId: number, payload: unknown): boolean {
    const stream = this.#streams.get(streamId);
    if (stream?.isOpen !== true) {
      return false;
    }
    const peer = otherEnd(stream.connection, from);
    this.#deliver(stream, from, () => {
      peer.streamData(streamId, payload);
    });
    return true;
  }

  close(from: VirtualHost, streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream?.isOpen !== true) {
      return;
    }
    const peer = otherEnd(stream.connection, from);
    this.#simulation.after(0, () => {
      from.networkInput({ kind: 'stream-closed', stream: streamId, reason: 'closed' });
    });
    this.#deliver(stream, from, () => {
      stream.isOpen = false;
      this.#forget(stream);
      peer.networkInput({ kind: 'stream-closed', stream: streamId, reason: 'closed by the peer' });
    });
  }

  disconnect(connectionId: number): void {
    const connection = this.#connections.get(connectionId);
    if (connection !== undefined) {
      this.#break(connection, 0);
    }
  }

  /** The node's process has died: its kernel resets what it had, as far as the path carries that. */
  crash(host: VirtualHost): void {
    for (const connection of this.#connections.values()) {
      if (connection.isOpen && connection.ends.includes(host)) {
        this.#break(connection, this.path(connection.ends[0].id, connection.ends[1].id).delayMs);
      }
    }
  }

  /** The node has another address: its connections hang until a keepalive ends them. */
  roamed(host: VirtualHost): void {
    for (const connection of this.#connections.values()) {
      if (connection.isOpen && connection.ends.includes(host)) {
        this.#simulation.after(KEEPALIVE_TIMEOUT_MS, () => {
          this.#break(connection, 0);
        });
      }
    }
  }

  #connect(from: VirtualHost, target: VirtualHost): void {
    const connection: Connection = {
      id: this.#nextId++,
      ends: [from, target],
      ips: [from.ip, target.ip],
      streams: new Set(),
      isOpen: true,
    };
    this.#connections.set(connection.id, connection);
    from.networkInput({
      kind: 'connected',
      peer: target.id,
      connection: connection.id,
      dialled: true,
      transport: 'tcp',
      remoteIp: target.ip,
    });
    target.networkInput({
      kind: 'connected',
      peer: from.id,
      connection: connection.id,
      dialled: false,
      transport: 'tcp',
      remoteIp: from.ip,
    });
  }

  #break(connection: Connection, delayMs: number): void {
    if (!connection.isOpen) {
      return;
    }
    connection.isOpen = false;
    this.#connections.delete(connection.id);
    const streams = [...connection.streams]
      .map((id) => this.#streams.get(id))
      .filter((stream) => stream?.isOpen === true);
    for (const stream of streams) {
      if (stream !== undefined) {
        stream.isOpen = false;
        this.#forget(stream);
      }
    }
    for (const end of connection.ends) {
      this.#simulation.after(delayMs, () => {
        if (!end.isAlive) {
          return;
        }
        for (const stream of streams) {
          end.networkInput({ kind: 'stream-closed', stream: stream?.id ?? 0, reason: 'connection reset' });
        }
        end.networkInput({
          kind: 'disconnected',
          peer: otherEnd(connection, end).id,
          connection: connection.id,
        });
      });
    }
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream.id);
    stream.connection.streams.delete(stream.id);
  }

  /** In order, and held while the path is cut; a cut that lasts breaks the connection. */
  #deliver(stream: Stream, from: VirtualHost, run: () => void): void {
    const { connection } = stream;
    const path = this.path(from.id, otherEnd(connection, from).id);
    const queue = stream.queues[connection.ends[0] === from ? 0 : 1];
    const atMs = this.#simulation.nowMs + path.delayMs + this.#simulation.random() * path.jitterMs;
    queue.push({ atMs: Math.max(atMs, queue.at(-1)?.atMs ?? 0), run });
    if (queue.length === 1) {
      this.#simulation.after(atMs - this.#simulation.nowMs, () => {
        this.#pump(stream, queue);
      });
    }
  }

  #pump(stream: Stream, queue: QueuedItem[]): void {
    const { connection } = stream;
    const [one, other] = connection.ends;
    const isStalled =
      this.path(one.id, other.id).isCut ||
      connection.ends.some((end, index) => end.ip !== connection.ips[index]);
    const first = queue[0];
    if (!connection.isOpen || !stream.isOpen || first === undefined) {
      queue.length = 0;
      return;
    }
    if (isStalled && this.#simulation.nowMs - first.atMs > KEEPALIVE_TIMEOUT_MS) {
      this.#break(connection, 0);
      return;
    }
    if (!isStalled) {
      queue.shift();
      first.run();
    }
    const nextMs = isStalled ? HELD_RETRY_MS : (queue[0]?.atMs ?? 0) - this.#simulation.nowMs;
    if (queue.length > 0) {
      this.#simulation.after(nextMs, () => {
        this.#pump(stream, queue);
      });
    }
  }
}

function otherEnd(connection: Connection, end: VirtualHost): VirtualHost {
  return connection.ends[0] === end ? connection.ends[1] : connection.ends[0];
}
