/**
 * Asking on a lane: sending a probe, forgetting it, and what an address may be sent before it is proven.
 *
 * Main thread, pure. An address that was only heard gets at most three times the bytes that came from it, one that was
 * named in a round of hole punching no more than what the round allows; a candidate at most five probes a round.
 */
import { ASKS_MAX, type Ask, type Candidate, type Lane } from './lane.ts';
import { BASE_MTU_BYTES } from './messages/trunk-messages.ts';
import { CHALLENGE_BYTES, encodeProbeBody, observingBytes, PROBE_DATAGRAM_BYTES } from './probe-body.ts';
import { firstLane, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { DatagramAddress } from './trunk-port.ts';

/** An ask without an answer is forgotten, and counted as lost, after this or twice its lane's timeout. */
const ASK_KEPT_MS = 3_000;
/** Lanes beyond these may lose their mapping while they are idle, and are punched anew: keeping 16 would cost too much. */
const MAPPED_LANES_KEPT = 4;
const STREAM_TRAFFIC_PROBE_MS = 1_000;
/** An idle lane's peer is asked this often from where it sees us: a NAT's mapping changes when the NAT restarts. */
const OBSERVE_MS = 50_000;
/** Probes to an address that was named for hole punching: the first opens our NAT, one of the others finds the peer's open. */
export const PUNCH_PROBES_MAX = 5;
const PUNCH_MS = 150;
const PUNCH_MAX_MS = 600;
/** RFC 9000 §8.1's factor. */
const AMPLIFICATION_LIMIT = 3;

/** Has the data plane seal and send one probe. */
export function orderProbe(
  context: TrunkContext,
  lane: Lane,
  address: DatagramAddress | undefined,
  body: Uint8Array,
): void {
  lane.probesOrdered += 1;
  context.emit({ kind: 'send-probe', handle: lane.handle, address, body });
}

/** @returns the size of the next ask on the lane: with room for the observed address in its answer, or without */
function askBytes(context: TrunkContext, lane: Lane, address: DatagramAddress | undefined): number {
  const isKnown = context.nowMs - lane.observedAtMs < OBSERVE_MS;
  return address === undefined || isKnown ? PROBE_DATAGRAM_BYTES : observingBytes(address.ip);
}

export function sendAsk(
  context: TrunkContext,
  lane: Lane,
  order: Pick<Ask, 'address' | 'datagramBytes' | 'isLiveness'>,
): void {
  const datagramBytes = Math.max(order.datagramBytes, askBytes(context, lane, order.address));
  const ask = { ...order, datagramBytes };
  const challenge = context.randomBytes(CHALLENGE_BYTES);
  const sequence = lane.nextSequence;
  lane.nextSequence = (sequence + 1) >>> 0;
  if (lane.asks.size >= ASKS_MAX) {
    lane.asks.delete(lane.asks.keys().next().value ?? 0);
  }
  lane.asks.set(sequence, { ...ask, challenge, sentAtMs: context.nowMs });
  if (ask.isLiveness) {
    lane.askedAtMs = context.nowMs;
    lane.unanswered += 1;
    lane.unansweredSinceMs ??= context.nowMs;
  }
  const body = encodeProbeBody(
    { operation: 'ask', sequence, challenge, unixMs: context.nowMs + context.ports.unixOffsetMs() },
    ask.datagramBytes,
  );
  orderProbe(context, lane, ask.address, body);
}

export function forgetAsks(context: TrunkContext, trunk: Trunk, lane: Lane): void {
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
      context.log(
        'warn',
        'path-mtu',
        'the path no longer carries large datagrams, its size is searched anew',
        trunk.peer,
      );
    }
  }
}

export function mayAsk(trunk: Trunk, lane: Lane): boolean {
  return trunk.isInitiator || trunk.confirmedGeneration >= lane.generation;
}

export function hasTraffic(context: TrunkContext, lane: Lane): boolean {
  return context.nowMs - lane.trafficAtMs < context.config.trafficWindowMs;
}

/** @returns how long after an answer the lane is asked again */
export function askIntervalMs(context: TrunkContext, trunk: Trunk, lane: Lane): number {
  const { config } = context;
  if (!lane.accepted) {
    return config.fastProbeMs;
  }
  if (lane.carrier === 'udp') {
    return hasTraffic(context, lane) ? config.fastProbeMs : idleIntervalMs(context, trunk, lane);
  }
  const isFirst = firstLane(trunk, 'stream', () => true) === lane;
  const streamMs = hasTraffic(context, lane) ? STREAM_TRAFFIC_PROBE_MS : config.idleStreamProbeMs;
  return isFirst ? streamMs : Number.POSITIVE_INFINITY;
}

/** @returns how long after an ask the lane is asked again, if no answer has come by then */
export function retryMs(context: TrunkContext, trunk: Trunk, lane: Lane): number {
  const { config, nowMs } = context;
  if (lane.carrier === 'stream') {
    return askIntervalMs(context, trunk, lane);
  }
  const mayLoseFrames = hasTraffic(context, lane) || nowMs - lane.framesSentAtMs[0] < config.trafficWindowMs;
  return mayLoseFrames || !lane.accepted
    ? config.fastProbeMs
    : Math.max(config.idleRetryMs, lane.path.timeoutMs());
}

/**
 * Idle, one end's asks do for both: the peer that asks has an answer of ours, so that what it hears tells as much as
 * what we would. We ask when its asks have stopped, and now and then of ourselves.
 */
export function deferAsk(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  if (trunk.isInitiator || hasTraffic(context, lane) || lane.unanswered > 0) {
    return;
  }
  const intervalMs = idleIntervalMs(context, trunk, lane);
  const untilMs = Math.min(context.nowMs + 1.5 * intervalMs, lane.answeredAtMs + 4 * intervalMs);
  lane.nextAskAtMs = Math.max(lane.nextAskAtMs, untilMs);
}

/** Drawn anew each time, so that trunks and lanes do not ask together. */
function idleIntervalMs(context: TrunkContext, trunk: Trunk, lane: Lane): number {
  const { idleProbeMs, idleOtherLanesMs, idleMappedLanesMs } = context.config;
  const isFirst = firstLane(trunk, 'udp', ({ live }) => live) === lane;
  const isKept = lane.number < MAPPED_LANES_KEPT && isMapped(context, trunk, lane);
  const otherMs = isKept ? idleMappedLanesMs : idleOtherLanesMs;
  return (isFirst ? idleProbeMs : otherMs) * (1 + context.random() / 10);
}

/** Whether a NAT stands at either end: the peer is not where it says it is, or we are not where it sees us. */
function isMapped(context: TrunkContext, trunk: Trunk, lane: Lane): boolean {
  const theirs = trunk.party.datagramAddresses;
  const { address } = lane;
  const isTheirs = theirs.length > 0 && !theirs.some(({ ip }) => ip === address?.ip);
  const seen = context.observed.of(lane.worker, context.nowMs);
  const isOurs = seen.some(({ ip }) => !context.datagramAddresses.some((own) => own.ip === ip));
  return address !== undefined && (isTheirs || isOurs);
}

export function mayPay(context: TrunkContext, lane: Lane, candidate: Candidate): boolean {
  const bytes = askBytes(context, lane, candidate.address);
  if (candidate.origin === 'named') {
    return bytes <= (lane.trunk?.punch.allowanceBytes ?? 0);
  }
  const afterwardsBytes = candidate.sentBytes + bytes;
  return candidate.origin === 'told' || afterwardsBytes <= AMPLIFICATION_LIMIT * candidate.receivedBytes;
}

export function probeCandidate(context: TrunkContext, lane: Lane, candidate: Candidate): void {
  const { config, nowMs } = context;
  if (
    candidate.probes >= config.candidateProbes ||
    nowMs < candidate.nextProbeAtMs ||
    !mayPay(context, lane, candidate)
  ) {
    return;
  }
  const bytes = askBytes(context, lane, candidate.address);
  const punchMs = Math.min(PUNCH_MAX_MS, PUNCH_MS * 2 ** candidate.probes);
  const isNamed = candidate.origin === 'named';
  candidate.nextProbeAtMs = nowMs + (isNamed ? punchMs : config.candidateProbeMs * 2 ** candidate.probes);
  candidate.probes += 1;
  candidate.sentBytes += bytes;
  if (isNamed && lane.trunk !== undefined) {
    lane.trunk.punch.allowanceBytes -= bytes;
  }
  sendAsk(context, lane, {
    address: candidate.address,
    datagramBytes: PROBE_DATAGRAM_BYTES,
    isLiveness: false,
  });
}
