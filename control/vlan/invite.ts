/**
 * An invite: one word that leads into a VLAN.
 *
 *   peertap1 ‖ base32( total length u16 ‖ body ‖ checksum 4 )
 *
 *   body:  kind         u8     0 open, 1 private
 *          public key   32     the VLAN's key; its hash is the VLAN id
 *          name         u8 length │ UTF-8
 *          flags        u8     bit 0: a secret follows; bit 1: an expiry follows
 *          secret       16     known to the first admin; whoever shows it is admitted
 *          expires      u48    Unix seconds
 *          admins       u8 count │ { node key 32 │ u8 count │ { u8 length │ multiaddr }… }…
 *
 * The checksum is BLAKE3-128's first four bytes over prefix, length and body. The length says of a text that is too
 * short that it was cut, the checksum of one that has its length that it was mistyped. `peertap2…` is of a later
 * release. A line break, blanks and capitals do no harm: mails break lines, and QR codes like capitals.
 *
 * Any thread; pure. Must never throw for a text.
 */
import { vlanNameProblem } from '../config/vlan-name.ts';
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import { decodeBase32, encodeBase32 } from './base32.ts';
import { hash128 } from './hash.ts';
import { formatVlanId } from './vlan-id.ts';

/** Every invite of this version begins so, and no VLAN id does: it has 26 characters. */
export const INVITE_PREFIX = 'peertap1';

/** Size of an invite's secret. */
export const INVITE_SECRET_BYTES = 16;

/** So that an invite stays something that can be copied. */
export const INVITE_LIMIT = { admins: 8, addresses: 4, addressBytes: 100, bytes: 4_096 } as const;

const KEY_BYTES = 32;
const CHECKSUM_BYTES = 4;
const LENGTH_BYTES = 2;
const KINDS = ['open', 'private'] as const;
const FLAG = { secret: 1, expires: 2 } as const;
const MAX_FLAGS = 3;
const MAX_NAME_BYTES = 64;

const encoder = new TextEncoder();

/** An admin, and where it may be reached. */
export interface InvitedBy {
  /** PeerId. */
  readonly peer: string;
  /** Multiaddrs; the PeerId at their end may be left out. */
  readonly addresses: readonly string[];
}

/** What an invite says. */
export interface Invite {
  readonly kind: (typeof KINDS)[number];
  /** 32 bytes: the VLAN's key. */
  readonly publicKey: Uint8Array;
  readonly name: string;
  /** 16 bytes; absent when an admin has to approve, or nobody has to. */
  readonly secret?: Uint8Array;
  /** Unix seconds. */
  readonly expiresAtSeconds?: number;
  /** The first one issued the invite and knows the secret. */
  readonly admins: readonly InvitedBy[];
}

/** An invite that was read. */
export interface ReadInvite extends Invite {
  /** 16 bytes. */
  readonly idBytes: Uint8Array;
  /** Text form of the VLAN's id. */
  readonly id: string;
}

/** Why a text is no usable invite. */
export type InviteFault = 'not-an-invite' | 'newer-version' | 'cut' | 'too-long' | 'mistyped' | 'expired';

/** What `parseInvite` returns: the invite, or what is wrong with it in a sentence part. */
export type ParsedInvite =
  | { readonly ok: true; readonly invite: ReadInvite }
  | { readonly ok: false; readonly fault: InviteFault; readonly reason: string };

/**
 * Writes an invite. Admins and addresses beyond the limits are left out: the first ones are enough to get in by.
 *
 * @throws RangeError when a key, the name or a PeerId has a wrong size (a bug of the caller)
 */
export function formatInvite(invite: Invite): string {
  const writer = new ByteWriter(INVITE_LIMIT.bytes);
  writer.u8(0);
  writer.u8(0);
  writeBody(writer, invite);
  const bytes = new Uint8Array(writer.done().length + CHECKSUM_BYTES);
  bytes.set(writer.done());
  new DataView(bytes.buffer).setUint16(0, bytes.length, true);
  bytes.set(checksum(bytes.subarray(0, -CHECKSUM_BYTES)), bytes.length - CHECKSUM_BYTES);
  return INVITE_PREFIX + encodeBase32(bytes);
}

/** Whether a text is meant to be an invite, be it a whole one or not. */
export function looksLikeInvite(text: string): boolean {
  return /^\s*peertap\d/i.test(text);
}

/**
 * Reads an invite.
 *
 * @param text - as somebody pasted it
 * @param unixMs - the time; without it an expired invite is read as any other
 */
export function parseInvite(text: string, unixMs?: number): ParsedInvite {
  const word = text.replace(/\s+/g, '').toLowerCase();
  const version = /^peertap(\d+)/.exec(word)?.[1];
  if (version === undefined || !word.startsWith(INVITE_PREFIX)) return notOurs(version);
  const framed = unframe(word.slice(INVITE_PREFIX.length));
  if (!framed.ok) return framed;
  const invite = readBody(framed.body);
  if (invite === undefined) return refuse('mistyped', 'the invite holds what this version does not know');
  const { expiresAtSeconds } = invite;
  if (unixMs !== undefined && expiresAtSeconds !== undefined && unixMs >= expiresAtSeconds * 1_000) {
    const when = new Date(expiresAtSeconds * 1_000).toISOString();
    return refuse('expired', `the invite expired at ${when}; ask for a new one`);
  }
  return { ok: true, invite };
}

function notOurs(version: string | undefined): ParsedInvite {
  if (version === undefined || version === '' || /^[01]/.test(version)) {
    return refuse('not-an-invite', `an invite begins with ${INVITE_PREFIX}`);
  }
  return refuse('newer-version', `the invite has version ${version}, this program reads 1; update it`);
}

function unframe(text: string): { ok: true; body: Uint8Array } | (ParsedInvite & { ok: false }) {
  const decoded = decodeBase32(text);
  if (!decoded.ok && decoded.fault === 'alphabet') {
    const at = INVITE_PREFIX.length + decoded.index + 1;
    return refuse(
      'mistyped',
      `character ${at} of the invite, '${decoded.character}', is not in the alphabet a–z 2–7`,
    );
  }
  // The length is in the first four characters, so a cut text still has it.
  const sizeBytes = text.length < 4 ? 0 : lengthOf(text);
  const expected = INVITE_PREFIX.length + Math.ceil((sizeBytes * 8) / 5);
  const got = INVITE_PREFIX.length + text.length;
  if (sizeBytes > INVITE_LIMIT.bytes)
    return refuse('mistyped', 'the invite was mistyped: no invite is so long');
  if (text.length < 4 || got < expected) {
    const whole = text.length < 4 ? '' : ` of ${expected}`;
    return refuse('cut', `the invite was cut: ${got}${whole} characters are there; copy the whole line`);
  }
  if (got > expected)
    return refuse('too-long', `the invite has ${got - expected} characters too many at its end`);
  const bytes = decoded.ok ? decoded.bytes : new Uint8Array(0);
  const signed = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  return bytes.length > CHECKSUM_BYTES &&
    Buffer.compare(checksum(signed), bytes.subarray(signed.length)) === 0
    ? { ok: true, body: signed.subarray(LENGTH_BYTES) }
    : refuse('mistyped', 'the invite was mistyped: its checksum does not hold; copy it again');
}

/** The length field, which the first four characters hold whole. */
function lengthOf(text: string): number {
  const head = decodeBase32(`${text.slice(0, 4)}aaaa`);
  return head.ok ? (head.bytes[0] ?? 0) | ((head.bytes[1] ?? 0) << 8) : 0;
}

function writeBody(writer: ByteWriter, invite: Invite): void {
  const { secret, expiresAtSeconds, admins } = invite;
  writer.u8(KINDS.indexOf(invite.kind));
  writer.bytes(invite.publicKey, KEY_BYTES);
  writeShort(writer, encoder.encode(invite.name), MAX_NAME_BYTES);
  writer.u8((secret === undefined ? 0 : FLAG.secret) | (expiresAtSeconds === undefined ? 0 : FLAG.expires));
  if (secret !== undefined) writer.bytes(secret, INVITE_SECRET_BYTES);
  if (expiresAtSeconds !== undefined) writer.u48(expiresAtSeconds);
  const named = admins.slice(0, INVITE_LIMIT.admins);
  writer.u8(named.length);
  for (const admin of named) {
    const addresses = admin.addresses.filter(isAddress).slice(0, INVITE_LIMIT.addresses);
    writer.bytes(publicKeyOfPeerId(admin.peer) ?? new Uint8Array(0), KEY_BYTES);
    writer.u8(addresses.length);
    for (const address of addresses) {
      writeShort(writer, encoder.encode(address), INVITE_LIMIT.addressBytes);
    }
  }
}

function readBody(body: Uint8Array): ReadInvite | undefined {
  const reader = new ByteReader(body);
  const kind = KINDS[reader.u8()];
  const publicKey = reader.bytes(KEY_BYTES);
  const name = readShort(reader);
  const flags = reader.u8();
  const secret = (flags & FLAG.secret) !== 0 ? reader.bytes(INVITE_SECRET_BYTES) : undefined;
  const expiresAtSeconds = (flags & FLAG.expires) !== 0 ? reader.u48() : undefined;
  const count = reader.u8();
  if (count > INVITE_LIMIT.admins || flags > MAX_FLAGS) return undefined;
  const admins = Array.from({ length: count }, () => readAdmin(reader));
  if (!reader.finished() || kind === undefined || vlanNameProblem(name) !== undefined) return undefined;
  if (!admins.every(isUsable) || (expiresAtSeconds ?? 0) > MAX_EXPIRY_SECONDS) return undefined;
  const idBytes = hash128(publicKey);
  return {
    ...{ idBytes, id: formatVlanId(idBytes), kind, publicKey, name, admins },
    ...(secret === undefined ? {} : { secret }),
    ...(expiresAtSeconds === undefined ? {} : { expiresAtSeconds }),
  };
}

/** The last second that a Date can show. ECMA-262 §21.4.1.1 */
const MAX_EXPIRY_SECONDS = 8_640_000_000_000;

function readAdmin(reader: ByteReader): InvitedBy {
  const peer = formatPeerId(reader.bytes(KEY_BYTES));
  const count = Math.min(reader.u8(), INVITE_LIMIT.addresses + 1);
  return { peer, addresses: Array.from({ length: count }, () => readShort(reader)) };
}

function isUsable({ addresses }: InvitedBy): boolean {
  return addresses.length <= INVITE_LIMIT.addresses && addresses.every(isAddress);
}

/** Addresses of a stranger end up in dials and logs, so they have to be printable. */
function isAddress(text: string): boolean {
  return text.length <= INVITE_LIMIT.addressBytes && /^\/[\x21-\x7e]+$/.test(text);
}

function writeShort(writer: ByteWriter, bytes: Uint8Array, maxBytes: number): void {
  if (bytes.length > maxBytes) throw new RangeError(`a field of ${bytes.length} bytes, at most ${maxBytes}`);
  writer.u8(bytes.length);
  writer.bytes(bytes, bytes.length);
}

/** Bytes that are no UTF-8 become U+FFFD, which no address and no re-encoding has. */
function readShort(reader: ByteReader): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(reader.bytes(reader.u8()));
}

function checksum(bytes: Uint8Array): Uint8Array {
  return hash128(encoder.encode(INVITE_PREFIX), bytes).subarray(0, CHECKSUM_BYTES);
}

function refuse(fault: InviteFault, reason: string): ParsedInvite & { ok: false } {
  return { ok: false, fault, reason };
}
