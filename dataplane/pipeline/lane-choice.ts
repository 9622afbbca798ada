/**
 * Which lane of a trunk a flow takes: lane k belongs to worker k mod workerCount, and a flow stays on one lane of its
 * worker, so that its order is kept. Worker threads.
 */
import { LANE_SENDS, Lane, LIMIT, NONE, Trunk } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { LE } from './memory.ts';
import { isStable, type StageContext } from './stage-context.ts';

/**
 * The lane for a flow among this worker's lanes of a trunk that may send.
 * @returns its slot, or NONE
 */
export function chooseLane(context: StageContext, trunk: number, flowHash: number): number {
  const { table, tables, worker } = context;
  const trunkAt = TABLE.trunks + trunk * Trunk.size;
  if (!isLiveTrunk(context, trunkAt)) return NONE;
  const laneCount = Math.min(table.getUint32(trunkAt + Trunk.at.laneCount, LE), LIMIT.lanesPerTrunk);
  let usable = 0;
  for (let lane = worker; lane < laneCount; lane += tables.workerCount) {
    if (sendingLane(context, trunkAt, lane) !== NONE) usable++;
  }
  if (usable === 0) return NONE;
  let skip = (flowHash >>> 0) % usable;
  for (let lane = worker; lane < laneCount; lane += tables.workerCount) {
    const slot = sendingLane(context, trunkAt, lane);
    if (slot !== NONE && skip-- === 0) return slot;
  }
  return NONE; // the main thread took a lane away in between
}

/** The worker of a trunk's first lane that may send, or NONE: it takes what this worker cannot send. */
export function laneOwner(context: StageContext, trunk: number): number {
  const { table, tables } = context;
  const trunkAt = TABLE.trunks + trunk * Trunk.size;
  if (!isLiveTrunk(context, trunkAt)) return NONE;
  const laneCount = Math.min(table.getUint32(trunkAt + Trunk.at.laneCount, LE), LIMIT.lanesPerTrunk);
  for (let lane = 0; lane < laneCount; lane++) {
    if (sendingLane(context, trunkAt, lane) !== NONE) return lane % tables.workerCount;
  }
  return NONE;
}

function isLiveTrunk(context: StageContext, trunkAt: number): boolean {
  return isStable(context, trunkAt) && context.table.getUint32(trunkAt + Trunk.at.state, LE) === 1;
}

/** Slot of a trunk's lane number `lane` when it may send, otherwise NONE. */
function sendingLane(context: StageContext, trunkAt: number, lane: number): number {
  const slot = context.table.getUint32(trunkAt + Trunk.at.lanes + 4 * lane, LE);
  if (slot === NONE) return NONE;
  return context.table.getUint32(TABLE.lanes + slot * Lane.size + Lane.at.state, LE) === LANE_SENDS
    ? slot
    : NONE;
}
