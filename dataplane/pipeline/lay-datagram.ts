/**
 * Writes the descriptor of a datagram whose plaintext lies in the transmit buffer. Worker threads.
 *
 *   plan.cursor → │ 48 bytes for header and sender │ plaintext │ 16 for the tag │ ← plan.cursor after
 */
import {
  FLAG_PAIRWISE,
  FRAME_FLOOD,
  FrameDescriptor,
  LINK_HEADER_BYTES,
  LINK_OVERHEAD_BYTES,
  TxDatagram,
} from '../shm/layout.ts';
import { controlWord } from '../wire/link-datagram.ts';
import { copy16, LE } from './memory.ts';
import { type StageContext, txAt } from './stage-context.ts';

/** Where the next datagram's plaintext goes. */
export function plaintextAt(context: StageContext): number {
  return context.plan.cursor + LINK_HEADER_BYTES;
}

/**
 * Describes the datagram whose plaintext was laid at {@link plaintextAt}, and moves on behind it.
 *
 * @param frame - offset of the frame descriptor that it comes from
 * @param plainBytes - length of the plaintext
 * @param kind - KIND_FRAME or KIND_FRAGMENT
 * @param isChecksumLeft - FLAG_CHECKSUM_LEFT, as a flag's value or 0
 */
export function layDatagram(
  context: StageContext,
  frame: number,
  plainBytes: number,
  kind: number,
  checksumFlag: number,
): void {
  const { memory, plan } = context;
  const at = txAt(plan.laid);
  const verdict = memory.getUint32(frame + FrameDescriptor.at.verdict, LE);
  const flags = checksumFlag | (verdict === FRAME_FLOOD ? 0 : FLAG_PAIRWISE);
  const hops = memory.getUint32(frame + FrameDescriptor.at.hops, LE);
  const frameClass = memory.getUint32(frame + FrameDescriptor.at.class, LE);
  memory.setUint32(at + TxDatagram.at.offset, plan.cursor, LE);
  memory.setUint32(at + TxDatagram.at.length, plainBytes + LINK_OVERHEAD_BYTES, LE);
  memory.setUint32(at + TxDatagram.at.control, controlWord(kind, flags, hops, frameClass), LE);
  memory.setUint32(at + TxDatagram.at.verdict, verdict, LE);
  copyWord(memory, frame + FrameDescriptor.at.frameKey, at + TxDatagram.at.frameKey);
  copyWord(memory, frame + FrameDescriptor.at.epoch, at + TxDatagram.at.epoch);
  copyWord(memory, frame + FrameDescriptor.at.destination, at + TxDatagram.at.destination);
  copyWord(memory, frame + FrameDescriptor.at.flowHash, at + TxDatagram.at.flowHash);
  copy16(memory, frame + FrameDescriptor.at.token, memory, at + TxDatagram.at.token);
  writeSender(context, at + TxDatagram.at.sender);
  plan.laid++;
  plan.cursor += plainBytes + LINK_OVERHEAD_BYTES;
}

/** leaf u24 │ lane u8 │ salt 6 │ counter 6 (protocol section 4); takes the next counter. */
function writeSender(context: StageContext, at: number): void {
  const { memory, plan } = context;
  const counter = plan.counter++;
  memory.setUint32(at, plan.leafLane, LE);
  memory.setUint32(at + 4, plan.saltLow, LE);
  memory.setUint16(at + 8, plan.saltHigh, LE);
  memory.setUint16(at + 10, counter & 0xffff, LE);
  memory.setUint32(at + 12, counter >>> 16, LE);
}

function copyWord(memory: DataView, from: number, to: number): void {
  memory.setUint32(to, memory.getUint32(from, LE), LE);
}
