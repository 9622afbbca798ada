/**
 * The link datagram's layout (protocol section 3) and its control field. Any thread; pure.
 *
 *    0  version/type  u8      0x11
 *    1  control       u8[3]   masked: kind u4 · flags u4 │ hops u8 │ class u8
 *    4  receiver      u32     the receiver's index for this lane
 *    8  counter       u64     per lane
 *   16  token block   16      the token, enciphered
 *   32  sender        16      masked end to end; link datagrams (kind 5): the sealed body starts here
 *   48  sealed frame          ciphertext ‖ frame tag 16
 *
 * In memory the control field is one word: kind | flags << 4 | hops << 8 | class << 16, so that the datagram's first
 * four bytes, read little-endian, are LINK_VERSION_TYPE | control << 8.
 */

/** Version 1, type 1. */
export const LINK_VERSION_TYPE = 0x11;

/** Byte offsets within a link datagram. */
export const LINK = { word0: 0, receiver: 4, counter: 8, token: 16, sender: 32, frame: 48 } as const;

/** A link datagram's least length. */
export const LINK_MIN_BYTES = 64;
/** Its greatest: the tweak's length field has 16 bits. */
export const LINK_MAX_BYTES = 65_535;
/** Kind 5: the body's start and what surrounds it, header and tag. */
export const LINK_BODY_OFFSET = 32;
export const LINK_BODY_OVERHEAD_BYTES = 48;
/** Upper word of the first counter that is refused: 2^40. */
export const COUNTER_LIMIT_HIGH = 1 << 8;
/** Bytes of the key block that follows k1, k2 and k3. */
export const LINK_KEY_BYTES = 32;

/** Puts a control word together. */
export function controlWord(kind: number, flags: number, hops: number, frameClass: number): number {
  return kind | (flags << 4) | (hops << 8) | (frameClass << 16);
}

/** KIND_*. */
export function controlKind(control: number): number {
  return control & 0x0f;
}

/** FLAG_*. */
export function controlFlags(control: number): number {
  return (control >>> 4) & 0x0f;
}

/** Remaining hops. */
export function controlHops(control: number): number {
  return (control >>> 8) & 0xff;
}

/** Priority class. */
export function controlClass(control: number): number {
  return (control >>> 16) & 0xff;
}
