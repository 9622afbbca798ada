/**
 * Nonce and associated data of a sealed frame (protocol section 4), where the AEAD port expects them. Worker threads.
 *
 *   nonce   0⁶ ‖ counter u48, the last six bytes of the sender field
 *   AAD     token 16 ‖ kind, flags u8 ‖ class u8 ‖ sender 16, unmasked
 */
import { SCRATCH } from '../shm/scratch.ts';
import { controlClass } from '../wire/link-datagram.ts';
import { copy16, LE } from './memory.ts';

/** Length of the AAD. */
export const FRAME_AAD_BYTES = 34;

/**
 * Lays both down.
 *
 * @param memory - the arena
 * @param tokenAt - 16 bytes in it
 * @param control - the control word; hops are not authenticated end to end, since relays lower them
 * @param senderAt - 16 bytes, unmasked
 */
export function writeFrameNonceAndAad(
  memory: DataView,
  tokenAt: number,
  control: number,
  senderAt: number,
): void {
  memory.setUint32(SCRATCH.nonce, 0, LE);
  memory.setUint16(SCRATCH.nonce + 4, 0, LE);
  memory.setUint16(SCRATCH.nonce + 6, memory.getUint16(senderAt + 10, LE), LE);
  memory.setUint32(SCRATCH.nonce + 8, memory.getUint32(senderAt + 12, LE), LE);
  copy16(memory, tokenAt, memory, SCRATCH.aad);
  memory.setUint8(SCRATCH.aad + 16, control & 0xff);
  memory.setUint8(SCRATCH.aad + 17, controlClass(control));
  copy16(memory, senderAt, memory, SCRATCH.aad + 18);
}
