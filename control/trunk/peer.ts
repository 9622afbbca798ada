/**
 * What the machine remembers of one peer: how to reach it, its streams, its trunk and the exchange under way.
 *
 * Main thread, pure. Streams live here; peer-streams.ts moves them, exchange.ts talks on them.
 */

import { TokenBucket } from '../limit/token-bucket.ts';
import { Backoff } from './backoff.ts';
import type { StartedExchange } from './handshake.ts';
import { type Lane, removeLane } from './lane.ts';
import { encodeTrunkMessage, type LaneOffer, type TrunkMessage } from './messages/trunk-messages.ts';
import type { ConnectionId, StreamId, Transport } from './network-port.ts';
import { removeTrunk, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { PeerIdText, TrunkDown, TrunkErrorCode } from './trunk-port.ts';

export interface TrunkStream {
  readonly id: StreamId;
  readonly connection: ConnectionId;
  readonly openedHere: boolean;
  readonly openedAtMs: number;
  /** What `watch-connection` has said. */
  isWatchedClosely: boolean;
}

/** The initiator's exchange between Hello and HelloReply. */
export interface PendingExchange {
  readonly session: Uint8Array;
  readonly generation: number;
  readonly crypto: StartedExchange;
  readonly hello: Uint8Array;
  readonly lanes: readonly Lane[];
  readonly isFull: boolean;
}

export type LaneName = Pick<LaneOffer, 'carrier' | 'lane'>;

export interface PeerConnection {
  readonly transport: Transport;
  /** Since when nothing comes through; Infinity while it does. */
  stalledAtMs: number;
  readonly remoteIp: string | undefined;
  /** Since when it carries nothing for us; Infinity when it is being closed for that. */
  unusedSinceMs: number | undefined;
}

export interface Peer {
  readonly id: PeerIdText;
  /** Whether this node says Hello: the lower PeerId does. */
  readonly isInitiator: boolean;
  configured: boolean;
  addresses: readonly string[];
  /** The ways to it through our relays. */
  circuits: readonly string[];
  readonly connections: Map<ConnectionId, PeerConnection>;
  stream: TrunkStream | undefined;
  /** A trunk stream that is being opened on this connection. */
  opening: ConnectionId | undefined;
  openingCarrier: boolean;
  dialling: boolean;
  /** When one more connection may be dialled beside the one that is there, and how often that was in vain. */
  freshDialAtMs: number;
  vainDials: number;
  /** When a dial, an opening, a Hello or a reply is overdue. */
  deadlineMs: number;
  retryAtMs: number;
  readonly backoff: Backoff;
  readonly penalty: Backoff;
  pending: PendingExchange | undefined;
  /** Lanes that need new keys. */
  wanted: 'all' | readonly LaneName[] | undefined;
  requestedAtMs: number;
  trunk: Trunk | undefined;
  lastError: string | undefined;
  nextAtMs: number;
}

export class PeerTable {
  readonly peers = new Map<PeerIdText, Peer>();
  readonly streams = new Map<StreamId, { readonly peer: Peer; readonly protocol: 'trunk' | 'carrier' }>();
  readonly connections = new Map<ConnectionId, Peer>();
  /** Handshake budgets outlive their peers, or coming back would refill them. Oldest leave first. */
  readonly #budgets = new Map<PeerIdText, TokenBucket>();

  obtain(context: TrunkContext, id: PeerIdText): Peer {
    const known = this.peers.get(id);
    if (known !== undefined) {
      return known;
    }
    const peer: Peer = {
      id,
      isInitiator: context.ports.self < id,
      configured: false,
      addresses: [],
      circuits: [],
      connections: new Map(),
      stream: undefined,
      opening: undefined,
      openingCarrier: false,
      dialling: false,
      freshDialAtMs: context.nowMs,
      vainDials: 0,
      deadlineMs: Number.POSITIVE_INFINITY,
      retryAtMs: context.nowMs,
      backoff: new Backoff(),
      penalty: new Backoff(),
      pending: undefined,
      wanted: undefined,
      requestedAtMs: Number.NEGATIVE_INFINITY,
      trunk: undefined,
      lastError: undefined,
      nextAtMs: context.nowMs,
    };
    this.peers.set(id, peer);
    return peer;
  }

  /** Forgets a peer that nothing holds. */
  release(peer: Peer): void {
    const isHeld =
      peer.configured ||
      peer.connections.size > 0 ||
      peer.stream !== undefined ||
      peer.trunk !== undefined ||
      peer.dialling;
    if (!isHeld) {
      this.peers.delete(peer.id);
    }
  }

  /** @returns whether the peer may have one more handshake now */
  takeBudget(context: TrunkContext, peer: Peer): boolean {
    const { config, nowMs } = context;
    let budget = this.#budgets.get(peer.id);
    if (budget === undefined) {
      if (this.#budgets.size >= config.budgetsMax) {
        this.#budgets.delete(this.#budgets.keys().next().value ?? '');
      }
      budget = new TokenBucket(
        { burst: config.handshakeBurst, perSecond: config.handshakesPerSecond },
        nowMs,
      );
      this.#budgets.set(peer.id, budget);
    }
    return budget.take(nowMs);
  }

  trunkCount(): number {
    let count = 0;
    for (const peer of this.peers.values()) {
      count += peer.trunk === undefined ? 0 : 1;
    }
    return count;
  }
}

export function sendMessage(context: TrunkContext, peer: Peer, message: TrunkMessage): Uint8Array {
  const encoded = encodeTrunkMessage(message);
  if (peer.stream !== undefined) {
    context.emit({ kind: 'send-message', stream: peer.stream.id, message: encoded });
  }
  return encoded;
}

/** Gives up the exchange under way; its lanes were never installed. */
export function dropPending(context: TrunkContext, peer: Peer): void {
  for (const lane of peer.pending?.lanes ?? []) {
    removeLane(context, lane);
  }
  peer.pending = undefined;
  peer.deadlineMs = Number.POSITIVE_INFINITY;
}

/** The control stream is gone or given up; the trunk's lanes go on while they live. */
export function loseStream(context: TrunkContext, peer: Peer): void {
  dropPending(context, peer);
  peer.stream = undefined;
  peer.requestedAtMs = Number.NEGATIVE_INFINITY;
  const delayMs = peer.backoff.next(
    { minMs: context.config.backoffMinMs, maxMs: context.config.backoffMaxMs },
    context.random(),
  );
  peer.retryAtMs = Math.max(peer.retryAtMs, context.nowMs + delayMs);
}

/**
 * The peer broke the protocol, or cannot be spoken to: it is told why, its stream is closed, and it is left
 * alone for a while. Lanes that live stay: what was authenticated under them is not in doubt.
 */
export function failPeer(context: TrunkContext, peer: Peer, code: TrunkErrorCode, detail: string): void {
  peer.lastError = `${code}: ${detail}`;
  context.log('warn', `trunk-${code}`, `${code}: ${detail}`, peer.id);
  const { stream } = peer;
  if (stream !== undefined) {
    sendMessage(context, peer, { kind: 'bye', code, detail: detail.slice(0, 200) });
    context.emit({ kind: 'close-stream', stream: stream.id, abort: false });
  }
  loseStream(context, peer);
  penalise(context, peer);
}

/** The peer may not be connected any more: it is told, and its trunk and connections end. */
export function expelPeer(context: TrunkContext, table: PeerTable, peer: Peer): void {
  if (peer.trunk === undefined && peer.connections.size === 0) {
    return;
  }
  failPeer(context, peer, 'not-authorised', 'it has no key of this node’s private swarm');
  endTrunk(context, table, peer, 'not-authorised');
  for (const connection of peer.connections.keys()) {
    context.emit({ kind: 'disconnect', connection });
  }
}

/** Ends the peer's trunk, and closes its carrier stream. */
export function endTrunk(
  context: TrunkContext,
  table: PeerTable,
  peer: Peer,
  reason: TrunkDown['reason'],
): void {
  const { trunk } = peer;
  if (trunk === undefined) {
    return;
  }
  if (trunk.carrierStream !== undefined) {
    table.streams.delete(trunk.carrierStream);
    context.emit({ kind: 'close-stream', stream: trunk.carrierStream, abort: true });
  }
  peer.trunk = undefined;
  removeTrunk(context, trunk, reason);
}

/** Adds to the lanes that the peer's trunk wants keyed. */
export function want(peer: Peer, lanes: 'all' | readonly LaneName[]): void {
  if (lanes === 'all' || peer.wanted === 'all') {
    peer.wanted = 'all';
    return;
  }
  if (lanes.length > 0) {
    const names = [...(peer.wanted ?? []), ...lanes].map(
      (name) => [`${name.carrier}/${name.lane}`, name] as const,
    );
    peer.wanted = [...new Map(names).values()];
  }
}

export function penalise(context: TrunkContext, peer: Peer): void {
  const { penaltyMs, penaltyMaxMs } = context.config;
  peer.retryAtMs =
    context.nowMs + peer.penalty.next({ minMs: penaltyMs, maxMs: penaltyMaxMs }, context.random());
}
