/**
 * Which probes are due on a trunk's lanes: liveness, revival, candidates, path MTU; and which lanes are dead.
 *
 * Main thread, pure. `probeAtMs` names the time of the first thing that `probeTrunk` would do.
 */
import type { Lane } from './lane.ts';
import {
  askIntervalMs,
  forgetAsks,
  hasTraffic,
  mayAsk,
  mayPay,
  probeCandidate,
  retryMs,
  sendAsk,
} from './lane-asks.ts';
import { BASE_MTU_BYTES } from './messages/trunk-messages.ts';
import { PROBE_DATAGRAM_BYTES } from './probe-body.ts';
import { punchSoon } from './punching.ts';
import { currentLanes, firstLane, measuredPath, refreshTrunk, standingLanes, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';

/** Each so manieth liveness probe under traffic is of full size, to find a path that shrank. */
const FULL_SIZE_EVERY = 4;
/**
 * A stream is taken for stalled after this without an answer: soon when it has just had to stand in for the datagrams,
 * later when its queue may be full, and with patience while nothing needs it.
 */
const NEW_CARRIER_MS = 1_000;
const NEW_STALL_MS = 200;
const NEW_STALL_MAX_MS = 500;
const STALL_MS = 2_000;
const SPARE_STALL_MS = 5_000;
/** Longer than the data plane's totals take to be reported. */
const HEARD_MS = 350;
/** A few small frames at once need no large ones. */
const FULL_SIZE_AFTER_MS = 3_000;

/** Sends what is due on all of the trunk's lanes, and judges which are dead. */
export function probeTrunk(context: TrunkContext, trunk: Trunk): void {
  for (const lane of standingLanes(trunk)) {
    forgetAsks(context, trunk, lane);
    if (!mayAsk(trunk, lane)) {
      continue;
    }
    if (lane.carrier === 'stream') {
      probeStreamLane(context, trunk, lane);
    } else if (lane.live) {
      probeLiveLane(context, trunk, lane);
    } else {
      probeDeadLane(context, trunk, lane);
    }
  }
  probeMtu(context, trunk);
  refreshTrunk(context, trunk);
}

/** @returns when `probeTrunk` has something to do next */
export function probeAtMs(context: TrunkContext, trunk: Trunk): number {
  let atMs = mtuLane(trunk) === undefined ? Number.POSITIVE_INFINITY : trunk.mtu.nextAtMs;
  for (const lane of standingLanes(trunk)) {
    if (!mayAsk(trunk, lane) || (lane.carrier === 'stream' && trunk.carrierStream === undefined)) {
      continue;
    }
    atMs = Math.min(
      atMs,
      lane.carrier === 'udp' && !lane.live ? deadLaneAtMs(context, lane) : lane.nextAskAtMs,
    );
    if (lane.carrier === 'stream' && !trunk.isCarrierStalled) {
      atMs = Math.min(atMs, stallAtMs(trunk, lane));
    }
  }
  return atMs;
}

/** Time stood still here (a suspended process): the silence of that time says nothing of the peer. */
export function forgiveSilence(trunk: Trunk): void {
  for (const lane of standingLanes(trunk)) {
    lane.unanswered = 0;
    lane.unansweredSinceMs = undefined;
  }
}

/** The own addresses have changed: ask at once on every lane, which shows the peer from where we send now. */
export function askAnew(context: TrunkContext, trunk: Trunk): void {
  punchSoon(context, trunk);
  for (const lane of standingLanes(trunk)) {
    lane.nextAskAtMs = context.nowMs;
    lane.nextRoundAtMs = context.nowMs;
    lane.vainRounds = 0;
    lane.observedAtMs = Number.NEGATIVE_INFINITY;
  }
}

function probeStreamLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  if (trunk.carrierStream === undefined) {
    return;
  }
  if (!trunk.isCarrierStalled && context.nowMs >= stallAtMs(trunk, lane)) {
    trunk.isCarrierStalled = true;
    trunk.stalledSinceMs = context.nowMs;
    lane.nextAskAtMs = context.nowMs;
  }
  if (context.nowMs < lane.nextAskAtMs) {
    return;
  }
  lane.nextAskAtMs = context.nowMs + streamAskMs(context, trunk, lane);
  sendAsk(context, lane, { address: undefined, datagramBytes: PROBE_DATAGRAM_BYTES, isLiveness: true });
}

function streamAskMs(context: TrunkContext, trunk: Trunk, lane: Lane): number {
  const { reviveMs, reviveProbeMs, idleProbeMs } = context.config;
  if (!trunk.isCarrierStalled) {
    return askIntervalMs(context, trunk, lane);
  }
  return context.nowMs - trunk.stalledSinceMs < reviveMs ? reviveProbeMs : idleProbeMs;
}

/** When an ask without an answer, and nothing else heard since, means that the stream gets nothing through. */
function stallAtMs(trunk: Trunk, lane: Lane): number {
  if (lane.unansweredSinceMs === undefined || firstLane(trunk, 'stream', () => true) !== lane) {
    return Number.POSITIVE_INFINITY;
  }
  const isNew = lane.unansweredSinceMs - trunk.carrierSinceMs < NEW_CARRIER_MS;
  const isSpare = trunk.told.carrier === 'udp';
  const leastMs = isSpare ? SPARE_STALL_MS : isNew ? NEW_STALL_MS : STALL_MS;
  const mostMs = isNew ? NEW_STALL_MAX_MS : Number.POSITIVE_INFINITY;
  const heardAtMs = Math.max(...currentLanes(trunk, 'stream').map(({ receivedAtMs }) => receivedAtMs));
  // Datagrams have measured the same way later and more often.
  const timeoutMs = (measuredPath(trunk, 'udp') ?? lane.path).timeoutMs();
  return Math.max(lane.unansweredSinceMs, heardAtMs) + Math.min(mostMs, Math.max(leastMs, 2 * timeoutMs));
}

function probeLiveLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  const { nowMs } = context;
  const silentMs = nowMs - (lane.unansweredSinceMs ?? nowMs);
  if (isSilent(context, lane, silentMs)) {
    lane.live = false;
    lane.diedAtMs = nowMs;
    lane.nextAskAtMs = nowMs;
    lane.nextRoundAtMs = nowMs;
    lane.vainRounds = 0;
    context.log(
      'info',
      'lane-dead',
      `datagram lane ${lane.number} has no answer for ${Math.round(silentMs)} ms`,
      trunk.peer,
    );
    punchSoon(context, trunk);
    probeDeadLane(context, trunk, lane);
    return;
  }
  if (nowMs < lane.nextAskAtMs) {
    return;
  }
  lane.nextAskAtMs = nowMs + retryMs(context, trunk, lane);
  lane.asksSent += 1;
  const isLasting = hasTraffic(context, lane) && nowMs - lane.trafficSinceMs >= FULL_SIZE_AFTER_MS;
  const isFullSize =
    isLasting && lane.asksSent % FULL_SIZE_EVERY === 0 && trunk.mtu.mtuBytes > BASE_MTU_BYTES;
  const datagramBytes = isFullSize ? trunk.mtu.mtuBytes : PROBE_DATAGRAM_BYTES;
  sendAsk(context, lane, { address: lane.address, datagramBytes, isLiveness: true });
}

/** A path that loses many datagrams is not dead: while others come in, or when little is asked, more must be lost. */
function isSilent(context: TrunkContext, lane: Lane, silentMs: number): boolean {
  const { deadAfterProbes, deadAfterMs } = context.config;
  const isHeard = context.nowMs - lane.receivedAtMs < HEARD_MS;
  const factor = isHeard ? 2 : 1;
  const probes = hasTraffic(context, lane) ? factor * deadAfterProbes : factor * deadAfterProbes + 1;
  // A measurement of a busy moment, which wavers much, must not put off what is plain.
  const timeoutMs = Math.min(2 * lane.path.timeoutMs(), 1.5 * (lane.path.rttMs ?? 0) + deadAfterMs);
  return lane.unanswered >= probes && silentMs >= Math.max(factor * deadAfterMs, timeoutMs);
}

/** Asks where the lane last worked, and in rounds at every candidate. */
function probeDeadLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  const { config, nowMs } = context;
  if (lane.address !== undefined && nowMs >= lane.nextAskAtMs) {
    const isFresh = nowMs - lane.diedAtMs < config.reviveMs;
    const isMissed = standingLanes(trunk).some((other) => hasTraffic(context, other));
    lane.nextAskAtMs = nowMs + (isFresh || isMissed ? config.reviveProbeMs : config.idleProbeMs);
    sendAsk(context, lane, { address: lane.address, datagramBytes: PROBE_DATAGRAM_BYTES, isLiveness: false });
  }
  if (nowMs >= lane.nextRoundAtMs) {
    lane.nextRoundAtMs = nowMs + roundIntervalMs(context, trunk, lane);
    lane.vainRounds += 1;
    lane.candidates = lane.candidates.filter(
      (candidate) => candidate.origin === 'told' || candidate.probes < config.candidateProbes,
    );
    for (const candidate of lane.candidates.filter(({ origin }) => origin !== 'named')) {
      candidate.probes = 0;
      candidate.nextProbeAtMs = Math.max(candidate.nextProbeAtMs, nowMs);
    }
  }
  for (const candidate of lane.candidates) {
    probeCandidate(context, lane, candidate);
  }
}

/** While the trunk carries traffic by something worse, the better way is looked for as often as at first. */
function roundIntervalMs(context: TrunkContext, trunk: Trunk, lane: Lane): number {
  const { candidateRoundMs, candidateRoundMaxMs } = context.config;
  if (standingLanes(trunk).some((other) => hasTraffic(context, other))) {
    return candidateRoundMs;
  }
  return Math.min(candidateRoundMaxMs, candidateRoundMs * 2 ** Math.max(0, lane.vainRounds - 1));
}

function deadLaneAtMs(context: TrunkContext, lane: Lane): number {
  const pending = lane.candidates
    .filter(
      (candidate) => candidate.probes < context.config.candidateProbes && mayPay(context, lane, candidate),
    )
    .map((candidate) => candidate.nextProbeAtMs);
  const reviveAtMs = lane.address === undefined ? Number.POSITIVE_INFINITY : lane.nextAskAtMs;
  return Math.min(lane.nextRoundAtMs, reviveAtMs, ...pending);
}

/** One lane searches for all: they share the path, ports apart. */
function mtuLane(trunk: Trunk): Lane | undefined {
  return firstLane(trunk, 'udp', (lane) => lane.live);
}

function probeMtu(context: TrunkContext, trunk: Trunk): void {
  const lane = mtuLane(trunk);
  if (lane === undefined) {
    return;
  }
  const sizeBytes = trunk.mtu.due(context.nowMs, 2 * lane.path.timeoutMs());
  if (sizeBytes !== undefined) {
    sendAsk(context, lane, { address: lane.address, datagramBytes: sizeBytes, isLiveness: false });
  }
}
