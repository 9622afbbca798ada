/**
 * What a trunk costs as a way, and when a change of it is told.
 *
 * Main thread, pure. Whoever builds on the cost (trees, relays, the choice of peers) must not swing with each
 * measurement, so small changes are not told, and others when they have lasted; a carrier that goes is told at once.
 *
 *   round trip, tenths of ms, over the square of what gets through  +2,000 on a stream  +20,000 on a circuit
 */
import type { Carrier } from './trunk-port.ts';

/** Before the first measurement: a path over a continent. */
const UNKNOWN_RTT_MS = 50;
const STREAM_COST = 2_000;
const CIRCUIT_COST = 20_000;
const COST_MAX = 65_534;
export const NO_CARRIER_COST = 65_535;
/** A change below either of these is noise. */
const CHANGE_LEAST = 10;
const CHANGE_SHARE = 0.25;
/** A change that lasts this long is told. */
const SETTLE_MS = 10_000;

/** A way as measured. */
export interface PathMeasure {
  readonly carrier: Carrier | undefined;
  readonly isRelayed: boolean;
  readonly rttMs: number | undefined;
  /** 0‥1. */
  readonly lossRatio: number;
}

/** What was told of a trunk, and since when something else is true. */
export interface CostMemory {
  told: number | undefined;
  carrier: Carrier | undefined;
  isRelayed: boolean;
  /** When the first cost was told: what follows soon is part of the beginning. */
  firstToldAtMs: number;
  differsSinceMs: number;
}

export function newCostMemory(): CostMemory {
  return {
    told: undefined,
    carrier: undefined,
    isRelayed: false,
    firstToldAtMs: Number.POSITIVE_INFINITY,
    differsSinceMs: Number.POSITIVE_INFINITY,
  };
}

/** @returns 1‥65,534, or 65,535 without a carrier */
export function costOf({ carrier, isRelayed, rttMs, lossRatio }: PathMeasure): number {
  if (carrier === undefined) {
    return NO_CARRIER_COST;
  }
  const passed = Math.max(0.1, 1 - lossRatio);
  const path = (10 * (rttMs ?? UNKNOWN_RTT_MS)) / (passed * passed);
  const carrierCost = carrier === 'udp' ? 0 : isRelayed ? CIRCUIT_COST : STREAM_COST;
  return Math.max(1, Math.min(COST_MAX, Math.round(path + carrierCost)));
}

/** @returns whether `memory` now holds something that is to be told */
export function noteCost(memory: CostMemory, measure: PathMeasure, nowMs: number): boolean {
  const cost = costOf(measure);
  const { told } = memory;
  if (told === undefined) {
    memory.firstToldAtMs = nowMs;
    return take(memory, measure, cost);
  }
  const hasCarrierChanged = measure.carrier !== memory.carrier || measure.isRelayed !== memory.isRelayed;
  const isBeginning = nowMs - memory.firstToldAtMs < SETTLE_MS;
  if (hasCarrierChanged && (cost > told || isBeginning)) {
    return take(memory, measure, cost);
  }
  const change = Math.abs(cost - told);
  if (change < CHANGE_LEAST || change < CHANGE_SHARE * told) {
    memory.differsSinceMs = Number.POSITIVE_INFINITY;
  } else {
    memory.differsSinceMs = Math.min(memory.differsSinceMs, nowMs);
  }
  if (nowMs - memory.differsSinceMs >= SETTLE_MS) {
    return take(memory, measure, cost);
  }
  if (hasCarrierChanged) {
    // The way up is told at once, since frames may take it; that it is cheaper, when it has lasted.
    memory.carrier = measure.carrier;
    memory.isRelayed = measure.isRelayed;
  }
  return hasCarrierChanged;
}

/** @returns when `noteCost` has something to say if nothing changes */
export function costAtMs(memory: CostMemory): number {
  return memory.differsSinceMs + SETTLE_MS;
}

function take(memory: CostMemory, measure: PathMeasure, cost: number): boolean {
  memory.told = cost;
  memory.carrier = measure.carrier;
  memory.isRelayed = measure.isRelayed;
  memory.differsSinceMs = Number.POSITIVE_INFINITY;
  return true;
}
