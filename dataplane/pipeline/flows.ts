/**
 * The TCP flows that coalesce has open within a batch, and what may join one. Worker threads; the records are used
 * again for every batch.
 *
 * A flow's datagrams are a list: `head`, then `next` of each. All of them have the first one's headers, but for the
 * fields that a merge may change: IP length, IPv4 ID and header checksum, TCP sequence, PSH, checksum.
 */
import { BATCH } from '../shm/layout.ts';
import {
  type FrameView,
  IPV4,
  IPV4_DONT_FRAGMENT,
  IPV6,
  TCP,
  TCP_HEADER_BYTES,
  TCP_PSH,
} from '../wire/frame-view.ts';
import { flowHash } from './flow-hash.ts';
import { LE } from './memory.ts';

/** Flows open at a time; one more takes the place of the next in turn. */
export const OPEN_FLOWS = 8;
/** "No such flow." */
export const NO_FLOW = -1;
/** Pieces of one write stay far below the kernel's 1,024 (UIO_MAXIOV). */
const DATAGRAMS_MAX = 256;
/** A super-frame is one IP packet. */
const IP_PACKET_MAX_BYTES = 65_535;

/** Columns of numbers, one row a flow. Offsets are the arena's, within the first frame. */
export interface Flows {
  /** 1: in use. */
  readonly open: Uint8Array;
  /** RxDatagram index of the first and the last datagram, and how many there are. */
  readonly head: Uint32Array;
  readonly tail: Uint32Array;
  readonly datagrams: Uint32Array;
  readonly vlan: Uint32Array;
  readonly ipVersion: Uint32Array;
  readonly frame: Uint32Array;
  readonly network: Uint32Array;
  readonly transport: Uint32Array;
  readonly payload: Uint32Array;
  /** Payload of the first datagram, and of all together. */
  readonly segmentBytes: Uint32Array;
  readonly payloadBytes: Uint32Array;
  /** As flow-hash.ts has it. */
  readonly hash: Uint32Array;
  /** What the next datagram must have. */
  readonly nextSequence: Uint32Array;
  readonly nextId: Uint32Array;
  /** The next datagram of the same flow, by RxDatagram index. */
  readonly next: Uint32Array;
  /** Whose turn it is to give way. */
  turn: number;
  /** TapWrites and Iovecs laid so far in this batch. */
  writes: number;
  iovecs: number;
}

/** No flow open. */
export function createFlows(): Flows {
  const column = (): Uint32Array => new Uint32Array(OPEN_FLOWS);
  return {
    open: new Uint8Array(OPEN_FLOWS),
    head: column(),
    tail: column(),
    datagrams: column(),
    vlan: column(),
    ipVersion: column(),
    frame: column(),
    network: column(),
    transport: column(),
    payload: column(),
    segmentBytes: column(),
    payloadBytes: column(),
    hash: column(),
    nextSequence: column(),
    nextId: column(),
    next: new Uint32Array(BATCH.rxDatagrams),
    turn: 0,
    writes: 0,
    iovecs: 0,
  };
}

/**
 * The open flow with the frame's VLAN, MAC addresses, IP addresses and ports, or NO_FLOW.
 *
 * @param memory - the arena
 * @param frame - a parsed TCP segment
 */
export function findFlow(memory: DataView, flows: Flows, vlan: number, frame: FrameView): number {
  for (let flow = 0; flow < OPEN_FLOWS; flow++) {
    if (flows.open[flow] === 1 && flows.vlan[flow] === vlan && isSameFlow(memory, flows, flow, frame))
      return flow;
  }
  return NO_FLOW;
}

function isSameFlow(memory: DataView, flows: Flows, flow: number, frame: FrameView): boolean {
  const first = flows.frame[flow] as number;
  const network = flows.network[flow] as number;
  if (flows.ipVersion[flow] !== frame.ipVersion || network - first !== frame.network - frame.offset)
    return false;
  const addresses = frame.ipVersion === 4 ? IPV4.source : IPV6.source;
  const addressBytes = frame.ipVersion === 4 ? 8 : 32;
  return (
    memory.getUint32(flows.transport[flow] as number, LE) === memory.getUint32(frame.transport, LE) &&
    isEqual(memory, network + addresses, frame.network + addresses, addressBytes) &&
    isEqual(memory, first, frame.offset, frame.network - frame.offset)
  );
}

/**
 * Whether a segment of the flow continues it so that a merge loses nothing: next in sequence, no longer than the
 * first, within one IP packet, and its headers equal but for what a cut restores.
 */
export function joins(memory: DataView, flows: Flows, flow: number, frame: FrameView): boolean {
  const network = flows.network[flow] as number;
  const transport = flows.transport[flow] as number;
  const payload = flows.payload[flow] as number;
  const bytes = frame.payloadEnd - frame.payload;
  const together = payload - network + (flows.payloadBytes[flow] as number) + bytes;
  return (
    bytes <= (flows.segmentBytes[flow] as number) &&
    together <= IP_PACKET_MAX_BYTES &&
    (flows.datagrams[flow] as number) < DATAGRAMS_MAX &&
    frame.payload - frame.transport === payload - transport &&
    memory.getUint32(frame.transport + TCP.sequence) === flows.nextSequence[flow] &&
    hasSameIp(memory, flows, flow, frame) &&
    hasSameTcp(memory, transport, frame)
  );
}

function hasSameIp(memory: DataView, flows: Flows, flow: number, frame: FrameView): boolean {
  const ip = frame.network;
  const first = flows.network[flow] as number;
  if (frame.ipVersion === 6) {
    const hopLimit = memory.getUint8(ip + IPV6.hopLimit) === memory.getUint8(first + IPV6.hopLimit);
    return hopLimit && memory.getUint32(ip) === memory.getUint32(first); // version, traffic class, flow label
  }
  const flags = memory.getUint16(ip + IPV4.fragment);
  const isNextId = memory.getUint16(ip + IPV4.id) === flows.nextId[flow];
  return (
    flags === memory.getUint16(first + IPV4.fragment) &&
    ((flags & IPV4_DONT_FRAGMENT) !== 0 || isNextId) &&
    memory.getUint8(ip + IPV4.tos) === memory.getUint8(first + IPV4.tos) &&
    memory.getUint8(ip + IPV4.ttl) === memory.getUint8(first + IPV4.ttl)
  );
}

/** Acknowledgment, header length, flags but PSH, window, urgent pointer, options. */
function hasSameTcp(memory: DataView, first: number, frame: FrameView): boolean {
  const tcp = frame.transport;
  const offsetAndFlags = memory.getUint16(tcp + TCP.flags - 1) ^ memory.getUint16(first + TCP.flags - 1);
  const optionBytes = frame.payload - tcp - TCP_HEADER_BYTES;
  return (
    memory.getUint32(tcp + TCP.acknowledgment) === memory.getUint32(first + TCP.acknowledgment) &&
    (offsetAndFlags & ~TCP_PSH) === 0 &&
    memory.getUint16(tcp + TCP.window) === memory.getUint16(first + TCP.window) &&
    memory.getUint16(tcp + TCP.urgent) === memory.getUint16(first + TCP.urgent) &&
    isEqual(memory, tcp + TCP_HEADER_BYTES, first + TCP_HEADER_BYTES, optionBytes)
  );
}

/** The row for a new flow: a free one, or the one whose turn it is; the caller closes that first. */
export function flowToOpen(flows: Flows): number {
  for (let flow = 0; flow < OPEN_FLOWS; flow++) if (flows.open[flow] === 0) return flow;
  const flow = flows.turn;
  flows.turn = (flow + 1) % OPEN_FLOWS;
  return flow;
}

/** Opens a flow with the parsed segment of RxDatagram `index`. */
export function openFlow(
  memory: DataView,
  flows: Flows,
  flow: number,
  frame: FrameView,
  index: number,
): void {
  const bytes = frame.payloadEnd - frame.payload;
  flows.open[flow] = 1;
  flows.head[flow] = index;
  flows.tail[flow] = index;
  flows.datagrams[flow] = 1;
  flows.ipVersion[flow] = frame.ipVersion;
  flows.frame[flow] = frame.offset;
  flows.network[flow] = frame.network;
  flows.transport[flow] = frame.transport;
  flows.payload[flow] = frame.payload;
  flows.segmentBytes[flow] = bytes;
  flows.payloadBytes[flow] = bytes;
  flows.hash[flow] = flowHash(memory, frame);
  expectNext(memory, flows, flow, frame);
}

/** Appends the parsed segment of RxDatagram `index`. */
export function joinFlow(
  memory: DataView,
  flows: Flows,
  flow: number,
  frame: FrameView,
  index: number,
): void {
  flows.next[flows.tail[flow] as number] = index;
  flows.tail[flow] = index;
  flows.datagrams[flow] = (flows.datagrams[flow] as number) + 1;
  flows.payloadBytes[flow] = (flows.payloadBytes[flow] as number) + frame.payloadEnd - frame.payload;
  expectNext(memory, flows, flow, frame);
}

function expectNext(memory: DataView, flows: Flows, flow: number, frame: FrameView): void {
  const sequence = memory.getUint32(frame.transport + TCP.sequence) + frame.payloadEnd - frame.payload;
  flows.nextSequence[flow] = sequence >>> 0;
  if (frame.ipVersion === 4) flows.nextId[flow] = (memory.getUint16(frame.network + IPV4.id) + 1) & 0xffff;
}

function isEqual(memory: DataView, left: number, right: number, length: number): boolean {
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    if (memory.getUint32(left + at, LE) !== memory.getUint32(right + at, LE)) return false;
  }
  for (; at < length; at++) if (memory.getUint8(left + at) !== memory.getUint8(right + at)) return false;
  return true;
}
