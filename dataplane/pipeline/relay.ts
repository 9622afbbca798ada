/**
 * Passing on: lays what forward found to be for others as datagrams to be sent, and groups them into trains (protocol
 * section 5). Worker threads.
 *
 *   received datagram, where it lies:  header 32 │ sender 16 │ sealed frame     ─▶  closed again by closeLink, and sent
 *
 * Nothing is copied, and nothing behind the header is touched: the token is the same on every hop, its block is made anew
 * under the next lane's keys, with one hop less. A run is a row of neighbours of one lane and one set, end to end in the
 * receive buffer; it becomes a train for each trunk of the set but the one that it came from.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { count, countDrop } from '../shm/arena.ts';
import {
  ArenaHeader,
  ForwardSet,
  FRAME_UNICAST,
  NONE,
  RX_DROPPED,
  RX_FORWARDED,
  RxDatagram,
  Trunk,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { copy16, LE } from './memory.ts';
import { isStable, rxAt, type StageContext, txAt } from './stage-context.ts';
import { addTrain, TRAIN_MAX_BYTES } from './train.ts';

/** One hop, in a control word. */
const HOP = 1 << 8;

/** Lays trains of what leaves again among datagrams 0 … datagramCount-1; see Engine.relay. */
export function relay(context: StageContext, datagramCount: number): number {
  let trains = 0;
  let laid = 0;
  let index = 0;
  while (index < datagramCount) {
    if (!leaves(context, rxAt(index))) {
      index++;
      continue;
    }
    const end = runEnd(context, index, datagramCount);
    for (let place = index; place < end; place++)
      layDatagram(context, rxAt(place), txAt(laid + place - index));
    trains = addTrains(context, trains, laid, index, end);
    laid += end - index;
    index = end;
  }
  return trains;
}

function leaves(context: StageContext, at: number): boolean {
  const { memory } = context;
  return (
    memory.getUint32(at + RxDatagram.at.verdict, LE) !== RX_DROPPED &&
    memory.getUint32(at + RxDatagram.at.set, LE) !== NONE
  );
}

/** One past the last datagram of the run that begins at `first`. */
function runEnd(context: StageContext, first: number, datagramCount: number): number {
  const { memory } = context;
  const at = rxAt(first);
  const most = memory.getUint32(ARENA.header + ArenaHeader.at.gsoSegments, LE);
  const sizeBytes = memory.getUint32(at + RxDatagram.at.length, LE);
  const start = memory.getUint32(at + RxDatagram.at.offset, LE);
  const limit = Math.min(datagramCount, first + Math.max(1, most));
  let bytes = sizeBytes;
  let end = first + 1;
  for (; end < limit; end++) {
    const nextAt = rxAt(end);
    const nextBytes = memory.getUint32(nextAt + RxDatagram.at.length, LE);
    if (nextBytes > sizeBytes || bytes + nextBytes > TRAIN_MAX_BYTES) break;
    if (memory.getUint32(nextAt + RxDatagram.at.offset, LE) !== start + bytes) break;
    if (!goesAlong(context, at, nextAt)) break;
    bytes += nextBytes;
    if (nextBytes < sizeBytes) return end + 1;
  }
  return end;
}

/** Whether a neighbour came by the same lane and goes to the same set. */
function goesAlong(context: StageContext, at: number, nextAt: number): boolean {
  const { memory } = context;
  const { lane, set } = RxDatagram.at;
  return (
    leaves(context, nextAt) &&
    memory.getUint32(nextAt + lane, LE) === memory.getUint32(at + lane, LE) &&
    memory.getUint32(nextAt + set, LE) === memory.getUint32(at + set, LE)
  );
}

/** A relay does not see flows: what came by one lane leaves by one lane, which keeps the order of all of them. */
function layDatagram(context: StageContext, at: number, txDatagramAt: number): void {
  const { memory } = context;
  const word = (from: number, to: number): void =>
    memory.setUint32(txDatagramAt + to, memory.getUint32(at + from, LE), LE);
  word(RxDatagram.at.offset, TxDatagram.at.offset);
  word(RxDatagram.at.length, TxDatagram.at.length);
  word(RxDatagram.at.lane, TxDatagram.at.flowHash);
  word(RxDatagram.at.set, TxDatagram.at.destination);
  copy16(memory, at + RxDatagram.at.token, memory, txDatagramAt + TxDatagram.at.token);
  const control = memory.getUint32(at + RxDatagram.at.control, LE);
  memory.setUint32(txDatagramAt + TxDatagram.at.control, control - HOP, LE);
  memory.setUint32(txDatagramAt + TxDatagram.at.verdict, FRAME_UNICAST, LE);
}

/** A train for each trunk of the run's set, but the one that it came from. @returns the number of trains */
function addTrains(
  context: StageContext,
  trains: number,
  first: number,
  from: number,
  fromEnd: number,
): number {
  const { memory, table, arena } = context;
  const setAt = TABLE.sets + memory.getUint32(rxAt(from) + RxDatagram.at.set, LE) * ForwardSet.size;
  const origin = memory.getUint32(rxAt(from) + RxDatagram.at.trunk, LE);
  const trunks = isStable(context, setAt) ? table.getUint32(setAt + ForwardSet.at.count, LE) : 0;
  const datagrams = fromEnd - from;
  let next = trains;
  let others = 0;
  for (let index = 0; index < trunks; index++) {
    const trunk = table.getUint16(setAt + ForwardSet.at.trunks + 2 * index, LE);
    if (trunk === origin) continue;
    others++;
    if (!fits(context, trunk, memory.getUint32(txAt(first) + TxDatagram.at.length, LE))) {
      dropAll(context, DROP['path-too-small'], datagrams);
      continue;
    }
    const before = next;
    next = addTrain(context, next, first, first + datagrams, trunk);
    if (next !== before) count(arena, COUNTER.datagramsForwarded, datagrams);
  }
  if (others === 0) dropUndelivered(context, from, fromEnd);
  return next;
}

/** A trunk without a carrier takes none, but has no size either: what goes there is counted as without a lane. */
function fits(context: StageContext, trunk: number, lengthBytes: number): boolean {
  const mtuBytes = context.table.getUint32(TABLE.trunks + trunk * Trunk.size + Trunk.at.datagramMtuBytes, LE);
  return mtuBytes === 0 || lengthBytes <= mtuBytes;
}

function dropAll(context: StageContext, code: number, datagrams: number): void {
  for (let index = 0; index < datagrams; index++) countDrop(context.arena, code);
}

/** Its only others are where it came from. What is delivered here as well is not lost. */
function dropUndelivered(context: StageContext, from: number, end: number): void {
  for (let index = from; index < end; index++) {
    const isLost = context.memory.getUint32(rxAt(index) + RxDatagram.at.verdict, LE) === RX_FORWARDED;
    if (isLost) countDrop(context.arena, DROP['not-forwarding']);
  }
}
