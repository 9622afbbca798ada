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
import { firstLane, refreshTrunk, standingLanes, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';

/** Each so manieth liveness probe under traffic is of full size, to find a path that shrank. */
const FULL_SIZE_EVERY = 4;
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
  if (trunk.carrierStream === undefined || context.nowMs < lane.nextAskAtMs) {
    return;
  }
  lane.nextAskAtMs = context.nowMs + askIntervalMs(context, trunk, lane);
  sendAsk(context, lane, { address: undefined, datagramBytes: PROBE_DATAGRAM_BYTES, isLiveness: true });
}

function probeLiveLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  const { config, nowMs } = context;
  const silentMs = nowMs - (lane.unansweredSinceMs ?? nowMs);
  if (
    lane.unanswered >= config.deadAfterProbes &&
    silentMs >= Math.max(config.deadAfterMs, 2 * lane.path.timeoutMs())
  ) {
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

/** Asks where the lane last worked, and in rounds at every candidate. */
function probeDeadLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  const { config, nowMs } = context;
  if (lane.address !== undefined && nowMs >= lane.nextAskAtMs) {
    const isFresh = nowMs - lane.diedAtMs < config.reviveMs;
    lane.nextAskAtMs = nowMs + (isFresh ? config.reviveProbeMs : config.idleProbeMs);
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
