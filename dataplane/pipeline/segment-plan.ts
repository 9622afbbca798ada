/**
 * How a frame is laid into datagrams, decided before a byte is moved (protocol section 10). Worker threads; pure but
 * for the plan, a record that is used again for every frame.
 *
 *   fits the path                      whole
 *   TCP super-frame, or too large TCP  cut: each piece a TCP segment of its own
 *   UDP super-frame                    cut at gsoSize: each piece the datagram that the sender made
 *   anything else too large            fragmented
 *
 * Checksums: left to the receiver's kernel when the TAP left them to us and our own parse finds the same field;
 * otherwise completed here, and always before fragmenting.
 */
import { FRAGMENT_PREFIX_BYTES, FrameDescriptor, LINK_OVERHEAD_BYTES } from '../shm/layout.ts';
import { transportChecksumHolds } from '../wire/checksum.ts';
import {
  ETHERNET_HEADER_BYTES,
  type FrameView,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
  UDP,
} from '../wire/frame-view.ts';
import {
  VIRTIO_GSO_ECN,
  VIRTIO_GSO_NONE,
  VIRTIO_GSO_TCPV4,
  VIRTIO_GSO_TCPV6,
  VIRTIO_GSO_UDP_L4,
  VIRTIO_NEEDS_CSUM,
} from '../wire/virtio-header.ts';
import { LE } from './memory.ts';

/** The frame contradicts its virtio header. */
export const PLAN_INVALID = 0;
export const PLAN_WHOLE = 1;
export const PLAN_CUT_TCP = 2;
export const PLAN_CUT_UDP = 3;
export const PLAN_FRAGMENT = 4;
/** Would need fragments, and is larger than their 16-bit offsets, or their number, allow. */
export const PLAN_OVERSIZE = 5;

/** The checksum field is right as it is. */
export const CHECKSUM_KEPT = 0;
/** FLAG_CHECKSUM_LEFT: the field becomes zero. */
export const CHECKSUM_LEFT = 1;
/** To be completed, from virtio's csumStart on. */
export const CHECKSUM_COMPLETED = 2;

/** A reassembly at the receiver remembers this many ranges (pipeline/reassemble.ts). */
const FRAGMENTS_MAX = 128;
const FRAGMENTED_FRAME_MAX_BYTES = 65_535;

/** The frame in hand, and how far the output has come. */
export interface SegmentPlan {
  /** PLAN_*. */
  method: number;
  /** CHECKSUM_*. */
  checksum: number;
  /** Payload bytes of each piece but the last (PLAN_CUT_*). */
  pieceBytes: number;
  /** Pieces of a cut; 1 otherwise. */
  pieces: number;
  /** Plaintext bytes that a datagram takes. */
  capacity: number;
  /** Datagrams that the frame becomes, and their bytes at most. */
  datagrams: number;
  bytes: number;
  // The sender field's parts for the frame's datagrams.
  leafLane: number;
  saltLow: number;
  saltHigh: number;
  counter: number;
  // The output: datagrams laid, and the arena offset behind the last.
  laid: number;
  cursor: number;
}

/** An empty plan. */
export function createSegmentPlan(): SegmentPlan {
  return {
    method: PLAN_INVALID,
    checksum: CHECKSUM_KEPT,
    pieceBytes: 0,
    pieces: 1,
    capacity: 0,
    datagrams: 0,
    bytes: 0,
    leafLane: 0,
    saltLow: 0,
    saltHigh: 0,
    counter: 0,
    laid: 0,
    cursor: 0,
  };
}

/**
 * Plans the parsed frame.
 *
 * @param memory - the arena
 * @param at - its frame descriptor
 * @param frame - its headers
 */
export function planFrame(memory: DataView, at: number, frame: FrameView, plan: SegmentPlan): void {
  const virtioFlags = memory.getUint32(at + FrameDescriptor.at.virtioFlags, LE);
  const gsoType = (virtioFlags >>> 8) & 0xff & ~VIRTIO_GSO_ECN;
  plan.capacity = memory.getUint32(at + FrameDescriptor.at.datagramMtuBytes, LE) - LINK_OVERHEAD_BYTES;
  plan.pieces = 1;
  plan.checksum = CHECKSUM_KEPT;
  if ((virtioFlags & VIRTIO_NEEDS_CSUM) !== 0) {
    if (!checksumFieldIsInside(memory, at, frame)) return finish(plan, frame, PLAN_INVALID);
    plan.checksum = parseAgrees(memory, at, frame) ? CHECKSUM_LEFT : CHECKSUM_COMPLETED;
  }
  if (gsoType !== VIRTIO_GSO_NONE)
    planSuperFrame(plan, frame, gsoType, memory.getUint32(at + FrameDescriptor.at.gsoSize, LE));
  else if (frame.end - frame.offset <= plan.capacity) finish(plan, frame, PLAN_WHOLE);
  else planOversize(memory, frame, plan);
}

function checksumFieldIsInside(memory: DataView, at: number, frame: FrameView): boolean {
  const start = memory.getUint32(at + FrameDescriptor.at.csumStart, LE);
  const field = start + memory.getUint32(at + FrameDescriptor.at.csumOffset, LE);
  return start >= ETHERNET_HEADER_BYTES && field + 2 <= frame.end - frame.offset;
}

/** Whether virtio's checksum field is the one that our parse finds; only then the receiver will find it too. */
function parseAgrees(memory: DataView, at: number, frame: FrameView): boolean {
  return (
    frame.protocol !== 0 &&
    memory.getUint32(at + FrameDescriptor.at.csumStart, LE) === frame.transport - frame.offset &&
    memory.getUint32(at + FrameDescriptor.at.csumOffset, LE) === checksumOffset(frame)
  );
}

/** Of the checksum field within the transport header. */
export function checksumOffset(frame: FrameView): number {
  return frame.protocol === PROTOCOL_TCP ? TCP.checksum : UDP.checksum;
}

function planSuperFrame(plan: SegmentPlan, frame: FrameView, gsoType: number, gsoSize: number): void {
  const isTcp =
    (gsoType === VIRTIO_GSO_TCPV4 && frame.ipVersion === 4) ||
    (gsoType === VIRTIO_GSO_TCPV6 && frame.ipVersion === 6);
  const protocol = isTcp ? PROTOCOL_TCP : gsoType === VIRTIO_GSO_UDP_L4 ? PROTOCOL_UDP : 0;
  const isConsistent = protocol !== 0 && frame.protocol === protocol && plan.checksum === CHECKSUM_LEFT;
  if (!isConsistent || gsoSize === 0) return finish(plan, frame, PLAN_INVALID);
  if (isTcp) return planTcp(plan, frame, gsoSize);
  plan.pieceBytes = Math.min(gsoSize, payloadBytes(frame));
  finish(plan, frame, PLAN_CUT_UDP);
}

function planOversize(memory: DataView, frame: FrameView, plan: SegmentPlan): void {
  if (frame.protocol !== PROTOCOL_TCP || plan.checksum === CHECKSUM_COMPLETED)
    return finish(plan, frame, PLAN_FRAGMENT);
  const flags = memory.getUint8(frame.transport + TCP.flags);
  if ((flags & (TCP_SYN | TCP_RST | TCP_URG)) !== 0) return finish(plan, frame, PLAN_FRAGMENT);
  if (plan.checksum === CHECKSUM_KEPT) {
    // A cut gives every piece a good checksum, so it must not be done to a segment that arrived broken.
    if (!transportChecksumHolds(memory, frame)) return finish(plan, frame, PLAN_FRAGMENT);
    plan.checksum = CHECKSUM_COMPLETED;
  }
  planTcp(plan, frame, payloadBytes(frame));
}

function planTcp(plan: SegmentPlan, frame: FrameView, limit: number): void {
  const room = plan.capacity - (frame.payload - frame.offset);
  if (room < 1) return finish(plan, frame, PLAN_FRAGMENT);
  plan.pieceBytes = Math.min(limit, room, payloadBytes(frame));
  finish(plan, frame, PLAN_CUT_TCP);
}

/** At least 1, so that a segment without payload is one piece. */
function payloadBytes(frame: FrameView): number {
  return Math.max(1, frame.payloadEnd - frame.payload);
}

function finish(plan: SegmentPlan, frame: FrameView, method: number): void {
  plan.method = method;
  plan.datagrams = 1;
  if (method === PLAN_FRAGMENT) {
    const frameBytes = frame.end - frame.offset;
    plan.datagrams = fragmentsOf(plan, frameBytes);
    if (!canBeFragmented(plan, frameBytes)) plan.method = PLAN_OVERSIZE;
  } else if (method === PLAN_CUT_TCP || method === PLAN_CUT_UDP) {
    const headerBytes = frame.payload - frame.offset;
    plan.pieces = Math.ceil(payloadBytes(frame) / plan.pieceBytes);
    const lastBytes = payloadBytes(frame) - (plan.pieces - 1) * plan.pieceBytes;
    plan.datagrams =
      (plan.pieces - 1) * fragmentsOf(plan, headerBytes + plan.pieceBytes) +
      fragmentsOf(plan, headerBytes + lastBytes);
    if (!canBeFragmented(plan, headerBytes + plan.pieceBytes)) plan.method = PLAN_OVERSIZE;
  }
  plan.bytes = plannedBytes(plan, frame);
}

/** Datagrams that `bytes` of frame become; 1 when they fit as they are. */
function fragmentsOf(plan: SegmentPlan, bytes: number): number {
  return bytes <= plan.capacity ? 1 : Math.ceil(bytes / (plan.capacity - FRAGMENT_PREFIX_BYTES));
}

/** Whether `bytes` of frame need no fragments, or not too many and no offset past 16 bits. */
function canBeFragmented(plan: SegmentPlan, bytes: number): boolean {
  const fragments = fragmentsOf(plan, bytes);
  return fragments === 1 || (bytes <= FRAGMENTED_FRAME_MAX_BYTES && fragments <= FRAGMENTS_MAX);
}

function plannedBytes(plan: SegmentPlan, frame: FrameView): number {
  const headerBytes = frame.payload - frame.offset;
  const plaintext = frame.end - frame.offset + (plan.pieces - 1) * headerBytes;
  return plaintext + plan.datagrams * (LINK_OVERHEAD_BYTES + FRAGMENT_PREFIX_BYTES);
}
