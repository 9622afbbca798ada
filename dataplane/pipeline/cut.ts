/**
 * Cuts super-frames: a TCP segment that is too large for the path becomes several, a UDP super-frame the datagrams
 * that its sender made (protocol section 10). Worker threads.
 *
 * Every piece gets a copy of all headers: Ethernet with tags, IP with options or extension headers, TCP with options.
 * What differs: IP length, IPv4 ID and header checksum, TCP sequence, CWR on the first piece only, FIN and PSH on the
 * last only, UDP length, the transport checksum.
 */
import { COUNTER } from '../base/counter.ts';
import { count } from '../shm/arena.ts';
import { FLAG_CHECKSUM_LEFT, KIND_FRAME } from '../shm/layout.ts';
import { SCRATCH } from '../shm/scratch.ts';
import { writeIpLength, writeIpv4Checksum } from '../wire/checksum.ts';
import { IPV4, PROTOCOL_TCP, TCP, TCP_CWR, TCP_FIN, TCP_PSH, UDP } from '../wire/frame-view.ts';
import { writeTransportChecksum } from './complete-checksum.ts';
import { fragmentBytes } from './fragment.ts';
import { layDatagram, plaintextAt } from './lay-datagram.ts';
import { CHECKSUM_LEFT, checksumOffset } from './segment-plan.ts';
import type { StageContext } from './stage-context.ts';

/** Lays the pieces of the parsed frame as planned; `at` is its descriptor. */
export function cutFrame(context: StageContext, at: number): void {
  const { frame, plan } = context;
  const headerBytes = frame.payload - frame.offset;
  const payloadBytes = frame.payloadEnd - frame.payload;
  const isLeft = plan.checksum === CHECKSUM_LEFT;
  for (let piece = 0; piece < plan.pieces; piece++) {
    const from = piece * plan.pieceBytes;
    const bytes = headerBytes + Math.min(plan.pieceBytes, payloadBytes - from);
    if (bytes <= plan.capacity) {
      writePiece(context, piece, plaintextAt(context), bytes, isLeft);
      layDatagram(context, at, bytes, KIND_FRAME, isLeft ? FLAG_CHECKSUM_LEFT : 0);
    } else {
      writePiece(context, piece, SCRATCH.body, bytes, false);
      fragmentBytes(context, at, SCRATCH.body, bytes);
    }
  }
  count(context.arena, COUNTER.segmentsCut, plan.pieces);
}

/** Writes piece number `piece`, of `bytes` in all, at `target`. */
function writePiece(
  context: StageContext,
  piece: number,
  target: number,
  bytes: number,
  isLeft: boolean,
): void {
  const { memory, frame, plan } = context;
  const headerBytes = frame.payload - frame.offset;
  const from = frame.payload + piece * plan.pieceBytes;
  context.arena.bytes.copyWithin(target, frame.offset, frame.payload);
  context.arena.bytes.copyWithin(target + headerBytes, from, from + bytes - headerBytes);
  const ip = target + frame.network - frame.offset;
  const transport = target + frame.transport - frame.offset;
  const end = target + bytes;
  writeIpLength(memory, frame.ipVersion, ip, end);
  if (frame.ipVersion === 4) {
    memory.setUint16(ip + IPV4.id, (memory.getUint16(ip + IPV4.id) + piece) & 0xffff);
    writeIpv4Checksum(memory, ip, (memory.getUint8(ip) & 0x0f) * 4);
  }
  if (frame.protocol === PROTOCOL_TCP) adjustTcp(context, piece, transport);
  else memory.setUint16(transport + UDP.length, end - transport);
  if (isLeft) memory.setUint16(transport + checksumOffset(frame), 0);
  else writeTransportChecksum(memory, frame, transport, end);
}

/** @see RFC 9293 §3.1, RFC 3168 §6.1.2 (CWR tells of one window reduction, so one segment carries it) */
function adjustTcp(context: StageContext, piece: number, transport: number): void {
  const { memory, plan } = context;
  const sequence = memory.getUint32(transport + TCP.sequence) + piece * plan.pieceBytes;
  memory.setUint32(transport + TCP.sequence, sequence >>> 0);
  let flags = memory.getUint8(transport + TCP.flags);
  if (piece > 0) flags &= ~TCP_CWR;
  if (piece < plan.pieces - 1) flags &= ~(TCP_FIN | TCP_PSH);
  memory.setUint8(transport + TCP.flags, flags);
}
