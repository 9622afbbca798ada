/**
 * A trunk: one authenticated adjacency, its lanes by carrier and number, and which of them carry frames.
 *
 * Main thread, pure. It decides the carrier (section 2: `udp` when proven, else `stream`), swaps lanes when
 * their successors are proven (make-before-break), retires the old ones, and tells when there is nothing left.
 * Handshakes are exchange.ts, probes lane-probing.ts.
 */
import { invariant } from '../../dataplane/base/invariant.ts';
import { TokenBucket } from '../limit/token-bucket.ts';
import { type CostMemory, costAtMs, NO_CARRIER_COST, newCostMemory, noteCost } from './cost.ts';
import { type Lane, removeLane } from './lane.ts';
import type { Party } from './messages/trunk-messages.ts';
import type { StreamId } from './network-port.ts';
import type { PathEstimate } from './path-estimate.ts';
import { PathMtu } from './path-mtu.ts';
import { newPunchState, type PunchState } from './punch-state.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { Carrier, DatagramAddress, PeerIdText, TrunkDown, TrunkId } from './trunk-port.ts';

export const CARRIERS: readonly Carrier[] = ['udp', 'stream'];

/** One lane number of one carrier: the lane in use, and the one that is to take over. */
export interface Slot {
  current: Lane | undefined;
  next: Lane | undefined;
}

export interface Trunk {
  readonly id: TrunkId;
  readonly peer: PeerIdText;
  readonly session: Uint8Array;
  readonly isInitiator: boolean;
  /** Of the first exchange; meet tags hang on it. */
  readonly transcript: Uint8Array;
  readonly createdAtMs: number;
  party: Party;
  generation: number;
  /** Of the last Hello: the peer may have taken it though its answer was lost. */
  offeredGeneration: number;
  /** Highest generation of which the peer has proven to have the keys; before that the responder is silent. */
  confirmedGeneration: number;
  rekeyAtMs: number;
  /** By carrier, then by lane number. */
  readonly slots: Readonly<Record<Carrier, Slot[]>>;
  readonly retired: Lane[];
  readonly mtu: PathMtu;
  readonly answers: TokenBucket;
  readonly punch: PunchState;
  /** The carrier stream that frames go by. */
  carrierStream: StreamId | undefined;
  /** That stream goes through another node. */
  isCarrierRelayed: boolean;
  /** What was sent on it has no answer, and nothing else has come by it. */
  isCarrierStalled: boolean;
  stalledSinceMs: number;
  /** Since when frames go by the carrier that they go by. */
  carrierSinceMs: number;
  carrierStreamRetryAtMs: number;
  isUp: boolean;
  readonly cost: CostMemory;
  /** What the last `set-trunk` said. */
  told: { carrier: Carrier | undefined; datagramMtuBytes: number };
  /** Whether the carrier in use is known to get through. */
  isLive: boolean;
  /** Since when there is neither control stream nor live carrier. */
  silentSinceMs: number | undefined;
  readonly meetPads: Uint8Array[];
  /** The control stream on which the peer was last told our tags. */
  meetStream: StreamId | undefined;
  peerTags: ReadonlySet<string>;
  /** The shared VLANs as last told, and as they are when that is still to be told. */
  sharedVlans: string;
  untoldVlans: readonly Uint8Array[] | undefined;
}

export interface TrunkOrigin {
  readonly peer: PeerIdText;
  readonly session: Uint8Array;
  readonly isInitiator: boolean;
  readonly transcript: Uint8Array;
  readonly party: Party;
  readonly generation: number;
}

/** Makes the trunk and tells the data plane of it; lanes follow. */
export function createTrunk(context: TrunkContext, origin: TrunkOrigin): Trunk {
  const { config, nowMs } = context;
  const ceilingBytes = Math.min(config.linkMtuBytes, origin.party.linkMtuBytes);
  const mtu = new PathMtu({
    ceilingBytes,
    tries: config.mtuTries,
    raiseMs: config.mtuRaiseMs,
    blackHoleProbes: config.blackHoleProbes,
  });
  const trunk: Trunk = {
    ...origin,
    id: context.nextTrunkId(),
    createdAtMs: nowMs,
    confirmedGeneration: 0,
    offeredGeneration: origin.generation,
    rekeyAtMs: Number.POSITIVE_INFINITY,
    slots: { udp: [], stream: [] },
    retired: [],
    mtu,
    answers: new TokenBucket({ burst: config.answerBurst, perSecond: config.answersPerSecond }, nowMs),
    punch: newPunchState(nowMs, origin.isInitiator),
    carrierStream: undefined,
    isCarrierRelayed: false,
    isCarrierStalled: false,
    stalledSinceMs: nowMs,
    carrierSinceMs: nowMs,
    carrierStreamRetryAtMs: nowMs,
    isUp: false,
    cost: newCostMemory(),
    told: { carrier: undefined, datagramMtuBytes: mtu.mtuBytes },
    isLive: false,
    silentSinceMs: undefined,
    meetPads: [],
    meetStream: undefined,
    peerTags: new Set(),
    sharedVlans: '',
    untoldVlans: undefined,
  };
  context.emit({ kind: 'add-trunk', trunk: trunk.id, peer: trunk.peer });
  context.emit({ kind: 'set-trunk', trunk: trunk.id, ...trunk.told });
  return trunk;
}

export function slotOf(trunk: Trunk, carrier: Carrier, number: number): Slot {
  const slots = trunk.slots[carrier];
  while (slots.length <= number) {
    slots.push({ current: undefined, next: undefined });
  }
  const slot = slots[number];
  invariant(slot !== undefined, 'lane number out of range');
  return slot;
}

/** @returns the lanes that stand for this trunk now, current or about to be; not the retired ones */
export function standingLanes(trunk: Trunk): Lane[] {
  const lanes: Lane[] = [];
  for (const carrier of CARRIERS) {
    for (const { current, next } of trunk.slots[carrier]) {
      if (current !== undefined) {
        lanes.push(current);
      }
      if (next !== undefined) {
        lanes.push(next);
      }
    }
  }
  return lanes;
}

/** @returns the carrier's lanes in use, lowest number first */
export function currentLanes(trunk: Trunk, carrier: Carrier): Lane[] {
  return trunk.slots[carrier].map((slot) => slot.current).filter((lane) => lane !== undefined);
}

/** @returns the carrier's lane in use with the lowest number that fits */
export function firstLane(trunk: Trunk, carrier: Carrier, fits: (lane: Lane) => boolean): Lane | undefined {
  return trunk.slots[carrier].find(({ current }) => current !== undefined && fits(current))?.current;
}

/** Puts a newly keyed lane into its slot; what stood there and was not in use yet goes on opening for a while. */
export function placeLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  const slot = slotOf(trunk, lane.carrier, lane.number);
  if (slot.next !== undefined) {
    retireLane(context, trunk, slot.next);
  }
  slot.next = lane;
}

/**
 * Brings everything that follows from the lanes' state up to date: swaps, carrier, use of lanes, size.
 *
 * Called after each change; it tells the data plane only what has changed.
 */
export function refreshTrunk(context: TrunkContext, trunk: Trunk): void {
  for (const carrier of CARRIERS) {
    for (const slot of trunk.slots[carrier]) {
      swapLane(context, trunk, slot);
    }
  }
  const { isAnyLive: isUdpLive, hasReturned } = refreshUse(context, trunk);
  const hasStream =
    trunk.carrierStream !== undefined &&
    !trunk.isCarrierStalled &&
    firstLane(trunk, 'stream', () => true) !== undefined;
  // Without a live one there is none: others may know a way, and a frame on a dead path helps nobody.
  const carrier = isUdpLive ? 'udp' : hasStream ? 'stream' : undefined;
  const { isUp: wasUp, isLive: wasLive, told } = trunk;
  trunk.isLive = isUdpLive || hasStream;
  tellTrunk(context, trunk, carrier);
  const isBack =
    hasReturned || (trunk.isLive && !wasLive) || (told.carrier === 'stream' && carrier === 'udp');
  if (wasUp && isBack) {
    context.emit({ kind: 'trunk-back', trunk: trunk.id, peer: trunk.peer });
  }
}

/** The swap of make-before-break: the successor takes over once its keys are proven at both ends. */
function swapLane(context: TrunkContext, trunk: Trunk, slot: Slot): void {
  const lane = slot.next;
  if (lane === undefined || !lane.accepted || !lane.live) {
    return;
  }
  const old = slot.current;
  slot.current = lane;
  slot.next = undefined;
  lane.used = true;
  context.emit({ kind: 'use-lane', handle: lane.handle });
  if (old !== undefined) {
    old.used = false;
    retireLane(context, trunk, old);
  }
}

/** Rests dead `udp` lanes while others live. @returns whether one lives, and whether one has come back to life */
function refreshUse(
  context: TrunkContext,
  trunk: Trunk,
): { readonly isAnyLive: boolean; readonly hasReturned: boolean } {
  const lanes = currentLanes(trunk, 'udp');
  const isAnyLive = lanes.some((lane) => lane.live);
  const hasReturned = lanes.some((lane) => lane.live && !lane.used);
  for (const lane of lanes) {
    const isWanted = lane.live || !isAnyLive;
    if (isWanted !== lane.used) {
      lane.used = isWanted;
      context.emit({ kind: isWanted ? 'use-lane' : 'rest-lane', handle: lane.handle });
    }
  }
  return { isAnyLive, hasReturned };
}

function tellTrunk(context: TrunkContext, trunk: Trunk, carrier: Carrier | undefined): void {
  const ceilingBytes = Math.min(context.config.linkMtuBytes, trunk.party.linkMtuBytes);
  const datagramMtuBytes = carrier === 'stream' ? ceilingBytes : Math.min(trunk.mtu.mtuBytes, ceilingBytes);
  if (carrier !== trunk.told.carrier) {
    context.count('carrierChanges');
    trunk.carrierSinceMs = context.nowMs;
    askStreamAnew(context, trunk);
    context.log('info', 'trunk-carrier', `trunk carrier is now ${carrier ?? 'none'}`, trunk.peer);
  }
  if (carrier !== trunk.told.carrier || datagramMtuBytes !== trunk.told.datagramMtuBytes) {
    trunk.told = { carrier, datagramMtuBytes };
    context.emit({ kind: 'set-trunk', trunk: trunk.id, carrier, datagramMtuBytes });
  }
  if (!trunk.isUp && trunk.isLive && carrier !== undefined) {
    trunk.isUp = true;
    context.emit({ kind: 'trunk-up', trunk: trunk.id, peer: trunk.peer, roles: trunk.party.roles });
    context.log('info', 'trunk-up', `trunk is up over ${carrier}`, trunk.peer);
  }
}

/** Says what the trunk is worth, once it is up and when that has changed enough. */
export function tellCost(context: TrunkContext, trunk: Trunk): void {
  const { carrier } = trunk.told;
  if (isUnproven(trunk)) {
    // Whether the stream gets anything through shows within the half second; until then nothing is known.
    return;
  }
  const path = carrier === undefined ? undefined : measuredPath(trunk, carrier);
  const measure = {
    carrier: trunk.isLive ? carrier : undefined,
    isRelayed: carrier === 'stream' && trunk.isCarrierRelayed,
    rttMs: path?.rttMs,
    lossRatio: path?.lossRatio ?? 0,
  };
  if (trunk.isUp && noteCost(trunk.cost, measure, context.nowMs)) {
    const { told, isRelayed } = trunk.cost;
    const cost = { cost: told ?? NO_CARRIER_COST, carrier: trunk.cost.carrier, isRelayed };
    context.emit({ kind: 'trunk-cost', trunk: trunk.id, peer: trunk.peer, ...cost });
  }
}

/** @returns when `tellCost` has something to say if nothing changes */
export function tellCostAtMs(trunk: Trunk): number {
  return isUnproven(trunk) ? Number.POSITIVE_INFINITY : costAtMs(trunk.cost);
}

/** The datagrams have stopped, and what stands in for them has not answered yet. */
function isUnproven(trunk: Trunk): boolean {
  const lane = firstLane(trunk, 'stream', () => true);
  const isNew = trunk.isUp && trunk.cost.carrier === 'udp' && trunk.told.carrier === 'stream';
  return isNew && lane !== undefined && lane.receivedAtMs < trunk.carrierSinceMs;
}

/** @returns what a carrier's lanes have measured, all of them on one path */
export function measuredPath(trunk: Trunk, carrier: Carrier): PathEstimate | undefined {
  return firstLane(trunk, carrier, ({ path }) => path.rttMs !== undefined)?.path;
}

/** Its lane may not have been asked for minutes: what it is worth is asked now. */
function askStreamAnew(context: TrunkContext, trunk: Trunk): void {
  const lane = firstLane(trunk, 'stream', () => true);
  if (lane !== undefined) {
    lane.nextAskAtMs = Math.min(lane.nextAskAtMs, context.nowMs);
  }
}

function retireLane(context: TrunkContext, trunk: Trunk, lane: Lane): void {
  lane.retiredAtMs = context.nowMs;
  lane.asks.clear();
  trunk.retired.push(lane);
  const retiredMax = 4 * (trunk.slots.udp.length + trunk.slots.stream.length);
  while (trunk.retired.length > retiredMax) {
    const oldest = trunk.retired.shift();
    if (oldest !== undefined) {
      removeLane(context, oldest);
    }
  }
}

/** Frees lanes whose time is over. @returns whether one that stood was among them */
export function expireLanes(context: TrunkContext, trunk: Trunk): boolean {
  const { nowMs, config } = context;
  for (let index = trunk.retired.length - 1; index >= 0; index--) {
    const lane = trunk.retired[index];
    const isQuiet = lane !== undefined && nowMs - lane.receivedAtMs >= config.trafficWindowMs;
    if (
      lane !== undefined &&
      (nowMs >= lane.notAfterMs || (isQuiet && nowMs - (lane.retiredAtMs ?? nowMs) >= config.retireMs))
    ) {
      trunk.retired.splice(index, 1);
      removeLane(context, lane);
    }
  }
  return dropLanes(context, trunk, (lane) => nowMs >= lane.notAfterMs);
}

/** Removes standing lanes by a rule, without successors. @returns whether there was one */
export function dropLanes(context: TrunkContext, trunk: Trunk, isDropped: (lane: Lane) => boolean): boolean {
  let hasDropped = false;
  for (const carrier of CARRIERS) {
    for (const slot of trunk.slots[carrier]) {
      for (const place of ['current', 'next'] as const) {
        const lane = slot[place];
        if (lane !== undefined && isDropped(lane)) {
          slot[place] = undefined;
          removeLane(context, lane);
          hasDropped = true;
        }
      }
    }
  }
  return hasDropped;
}

/** Frees a worker's retired lanes. */
export function dropRetired(context: TrunkContext, trunk: Trunk, worker: number): void {
  for (let index = trunk.retired.length - 1; index >= 0; index--) {
    const lane = trunk.retired[index];
    if (lane?.worker === worker) {
      trunk.retired.splice(index, 1);
      removeLane(context, lane);
    }
  }
}

/** Ends the trunk: all lanes go, then the trunk. */
export function removeTrunk(context: TrunkContext, trunk: Trunk, reason: TrunkDown['reason']): void {
  dropLanes(context, trunk, () => true);
  for (const lane of trunk.retired.splice(0)) {
    removeLane(context, lane);
  }
  if (trunk.carrierStream !== undefined) {
    trunk.carrierStream = undefined;
    context.emit({ kind: 'bind-carrier', trunk: trunk.id, stream: undefined });
  }
  context.emit({ kind: 'remove-trunk', trunk: trunk.id });
  if (trunk.isUp) {
    context.emit({ kind: 'trunk-down', trunk: trunk.id, peer: trunk.peer, reason });
  }
  context.log('info', 'trunk-down', `trunk is down: ${reason}`, trunk.peer);
}

/** @returns when the trunk's lanes need the clock for their ages */
export function expiryAtMs(context: TrunkContext, trunk: Trunk): number {
  const { retireMs, trafficWindowMs } = context.config;
  let atMs = Number.POSITIVE_INFINITY;
  for (const lane of standingLanes(trunk)) {
    atMs = Math.min(atMs, lane.notAfterMs);
  }
  for (const lane of trunk.retired) {
    const quietAtMs = Math.max((lane.retiredAtMs ?? 0) + retireMs, lane.receivedAtMs + trafficWindowMs);
    atMs = Math.min(atMs, lane.notAfterMs, quietAtMs);
  }
  return atMs;
}

/** @returns the proven address in use, for status */
export function trunkAddress(trunk: Trunk): DatagramAddress | undefined {
  return trunk.told.carrier === 'udp' ? firstLane(trunk, 'udp', (lane) => lane.live)?.address : undefined;
}
