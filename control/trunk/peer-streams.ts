/**
 * A peer's connections and streams: dialling, one control stream a pair, the carrier stream, loss and retry.
 *
 * Main thread, pure. Rules: who dialled opens the trunk stream; of two that raced, both ends keep the one that
 * the lower PeerId opened; else the newer one is a reconnection and replaces the older. The initiator opens the
 * carrier stream, on the control stream's connection.
 */

import type {
  ConnectedInput,
  ConnectionId,
  DisconnectedInput,
  StreamClosedInput,
  StreamFailedInput,
  StreamId,
  StreamOpenedInput,
} from './network-port.ts';
import { loseStream, type Peer, type PeerTable } from './peer.ts';
import { refreshTrunk, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { PeerIdText } from './trunk-port.ts';

/** A dial or an opening without any result for this long is given up. */
const DIAL_PATIENCE_MS = 15_000;
const CARRIER_RETRY_MS = 1_000;

export function handleConnected(context: TrunkContext, table: PeerTable, input: ConnectedInput): Peer {
  const peer = table.obtain(context, input.peer);
  const { transport, remoteIp } = input;
  const known = peer.connections.get(input.connection);
  peer.connections.set(input.connection, {
    transport,
    remoteIp,
    stalledAtMs: known?.stalledAtMs ?? Number.POSITIVE_INFINITY,
    unusedSinceMs: undefined,
  });
  if (transport !== 'circuit') {
    peer.vainDials = 0;
  }
  table.connections.set(input.connection, peer);
  if (input.dialled) {
    peer.dialling = false;
    if (peer.stream === undefined && peer.opening === undefined) {
      peer.opening = input.connection;
      peer.deadlineMs = context.nowMs + context.config.handshakeTimeoutMs;
      context.emit({
        kind: 'open-stream',
        connection: input.connection,
        protocol: 'trunk',
      });
    }
  }
  return peer;
}

export function handleDisconnected(
  context: TrunkContext,
  table: PeerTable,
  input: DisconnectedInput,
): Peer | undefined {
  const peer = table.connections.get(input.connection);
  const reason = input.reason ?? 'the connection was lost';
  table.connections.delete(input.connection);
  peer?.connections.delete(input.connection);
  if (peer !== undefined && peer.stream?.connection === input.connection) {
    peer.openingCarrier = false;
  }
  if (peer?.opening === input.connection) {
    failOpening(context, peer, reason);
  }
  if (peer?.stream?.connection === input.connection) {
    closeStream(context, table, {
      kind: 'stream-closed',
      stream: peer.stream.id,
      reason,
    });
  }
  return peer;
}

export function handleDialFailed(
  context: TrunkContext,
  table: PeerTable,
  id: PeerIdText,
  reason: string,
): Peer | undefined {
  const peer = table.peers.get(id);
  if (peer?.dialling === true) {
    failOpening(context, peer, reason);
  }
  return peer;
}

export function handleStreamFailed(
  context: TrunkContext,
  table: PeerTable,
  input: StreamFailedInput,
): Peer | undefined {
  const peer = table.peers.get(input.peer);
  if (peer === undefined) {
    return undefined;
  }
  if (input.protocol === 'carrier') {
    peer.openingCarrier = false;
    if (peer.trunk !== undefined) {
      peer.trunk.carrierStreamRetryAtMs = context.nowMs + CARRIER_RETRY_MS;
    }
  } else if (peer.opening === input.connection) {
    const connection = peer.connections.get(input.connection);
    if (connection !== undefined && peer.stream !== undefined) {
      connection.stalledAtMs = Math.min(connection.stalledAtMs, context.nowMs);
    }
    failOpening(context, peer, input.reason);
  }
  return peer;
}

function failOpening(context: TrunkContext, peer: Peer, reason: string): void {
  peer.opening = undefined;
  peer.dialling = false;
  peer.lastError = reason;
  context.log('info', 'trunk-unreachable', `cannot reach the peer: ${reason}`, peer.id);
  // A stream may have come up from the other side meanwhile; its exchange has a deadline of its own.
  if (peer.stream === undefined) {
    loseStream(context, peer);
  }
}

/** @returns the peer, and whether this stream is now its control stream */
export function handleStreamOpened(
  context: TrunkContext,
  table: PeerTable,
  input: StreamOpenedInput,
): { readonly peer: Peer; readonly isNewControl: boolean } {
  const peer = table.obtain(context, input.peer);
  if (input.protocol === 'carrier') {
    bindCarrierStream(context, table, peer, input);
    return { peer, isNewControl: false };
  }
  if (peer.opening === input.connection && input.openedHere) {
    peer.opening = undefined;
  }
  if (peer.stream !== undefined && isLoser(context, peer, input)) {
    context.emit({ kind: 'close-stream', stream: input.stream, abort: true });
    return { peer, isNewControl: false };
  }
  const old = peer.stream;
  if (old !== undefined) {
    table.streams.delete(old.id);
    context.emit({ kind: 'close-stream', stream: old.id, abort: true });
    loseStream(context, peer);
    if (peer.trunk !== undefined && old.connection !== input.connection) {
      // The peer came back on another connection: what still goes by the old one may go nowhere.
      dropCarrierStream(context, table, peer.trunk);
    }
  }
  peer.stream = {
    id: input.stream,
    connection: input.connection,
    openedHere: input.openedHere,
    openedAtMs: context.nowMs,
    isWatchedClosely: false,
  };
  peer.retryAtMs = context.nowMs;
  if (peer.trunk !== undefined) {
    // On a new connection nothing has failed yet.
    peer.trunk.carrierStreamRetryAtMs = context.nowMs;
  }
  peer.deadlineMs = context.nowMs + context.config.handshakeTimeoutMs;
  table.streams.set(input.stream, { peer, protocol: 'trunk' });
  return { peer, isNewControl: true };
}

function isLoser(context: TrunkContext, peer: Peer, input: StreamOpenedInput): boolean {
  const old = peer.stream;
  if (
    old === undefined ||
    old.openedHere === input.openedHere ||
    context.nowMs - old.openedAtMs > context.config.streamRaceMs
  ) {
    return false;
  }
  const isOpenedByLower = input.openedHere === peer.isInitiator;
  return !isOpenedByLower;
}

function bindCarrierStream(
  context: TrunkContext,
  table: PeerTable,
  peer: Peer,
  input: StreamOpenedInput,
): void {
  const { trunk } = peer;
  if (input.openedHere) {
    peer.openingCarrier = false;
  }
  if (trunk === undefined || input.openedHere !== peer.isInitiator) {
    context.emit({ kind: 'close-stream', stream: input.stream, abort: true });
    return;
  }
  dropCarrierStream(context, table, trunk);
  trunk.isCarrierRelayed = peer.connections.get(input.connection)?.transport === 'circuit';
  setCarrierStream(context, trunk, input.stream);
  table.streams.set(input.stream, { peer, protocol: 'carrier' });
}

function dropCarrierStream(context: TrunkContext, table: PeerTable, trunk: Trunk): void {
  if (trunk.carrierStream !== undefined) {
    table.streams.delete(trunk.carrierStream);
    context.emit({ kind: 'close-stream', stream: trunk.carrierStream, abort: true });
    setCarrierStream(context, trunk, undefined);
  }
}

function setCarrierStream(context: TrunkContext, trunk: Trunk, stream: StreamId | undefined): void {
  trunk.carrierStream = stream;
  trunk.isCarrierStalled = false;
  context.emit({ kind: 'bind-carrier', trunk: trunk.id, stream });
  for (const slot of trunk.slots.stream) {
    for (const lane of [slot.current, slot.next]) {
      if (lane !== undefined) {
        // What had no answer went by the old one.
        lane.unanswered = 0;
        lane.unansweredSinceMs = undefined;
        lane.nextAskAtMs = Math.min(lane.nextAskAtMs, context.nowMs);
      }
    }
  }
  refreshTrunk(context, trunk);
}

/** A stream is gone, by whichever side. @returns its peer, if it was one that counts */
export function closeStream(
  context: TrunkContext,
  table: PeerTable,
  input: StreamClosedInput,
): Peer | undefined {
  const entry = table.streams.get(input.stream);
  table.streams.delete(input.stream);
  if (entry === undefined) {
    return undefined;
  }
  const { peer } = entry;
  if (peer.stream?.id === input.stream) {
    peer.lastError ??= input.reason;
    loseStream(context, peer);
  } else if (peer.trunk?.carrierStream === input.stream) {
    peer.trunk.carrierStreamRetryAtMs = context.nowMs + CARRIER_RETRY_MS;
    setCarrierStream(context, peer.trunk, undefined);
  }
  return peer;
}

/** Dials, or opens the carrier stream, when that is due. */
export function reachOut(context: TrunkContext, peer: Peer): void {
  const { nowMs } = context;
  if (mayDial(context, peer) && nowMs >= peer.retryAtMs) {
    peer.dialling = true;
    peer.deadlineMs = nowMs + DIAL_PATIENCE_MS;
    context.emit({ kind: 'dial', peer: peer.id, addresses: dialAddresses(context, peer) });
  }
  const { trunk, stream } = peer;
  if (
    mayOpenCarrier(peer) &&
    stream !== undefined &&
    trunk !== undefined &&
    nowMs >= trunk.carrierStreamRetryAtMs
  ) {
    peer.openingCarrier = true;
    context.emit({
      kind: 'open-stream',
      connection: stream.connection,
      protocol: 'carrier',
    });
  }
}

/** @returns when `reachOut` has something to do */
export function reachOutAtMs(context: TrunkContext, peer: Peer): number {
  const dialAtMs = mayDial(context, peer) ? peer.retryAtMs : Number.POSITIVE_INFINITY;
  const carrierAtMs = mayOpenCarrier(peer)
    ? (peer.trunk?.carrierStreamRetryAtMs ?? Number.POSITIVE_INFINITY)
    : Number.POSITIVE_INFINITY;
  return Math.min(dialAtMs, carrierAtMs);
}

function mayDial(context: TrunkContext, peer: Peer): boolean {
  const isWanted = peer.configured || peer.trunk !== undefined;
  return (
    isWanted &&
    peer.stream === undefined &&
    !peer.dialling &&
    peer.opening === undefined &&
    dialAddresses(context, peer).length > 0
  );
}

function mayOpenCarrier(peer: Peer): boolean {
  return (
    peer.isInitiator &&
    peer.stream !== undefined &&
    peer.trunk !== undefined &&
    peer.trunk.carrierStream === undefined &&
    !peer.openingCarrier
  );
}

/** Where the peer may be dialled: what is known of it, what it has told, and the ways through our relays. */
export function dialAddresses(context: TrunkContext, peer: Peer): readonly string[] {
  const all = [...peer.addresses, ...(peer.trunk?.party.listenAddresses ?? []), ...peer.circuits];
  return [...new Set(all)].filter((address) => !context.vlanNetworks.hasMultiaddr(address));
}

/** A trunk whose datagrams do not pass depends on the connection alone. */
export function watchConnection(context: TrunkContext, peer: Peer): void {
  const { stream, trunk } = peer;
  if (stream === undefined || trunk === undefined) {
    return;
  }
  const isClose = trunk.told.carrier !== 'udp' || !trunk.isLive;
  if (isClose !== stream.isWatchedClosely) {
    stream.isWatchedClosely = isClose;
    context.emit({ kind: 'watch-connection', connection: stream.connection, isClose });
  }
}

/** There may be a way now: a pause of the backoff ends; one that is a penalty does not. */
export function retrySoon(context: TrunkContext, peer: Peer): void {
  if (peer.retryAtMs <= context.nowMs + context.config.backoffMaxMs) {
    peer.retryAtMs = context.nowMs;
    peer.backoff.reset();
  }
}

/** What an overdue dial or opening comes to. */
export function giveUpDial(context: TrunkContext, peer: Peer): void {
  failOpening(context, peer, 'no answer in time');
  peer.deadlineMs = Number.POSITIVE_INFINITY;
}

/**
 * Closes connections that have carried no stream of ours for a while: those of strangers that say nothing, the
 * loser of two that raced, those of peers that were told off.
 */
export function closeUnused(context: TrunkContext, peer: Peer): void {
  for (const [id, connection] of peer.connections) {
    if (isInUse(peer, id)) {
      connection.unusedSinceMs = undefined;
      continue;
    }
    connection.unusedSinceMs ??= context.nowMs;
    if (context.nowMs - connection.unusedSinceMs >= context.config.unusedConnectionMs) {
      connection.unusedSinceMs = Number.POSITIVE_INFINITY;
      context.emit({ kind: 'disconnect', connection: id });
    }
  }
}

/** @returns when `closeUnused` has something to do */
export function closeUnusedAtMs(context: TrunkContext, peer: Peer): number {
  let atMs = Number.POSITIVE_INFINITY;
  for (const { unusedSinceMs } of peer.connections.values()) {
    atMs = Math.min(atMs, (unusedSinceMs ?? Number.POSITIVE_INFINITY) + context.config.unusedConnectionMs);
  }
  return atMs;
}

function isInUse(peer: Peer, connection: ConnectionId): boolean {
  const isCarrier = peer.stream === undefined && peer.trunk?.carrierStream !== undefined;
  return peer.stream?.connection === connection || peer.opening === connection || isCarrier;
}
