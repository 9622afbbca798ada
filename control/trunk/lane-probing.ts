/**
 * Probes that arrive on a lane: liveness, round trip, proof of addresses, roaming (protocol.md section 2).
 *
 * Main thread, pure. Per lane:
 *
 *   no proven address ── ask each candidate ──▶ answer with our challenge ──▶ live
 *   live ── ask every 200 ms (traffic) or rarely (idle, lane-asks.ts) ──▶ 3 and 600 ms without answer ──▶ dead, asked for revival
 *   live ── the peer asks from elsewhere ──▶ challenge there ──▶ answer ──▶ live at the new address
 *
 * The responder asks nothing on a lane whose generation the initiator has not proven to hold. An address that
 * was only heard gets at most three times the bytes that came from it; an answer is never larger than its ask.
 */

import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import { addCandidate, type FrameTimes, type Lane, sameAddress } from './lane.ts';
import { askIntervalMs, deferAsk, mayAsk, orderProbe, probeCandidate } from './lane-asks.ts';
import {
  decodeProbeBody,
  encodeProbeBody,
  observingBytes,
  PROBE_DATAGRAM_BYTES,
  PROBE_OVERHEAD_BYTES,
  type ProbeBody,
} from './probe-body.ts';
import { refreshTrunk, standingLanes, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { DatagramAddress, LaneStats } from './trunk-port.ts';

/** A kind-5 datagram which opened under the lane's keys. */
export function handleProbe(
  context: TrunkContext,
  lane: Lane,
  source: DatagramAddress | undefined,
  body: Uint8Array,
): void {
  const { trunk } = lane;
  const probe = decodeProbeBody(body);
  if (trunk === undefined || probe === undefined || (source === undefined) !== (lane.carrier === 'stream')) {
    context.count('malformedProbes');
    return;
  }
  noteReceived(context, trunk, lane);
  acceptLane(context, trunk, lane);
  if (probe.operation === 'ask') {
    handleAsk(context, trunk, lane, { source, probe, datagramBytes: body.length + PROBE_OVERHEAD_BYTES });
  } else {
    handleAnswer(context, trunk, lane, { source, probe });
  }
  refreshTrunk(context, trunk);
}

function noteReceived(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  lane.receivedAtMs = context.nowMs;
  if (lane.carrier === 'stream') {
    trunk.isCarrierStalled = false;
  }
}

/** A datagram has come in under the lane's keys: the peer has them, and the path leads here. */
export function acceptLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  if (lane.accepted) {
    return;
  }
  lane.accepted = true;
  if (lane.carrier === 'stream' && trunk.told.carrier === 'udp') {
    // It is proven by what has come, and nothing goes by it now.
    lane.nextAskAtMs = context.nowMs + askIntervalMs(context, trunk, lane);
  }
  trunk.confirmedGeneration = Math.max(trunk.confirmedGeneration, lane.generation);
  refreshTrunk(context, trunk);
}

/** Takes the data plane's totals: they decide which lanes are probed fast, and when keys have sealed enough. */
export function handleLaneStats(context: TrunkContext, lane: Lane, stats: LaneStats): void {
  // Growth beyond the highest total is traffic: a probe on its way may be in one of the data plane's counts already
  // and not yet in the other, so the difference wavers by one without any frame.
  const hasReceived = stats.rxDatagrams > lane.rxDatagrams;
  const sentDatagrams = stats.txDatagrams - lane.probesOrdered;
  const hasSent = sentDatagrams > lane.txDatagrams;
  lane.rxDatagrams = Math.max(lane.rxDatagrams, stats.rxDatagrams);
  lane.txDatagrams = Math.max(lane.txDatagrams, sentDatagrams);
  if (hasReceived && lane.trunk !== undefined) {
    noteReceived(context, lane.trunk, lane);
  }
  noteFrames(context, lane, { hasSent, hasReceived });
  if (stats.highestCounter >= context.config.rekeyAtCounter && lane.trunk !== undefined) {
    lane.trunk.rekeyAtMs = Math.min(lane.trunk.rekeyAtMs, context.nowMs);
  }
}

/**
 * Frames now and then, such as members' announcements, are no traffic: it is asked once whether the lane still gets
 * them through, and fast only while there is no answer. Frames one way, four times within the window, are.
 */
function noteFrames(
  context: TrunkContext,
  lane: Lane,
  { hasSent, hasReceived }: { readonly hasSent: boolean; readonly hasReceived: boolean },
): void {
  const { nowMs, config } = context;
  const isFourth = ([, , earliest]: FrameTimes): boolean => nowMs - earliest <= config.trafficWindowMs;
  const isTraffic =
    (hasSent && isFourth(lane.framesSentAtMs)) || (hasReceived && isFourth(lane.framesReceivedAtMs));
  if (isTraffic && nowMs - lane.trafficAtMs > config.trafficWindowMs) {
    lane.trafficSinceMs = nowMs;
    lane.nextAskAtMs = Math.min(lane.nextAskAtMs, nowMs);
    if (lane.trunk !== undefined) hurryRounds(context, lane.trunk);
  } else if (hasSent && lane.carrier === 'udp') {
    lane.nextAskAtMs = Math.min(lane.nextAskAtMs, Math.max(nowMs, lane.askedAtMs + config.idleRetryMs));
  }
  if (hasSent) lane.framesSentAtMs = andNow(lane.framesSentAtMs, nowMs);
  if (hasReceived) lane.framesReceivedAtMs = andNow(lane.framesReceivedAtMs, nowMs);
  if (isTraffic) lane.trafficAtMs = nowMs;
}

function andNow([last, before]: FrameTimes, nowMs: number): FrameTimes {
  return [nowMs, last, before];
}

/** What the trunk carries now may have a better way: dead lanes that had become rare look for one. */
function hurryRounds(context: TrunkContext, trunk: Trunk): void {
  for (const lane of standingLanes(trunk)) {
    lane.nextRoundAtMs = Math.min(lane.nextRoundAtMs, context.nowMs);
  }
}

interface HeardAsk {
  readonly source: DatagramAddress | undefined;
  readonly probe: ProbeBody;
  readonly datagramBytes: number;
}

function handleAsk(context: TrunkContext, trunk: Trunk, lane: Lane, ask: HeardAsk): void {
  // What comes through a VLAN of ours came through this trunk, or through one like it.
  const isLoop = ask.source !== undefined && context.vlanNetworks.hasIp(ask.source.ip);
  if (isLoop || !trunk.answers.take(context.nowMs)) {
    context.count('probesRefused');
    return;
  }
  const answer: ProbeBody = {
    ...ask.probe,
    operation: 'answer',
    unixMs: context.nowMs + context.ports.unixOffsetMs(),
    observed: ask.source,
  };
  const observing = ask.source === undefined ? 0 : observingBytes(ask.source.ip);
  const hasRoom = observing > 0 && ask.datagramBytes >= observing;
  const answerBytes = hasRoom ? observing : PROBE_DATAGRAM_BYTES;
  const body = encodeProbeBody(answer, answerBytes);
  orderProbe(context, lane, ask.source, body);
  if (ask.source === undefined || lane.retiredAtMs !== undefined) {
    return;
  }
  lane.heardFrom = ask.source;
  lane.vainRounds = 0;
  if (!lane.live || !sameAddress(ask.source, lane.address)) {
    challengeHeard(context, trunk, lane, {
      source: ask.source,
      datagramBytes: ask.datagramBytes,
      answerBytes,
    });
  } else {
    deferAsk(context, trunk, lane);
  }
}

interface HeardFrom {
  readonly source: DatagramAddress;
  readonly datagramBytes: number;
  readonly answerBytes: number;
}

function challengeHeard(
  context: TrunkContext,
  trunk: Trunk,
  lane: Lane,
  { source, datagramBytes, answerBytes }: HeardFrom,
): void {
  const candidate = addCandidate(context, lane, source, 'heard');
  if (candidate === undefined) {
    return;
  }
  candidate.receivedBytes += datagramBytes;
  candidate.sentBytes += answerBytes;
  if (candidate.probes >= context.config.candidateProbes && context.nowMs >= candidate.nextProbeAtMs) {
    candidate.probes = 0;
  }
  if (mayAsk(trunk, lane)) {
    probeCandidate(context, lane, candidate);
  }
}

function handleAnswer(
  context: TrunkContext,
  trunk: Trunk,
  lane: Lane,
  answer: Omit<HeardAsk, 'datagramBytes'>,
): void {
  const ask = lane.asks.get(answer.probe.sequence);
  if (
    ask === undefined ||
    !sameBytes(ask.challenge, answer.probe.challenge) ||
    !sameAddress(ask.address, answer.source)
  ) {
    context.count('unknownProbeAnswers');
    return;
  }
  lane.asks.delete(answer.probe.sequence);
  const rttMs = Math.max(0, context.nowMs - ask.sentAtMs);
  const sentUnixMs = ask.sentAtMs + context.ports.unixOffsetMs();
  lane.path.answered(rttMs, answer.probe.unixMs - (sentUnixMs + rttMs / 2));
  lane.answeredAtMs = context.nowMs;
  lane.unanswered = 0;
  lane.unansweredSinceMs = undefined;
  if (ask.isLiveness) {
    lane.nextAskAtMs = context.nowMs + askIntervalMs(context, trunk, lane);
  }
  if (answer.probe.observed !== undefined && !context.vlanNetworks.hasIp(answer.probe.observed.ip)) {
    lane.observedAtMs = context.nowMs;
    context.observed.note(lane.worker, trunk.peer, answer.probe.observed, context.nowMs);
  }
  if (answer.source !== undefined) {
    answeredFrom(context, trunk, lane, answer.source);
  }
  if (ask.datagramBytes > PROBE_DATAGRAM_BYTES) {
    trunk.mtu.answered(ask.datagramBytes, context.nowMs);
  }
}

/** The address is proven. It becomes the lane's if the lane has none that works, or if the peer has moved there. */
function answeredFrom(context: TrunkContext, trunk: Trunk, lane: Lane, source: DatagramAddress): void {
  const isSame = sameAddress(lane.address, source);
  const hasMoved = sameAddress(lane.heardFrom, source) || lane.hintedIp === source.ip;
  if (lane.live && (isSame || !hasMoved)) {
    return;
  }
  const hasNewIp = lane.address !== undefined && lane.address.ip !== source.ip;
  lane.live = true;
  lane.address = source;
  lane.hintedIp = undefined;
  lane.candidates = lane.candidates.filter((candidate) => candidate.origin === 'told');
  lane.nextAskAtMs = context.nowMs + askIntervalMs(context, trunk, lane);
  context.emit({ kind: 'set-lane-address', handle: lane.handle, address: source });
  if (!hasNewIp) {
    return;
  }
  context.count('roams');
  context.log('info', 'trunk-roamed', `the peer's datagrams now come from ${source.ip}`, trunk.peer);
  trunk.mtu.restart(context.nowMs);
  hintOtherLanes(context, trunk, lane, source.ip);
}

/** A peer moves with all its lanes: ask at its new IP at once on the others, which may be idle. */
function hintOtherLanes(context: TrunkContext, trunk: Trunk, moved: Lane, ip: string): void {
  for (const lane of standingLanes(trunk)) {
    if (
      lane === moved ||
      lane.carrier !== 'udp' ||
      lane.address === undefined ||
      lane.address.ip === ip ||
      !mayAsk(trunk, lane)
    ) {
      continue;
    }
    lane.hintedIp = ip;
    const candidate = addCandidate(context, lane, { ip, port: lane.address.port }, 'told');
    if (candidate !== undefined) {
      probeCandidate(context, lane, candidate);
    }
  }
}
