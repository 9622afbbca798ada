/**
 * Describes C structures as data, so that one definition serves TypeScript (offsets) and Rust (a generated
 * mirror). Any thread; pure. Fields are laid out in order, each at its natural alignment; a structure that would
 * need hidden padding is refused, so that both languages see the same bytes.
 */
import { invariant } from '../base/invariant.ts';

/** A field's element type; `i32` is for file descriptors. */
export type Scalar = 'u8' | 'u16' | 'u32' | 'i32' | 'f64';

/** A scalar, or an array of `[scalar, count]`. */
export type Field = Scalar | readonly [Scalar, number];

/** A structure: its size in bytes and each field's byte offset. */
export interface Struct<F extends Record<string, Field> = Record<string, Field>> {
  readonly name: string;
  readonly fields: F;
  readonly size: number;
  /** Byte offset of each field from the structure's start. */
  readonly at: { readonly [K in keyof F]: number };
}

const SCALAR_SIZE: Readonly<Record<Scalar, number>> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

/** Size in bytes of one element of a field. */
export function elementSize(field: Field): number {
  return SCALAR_SIZE[typeof field === 'string' ? field : field[0]];
}

/** How many elements a field has. */
export function elementCount(field: Field): number {
  return typeof field === 'string' ? 1 : field[1];
}

/**
 * Lays a structure out.
 *
 * @param name - the Rust mirror's name, in CamelCase
 * @param size - the whole size in bytes; what the fields leave over becomes a named tail
 * @param fields - in memory order
 * @throws InvariantError when a field is misaligned or the fields exceed the size
 */
export function struct<const F extends Record<string, Field>>(
  name: string,
  size: number,
  fields: F,
): Struct<F> {
  const at: Record<string, number> = {};
  let offset = 0;
  for (const [key, field] of Object.entries(fields)) {
    invariant(offset % elementSize(field) === 0, `${name}.${key} is misaligned at ${offset}`);
    at[key] = offset;
    offset += elementSize(field) * elementCount(field);
  }
  invariant(offset <= size, `${name} needs ${offset} bytes and has ${size}`);
  invariant(size % 8 === 0, `${name}'s size is not a multiple of 8`);
  return { name, fields, size, at: at as Struct<F>['at'] };
}
