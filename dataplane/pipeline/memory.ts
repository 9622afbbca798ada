/**
 * Sixteen bytes at a time: how tokens, masks and blocks are copied, compared and mixed. Worker threads; pure.
 */

/** Little-endian, for DataView: all shared structures are; Ethernet and IP fields are not. */
export const LE = true;

/** Whether 16 bytes of one view equal 16 of another; looks at all of them. */
export function equal16(left: DataView, leftAt: number, right: DataView, rightAt: number): boolean {
  let difference = 0;
  for (let byte = 0; byte < 16; byte += 4) {
    difference |= left.getUint32(leftAt + byte, LE) ^ right.getUint32(rightAt + byte, LE);
  }
  return difference === 0;
}

/** Copies 16 bytes from one view to another. */
export function copy16(from: DataView, fromAt: number, to: DataView, toAt: number): void {
  for (let byte = 0; byte < 16; byte += 4) to.setUint32(toAt + byte, from.getUint32(fromAt + byte, LE), LE);
}

/** Changes 16 bytes at `at` by XOR with those at `withAt`. */
export function xor16(memory: DataView, at: number, withAt: number): void {
  for (let byte = 0; byte < 16; byte += 4) {
    memory.setUint32(at + byte, memory.getUint32(at + byte, LE) ^ memory.getUint32(withAt + byte, LE), LE);
  }
}
