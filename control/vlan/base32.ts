/**
 * Base32 in lower case without padding, for what people copy.
 *
 * Any thread; pure. Decoding accepts one spelling of each byte string only.
 *
 * @see RFC 4648 §6 (the alphabet), §3.5 (spare bits)
 */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const BITS_PER_CHARACTER = 5;

/** The bytes, or where the first character outside the alphabet stands, or that spare bits at the end are set. */
export type DecodedBase32 =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly fault: 'alphabet'; readonly index: number; readonly character: string }
  | { readonly ok: false; readonly fault: 'spare-bits' };

/** Writes bytes, most significant bits first; spare bits at the end are zero. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = '';
  let accumulator = 0;
  let accumulatorBits = 0;
  for (const byte of bytes) {
    accumulator = (accumulator << 8) | byte;
    accumulatorBits += 8;
    while (accumulatorBits >= BITS_PER_CHARACTER) {
      accumulatorBits -= BITS_PER_CHARACTER;
      text += ALPHABET.charAt(accumulator >>> accumulatorBits);
      accumulator &= (1 << accumulatorBits) - 1;
    }
  }
  if (accumulatorBits === 0) return text;
  return text + ALPHABET.charAt(accumulator << (BITS_PER_CHARACTER - accumulatorBits));
}

/** Reads as many whole bytes as the text holds; what is left over must be less than a character, and zero. */
export function decodeBase32(text: string): DecodedBase32 {
  const bytes = new Uint8Array(Math.floor((text.length * BITS_PER_CHARACTER) / 8));
  let accumulator = 0;
  let accumulatorBits = 0;
  let length = 0;
  for (const [index, character] of Array.from(text).entries()) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return { ok: false, fault: 'alphabet', index, character };
    accumulator = (accumulator << BITS_PER_CHARACTER) | value;
    accumulatorBits += BITS_PER_CHARACTER;
    if (accumulatorBits >= 8) {
      accumulatorBits -= 8;
      bytes[length++] = accumulator >>> accumulatorBits;
      accumulator &= (1 << accumulatorBits) - 1;
    }
  }
  return accumulator === 0 && accumulatorBits < BITS_PER_CHARACTER
    ? { ok: true, bytes }
    : { ok: false, fault: 'spare-bits' };
}
