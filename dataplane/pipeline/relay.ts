/**
 * Passing on: lays what forward found to be for others as datagrams to be sent, and groups them into trains (protocol
 * section 5). Worker threads.
 *
 *   received datagram, where it lies:  header 32 │ sender 16 │ sealed frame     ─▶  closed again by closeLink, and sent
 *
 * Nothing is copied, and nothing behind the header is touched: the token is the same on every hop, its block is made anew
 * under the next lane's keys, with one hop less. A run is a row of neighbours of one lane, one segment and one set, end to end in
 * the receive buffer; it becomes a train for each trunk of the set but the one that it came from, unless that trunk has had
 * its share (fair-shares.ts) or its quota (relay-quota.ts).
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
  Segment,
  Trunk,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { copy16, LE } from './memory.ts';
import { takeCredits } from './relay-quota.ts';
import { isStable, nowMs, rxAt, type StageContext, txAt } from './stage-context.ts';
import { addTrain, TRAIN_MAX_BYTES } from './train.ts';

/** One hop, in a control word. */
const HOP = 1 << 8;

/** Lays trains of what leaves again among datagrams 0 … datagramCount-1; see Engine.relay. */
export function relay(context: StageContext, datagramCount: number): number {
  const { memory, shares } = context;
  const standingBytes = memory.getUint32(ARENA.header + ArenaHeader.at.standingBytes, LE);
  const isOverloaded = shares.begin(standingBytes, nowMs(context));
  let trains = 0;
  let laid = 0;
  let index = 0;
  while (index < datagramCount) {
    if (!leaves(context, rxAt(index))) {
      index++;
      continue;
    }
    const end = runEnd(context, index, datagramCount);
    const copies = otherTrunks(context, index);
    if (copies === 0) dropUndelivered(context, index, end);
    else if (mayLeave(context, index, end, copies, isOverloaded)) {
      for (let place = index; place < end; place++)
        layDatagram(context, rxAt(place), txAt(laid + place - index));
      trains = addTrains(context, trains, laid, index, end);
      laid += end - index;
    }
    index = end;
  }
  noteRelayed(context);
  return trains;
}

/** How many trunks a run's set has beside the one that it came from. */
function otherTrunks(context: StageContext, index: number): number {
  const { memory, table } = context;
  const setAt = TABLE.sets + memory.getUint32(rxAt(index) + RxDatagram.at.set, LE) * ForwardSet.size;
  const origin = memory.getUint32(rxAt(index) + RxDatagram.at.trunk, LE);
  const trunks = isStable(context, setAt) ? table.getUint32(setAt + ForwardSet.at.count, LE) : 0;
  let others = trunks;
  for (let member = 0; member < trunks; member++) {
    if (table.getUint16(setAt + ForwardSet.at.trunks + 2 * member, LE) === origin) others--;
  }
  return others;
}

/** Fairness, then quotas; a copy for each trunk counts. What is refused is counted, a datagram each. */
function mayLeave(
  context: StageContext,
  from: number,
  end: number,
  copies: number,
  isOverloaded: boolean,
): boolean {
  const { memory } = context;
  const trunk = memory.getUint32(rxAt(from) + RxDatagram.at.trunk, LE);
  const segment = memory.getUint32(rxAt(from) + RxDatagram.at.segment, LE);
  const bytes = copies * runBytes(context, from, end);
  let code = 0;
  if (isOverloaded && !context.shares.admits(trunk, bytes)) code = DROP['relay-unfair'];
  else if (!takeCredits(context, segment, trunk, copies * (end - from), bytes)) code = DROP['relay-quota'];
  if (code === 0) return true;
  const { i32 } = context.tables;
  dropAll(context, code, end - from);
  Atomics.add(i32, (TABLE.trunks + trunk * Trunk.size + Trunk.at.refusedDatagrams) >> 2, end - from);
  Atomics.add(i32, (TABLE.segments + segment * Segment.size + Segment.at.refusedDatagrams) >> 2, end - from);
  return false;
}

/** They lie end to end. */
function runBytes(context: StageContext, from: number, end: number): number {
  const { memory } = context;
  const lastAt = rxAt(end - 1);
  const lastEnd =
    memory.getUint32(lastAt + RxDatagram.at.offset, LE) + memory.getUint32(lastAt + RxDatagram.at.length, LE);
  return lastEnd - memory.getUint32(rxAt(from) + RxDatagram.at.offset, LE);
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

/** Whether a neighbour came by the same lane and goes to the same set in the same segment. */
function goesAlong(context: StageContext, at: number, nextAt: number): boolean {
  const { memory } = context;
  const { lane, set, segment } = RxDatagram.at;
  return (
    leaves(context, nextAt) &&
    memory.getUint32(nextAt + lane, LE) === memory.getUint32(at + lane, LE) &&
    memory.getUint32(nextAt + set, LE) === memory.getUint32(at + set, LE) &&
    memory.getUint32(nextAt + segment, LE) === memory.getUint32(at + segment, LE)
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
  const trunks = table.getUint32(setAt + ForwardSet.at.count, LE);
  const datagrams = fromEnd - from;
  let next = trains;
  for (let index = 0; index < trunks; index++) {
    const trunk = table.getUint16(setAt + ForwardSet.at.trunks + 2 * index, LE);
    if (trunk === origin) continue;
    if (!fits(context, trunk, memory.getUint32(txAt(first) + TxDatagram.at.length, LE))) {
      dropAll(context, DROP['path-too-small'], datagrams);
      continue;
    }
    next = addTrain(context, next, first, first + datagrams, trunk);
  }
  if (next === trains) return trains;
  count(arena, COUNTER.datagramsForwarded, (next - trains) * datagrams);
  addRelayed(context, from, (next - trains) * datagrams, (next - trains) * runBytes(context, from, fromEnd));
  return next;
}

/** Adds a run to what is noted together: neighbours are mostly of one trunk and one segment. */
function addRelayed(context: StageContext, from: number, datagrams: number, bytes: number): void {
  const { memory, relayed } = context;
  const trunk = memory.getUint32(rxAt(from) + RxDatagram.at.trunk, LE);
  const segment = memory.getUint32(rxAt(from) + RxDatagram.at.segment, LE);
  if (relayed.trunk !== trunk || relayed.segment !== segment) noteRelayed(context);
  relayed.trunk = trunk;
  relayed.segment = segment;
  relayed.datagrams += datagrams;
  relayed.bytes += bytes;
}

/** The main thread reads these totals, and other workers add to them. */
function noteRelayed(context: StageContext): void {
  const { relayed, tables } = context;
  if (relayed.datagrams === 0) return;
  const trunkAt = TABLE.trunks + relayed.trunk * Trunk.size;
  const segmentAt = TABLE.segments + relayed.segment * Segment.size;
  Atomics.add(tables.i32, (trunkAt + Trunk.at.relayedDatagrams) >> 2, relayed.datagrams);
  Atomics.add(tables.i32, (trunkAt + Trunk.at.relayedBytes) >> 2, relayed.bytes);
  Atomics.add(tables.i32, (segmentAt + Segment.at.relayedDatagrams) >> 2, relayed.datagrams);
  Atomics.add(tables.i32, (segmentAt + Segment.at.relayedBytes) >> 2, relayed.bytes);
  relayed.datagrams = 0;
  relayed.bytes = 0;
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
