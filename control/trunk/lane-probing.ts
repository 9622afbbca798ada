/**
 * Probes on a trunk's lanes: liveness, round trip, candidate addresses, roaming, path MTU (protocol.md section 2).
 *
 * Main thread, pure. Per lane:
 *
 *   no proven address ── ask each candidate ──▶ answer with our challenge ──▶ live
 *   live ── ask every 250 ms (traffic) or 15 s (idle) ──▶ 4 and 1 s without answer ──▶ dead, asked for revival
 *   live ── the peer asks from elsewhere ──▶ challenge there ──▶ answer ──▶ live at the new address
 *
 * The responder asks nothing on a lane whose generation the initiator has not proven to hold. An address that
 * was only heard gets at most three times the bytes that came from it; an answer is never larger than its ask.
 */
import { addCandidate, ASKS_MAX, sameAddress, type Ask, type Candidate, type Lane } from './lane.ts';
import { BASE_MTU_BYTES } from './messages/trunk-messages.ts';
import { CHALLENGE_BYTES, decodeProbeBody, encodeProbeBody, PROBE_DATAGRAM_BYTES, PROBE_OVERHEAD_BYTES, type ProbeBody } from './probe-body.ts';
import { sameBytes, type TrunkContext } from './trunk-context.ts';
import type { DatagramAddress, LaneStats } from './trunk-port.ts';
import { currentLanes, refreshTrunk, standingLanes, type Trunk } from './trunk.ts';

/** An ask without an answer is forgotten, and counted as lost, after this or twice its lane's timeout. */
const ASK_KEPT_MS = 3_000;
const STREAM_TRAFFIC_PROBE_MS = 1_000;
/** RFC 9000 §8.1's factor. */
const AMPLIFICATION_LIMIT = 3;
/** Each so manieth liveness probe under traffic is of full size, to find a path that shrank. */
const FULL_SIZE_EVERY = 4;

/** A kind-5 datagram which opened under the lane's keys. */
export function handleProbe(context: TrunkContext, lane: Lane, source: DatagramAddress | undefined, body: Uint8Array): void {
  const { trunk } = lane;
  const probe = decodeProbeBody(body);
  if (trunk === undefined || probe === undefined || (source === undefined) !== (lane.carrier === 'stream')) {
    context.count('malformedProbes');
    return;
  }
  lane.receivedAtMs = context.nowMs;
  acceptLane(context, trunk, lane);
  if (probe.operation === 'ask') {
    handleAsk(context, trunk, lane, { source, probe, datagramBytes: body.length + PROBE_OVERHEAD_BYTES });
  } else {
    handleAnswer(context, trunk, lane, { source, probe });
  }
  refreshTrunk(context, trunk);
}

/** A datagram has come in under the lane's keys: the peer has them, and the path leads here. */
export function acceptLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  if (lane.accepted) {
    return;
  }
  lane.accepted = true;
  trunk.confirmedGeneration = Math.max(trunk.confirmedGeneration, lane.generation);
  refreshTrunk(context, trunk);
}

/** Takes the data plane's totals: they decide which lanes are probed fast, and when keys have sealed enough. */
export function handleLaneStats(context: TrunkContext, lane: Lane, stats: LaneStats): void {
  const hasReceived = stats.rxDatagrams !== lane.rxDatagrams;
  if (hasReceived) {
    lane.receivedAtMs = context.nowMs;
  }
  if (hasReceived || stats.txDatagrams !== lane.txDatagrams) {
    if (context.nowMs - lane.trafficAtMs > context.config.trafficWindowMs) {
      lane.nextAskAtMs = Math.min(lane.nextAskAtMs, context.nowMs);
    }
    lane.trafficAtMs = context.nowMs;
  }
  lane.rxDatagrams = stats.rxDatagrams;
  lane.txDatagrams = stats.txDatagrams;
  if (stats.highestCounter >= context.config.rekeyAtCounter && lane.trunk !== undefined) {
    lane.trunk.rekeyAtMs = Math.min(lane.trunk.rekeyAtMs, context.nowMs);
  }
}

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
      probeDeadLane(context, lane);
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
    atMs = Math.min(atMs, lane.carrier === 'udp' && !lane.live ? deadLaneAtMs(context, lane) : lane.nextAskAtMs);
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

// ── Asks and answers ───────────────────────────────────────────────────────────────────────────────────

interface HeardAsk {
  readonly source: DatagramAddress | undefined;
  readonly probe: ProbeBody;
  readonly datagramBytes: number;
}

function handleAsk(context: TrunkContext, trunk: Trunk, lane: Lane, ask: HeardAsk): void {
  if (!trunk.answers.take(context.nowMs)) {
    context.count('probesRefused');
    return;
  }
  const answer: ProbeBody = { ...ask.probe, operation: 'answer', unixMs: context.nowMs + context.ports.unixOffsetMs() };
  const body = encodeProbeBody(answer, PROBE_DATAGRAM_BYTES);
  context.emit({ kind: 'send-probe', handle: lane.handle, address: ask.source, body });
  if (ask.source === undefined || lane.retiredAtMs !== undefined) {
    return;
  }
  lane.heardFrom = ask.source;
  if (!lane.live || !sameAddress(ask.source, lane.address)) {
    challengeHeard(context, trunk, lane, ask.source, ask.datagramBytes);
  }
}

function challengeHeard(context: TrunkContext, trunk: Trunk, lane: Lane, source: DatagramAddress, datagramBytes: number): void {
  const candidate = addCandidate(context, lane, source, 'heard');
  if (candidate === undefined) {
    return;
  }
  candidate.receivedBytes += datagramBytes;
  candidate.sentBytes += PROBE_DATAGRAM_BYTES;
  if (candidate.probes >= context.config.candidateProbes && context.nowMs >= candidate.nextProbeAtMs) {
    candidate.probes = 0;
  }
  if (mayAsk(trunk, lane)) {
    probeCandidate(context, lane, candidate);
  }
}

function handleAnswer(context: TrunkContext, trunk: Trunk, lane: Lane, answer: Omit<HeardAsk, 'datagramBytes'>): void {
  const ask = lane.asks.get(answer.probe.sequence);
  if (ask === undefined || !sameBytes(ask.challenge, answer.probe.challenge) || !sameAddress(ask.address, answer.source)) {
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
    if (lane === moved || lane.carrier !== 'udp' || lane.address === undefined || lane.address.ip === ip || !mayAsk(trunk, lane)) {
      continue;
    }
    lane.hintedIp = ip;
    const candidate = addCandidate(context, lane, { ip, port: lane.address.port }, 'told');
    if (candidate !== undefined) {
      probeCandidate(context, lane, candidate);
    }
  }
}

function sendAsk(context: TrunkContext, lane: Lane, ask: Pick<Ask, 'address' | 'datagramBytes' | 'isLiveness'>): void {
  const challenge = context.randomBytes(CHALLENGE_BYTES);
  const sequence = lane.nextSequence;
  lane.nextSequence = (sequence + 1) >>> 0;
  if (lane.asks.size >= ASKS_MAX) {
    lane.asks.delete(lane.asks.keys().next().value ?? 0);
  }
  lane.asks.set(sequence, { ...ask, challenge, sentAtMs: context.nowMs });
  if (ask.isLiveness) {
    lane.unanswered += 1;
    lane.unansweredSinceMs ??= context.nowMs;
  }
  const body = encodeProbeBody({ operation: 'ask', sequence, challenge, unixMs: context.nowMs + context.ports.unixOffsetMs() }, ask.datagramBytes);
  context.emit({ kind: 'send-probe', handle: lane.handle, address: ask.address, body });
}

function forgetAsks(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  const keptMs = Math.max(ASK_KEPT_MS, 2 * lane.path.timeoutMs());
  for (const [sequence, ask] of lane.asks) {
    if (context.nowMs - ask.sentAtMs < keptMs) {
      return;
    }
    lane.asks.delete(sequence);
    if (!ask.isLiveness) {
      continue;
    }
    lane.path.lost();
    const isFullSize = ask.datagramBytes > BASE_MTU_BYTES && ask.datagramBytes === trunk.mtu.mtuBytes;
    if (isFullSize && lane.answeredAtMs > ask.sentAtMs && trunk.mtu.fullSizeLost(context.nowMs)) {
      context.count('pathBlackHoles');
      context.log('warn', 'path-mtu', 'the path no longer carries large datagrams, its size is searched anew', trunk.peer);
    }
  }
}

// ── What is due ────────────────────────────────────────────────────────────────────────────────────────

function mayAsk(trunk: Trunk, lane: Lane): boolean {
  return trunk.isInitiator || trunk.confirmedGeneration >= lane.generation;
}

function hasTraffic(context: TrunkContext, lane: Lane): boolean {
  return context.nowMs - lane.trafficAtMs < context.config.trafficWindowMs;
}

function askIntervalMs(context: TrunkContext, trunk: Trunk, lane: Lane): number {
  const { config } = context;
  if (!lane.accepted) {
    return config.fastProbeMs;
  }
  if (lane.carrier === 'udp') {
    return hasTraffic(context, lane) ? config.fastProbeMs : config.idleProbeMs * (1 + context.random() / 10);
  }
  const isFirst = currentLanes(trunk, 'stream')[0] === lane;
  const streamMs = hasTraffic(context, lane) ? STREAM_TRAFFIC_PROBE_MS : config.idleProbeMs;
  return isFirst ? streamMs : Number.POSITIVE_INFINITY;
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
  if (lane.unanswered >= config.deadAfterProbes && silentMs >= Math.max(config.deadAfterMs, 2 * lane.path.timeoutMs())) {
    lane.live = false;
    lane.diedAtMs = nowMs;
    lane.nextAskAtMs = nowMs;
    lane.nextRoundAtMs = nowMs;
    context.log('info', 'lane-dead', `datagram lane ${lane.number} has no answer for ${Math.round(silentMs)} ms`, trunk.peer);
    probeDeadLane(context, lane);
    return;
  }
  if (nowMs < lane.nextAskAtMs) {
    return;
  }
  lane.nextAskAtMs = nowMs + askIntervalMs(context, trunk, lane);
  lane.asksSent += 1;
  const isFullSize = hasTraffic(context, lane) && lane.asksSent % FULL_SIZE_EVERY === 0 && trunk.mtu.mtuBytes > BASE_MTU_BYTES;
  const datagramBytes = isFullSize ? trunk.mtu.mtuBytes : PROBE_DATAGRAM_BYTES;
  sendAsk(context, lane, { address: lane.address, datagramBytes, isLiveness: true });
}

/** Asks where the lane last worked, and in rounds at every candidate. */
function probeDeadLane(context: TrunkContext, lane: Lane): void {
  const { config, nowMs } = context;
  if (lane.address !== undefined && nowMs >= lane.nextAskAtMs) {
    const isFresh = nowMs - lane.diedAtMs < config.reviveMs;
    lane.nextAskAtMs = nowMs + (isFresh ? config.reviveProbeMs : config.idleProbeMs);
    sendAsk(context, lane, { address: lane.address, datagramBytes: PROBE_DATAGRAM_BYTES, isLiveness: false });
  }
  if (nowMs >= lane.nextRoundAtMs) {
    lane.nextRoundAtMs = nowMs + config.candidateRoundMs;
    lane.candidates = lane.candidates.filter((candidate) => candidate.origin === 'told' || candidate.probes < config.candidateProbes);
    for (const candidate of lane.candidates) {
      candidate.probes = 0;
      candidate.nextProbeAtMs = nowMs;
    }
  }
  for (const candidate of lane.candidates) {
    probeCandidate(context, lane, candidate);
  }
}

function deadLaneAtMs(context: TrunkContext, lane: Lane): number {
  const pending = lane.candidates
    .filter((candidate) => candidate.probes < context.config.candidateProbes && mayPay(candidate))
    .map((candidate) => candidate.nextProbeAtMs);
  const reviveAtMs = lane.address === undefined ? Number.POSITIVE_INFINITY : lane.nextAskAtMs;
  return Math.min(lane.nextRoundAtMs, reviveAtMs, ...pending);
}

function mayPay(candidate: Candidate): boolean {
  const afterwardsBytes = candidate.sentBytes + PROBE_DATAGRAM_BYTES;
  return candidate.origin === 'told' || afterwardsBytes <= AMPLIFICATION_LIMIT * candidate.receivedBytes;
}

function probeCandidate(context: TrunkContext, lane: Lane, candidate: Candidate): void {
  const { config, nowMs } = context;
  if (candidate.probes >= config.candidateProbes || nowMs < candidate.nextProbeAtMs || !mayPay(candidate)) {
    return;
  }
  candidate.nextProbeAtMs = nowMs + config.fastProbeMs * 2 ** candidate.probes;
  candidate.probes += 1;
  candidate.sentBytes += PROBE_DATAGRAM_BYTES;
  sendAsk(context, lane, { address: candidate.address, datagramBytes: PROBE_DATAGRAM_BYTES, isLiveness: false });
}

// ── Path MTU ───────────────────────────────────────────────────────────────────────────────────────────

/** One lane searches for all: they share the path, ports apart. */
function mtuLane(trunk: Trunk): Lane | undefined {
  return currentLanes(trunk, 'udp').find((lane) => lane.live);
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

/** Gives a new lane the addresses to try: the old lane's proven one, else what the peer told. */
export function seedAddresses(context: TrunkContext, lane: Lane, old: Lane | undefined, told: readonly DatagramAddress[]): void {
  for (const address of told) {
    addCandidate(context, lane, address, 'told');
  }
  lane.nextRoundAtMs = context.nowMs;
  lane.nextAskAtMs = context.nowMs;
  if (old?.address === undefined) {
    return;
  }
  lane.address = old.address;
  lane.live = old.live;
  lane.diedAtMs = old.diedAtMs;
  if (old.path.rttMs !== undefined) {
    lane.path.answered(old.path.rttMs, old.path.clockOffsetMs ?? 0);
  }
}
