/**
 * Fields of varying length behind a length of three bytes, little-endian.
 *
 * Main thread; pure. Reading never throws and never makes room for more than its limit, whatever the length says.
 */
import type { ByteReader, ByteWriter } from '../membership/byte-codec.ts';

/** What a field's length takes. */
export const FIELD_LENGTH_BYTES = 3;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Writes a length and the bytes. */
export function writeField(writer: ByteWriter, value: Uint8Array): void {
  writer.u24(value.length);
  writer.bytes(value, value.length);
}

/** Writes a text's UTF-8 as a field. */
export function writeTextField(writer: ByteWriter, text: string): void {
  writeField(writer, encoder.encode(text));
}

/** @returns the field's bytes, or undefined when it is longer than it may be or than what is left */
export function readField(reader: ByteReader, maxBytes: number): Uint8Array | undefined {
  const length = reader.u24();
  return length > maxBytes || length > reader.left() ? undefined : reader.bytes(length);
}

/** @returns the field's text, or undefined when it is too long or not UTF-8 */
export function readTextField(reader: ByteReader, maxBytes: number): string | undefined {
  const bytes = readField(reader, maxBytes);
  if (bytes === undefined) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How many bytes a text takes in UTF-8. */
export function textBytes(text: string): number {
  return encoder.encode(text).length;
}
