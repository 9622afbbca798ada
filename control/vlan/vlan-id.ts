/**
 * The text form of a VLAN id: 26 characters of lower-case base32 for 16 bytes.
 *
 * 26 characters hold 130 bits, so the last one carries 3 bits of the id and 2 spare bits, which must be
 * zero: every id has exactly one spelling, and two spellings never name one VLAN.
 *
 * Runs on any thread: pure functions, no state. Must never accept a second spelling of an id.
 *
 * @see RFC 4648 §6 (the alphabet), §3.5 (spare bits)
 */
import { decodeBase32, encodeBase32 } from './base32.ts';

/** Size of a VLAN id: BLAKE3-128 of the VLAN's Ed25519 public key. */
export const VLAN_ID_BYTES = 16;

/** Length of its text form. */
export const VLAN_ID_CHARACTERS = 26;

const LABEL_CHARACTERS = 4;

/** What `parseVlanId` returns: the 16 bytes, or a sentence part that says what is wrong. */
export type ParsedVlanId =
  | { readonly ok: true; readonly id: Uint8Array }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads a VLAN id as a user typed it.
 *
 * @param text - 26 characters of lower-case base32, without padding
 * @returns the 16 bytes of the id, or the reason why the text is none; never throws
 * @see RFC 4648 §6
 */
export function parseVlanId(text: string): ParsedVlanId {
  if (text.length !== VLAN_ID_CHARACTERS) {
    return { ok: false, reason: `a VLAN id has ${VLAN_ID_CHARACTERS} characters, got ${text.length}` };
  }
  const decoded = decodeBase32(text);
  if (decoded.ok) {
    return { ok: true, id: decoded.bytes };
  }
  if (decoded.fault === 'alphabet') {
    return { ok: false, reason: alphabetReason(decoded.character, decoded.index) };
  }
  return {
    ok: false,
    reason: `its last character '${text.slice(-1)}' has spare bits set; it was mistyped or cut`,
  };
}

/**
 * Writes a VLAN id as users see it.
 *
 * @param id - exactly 16 bytes
 * @returns 26 characters of lower-case base32
 * @throws RangeError when the id has another size (a bug of the caller)
 */
export function formatVlanId(id: Uint8Array): string {
  if (id.length !== VLAN_ID_BYTES) {
    throw new RangeError(`a VLAN id has ${VLAN_ID_BYTES} bytes, got ${id.length}`);
  }
  return encodeBase32(id);
}

/**
 * Names a VLAN in a log or a message that may end up in one. An open VLAN's id admits whoever has it, so it is not
 * written where more people read than the config has readers.
 *
 * @param interfaceName - of the VLAN here, if it has one
 * @returns the interface, or enough of the id for its owner to tell VLANs apart: 20 of its 128 bits
 */
export function vlanLabel(id: string, interfaceName: string | undefined): string {
  return interfaceName ?? `${id.slice(0, LABEL_CHARACTERS)}…`;
}

function alphabetReason(character: string, index: number): string {
  const hint = /[A-Z]/.test(character) ? ' (ids are written in lower case)' : '';
  return `character ${index + 1}, '${character}', is not in the alphabet a–z 2–7${hint}`;
}
