/**
 * Ingress, last stage: builds the writes to the TAPs, and merges TCP segments of one flow into super-frames on the way
 * (protocol section 10). Worker threads. Nothing is copied: a super-frame is the first frame, with its headers
 * adjusted in place, and the payloads of the others as further pieces of the write.
 *
 *   frame ─▶ same flow open? ─ joins ────────────────▶ appended; PSH or a shorter payload closes the flow
 *                 │ no          └ does not ─▶ flow closed ─┐
 *                 └────────────────────────────────────────┴▶ can be merged with what comes: opens a flow
 *                                                            otherwise: a write of its own
 *
 * So frames of a flow keep their order, and a batch leaves no flow open.
 */
import { ArenaHeader, FLAG_CHECKSUM_LEFT, OFFLOAD_TAP_TSO, RX_FRAME, RxDatagram } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { ipv4ChecksumHolds, transportChecksumHolds } from '../wire/checksum.ts';
import {
  PROTOCOL_TCP,
  parseFrame,
  TCP,
  TCP_ACK,
  TCP_CWR,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
} from '../wire/frame-view.ts';
import { controlFlags } from '../wire/link-datagram.ts';
import { findFlow, flowToOpen, joinFlow, joins, NO_FLOW, OPEN_FLOWS, openFlow } from './flows.ts';
import { LE } from './memory.ts';
import { rxAt, type StageContext } from './stage-context.ts';
import { writeFlow, writeSingle } from './tap-write.ts';

/** Segments that begin, end or break off a connection, or mark a point in the stream, stay as they are. */
const NEVER_MERGED = TCP_SYN | TCP_FIN | TCP_RST | TCP_URG | TCP_CWR;

/** Builds writes for the frames among datagrams 0 … datagramCount-1; see Engine.coalesce. */
export function coalesce(context: StageContext, datagramCount: number): number {
  const { memory, flows } = context;
  const offloads = memory.getUint32(ARENA.header + ArenaHeader.at.offloads, LE);
  const merges = (offloads & OFFLOAD_TAP_TSO) !== 0;
  flows.writes = 0;
  flows.iovecs = 0;
  flows.turn = 0;
  for (let index = 0; index < datagramCount; index++) {
    if (memory.getUint32(rxAt(index) + RxDatagram.at.verdict, LE) !== RX_FRAME) continue;
    if (merges) placeFrame(context, index);
    else writeSingle(context, index);
  }
  for (let flow = 0; flow < OPEN_FLOWS; flow++) if (flows.open[flow] === 1) writeFlow(context, flow);
  return flows.writes;
}

function placeFrame(context: StageContext, index: number): void {
  const { memory, frame, flows } = context;
  const at = rxAt(index);
  const vlan = memory.getUint32(at + RxDatagram.at.vlan, LE);
  const length = memory.getUint32(at + RxDatagram.at.frameLength, LE);
  parseFrame(memory, memory.getUint32(at + RxDatagram.at.frameOffset, LE), length, frame);
  if (frame.protocol !== PROTOCOL_TCP) return writeSingle(context, index);
  const flow = findFlow(memory, flows, vlan, frame);
  const isMergeable = canMerge(context, at);
  if (flow !== NO_FLOW) {
    if (isMergeable && joins(memory, flows, flow, frame)) return append(context, flow, index);
    writeFlow(context, flow);
  }
  if (!isMergeable || hasPush(context)) return writeSingle(context, index);
  const row = flowToOpen(flows);
  if (flows.open[row] === 1) writeFlow(context, row);
  flows.vlan[row] = vlan;
  openFlow(memory, flows, row, frame, index);
}

function append(context: StageContext, flow: number, index: number): void {
  const { memory, frame, flows } = context;
  const isShorter = frame.payloadEnd - frame.payload < (flows.segmentBytes[flow] as number);
  const closes = isShorter || hasPush(context);
  joinFlow(memory, flows, flow, frame, index);
  if (closes) writeFlow(context, flow);
}

/**
 * Whether the parsed segment may be part of a super-frame: data, no tags, options or padding that the kernel would have
 * to restore, and checksums that hold. A merge writes new checksums, so it must not cover up a broken one.
 */
function canMerge(context: StageContext, at: number): boolean {
  const { memory, frame } = context;
  const flags = memory.getUint8(frame.transport + TCP.flags);
  if (!frame.plainIp || frame.tags !== 0 || frame.payloadEnd !== frame.end) return false;
  if (frame.payload === frame.payloadEnd || (flags & NEVER_MERGED) !== 0 || (flags & TCP_ACK) === 0)
    return false;
  if (frame.ipVersion === 4 && !ipv4ChecksumHolds(memory, frame.network)) return false;
  const isLeft = (controlFlags(memory.getUint32(at + RxDatagram.at.control, LE)) & FLAG_CHECKSUM_LEFT) !== 0;
  return isLeft || transportChecksumHolds(memory, frame);
}

function hasPush(context: StageContext): boolean {
  return (context.memory.getUint8(context.frame.transport + TCP.flags) & TCP_PSH) !== 0;
}
