/**
 * Byte strings of HPKE's labels. Any thread; pure functions.
 *
 * @see RFC 9180 §4 (LabeledExtract, LabeledExpand)
 */

const encoder = new TextEncoder();
const VERSION = encoder.encode('HPKE-v1');

/** A string's bytes. */
export function text(value: string): Uint8Array {
  return encoder.encode(value);
}

/** Parts one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** "HPKE-v1" ‖ suite ‖ label ‖ rest: what both labeled functions hash. */
export function labeled(suite: Uint8Array, label: string, rest: Uint8Array): Uint8Array {
  return concat(VERSION, suite, text(label), rest);
}
