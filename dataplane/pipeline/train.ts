/**
 * Egress, fourth stage: groups sealed datagrams into trains, which one system call sends. Worker threads.
 *
 * A run is a row of neighbours for one destination, of one size but the last, within the kernel's limits for a GSO send.
 * A run to one trunk is one train. A run to a set becomes one train for each of its trunks: the same datagrams, closed and
 * sent once for each.
 */
import { DROP } from '../base/drop-code.ts';
import { countDrop } from '../shm/arena.ts';
import {
  ArenaHeader,
  BATCH,
  ForwardSet,
  FRAME_DROPPED,
  FRAME_UNICAST,
  NONE,
  Train,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { chooseLane, laneOwner } from './lane-choice.ts';
import { LE } from './memory.ts';
import { isStable, type StageContext, txAt } from './stage-context.ts';

/** One send takes at most 64 KiB less the headers around it. */
export const TRAIN_MAX_BYTES = 65_400;

/** Groups datagrams 0 … datagramCount-1; see Engine.train. */
export function train(context: StageContext, datagramCount: number): number {
  const { memory } = context;
  let trains = 0;
  let first = 0;
  while (first < datagramCount) {
    const at = txAt(first);
    if (memory.getUint32(at + TxDatagram.at.verdict, LE) === FRAME_DROPPED) {
      first++;
      continue;
    }
    const end = runEnd(context, first, datagramCount);
    const isToSet = memory.getUint32(at + TxDatagram.at.verdict, LE) !== FRAME_UNICAST;
    const destination = memory.getUint32(at + TxDatagram.at.destination, LE);
    if (isToSet) trains = addForSet(context, trains, first, end, destination);
    else trains = addTrain(context, trains, first, end, destination);
    first = end;
  }
  return trains;
}

/** One past the last datagram of the run that begins at `first`. */
function runEnd(context: StageContext, first: number, datagramCount: number): number {
  const { memory } = context;
  const at = txAt(first);
  const most = memory.getUint32(ARENA.header + ArenaHeader.at.gsoSegments, LE);
  const sizeBytes = memory.getUint32(at + TxDatagram.at.length, LE);
  const limit = Math.min(datagramCount, first + Math.max(1, most));
  let bytes = sizeBytes;
  let end = first + 1;
  for (; end < limit; end++) {
    const nextAt = txAt(end);
    const nextBytes = memory.getUint32(nextAt + TxDatagram.at.length, LE);
    if (nextBytes > sizeBytes || bytes + nextBytes > TRAIN_MAX_BYTES || !goesAlong(context, at, nextAt))
      break;
    bytes += nextBytes;
    if (nextBytes < sizeBytes) return end + 1;
  }
  return end;
}

/** Whether a neighbour has the same destination and lane. A run to a set has a lane for each trunk, so one flow only. */
function goesAlong(context: StageContext, at: number, nextAt: number): boolean {
  const { memory } = context;
  const verdict = memory.getUint32(at + TxDatagram.at.verdict, LE);
  const destination = memory.getUint32(at + TxDatagram.at.destination, LE);
  if (memory.getUint32(nextAt + TxDatagram.at.verdict, LE) !== verdict) return false;
  if (memory.getUint32(nextAt + TxDatagram.at.destination, LE) !== destination) return false;
  const hash = memory.getInt32(at + TxDatagram.at.flowHash, LE);
  const nextHash = memory.getInt32(nextAt + TxDatagram.at.flowHash, LE);
  if (hash === nextHash) return true;
  return (
    verdict === FRAME_UNICAST &&
    chooseLane(context, destination, hash) === chooseLane(context, destination, nextHash)
  );
}

function addForSet(context: StageContext, trains: number, first: number, end: number, set: number): number {
  const setAt = TABLE.sets + set * ForwardSet.size;
  if (!isStable(context, setAt)) {
    for (let index = first; index < end; index++) countDrop(context.arena, DROP['no-member']);
    return trains;
  }
  const trunks = context.table.getUint32(setAt + ForwardSet.at.count, LE);
  let next = trains;
  for (let index = 0; index < trunks; index++) {
    const trunk = context.table.getUint16(setAt + ForwardSet.at.trunks + 2 * index, LE);
    next = addTrain(context, next, first, end, trunk);
  }
  return next;
}

/**
 * Lays a train of datagrams first … end-1, which lie end to end, behind those that are there.
 * @returns the number of trains, one more unless nobody can take it
 */
export function addTrain(
  context: StageContext,
  trains: number,
  first: number,
  end: number,
  trunk: number,
): number {
  const { memory } = context;
  const lane = chooseLane(context, trunk, memory.getInt32(txAt(first) + TxDatagram.at.flowHash, LE));
  const owner = lane === NONE ? laneOwner(context, trunk) : context.worker;
  const code = trains === BATCH.trains ? DROP['send-full'] : owner === NONE ? DROP['lane-down'] : 0;
  if (code !== 0) {
    for (let index = first; index < end; index++) countDrop(context.arena, code);
    return trains;
  }
  const at = ARENA.trains + trains * Train.size;
  const lastAt = txAt(end - 1);
  const lastEnd =
    memory.getUint32(lastAt + TxDatagram.at.offset, LE) + memory.getUint32(lastAt + TxDatagram.at.length, LE);
  memory.setUint32(at + Train.at.first, first, LE);
  memory.setUint32(at + Train.at.count, end - first, LE);
  memory.setUint32(at + Train.at.trunk, trunk, LE);
  memory.setUint32(at + Train.at.lane, lane, LE);
  memory.setUint32(at + Train.at.owner, owner, LE);
  memory.setUint32(
    at + Train.at.bytes,
    lastEnd - memory.getUint32(txAt(first) + TxDatagram.at.offset, LE),
    LE,
  );
  return trains + 1;
}
