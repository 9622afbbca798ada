/**
 * One lane as control sees it: its indexes, its proven address, its candidates and the probes under way.
 *
 * Main thread, pure. A lane is offered (its index is in a Hello), then installed (it has keys), then accepted
 * (a datagram came under them), then used, then retired. Its keys are never kept here: they go out in
 * `install-lane` and are forgotten.
 */
import { PathEstimate } from './path-estimate.ts';
import type { Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { Carrier, DatagramAddress, LaneHandle } from './trunk-port.ts';

/** An address that the lane's peer may have. What it may be sent is bounded until its challenge came back. */
export interface Candidate {
  readonly address: DatagramAddress;
  /**
   * `told`: by the peer's Hello, or seen on the connection. `named`: by its Candidates, for one round. `heard`: a probe
   * came from it.
   */
  readonly origin: 'told' | 'named' | 'heard';
  probes: number;
  nextProbeAtMs: number;
  sentBytes: number;
  receivedBytes: number;
}

/** A probe that has no answer yet. */
export interface Ask {
  readonly challenge: Uint8Array;
  readonly sentAtMs: number;
  readonly datagramBytes: number;
  readonly address: DatagramAddress | undefined;
  /** Whether its loss says something of the path: candidates' and MTU searches' does not. */
  readonly isLiveness: boolean;
}

/** The last three times, the latest first. */
export type FrameTimes = readonly [last: number, before: number, earliest: number];

const NEVER = Number.NEGATIVE_INFINITY;
const NEVER_YET: FrameTimes = [NEVER, NEVER, NEVER];

export interface Lane {
  readonly handle: LaneHandle;
  readonly carrier: Carrier;
  readonly number: number;
  readonly worker: number;
  readonly generation: number;
  readonly localIndex: number;
  trunk: Trunk | undefined;
  notAfterMs: number;
  /** A datagram has come in under its keys. */
  accepted: boolean;
  /** `use-lane` is in force. */
  used: boolean;
  /** `udp`: the proven address, kept when the lane dies. */
  address: DatagramAddress | undefined;
  /** `udp`: the address is proven and answers. Always true on `stream`, whose connection is the proof. */
  live: boolean;
  diedAtMs: number;
  candidates: Candidate[];
  nextRoundAtMs: number;
  /** Rounds of candidates since something was heard on the lane. */
  vainRounds: number;
  readonly asks: Map<number, Ask>;
  nextSequence: number;
  nextAskAtMs: number;
  asksSent: number;
  /** Liveness asks since the last answer, and when the first of them went out. */
  unanswered: number;
  unansweredSinceMs: number | undefined;
  readonly path: PathEstimate;
  /** Highest totals reported, probes not counted: growth beyond them is traffic. */
  txDatagrams: number;
  rxDatagrams: number;
  probesOrdered: number;
  /** When traffic was last seen, and since when: frames one way four times within the traffic window. */
  trafficAtMs: number;
  trafficSinceMs: number;
  /** When totals showed new frames, each way. */
  framesSentAtMs: FrameTimes;
  framesReceivedAtMs: FrameTimes;
  askedAtMs: number;
  receivedAtMs: number;
  /** When the peer last said from where it sees us. */
  observedAtMs: number;
  /** When the last answer came, and from where the peer's last ask came. */
  answeredAtMs: number;
  heardFrom: DatagramAddress | undefined;
  /** The peer was proven at this IP on another lane: this one follows when it answers there too. */
  hintedIp: string | undefined;
  retiredAtMs: number | undefined;
}

/** Asks that wait for an answer; the oldest is forgotten beyond that. */
export const ASKS_MAX = 64;

export interface LaneOrigin {
  readonly carrier: Carrier;
  readonly number: number;
  readonly generation: number;
}

/** Allocates a lane at the data plane. @returns undefined when the worker's lane table is full */
export function offerLane(context: TrunkContext, origin: LaneOrigin): Lane | undefined {
  const worker = origin.number % context.ports.workerCount;
  const allocation = context.ports.lanes.allocateLane(worker);
  if (allocation === undefined) {
    context.count('laneAllocationsFailed');
    return undefined;
  }
  const lane: Lane = {
    ...origin,
    worker,
    handle: allocation.handle,
    localIndex: allocation.receiverIndex,
    trunk: undefined,
    notAfterMs: Number.POSITIVE_INFINITY,
    accepted: false,
    used: false,
    address: undefined,
    live: origin.carrier === 'stream',
    diedAtMs: Number.NEGATIVE_INFINITY,
    candidates: [],
    nextRoundAtMs: 0,
    vainRounds: 0,
    asks: new Map(),
    nextSequence: 1,
    nextAskAtMs: 0,
    asksSent: 0,
    unansweredSinceMs: undefined,
    unanswered: 0,
    path: new PathEstimate(),
    txDatagrams: 0,
    rxDatagrams: 0,
    probesOrdered: 0,
    trafficAtMs: Number.NEGATIVE_INFINITY,
    trafficSinceMs: Number.POSITIVE_INFINITY,
    framesSentAtMs: NEVER_YET,
    framesReceivedAtMs: NEVER_YET,
    askedAtMs: Number.NEGATIVE_INFINITY,
    receivedAtMs: Number.NEGATIVE_INFINITY,
    observedAtMs: Number.NEGATIVE_INFINITY,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    heardFrom: undefined,
    hintedIp: undefined,
    retiredAtMs: undefined,
  };
  context.lanes.set(lane.handle, lane);
  return lane;
}

/** Frees a lane, whatever state it is in. */
export function removeLane(context: TrunkContext, lane: Lane): void {
  if (context.lanes.delete(lane.handle)) {
    context.emit({ kind: 'remove-lane', handle: lane.handle });
  }
}

export function sameAddress(left: DatagramAddress | undefined, right: DatagramAddress | undefined): boolean {
  return left?.ip === right?.ip && left?.port === right?.port;
}

export function findCandidate(lane: Lane, address: DatagramAddress): Candidate | undefined {
  return lane.candidates.find((candidate) => sameAddress(candidate.address, address));
}

/**
 * Adds an address to try, unless the lane knows it.
 *
 * When there are too many, the oldest `heard` one leaves: what the peer told is bounded by its Hello.
 */
export function addCandidate(
  context: TrunkContext,
  lane: Lane,
  address: DatagramAddress,
  origin: Candidate['origin'],
): Candidate | undefined {
  if (context.vlanNetworks.hasIp(address.ip)) {
    return undefined;
  }
  const known = findCandidate(lane, address);
  if (known !== undefined) {
    return known;
  }
  if (lane.candidates.length >= context.config.candidatesMax) {
    const oldest = lane.candidates.findIndex((candidate) => candidate.origin === 'heard');
    if (oldest < 0 && origin !== 'heard') {
      return undefined;
    }
    lane.candidates.splice(Math.max(oldest, 0), 1);
  }
  const candidate: Candidate = {
    address,
    origin,
    probes: 0,
    nextProbeAtMs: context.nowMs,
    sentBytes: 0,
    receivedBytes: 0,
  };
  lane.candidates.push(candidate);
  return candidate;
}

/** Gives a new lane the addresses to try: the old lane's proven one, else what the peer told. */
export function seedAddresses(
  context: TrunkContext,
  lane: Lane,
  old: Lane | undefined,
  told: readonly DatagramAddress[],
): void {
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
  lane.vainRounds = old.vainRounds;
  lane.answeredAtMs = old.answeredAtMs;
  lane.observedAtMs = old.observedAtMs;
  lane.path.inherit(old.path);
}
