/**
 * Checksums that the TAP's kernel left to its network card: completed here where they cannot be left to the
 * receiver's kernel. Worker threads.
 */
import { FrameDescriptor } from '../shm/layout.ts';
import { addSums, checksumOf, pseudoHeaderSum, sumBytes } from '../wire/checksum.ts';
import type { FrameView } from '../wire/frame-view.ts';
import { LE } from './memory.ts';
import { checksumOffset } from './segment-plan.ts';

/**
 * Completes a frame's checksum in place as a network card would: the field holds the pseudo-header's sum, and
 * everything from csumStart to the frame's end is summed into it.
 *
 * @param at - the frame's descriptor, with NEEDS_CSUM and a field inside the frame
 * @see Virtio 1.3 §5.1.6.2
 */
export function completeVirtioChecksum(memory: DataView, at: number): void {
  const offset = memory.getUint32(at + FrameDescriptor.at.offset, LE);
  const length = memory.getUint32(at + FrameDescriptor.at.length, LE);
  const start = memory.getUint32(at + FrameDescriptor.at.csumStart, LE);
  const field = offset + start + memory.getUint32(at + FrameDescriptor.at.csumOffset, LE);
  const checksum = checksumOf(sumBytes(memory, offset + start, length - start));
  memory.setUint16(field, checksum === 0 ? 0xffff : checksum);
}

/**
 * Writes the whole TCP or UDP checksum of a packet that was cut out of the parsed frame.
 *
 * @param frame - the frame that it was cut from: for addresses and protocol
 * @param transport - where the packet's transport header begins; its field is overwritten
 * @param end - where the packet ends
 */
export function writeTransportChecksum(
  memory: DataView,
  frame: FrameView,
  transport: number,
  end: number,
): void {
  const field = transport + checksumOffset(frame);
  memory.setUint16(field, 0);
  const pseudo = pseudoHeaderSum(memory, frame, frame.protocol, end - transport);
  const checksum = checksumOf(addSums(pseudo, sumBytes(memory, transport, end - transport)));
  memory.setUint16(field, checksum === 0 ? 0xffff : checksum);
}
