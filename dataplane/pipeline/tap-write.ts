/**
 * Lays TapWrites: a frame as it is, or a flow's datagrams as one super-frame. Worker threads.
 *
 *   single       │ frame │                                        virtio: plain, or the checksum left to the kernel
 *   super-frame  │ first frame │ payload │ payload │ … │          virtio: TCP segmentation, gso_size = first payload
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { count } from '../shm/arena.ts';
import { FLAG_CHECKSUM_LEFT, Iovec, RxDatagram, TapWrite } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { addSums, pseudoHeaderSum, sumBytes, writeIpLength, writeIpv4Checksum } from '../wire/checksum.ts';
import { IPV4, IPV4_HEADER_BYTES, IPV6, PROTOCOL_TCP, parseFrame, TCP, TCP_PSH } from '../wire/frame-view.ts';
import { controlFlags } from '../wire/link-datagram.ts';
import {
  VIRTIO_GSO_TCPV4,
  VIRTIO_GSO_TCPV6,
  writeChecksumVirtio,
  writeGsoVirtio,
  writePlainVirtio,
} from '../wire/virtio-header.ts';
import { flowHash } from './flow-hash.ts';
import { LE } from './memory.ts';
import { checksumOffset } from './segment-plan.ts';
import { dropRx, rxAt, type StageContext } from './stage-context.ts';

/** Writes the frame of RxDatagram `index` as it is. */
export function writeSingle(context: StageContext, index: number): void {
  const { memory, written: frame } = context;
  const at = rxAt(index);
  const offset = memory.getUint32(at + RxDatagram.at.frameOffset, LE);
  const length = memory.getUint32(at + RxDatagram.at.frameLength, LE);
  const isLeft = (controlFlags(memory.getUint32(at + RxDatagram.at.control, LE)) & FLAG_CHECKSUM_LEFT) !== 0;
  parseFrame(memory, offset, length, frame);
  if (isLeft && frame.protocol === 0) return dropRx(context, at, DROP['frame-offload-invalid']);
  const write = beginWrite(context, memory.getUint32(at + RxDatagram.at.vlan, LE));
  addPiece(context, write, offset, length);
  memory.setUint32(write + TapWrite.at.datagrams, 1, LE);
  memory.setUint32(write + TapWrite.at.flowHash, flowHash(memory, frame), LE);
  if (!isLeft) return writePlainVirtio(memory, write + TapWrite.at.virtio);
  const transportBytes = frame.payloadEnd - frame.transport;
  const field = checksumOffset(frame);
  memory.setUint16(frame.transport + field, pseudoHeaderSum(memory, frame, frame.protocol, transportBytes));
  writeChecksumVirtio(memory, write + TapWrite.at.virtio, frame.transport - offset, field);
}

/** Writes an open flow's datagrams and closes it. */
export function writeFlow(context: StageContext, flow: number): void {
  const { flows, memory } = context;
  flows.open[flow] = 0;
  const datagrams = flows.datagrams[flow] as number;
  const head = flows.head[flow] as number;
  if (datagrams === 1) return writeSingle(context, head);
  const write = beginWrite(context, flows.vlan[flow] as number);
  const first = flows.frame[flow] as number;
  const headerBytes = (flows.payload[flow] as number) - first;
  addPiece(context, write, first, headerBytes + (flows.segmentBytes[flow] as number));
  let index = head;
  let left = (flows.payloadBytes[flow] as number) - (flows.segmentBytes[flow] as number);
  for (let more = 1; more < datagrams; more++) {
    index = flows.next[index] as number;
    const bytes = Math.min(left, flows.segmentBytes[flow] as number);
    addPiece(
      context,
      write,
      memory.getUint32(rxAt(index) + RxDatagram.at.frameOffset, LE) + headerBytes,
      bytes,
    );
    left -= bytes;
  }
  memory.setUint32(write + TapWrite.at.datagrams, datagrams, LE);
  memory.setUint32(write + TapWrite.at.flowHash, flows.hash[flow] as number, LE);
  adjustHeaders(context, flow, index);
  writeSuperVirtio(context, flow, write, headerBytes);
  count(context.arena, COUNTER.framesCoalesced, datagrams - 1);
}

/** The first frame's headers become the super-frame's; the last datagram's PSH is its PSH. */
function adjustHeaders(context: StageContext, flow: number, last: number): void {
  const { flows, memory } = context;
  const network = flows.network[flow] as number;
  const transport = flows.transport[flow] as number;
  const end = (flows.payload[flow] as number) + (flows.payloadBytes[flow] as number);
  const ipVersion = flows.ipVersion[flow] as number;
  writeIpLength(memory, ipVersion, network, end);
  if (ipVersion === 4) writeIpv4Checksum(memory, network, IPV4_HEADER_BYTES);
  const lastFrame = memory.getUint32(rxAt(last) + RxDatagram.at.frameOffset, LE);
  const lastFlags = memory.getUint8(lastFrame + transport - (flows.frame[flow] as number) + TCP.flags);
  memory.setUint8(transport + TCP.flags, memory.getUint8(transport + TCP.flags) | (lastFlags & TCP_PSH));
  const addresses = network + (ipVersion === 4 ? IPV4.source : IPV6.source);
  const sum = sumBytes(memory, addresses, ipVersion === 4 ? 8 : 32);
  memory.setUint16(transport + TCP.checksum, addSums(sum, addSums(PROTOCOL_TCP, end - transport)));
}

function writeSuperVirtio(context: StageContext, flow: number, write: number, headerBytes: number): void {
  const { flows, memory } = context;
  const virtio = write + TapWrite.at.virtio;
  const csumStart = (flows.transport[flow] as number) - (flows.frame[flow] as number);
  const gsoType = flows.ipVersion[flow] === 4 ? VIRTIO_GSO_TCPV4 : VIRTIO_GSO_TCPV6;
  writeChecksumVirtio(memory, virtio, csumStart, TCP.checksum);
  writeGsoVirtio(memory, virtio, gsoType, headerBytes, flows.segmentBytes[flow] as number);
}

/** @returns offset of the new TapWrite */
function beginWrite(context: StageContext, vlan: number): number {
  const { flows, memory } = context;
  const at = ARENA.writes + flows.writes++ * TapWrite.size;
  memory.setUint32(at + TapWrite.at.vlan, vlan, LE);
  memory.setUint32(at + TapWrite.at.iovecFirst, flows.iovecs, LE);
  memory.setUint32(at + TapWrite.at.iovecCount, 0, LE);
  memory.setUint32(at + TapWrite.at.length, 0, LE);
  return at;
}

function addPiece(context: StageContext, write: number, offset: number, length: number): void {
  const { flows, memory } = context;
  const at = ARENA.iovecs + flows.iovecs++ * Iovec.size;
  memory.setUint32(at + Iovec.at.offset, offset, LE);
  memory.setUint32(at + Iovec.at.length, length, LE);
  memory.setUint32(
    write + TapWrite.at.iovecCount,
    memory.getUint32(write + TapWrite.at.iovecCount, LE) + 1,
    LE,
  );
  memory.setUint32(write + TapWrite.at.length, memory.getUint32(write + TapWrite.at.length, LE) + length, LE);
}
