/**
 * Ingress, second stage: decides by its token where each opened datagram goes (protocol sections 3 and 5). Worker
 * threads.
 *
 *   kind 5     the lane's own link token → body opened in place → window → main thread
 *   otherwise  token table, all 16 bytes → window → hops → kind
 *                for others  from a forwarding port of its segment, and a hop left → relay
 *                            what comes again by another way → dropped, here as well
 *                local       kinds 1 and 2 → openFrame, kind 4 → main thread
 *                control     kinds 3 and 4 → main thread
 *
 * One rule forwards all traffic: a token names a set of trunks, and possibly this node. And one keeps it safe: what came
 * from a trunk that is no forwarding port of the segment is delivered here at most.
 *
 * The token is its own authenticator: a datagram whose token is in no table was forged, altered or is not for us, and
 * leaves no trace but a count. One whose token is found enters the window whatever becomes of it then.
 */
import { DROP } from '../base/drop-code.ts';
import {
  ArenaHeader,
  ForwardSet,
  KIND_CONTROL,
  KIND_ECHO,
  KIND_FRAGMENT,
  KIND_FRAME,
  KIND_LINK,
  Lane,
  NONE,
  RX_DROPPED,
  RX_FORWARDED,
  RX_LOCAL,
  RX_OPEN,
  RX_PUNTED,
  RxDatagram,
  Segment,
  TOKEN_CONTROL,
  TOKEN_LOCAL,
  TOKEN_SEVERAL,
  Token,
  Trunk,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { findToken } from '../shm/tables.ts';
import { controlHops, controlKind, LINK } from '../wire/link-datagram.ts';
import { insertLaneWindow, WINDOW_ACCEPT, WINDOW_REPLAY } from './lane-window.ts';
import { openLinkBody } from './link-body.ts';
import { equal16, LE } from './memory.ts';
import { isRepeated } from './recent-frames.ts';
import { dropRx, isStable, nowMs, rxAt, type StageContext } from './stage-context.ts';

/** Decides for datagrams 0 … datagramCount-1; see Engine.forward. */
export function forward(context: StageContext, datagramCount: number): number {
  const { memory } = context;
  context.port.segment = NONE;
  let local = 0;
  let leaving = 0;
  for (let index = 0; index < datagramCount; index++) {
    const at = rxAt(index);
    if (memory.getUint32(at + RxDatagram.at.verdict, LE) !== RX_OPEN) continue;
    memory.setUint32(at + RxDatagram.at.set, NONE, LE);
    const kind = controlKind(memory.getUint32(at + RxDatagram.at.control, LE));
    if (kind === KIND_LINK) forwardLink(context, index, at);
    else forwardByToken(context, index, at, kind);
    const verdict = memory.getUint32(at + RxDatagram.at.verdict, LE);
    if (verdict === RX_LOCAL) local++;
    if (verdict !== RX_DROPPED && memory.getUint32(at + RxDatagram.at.set, LE) !== NONE) leaving++;
  }
  memory.setUint32(ARENA.header + ArenaHeader.at.localCount, local, LE);
  return leaving;
}

/** Puts a datagram on the list of what the main thread is told. */
export function punt(context: StageContext, index: number): void {
  const countAt = ARENA.header + ArenaHeader.at.puntCount;
  const punts = context.memory.getUint32(countAt, LE);
  context.memory.setUint32(ARENA.punts + 4 * punts, index, LE);
  context.memory.setUint32(countAt, punts + 1, LE);
}

/**
 * A link datagram's body authenticates it, not its token alone: a genuine header with another body must not use up
 * the genuine datagram's counter.
 */
function forwardLink(context: StageContext, index: number, at: number): void {
  const { memory, table } = context;
  const laneAt = TABLE.lanes + memory.getUint32(at + RxDatagram.at.lane, LE) * Lane.size;
  if (!equal16(memory, at + RxDatagram.at.token, table, laneAt + Lane.at.rxLinkToken)) {
    return dropRx(context, at, DROP['token-unknown']);
  }
  if (!openLinkBody(context, at)) return dropRx(context, at, DROP['link-body-invalid']);
  if (!enterWindow(context, at)) return;
  memory.setUint32(at + RxDatagram.at.verdict, RX_PUNTED, LE);
  punt(context, index);
}

function forwardByToken(context: StageContext, index: number, at: number, kind: number): void {
  const { memory, table } = context;
  const tokenAt = at + RxDatagram.at.token;
  const slot = findToken(
    context.tables,
    memory.getInt32(tokenAt, LE),
    memory.getInt32(tokenAt + 4, LE),
    memory.getInt32(tokenAt + 8, LE),
    memory.getInt32(tokenAt + 12, LE),
  );
  if (slot === NONE) return dropRx(context, at, DROP['token-unknown']);
  if (!enterWindow(context, at)) return;
  const entryAt = TABLE.tokens + slot * Token.size;
  memory.setUint32(at + RxDatagram.at.epoch, table.getUint32(entryAt + Token.at.epoch, LE), LE);
  if (controlHops(memory.getUint32(at + RxDatagram.at.control, LE)) === 0) {
    return dropRx(context, at, DROP['hops-exceeded']);
  }
  deliver(context, index, kind, entryAt);
}

/** Here, onwards, or both. What is delivered here with its last hop is no loss: a sender may mean it for us alone. */
function deliver(context: StageContext, index: number, kind: number, entryAt: number): void {
  const { memory, table } = context;
  const at = rxAt(index);
  if (kind < KIND_FRAME || kind > KIND_ECHO) return dropRx(context, at, DROP['kind-invalid']);
  const flags = table.getUint32(entryAt + Token.at.flags, LE);
  const set = table.getUint32(entryAt + Token.at.set, LE);
  const refusal = set === NONE ? DROP['not-forwarding'] : forwardingRefusal(context, at, entryAt);
  if (refusal === 0) {
    if ((flags & TOKEN_SEVERAL) !== 0 && isRepeated(context, at)) return dropCopy(context, at);
    memory.setUint32(at + RxDatagram.at.set, set, LE);
  }
  if ((flags & TOKEN_LOCAL) !== 0 && (kind === KIND_FRAME || kind === KIND_FRAGMENT)) {
    memory.setUint32(at + RxDatagram.at.verdict, RX_LOCAL, LE);
  } else if (isForMain(flags, kind)) {
    describeControl(context, at);
    memory.setUint32(at + RxDatagram.at.verdict, RX_PUNTED, LE);
    punt(context, index);
  } else if (refusal === 0) {
    memory.setUint32(at + RxDatagram.at.verdict, RX_FORWARDED, LE);
    return;
  } else {
    const isForUs = set === NONE && (flags & (TOKEN_LOCAL | TOKEN_CONTROL)) !== 0;
    return dropRx(context, at, isForUs ? DROP['kind-invalid'] : refusal);
  }
}

/** Members' control, and echoes to whatever is received here. */
function isForMain(flags: number, kind: number): boolean {
  if (kind === KIND_ECHO) return (flags & (TOKEN_LOCAL | TOKEN_CONTROL)) !== 0;
  return kind === KIND_CONTROL && (flags & TOKEN_CONTROL) !== 0;
}

/** A port that keeps bringing copies closes a loop: the main thread looks at how many. */
function dropCopy(context: StageContext, at: number): void {
  const trunkAt = TABLE.trunks + context.memory.getUint32(at + RxDatagram.at.trunk, LE) * Trunk.size;
  Atomics.add(context.tables.i32, (trunkAt + Trunk.at.copies) >> 2, 1);
  dropRx(context, at, DROP['duplicate']);
}

/** Why a datagram whose token names others goes no further, or 0. */
function forwardingRefusal(context: StageContext, at: number, entryAt: number): number {
  const { memory, table } = context;
  const trunk = memory.getUint32(at + RxDatagram.at.trunk, LE);
  const segment = table.getUint32(entryAt + Token.at.segment, LE);
  memory.setUint32(at + RxDatagram.at.segment, segment, LE);
  if (!isPort(context, segment, trunk)) return DROP['not-forwarding'];
  return controlHops(memory.getUint32(at + RxDatagram.at.control, LE)) > 1 ? 0 : DROP['hops-exceeded'];
}

/** Whether a trunk is among a segment's ports. Neighbours mostly ask the same, so the last answer is kept for a batch. */
function isPort(context: StageContext, segment: number, trunk: number): boolean {
  const { port } = context;
  if (segment === NONE) return false;
  if (port.segment === segment && port.trunk === trunk) return port.isPort;
  port.segment = segment;
  port.trunk = trunk;
  port.isPort = isAmong(context, portsOf(context, segment), trunk);
  return port.isPort;
}

/** The set of a live segment's ports, or NONE. */
function portsOf(context: StageContext, segment: number): number {
  const { table } = context;
  const segmentAt = TABLE.segments + segment * Segment.size;
  const isLive = isStable(context, segmentAt) && table.getUint32(segmentAt + Segment.at.state, LE) === 1;
  return isLive ? table.getUint32(segmentAt + Segment.at.ports, LE) : NONE;
}

function isAmong(context: StageContext, set: number, trunk: number): boolean {
  const { table } = context;
  if (set === NONE) return false;
  const setAt = TABLE.sets + set * ForwardSet.size;
  const count = isStable(context, setAt) ? table.getUint32(setAt + ForwardSet.at.count, LE) : 0;
  for (let index = 0; index < count; index++) {
    if (table.getUint16(setAt + ForwardSet.at.trunks + 2 * index, LE) === trunk) return true;
  }
  return false;
}

/** A control datagram is told as token ‖ masked sender ‖ sealed body ‖ tag; the graph puts the token there last. */
function describeControl(context: StageContext, at: number): void {
  const { memory } = context;
  const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
  memory.setUint32(at + RxDatagram.at.frameOffset, offset + LINK.token, LE);
  memory.setUint32(
    at + RxDatagram.at.frameLength,
    memory.getUint32(at + RxDatagram.at.length, LE) - LINK.token,
    LE,
  );
}

/** Enters the counter, once, and notes that the lane is alive. A copy within one batch is found out here. */
function enterWindow(context: StageContext, at: number): boolean {
  const { memory, table } = context;
  const lane = memory.getUint32(at + RxDatagram.at.lane, LE);
  const low = memory.getInt32(at + RxDatagram.at.counterLow, LE);
  const window = insertLaneWindow(table, lane, low, memory.getUint32(at + RxDatagram.at.counterHigh, LE));
  if (window !== WINDOW_ACCEPT) {
    dropRx(context, at, window === WINDOW_REPLAY ? DROP['link-replay'] : DROP['link-too-old']);
    return false;
  }
  const laneAt = TABLE.lanes + lane * Lane.size;
  const bytes = memory.getUint32(at + RxDatagram.at.length, LE);
  table.setFloat64(laneAt + Lane.at.rxAccepted, table.getFloat64(laneAt + Lane.at.rxAccepted, LE) + 1, LE);
  table.setFloat64(laneAt + Lane.at.rxBytes, table.getFloat64(laneAt + Lane.at.rxBytes, LE) + bytes, LE);
  table.setUint32(laneAt + Lane.at.lastRxMs, nowMs(context), LE);
  return true;
}
