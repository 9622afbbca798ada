/**
 * What a node that wants into a private VLAN, and those who are in it, say to each other. One message a frame of the
 * exchange stream, whose ends both know the VLAN's id and each other's PeerId.
 *
 *   0  type      u8
 *   1  who       1   nothing: "who admits here?"
 *      referral  2   record length u24 │ signed record │ admins u8 │ { key 32 │ u8 │ { u8 length │ multiaddr }… }…
 *      join      3   flags u8 (bit 0: secret) │ secret 16 │ note length u24 │ UTF-8 │ key package length u24 │ bytes
 *      poll      4   request 16
 *      answer    5   request 16 │ state u8 │ refusal u8 │ flags u8 (bit 0: admission, bit 1: digest)
 *                    │ admission 138 │ digest 16
 *      joined    6   request 16: "I am in; forget the request"
 *      withdraw  7   request 16: "I ask no more"
 *
 * A request is named by BLAKE3-128 of its key package. `answer.digest` is that of the Welcome, which is pulled as an
 * object. Integers are little-endian; a message has exactly the length that its fields say.
 *
 * Main thread; pure functions. Must never throw for bytes that came from a peer.
 */
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import { hash128 } from '../vlan/hash.ts';
import { INVITE_SECRET_BYTES } from '../vlan/invite.ts';
import { readField, readTextField, textBytes, writeField, writeTextField } from '../vlan/length-fields.ts';
import { MAX_RECORD_BYTES } from '../vlan/vlan-record.ts';
import { ADMISSION_BYTES } from './credentials.ts';

/** Limits of one message, each far above what is needed and below what a stream takes (64 KiB). */
export const ADMISSION_LIMIT = {
  messageBytes: 61_440,
  /** One of the hybrid suite has some kilobytes. */
  keyPackageBytes: 16_384,
  noteBytes: 200,
  referrals: 32,
  addresses: 8,
  addressBytes: 128,
} as const;

/** Size of a request's name and of an object's digest. */
export const DIGEST_BYTES = 16;

const KEY_BYTES = 32;
const TYPE = { who: 1, referral: 2, join: 3, poll: 4, answer: 5, joined: 6, withdraw: 7 } as const;
const FLAG = { secret: 1, admission: 1, digest: 2 } as const;
const STATES = ['waiting', 'admitted', 'welcomed', 'refused', 'later', 'unknown-request'] as const;
const REFUSALS = [
  'none',
  'refused-by-admin',
  'unknown-invite',
  'expired-invite',
  'used-invite',
  'full',
  'bad-key-package',
] as const;

/**
 * Where a request stands: `waiting` for an admin's word; `admitted`, its Add is on its way; `welcomed`, the Welcome can
 * be pulled; `refused`; `later`, too many are asking; `unknown-request`, to be sent whole.
 */
export type AnswerState = (typeof STATES)[number];

/** Why a request was refused; `none` with every other state. */
export type Refusal = (typeof REFUSALS)[number];

/** What a refusal means to the person who wants in. */
export const REFUSAL_TEXT: Readonly<Record<Refusal, string>> = {
  none: 'an admin refused without a reason',
  'refused-by-admin': 'an admin refused this node; ask for an invite',
  'unknown-invite': 'the admin does not know this invite; ask for a new one',
  'expired-invite': 'the invite has expired; ask for a new one',
  'used-invite': 'the invite has been used; ask for a new one',
  full: 'the VLAN is full; ask its owner to raise membersMax',
  'bad-key-package': 'the group did not take this node’s key package; run the same release as the admin',
};

/** An admin and where it was last reached. */
export interface Referred {
  readonly peer: string;
  readonly addresses: readonly string[];
}

export interface WhoMessage {
  readonly type: 'who';
}
export interface ReferralMessage {
  readonly type: 'referral';
  /** The VLAN's signed record; empty when it is not here. */
  readonly record: Uint8Array;
  readonly admins: readonly Referred[];
}
export interface JoinMessage {
  readonly type: 'join';
  /** 16 bytes of an invite. */
  readonly secret?: Uint8Array;
  readonly note: string;
  readonly keyPackage: Uint8Array;
}
/** Says something of one request, named by 16 bytes. */
export interface RequestMessage {
  readonly type: 'poll' | 'joined' | 'withdraw';
  readonly request: Uint8Array;
}
export interface AnswerMessage {
  readonly type: 'answer';
  readonly request: Uint8Array;
  readonly state: AnswerState;
  readonly refusal: Refusal;
  /** Signed, see credentials.ts. */
  readonly admission?: Uint8Array;
  /** Of the Welcome. */
  readonly digest?: Uint8Array;
}

export type AdmissionMessage = WhoMessage | ReferralMessage | JoinMessage | RequestMessage | AnswerMessage;

/** The name of a request: 16 bytes. */
export function requestOf(keyPackage: Uint8Array): Uint8Array {
  return hash128(keyPackage);
}

/** Addresses of a stranger end up in dials and logs, so they have to be printable. */
export function isUsableAddress(address: string): boolean {
  return address.length <= ADMISSION_LIMIT.addressBytes && /^\/[\x21-\x7e]+$/.test(address);
}

/**
 * Writes a message.
 *
 * @throws RangeError when it exceeds a limit (a bug of the caller)
 */
export function encodeAdmissionMessage(message: AdmissionMessage): Uint8Array {
  const writer = new ByteWriter(ADMISSION_LIMIT.messageBytes);
  writer.u8(TYPE[message.type]);
  if (message.type === 'referral') writeReferral(writer, message);
  else if (message.type === 'join') writeJoin(writer, message);
  else if (message.type === 'answer') writeAnswer(writer, message);
  else if (message.type !== 'who') writer.bytes(message.request, DIGEST_BYTES);
  return writer.done().slice();
}

/**
 * Reads a message.
 *
 * @param bytes - any bytes
 * @returns undefined when they are none
 */
export function decodeAdmissionMessage(bytes: Uint8Array): AdmissionMessage | undefined {
  if (bytes.length > ADMISSION_LIMIT.messageBytes) return undefined;
  const reader = new ByteReader(bytes);
  const message = readRest(reader, reader.u8());
  return reader.finished() ? message : undefined;
}

function readRest(reader: ByteReader, type: number): AdmissionMessage | undefined {
  switch (type) {
    case TYPE.who:
      return { type: 'who' };
    case TYPE.referral:
      return readReferral(reader);
    case TYPE.join:
      return readJoin(reader);
    case TYPE.poll:
      return { type: 'poll', request: reader.bytes(DIGEST_BYTES) };
    case TYPE.answer:
      return readAnswer(reader);
    case TYPE.joined:
      return { type: 'joined', request: reader.bytes(DIGEST_BYTES) };
    case TYPE.withdraw:
      return { type: 'withdraw', request: reader.bytes(DIGEST_BYTES) };
    default:
      return undefined;
  }
}

function writeReferral(writer: ByteWriter, { record, admins }: ReferralMessage): void {
  requireAtMost(admins.length, ADMISSION_LIMIT.referrals);
  writeField(writer, record);
  writer.u8(admins.length);
  for (const { peer, addresses } of admins) {
    requireAtMost(addresses.length, ADMISSION_LIMIT.addresses);
    writer.bytes(publicKeyOfPeerId(peer) ?? new Uint8Array(0), KEY_BYTES);
    writer.u8(addresses.length);
    for (const address of addresses) {
      requireAtMost(address.length, ADMISSION_LIMIT.addressBytes);
      writer.u8(address.length);
      writer.bytes(Uint8Array.from(Buffer.from(address, 'latin1')), address.length);
    }
  }
}

function readReferral(reader: ByteReader): ReferralMessage | undefined {
  const record = readField(reader, MAX_RECORD_BYTES);
  const count = reader.u8();
  if (record === undefined || count > ADMISSION_LIMIT.referrals) return undefined;
  const admins: Referred[] = [];
  for (let index = 0; index < count; index++) {
    const peer = formatPeerId(reader.bytes(KEY_BYTES));
    const addressCount = reader.u8();
    if (addressCount > ADMISSION_LIMIT.addresses) return undefined;
    const addresses = Array.from({ length: addressCount }, () => latin1(reader.bytes(reader.u8())));
    if (!addresses.every(isUsableAddress)) return undefined;
    admins.push({ peer, addresses });
  }
  return { type: 'referral', record, admins };
}

function writeJoin(writer: ByteWriter, { secret, note, keyPackage }: JoinMessage): void {
  requireAtMost(textBytes(note), ADMISSION_LIMIT.noteBytes);
  requireAtMost(keyPackage.length, ADMISSION_LIMIT.keyPackageBytes);
  writer.u8(secret === undefined ? 0 : FLAG.secret);
  if (secret !== undefined) writer.bytes(secret, INVITE_SECRET_BYTES);
  writeTextField(writer, note);
  writeField(writer, keyPackage);
}

function readJoin(reader: ByteReader): JoinMessage | undefined {
  const flags = reader.u8();
  if (flags > FLAG.secret) return undefined;
  const secret = flags === FLAG.secret ? reader.bytes(INVITE_SECRET_BYTES) : undefined;
  const note = readTextField(reader, ADMISSION_LIMIT.noteBytes);
  const keyPackage = readField(reader, ADMISSION_LIMIT.keyPackageBytes);
  if (note === undefined || keyPackage === undefined || keyPackage.length === 0) return undefined;
  // Control characters would let a stranger write over the terminal that lists requests.
  if (/\p{Cc}/u.test(note)) return undefined;
  return { type: 'join', note, keyPackage, ...(secret === undefined ? {} : { secret }) };
}

function writeAnswer(writer: ByteWriter, answer: AnswerMessage): void {
  const { admission, digest } = answer;
  writer.bytes(answer.request, DIGEST_BYTES);
  writer.u8(STATES.indexOf(answer.state));
  writer.u8(REFUSALS.indexOf(answer.refusal));
  writer.u8((admission === undefined ? 0 : FLAG.admission) | (digest === undefined ? 0 : FLAG.digest));
  if (admission !== undefined) writer.bytes(admission, ADMISSION_BYTES);
  if (digest !== undefined) writer.bytes(digest, DIGEST_BYTES);
}

function readAnswer(reader: ByteReader): AnswerMessage | undefined {
  const request = reader.bytes(DIGEST_BYTES);
  const state = STATES[reader.u8()];
  const refusal = REFUSALS[reader.u8()];
  const flags = reader.u8();
  if (state === undefined || refusal === undefined || flags > (FLAG.admission | FLAG.digest))
    return undefined;
  const admission = (flags & FLAG.admission) === 0 ? {} : { admission: reader.bytes(ADMISSION_BYTES) };
  const digest = (flags & FLAG.digest) === 0 ? {} : { digest: reader.bytes(DIGEST_BYTES) };
  return { type: 'answer', request, state, refusal, ...admission, ...digest };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function requireAtMost(value: number, most: number): void {
  if (value > most) throw new RangeError(`expected at most ${most}, got ${value}`);
}
