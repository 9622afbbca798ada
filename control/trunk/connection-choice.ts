/**
 * By which of a peer's libp2p connections its trunk goes: QUIC, TCP, WebSocket, a circuit through a relay, in this order.
 *
 *   a better one is there ──────▶ the initiator opens the control stream anew on it, and the carrier stream follows
 *   the one in use is stalled ──▶ the same on the best of the others; without others a fresh one is dialled
 *   the one in use is a circuit ▶ a direct one is dialled now and then, ever more rarely
 *
 * A connection is stalled when what was sent on its carrier stream has no answer and nothing else comes: QUIC goes by
 * UDP too, so a firewall that stops the datagrams stops it, and says so only after a minute.
 *
 * Main thread, pure.
 */
import type { ConnectionId, Transport } from './network-port.ts';
import { isCircuitAddress } from './own-addresses.ts';
import type { Peer, PeerConnection } from './peer.ts';
import { dialAddresses } from './peer-streams.ts';
import { currentLanes, firstLane, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';

const RANK: Readonly<Record<Transport, number>> = { quic: 0, tcp: 1, websocket: 2, circuit: 3 };
/** The responder leaves the choice to the initiator, unless that has not seen the stall. */
const RESPONDER_PATIENCE_MS = 500;
/** From one fresh dial to the next while a connection is stalled, and while a circuit does. */
const STALLED_DIAL_MIN_MS = 2_000;
const STALLED_DIAL_MAX_MS = 30_000;
const DIRECT_DIAL_MIN_MS = 5_000;
const DIRECT_DIAL_MAX_MS = 600_000;

/** Moves the control stream, or dials, when that is due. */
export function settleConnection(context: TrunkContext, peer: Peer): void {
  const { stream, trunk } = peer;
  const current = stream === undefined ? undefined : peer.connections.get(stream.connection);
  if (stream === undefined || trunk === undefined || current === undefined || peer.opening !== undefined) {
    return;
  }
  const better = betterConnection(peer, stream.connection, current);
  const isOurs = peer.isInitiator || context.nowMs >= current.stalledAtMs + RESPONDER_PATIENCE_MS;
  const isBusy = peer.pending !== undefined && !isStalled(current);
  if (better !== undefined && isOurs && !isBusy) {
    peer.opening = better;
    context.emit({ kind: 'open-stream', connection: better, protocol: 'trunk' });
  } else if (better === undefined && !peer.dialling && context.nowMs >= freshDialAtMs(context, peer)) {
    dialFresh(context, peer, current);
  }
}

/** @returns when `settleConnection` has something to do */
export function connectionAtMs(context: TrunkContext, peer: Peer): number {
  const { stream, trunk } = peer;
  const current = stream === undefined ? undefined : peer.connections.get(stream.connection);
  if (stream === undefined || trunk === undefined || current === undefined || peer.opening !== undefined) {
    return Number.POSITIVE_INFINITY;
  }
  if (betterConnection(peer, stream.connection, current) === undefined) {
    return peer.dialling ? Number.POSITIVE_INFINITY : freshDialAtMs(context, peer);
  }
  const isLater = !peer.isInitiator && isStalled(current);
  return isLater ? current.stalledAtMs + RESPONDER_PATIENCE_MS : Number.POSITIVE_INFINITY;
}

/** Looks whether the connection in use gets anything through. */
export function judgeConnection(context: TrunkContext, peer: Peer): void {
  const { stream, trunk } = peer;
  const current = stream === undefined ? undefined : peer.connections.get(stream.connection);
  if (trunk?.isCarrierStalled === true) {
    markStalled(context, peer);
  } else if (trunk !== undefined && current !== undefined && isStalled(current)) {
    const heardAtMs = Math.max(...currentLanes(trunk, 'stream').map(({ receivedAtMs }) => receivedAtMs));
    if (heardAtMs > current.stalledAtMs) {
      markAlive(peer, stream?.connection);
    }
  }
}

/** It gets nothing through: what goes by UDP, too, is no better. */
function markStalled(context: TrunkContext, peer: Peer): void {
  const current = peer.stream === undefined ? undefined : peer.connections.get(peer.stream.connection);
  if (current === undefined || isStalled(current)) {
    return;
  }
  for (const connection of peer.connections.values()) {
    if (connection === current || (current.transport === 'quic' && connection.transport === 'quic')) {
      connection.stalledAtMs = Math.min(connection.stalledAtMs, context.nowMs);
    }
  }
  peer.freshDialAtMs = context.nowMs;
  peer.vainDials = 0;
  context.log(
    'info',
    'connection-stalled',
    `nothing comes through the ${current.transport} connection`,
    peer.id,
  );
}

/** Something has come by it. */
export function markAlive(peer: Peer, id: ConnectionId | undefined): void {
  const connection = id === undefined ? undefined : peer.connections.get(id);
  if (connection !== undefined) {
    connection.stalledAtMs = Number.POSITIVE_INFINITY;
  }
}

function isStalled(connection: PeerConnection): boolean {
  return connection.stalledAtMs !== Number.POSITIVE_INFINITY;
}

/** The best connection, if it is worth moving to. */
function betterConnection(
  peer: Peer,
  currentId: ConnectionId,
  current: PeerConnection,
): ConnectionId | undefined {
  let best: ConnectionId | undefined;
  let bestRank = isStalled(current) ? Number.POSITIVE_INFINITY : RANK[current.transport];
  for (const [id, connection] of peer.connections) {
    const isLeaving = connection.unusedSinceMs === Number.POSITIVE_INFINITY;
    const rank = RANK[connection.transport];
    if (id !== currentId && !isStalled(connection) && !isLeaving && rank < bestRank) {
      best = id;
      bestRank = rank;
    }
  }
  return best;
}

/** The datagrams have stopped, and the connection that should stand in for them goes by UDP, too. */
function isDoubtful(trunk: Trunk, { transport }: PeerConnection): boolean {
  const lane = firstLane(trunk, 'stream', () => true);
  const isProven = (lane?.answeredAtMs ?? Number.NEGATIVE_INFINITY) >= trunk.carrierSinceMs;
  return transport === 'quic' && trunk.isUp && trunk.told.carrier !== 'udp' && !isProven;
}

function freshDialAtMs(context: TrunkContext, peer: Peer): number {
  const { stream, trunk } = peer;
  const current = stream === undefined ? undefined : peer.connections.get(stream.connection);
  if (trunk === undefined || current === undefined) {
    return Number.POSITIVE_INFINITY;
  }
  const isWanted = isStalled(current) || isDoubtful(trunk, current) || current.transport === 'circuit';
  return isWanted && freshAddresses(context, peer, current).length > 0
    ? peer.freshDialAtMs
    : Number.POSITIVE_INFINITY;
}

function freshAddresses(context: TrunkContext, peer: Peer, current: PeerConnection): readonly string[] {
  const isQuicOut = current.transport === 'quic';
  const isDirectOnly = current.transport === 'circuit' && !isStalled(current);
  return dialAddresses(context, peer).filter(
    (address) => !(isQuicOut && address.includes('/quic')) && !(isDirectOnly && isCircuitAddress(address)),
  );
}

function dialFresh(context: TrunkContext, peer: Peer, current: PeerConnection): void {
  const addresses = freshAddresses(context, peer, current);
  const isUrgent = current.transport !== 'circuit' || isStalled(current);
  const [minMs, maxMs] = isUrgent
    ? [STALLED_DIAL_MIN_MS, STALLED_DIAL_MAX_MS]
    : [DIRECT_DIAL_MIN_MS, DIRECT_DIAL_MAX_MS];
  peer.freshDialAtMs = context.nowMs + Math.min(maxMs, minMs * 2 ** Math.min(peer.vainDials, 16));
  peer.vainDials += 1;
  peer.dialling = true;
  context.emit({ kind: 'dial', peer: peer.id, addresses, isFresh: true });
}
