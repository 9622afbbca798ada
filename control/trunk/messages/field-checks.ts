/**
 * Checks on single fields of a message that has been decoded: what is out of range becomes one sentence.
 *
 * Main thread, pure. They throw `Malformed`, which `decodeTrunkMessage` catches, and nothing else ever sees.
 */

const TEXT_MAX_CHARACTERS = 256;
const TEXT_LIST_MAX = 32;

/** Carries the sentence about the first field that is wrong up to `decodeTrunkMessage`, and no further. */
export class Malformed extends Error {}

export function check(condition: boolean, detail: string): asserts condition {
  if (!condition) {
    throw new Malformed(detail);
  }
}

export function exactly(bytes: Uint8Array, size: number, field: string): Uint8Array {
  check(bytes.length === size, `${field}: expected ${size} bytes, got ${bytes.length}`);
  return new Uint8Array(bytes);
}

export function within(value: number, low: number, high: number, field: string): number {
  check(value >= low && value <= high, `${field}: expected ${low}..${high}, got ${value}`);
  return value;
}

export function texts(values: readonly string[], field: string): string[] {
  check(values.length <= TEXT_LIST_MAX, `${field}: expected at most ${TEXT_LIST_MAX}`);
  check(
    values.every((value) => value.length <= TEXT_MAX_CHARACTERS),
    `${field}: expected at most ${TEXT_MAX_CHARACTERS} characters each`,
  );
  return values.slice();
}

/** A peer's text goes into our log: only printable ASCII, and not much of it. */
export function printable(text: string): string {
  return text.slice(0, TEXT_MAX_CHARACTERS).replaceAll(/[^ -~]/g, '?');
}
