/**
 * Hole punching: while a trunk's datagrams do not pass, both ends tell each other where their sockets may be reached,
 * by the control stream, and probe all of that at once.
 *
 *   one end                                   the other
 *   Candidates of each lane ──────────────▶   takes them, probes ◀─┐ the first probe of each opens its own NAT,
 *   takes them, probes   ◀── Candidates, answer                    ┘ one of the next comes through the other's
 *
 * Told are the socket's own addresses and those at which other peers see it (observed-addresses.ts). What a peer names
 * may be a third party's: each address gets five probes at most, and all of them together no more than three times the
 * bytes of the message that named them, which is padded for that.
 *
 * Main thread, pure.
 */
import { isUnicastIp } from './ip-text.ts';
import { addCandidate, type Lane, sameAddress } from './lane.ts';
import { hasTraffic, PUNCH_PROBES_MAX } from './lane-asks.ts';
import type { Candidates, LaneCandidates } from './messages/trunk-messages.ts';
import { type Peer, sendMessage } from './peer.ts';
import { observingBytes } from './probe-body.ts';
import { newPunchState } from './punch-state.ts';
import { standingLanes, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { DatagramAddress } from './trunk-port.ts';

/** A peer whose Hello names this takes Candidates. */
export const PUNCH_FEATURE = 'candidates';
/** From one round to the next: probes of a round go out for 2 s. Idle, it doubles on; under traffic, it does not. */
const ROUND_MS = 2_500;
const ROUND_TRAFFIC_MAX_MS = 7_500;
const ROUND_IDLE_MAX_MS = 600_000;
/** Bytes sent to what has not answered, for each byte that named it. */
const AMPLIFICATION_LIMIT = 3;

/** Begins a round when one is due. */
export function settlePunching(context: TrunkContext, peer: Peer): void {
  if (context.nowMs < punchAtMs(peer) || peer.trunk === undefined) {
    return;
  }
  sendCandidates(context, peer, peer.trunk, false);
  planNext(context, peer.trunk);
}

/** @returns when `settlePunching` has something to do */
export function punchAtMs(peer: Peer): number {
  const { trunk, stream } = peer;
  const isWanted =
    trunk !== undefined &&
    stream !== undefined &&
    trunk.party.features.includes(PUNCH_FEATURE) &&
    standingLanes(trunk).some(isShut);
  return isWanted ? trunk.punch.nextAtMs : Number.POSITIVE_INFINITY;
}

/** Something has changed that makes a round promising: it is due soon. */
export function punchSoon(context: TrunkContext, trunk: Trunk): void {
  trunk.punch.vainRounds = 0;
  trunk.punch.nextAtMs = Math.min(
    trunk.punch.nextAtMs,
    newPunchState(context.nowMs, trunk.isInitiator).nextAtMs,
  );
}

/** The peer says where its sockets may be reached. @param sizeBytes - of the message */
export function handleCandidates(
  context: TrunkContext,
  peer: Peer,
  message: Candidates,
  sizeBytes: number,
): void {
  const { trunk } = peer;
  if (trunk === undefined) {
    return;
  }
  // Each message that has to be dealt with costs an answer and probes: as probes do, and from the same purse.
  if (!trunk.answers.take(context.nowMs)) {
    context.count('probesRefused');
    return;
  }
  trunk.punch.allowanceBytes = AMPLIFICATION_LIMIT * sizeBytes;
  for (const lane of standingLanes(trunk)) {
    const named = message.lanes.find((one) => one.lane === lane.number);
    if (named !== undefined && isShut(lane)) {
      takeCandidates(context, lane, named);
    }
  }
  if (!message.isAnswer) {
    sendCandidates(context, peer, trunk, true);
    planNext(context, trunk);
  }
}

/**
 * It takes the place of what was named before. What the Hello told has rounds of its own; if there are too many, its
 * last ones leave, and never the address that the connection shows, its first.
 */
function takeCandidates(context: TrunkContext, lane: Lane, { addresses }: LaneCandidates): void {
  lane.candidates = lane.candidates.filter(({ origin }) => origin !== 'named');
  const fresh = addresses
    .filter(({ ip }) => isUnicastIp(ip))
    .filter((address) => !lane.candidates.some((known) => sameAddress(known.address, address)))
    .slice(0, context.config.candidatesMax - 1);
  lane.candidates.length = Math.min(lane.candidates.length, context.config.candidatesMax - fresh.length);
  for (const address of fresh) {
    addCandidate(context, lane, address, 'named');
  }
}

function sendCandidates(context: TrunkContext, peer: Peer, trunk: Trunk, isAnswer: boolean): void {
  const lanes = standingLanes(trunk)
    .filter((lane) => lane.carrier === 'udp')
    .map((lane) => ({ lane: lane.number, addresses: ownCandidates(context, lane.worker) }))
    .filter((one, index, all) => all.findIndex(({ lane }) => lane === one.lane) === index);
  const probesBytes = lanes
    .flatMap(({ addresses }) => addresses)
    .reduce((sum, { ip }) => sum + PUNCH_PROBES_MAX * observingBytes(ip), 0);
  context.count('punches');
  sendMessage(context, peer, {
    kind: 'candidates',
    isAnswer,
    lanes,
    paddingBytes: Math.ceil(probesBytes / AMPLIFICATION_LIMIT),
  });
}

/** Where a worker's socket may be reached: as peers see it first, then as it is. */
function ownCandidates(context: TrunkContext, worker: number): DatagramAddress[] {
  const own = context.datagramAddresses.map(({ ip, port }) => ({ ip, port: port + worker }));
  const all = [...context.observed.of(worker, context.nowMs), ...own];
  return all
    .filter(({ port }) => port <= 0xffff)
    .filter(
      ({ ip, port }, index) => all.findIndex((other) => other.ip === ip && other.port === port) === index,
    )
    .slice(0, context.config.candidatesMax);
}

function planNext(context: TrunkContext, trunk: Trunk): void {
  const isBusy = standingLanes(trunk).some((lane) => hasTraffic(context, lane));
  const maxMs = isBusy ? ROUND_TRAFFIC_MAX_MS : ROUND_IDLE_MAX_MS;
  const intervalMs = Math.min(maxMs, ROUND_MS * 2 ** Math.min(trunk.punch.vainRounds, 16));
  trunk.punch.vainRounds += 1;
  trunk.punch.nextAtMs = context.nowMs + intervalMs * (1 + context.random() / 10);
}

function isShut(lane: Lane): boolean {
  return lane.carrier === 'udp' && !lane.live;
}
