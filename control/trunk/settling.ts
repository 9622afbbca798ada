/**
 * What is due for a peer now, and when to look at it again. Called after each input that concerns it.
 *
 * Main thread, pure. In this order: deadlines, the trunk's ages, exchanges that are wanted, probes, dialling.
 * What `nextAtMs` names must be done by `settlePeer` at that time, or the clock would ask for ever.
 */
import { connectionAtMs, judgeConnection, settleConnection } from './connection-choice.ts';
import { startExchange } from './exchange.ts';
import { tellShared } from './meet.ts';
import { endTrunk, failPeer, type Peer, type PeerTable, sendMessage, want } from './peer.ts';
import {
  closeUnused,
  closeUnusedAtMs,
  giveUpDial,
  reachOut,
  reachOutAtMs,
  watchConnection,
} from './peer-streams.ts';
import { probeAtMs, probeTrunk } from './probe-schedule.ts';
import { punchAtMs, settlePunching } from './punching.ts';
import { expireLanes, expiryAtMs, refreshTrunk, tellCost, tellCostAtMs } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';

/** A rekey that was due but could not be said is tried again after this; so is a rekey request. */
const REKEY_RETRY_MS = 5_000;

export function settlePeer(context: TrunkContext, table: PeerTable, peer: Peer): void {
  settleDeadline(context, peer);
  settleTrunk(context, table, peer);
  settleExchange(context, table, peer);
  if (peer.trunk !== undefined) {
    probeTrunk(context, peer.trunk);
    judgeConnection(context, peer);
    tellShared(context, peer.trunk);
    tellCost(context, peer.trunk);
    watchConnection(context, peer);
    settlePunching(context, peer);
  }
  settleConnection(context, peer);
  reachOut(context, peer);
  closeUnused(context, peer);
  peer.nextAtMs = nextAtMs(context, peer);
  table.release(peer);
}

function settleDeadline(context: TrunkContext, peer: Peer): void {
  if (context.nowMs < peer.deadlineMs) {
    return;
  }
  if (peer.stream === undefined) {
    giveUpDial(context, peer);
    return;
  }
  context.count('handshakeTimeouts');
  const missing = peer.isInitiator ? 'HelloReply' : 'Hello';
  failPeer(
    context,
    peer,
    'handshake-timeout',
    `no ${missing} within ${context.config.handshakeTimeoutMs} ms`,
  );
}

function settleTrunk(context: TrunkContext, table: PeerTable, peer: Peer): void {
  const { trunk } = peer;
  if (trunk === undefined) {
    return;
  }
  const hasExpired = expireLanes(context, trunk);
  if (hasExpired || context.nowMs >= trunk.rekeyAtMs) {
    want(peer, 'all');
    trunk.rekeyAtMs = context.nowMs + REKEY_RETRY_MS;
  }
  refreshTrunk(context, trunk);
  const isSilent = peer.stream === undefined && !trunk.isLive;
  trunk.silentSinceMs = isSilent ? (trunk.silentSinceMs ?? context.nowMs) : undefined;
  if (
    trunk.silentSinceMs !== undefined &&
    context.nowMs - trunk.silentSinceMs >= context.config.trunkDeadMs
  ) {
    endTrunk(context, table, peer, 'dead');
  }
}

function settleExchange(context: TrunkContext, table: PeerTable, peer: Peer): void {
  if (peer.stream === undefined || peer.wanted === undefined || peer.pending !== undefined) {
    return;
  }
  if (peer.isInitiator) {
    startExchange(context, table, peer);
  } else if (context.nowMs - peer.requestedAtMs >= REKEY_RETRY_MS && peer.trunk !== undefined) {
    const lanes = peer.wanted === 'all' ? [] : peer.wanted.map((name) => ({ ...name, receiverIndex: 0 }));
    peer.wanted = undefined;
    peer.requestedAtMs = context.nowMs;
    sendMessage(context, peer, { kind: 'rekey-request', lanes });
  }
}

function nextAtMs(context: TrunkContext, peer: Peer): number {
  const { trunk } = peer;
  const atMs = Math.min(peer.deadlineMs, reachOutAtMs(context, peer), closeUnusedAtMs(context, peer));
  if (trunk === undefined) {
    return atMs;
  }
  const isWaiting = peer.wanted !== undefined && peer.stream !== undefined && !peer.isInitiator;
  return Math.min(
    atMs,
    trunk.rekeyAtMs,
    expiryAtMs(context, trunk),
    probeAtMs(context, trunk),
    tellCostAtMs(trunk),
    punchAtMs(peer),
    connectionAtMs(context, peer),
    trunk.silentSinceMs === undefined
      ? Number.POSITIVE_INFINITY
      : trunk.silentSinceMs + context.config.trunkDeadMs,
    isWaiting ? peer.requestedAtMs + REKEY_RETRY_MS : Number.POSITIVE_INFINITY,
  );
}
