/**
 * The inputs of a link datagram's mask and tweak blocks (protocol section 3), the same for closing and opening. Worker
 * threads; pure.
 */
import { LINK } from '../wire/link-datagram.ts';
import { LE } from './memory.ts';

/**
 * 0⁴ ‖ receiver ‖ counter.
 *
 * @param block - 16 bytes that are written
 * @param datagram - whose bytes 4‥15 are read
 */
export function writeMaskInput(memory: DataView, block: number, datagram: number): void {
  memory.setUint32(block, 0, LE);
  memory.setUint32(block + 4, memory.getUint32(datagram + LINK.receiver, LE), LE);
  memory.setUint32(block + 8, memory.getUint32(datagram + LINK.counter, LE), LE);
  memory.setUint32(block + 12, memory.getUint32(datagram + LINK.counter + 4, LE), LE);
}

/**
 * version/type ‖ control unmasked ‖ length u16 ‖ 0² ‖ counter.
 *
 * @param datagram - whose bytes 0‥3, control unmasked, and 8‥15 are read
 * @param length - of the whole datagram
 */
export function writeTweakInput(memory: DataView, block: number, datagram: number, length: number): void {
  memory.setUint32(block, memory.getUint32(datagram + LINK.word0, LE), LE);
  memory.setUint32(block + 4, length, LE);
  memory.setUint32(block + 8, memory.getUint32(datagram + LINK.counter, LE), LE);
  memory.setUint32(block + 12, memory.getUint32(datagram + LINK.counter + 4, LE), LE);
}
