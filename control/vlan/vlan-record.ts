/**
 * A VLAN's record: what its owner says about it, signed by the VLAN's own key.
 *
 *    0  version       u8    1
 *    1  public key    32    the VLAN's Ed25519 key; its BLAKE3-128 is the VLAN id
 *   33  sequence      u64   newest wins
 *   41  created       u64   Unix ms
 *   49  kind          u8    0 open, 1 private
 *   50  cipher        u8    0 AES-256-GCM, 1 ChaCha20-Poly1305
 *   51  flags         u8    bit 0 public, bit 1 hosts may move
 *   52  token period u24 │ member limit u24 │ rekey interval u24      seconds, members, seconds
 *   61  subnet        family u8 (0, 4, 6) │ address 0, 4 or 16 │ prefix length u8, unless family 0
 *       name, description, icon      length u24 │ bytes, each
 *       admins        count u8 │ node keys, 32 each
 *  end  signature     64    over "peertap vlan record v1" ‖ all bytes before it
 *
 * Main thread only; pure functions. Must never throw for bytes that came from a peer, and never take a record for
 * that of a VLAN whose key did not sign it.
 *
 * @see docs/protocol.md, "Directory"
 */
import { sign } from 'node:crypto';
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import { verifySignature } from '../membership/node-ports.ts';
import { hash128 } from './hash.ts';
import { readField, readTextField, writeField, writeTextField } from './length-fields.ts';
import { privateKeyFromRaw } from './raw-keys.ts';
import { type RecordSettings, settingProblem } from './record-settings.ts';
import { formatSubnet, parseSubnet } from './subnet.ts';
import { formatVlanId } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';

/** Icon and description fit with room to spare; the DHT and a message carry it whole. */
export const MAX_RECORD_BYTES = 16_384;

const VERSION = 1;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const FLAG = { public: 1, movingHosts: 2 } as const;
const KINDS = ['open', 'private'] as const;
const CIPHERS = ['aes-256-gcm', 'chacha20-poly1305'] as const;
const ADDRESS_BYTES = new Map([
  [4, 4],
  [6, 16],
]);
const DOMAIN = new TextEncoder().encode('peertap vlan record v1');

/** How far a record's sequence, a time, may be ahead of the own clock: an hour of clocks that differ. */
const MAX_AHEAD_MS = 3_600_000;

/** `open`: knowing the id admits; `private`: an MLS group. Never changes in a VLAN's life. */
export type VlanKind = (typeof KINDS)[number];

/** What a record says. */
export interface VlanRecord extends RecordSettings {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** max(stored + 1, Unix ms), below 2^53. */
  readonly sequence: number;
  readonly createdMs: number;
  readonly kind: VlanKind;
}

/** A record as it is kept and passed on: checked, with the very bytes that were signed. */
export interface SignedRecord {
  /** 16 bytes. */
  readonly idBytes: Uint8Array;
  /** Text form of the id. */
  readonly id: string;
  readonly record: VlanRecord;
  readonly bytes: Uint8Array;
}

/**
 * `malformed`: no record, or one with a field out of its range; `newer-version`: of a later release; `other-vlan`: of
 * another VLAN than was asked for; `forged`: the signature does not hold.
 */
export type RecordFault = 'malformed' | 'newer-version' | 'other-vlan' | 'forged';

/** What `openRecord` returns. */
export type OpenedRecord =
  | { readonly ok: true; readonly signed: SignedRecord }
  | { readonly ok: false; readonly fault: RecordFault };

/**
 * Writes and signs a record.
 *
 * @param record - within the ranges of its settings
 * @param seed - 32 bytes: the VLAN's private key
 * @throws RangeError when a setting is out of its range, or the key is not the record's (a bug of the caller)
 */
export function signRecord(record: VlanRecord, seed: Uint8Array): SignedRecord {
  const problem = settingProblem(record);
  if (problem !== undefined) throw new RangeError(problem);
  const keys = vlanKeysFromSeed(seed);
  const writer = new ByteWriter(MAX_RECORD_BYTES);
  writeRecord(writer, { ...record, publicKey: keys.publicKey });
  const signature = sign(null, signedBytes(writer.done()), privateKeyFromRaw('ed25519', seed));
  writer.bytes(signature, SIGNATURE_BYTES);
  const opened = openRecord(writer.done().slice());
  if (!opened.ok || !sameBytes(record.publicKey, keys.publicKey)) {
    throw new RangeError(`a record that does not hold: ${opened.ok ? 'another key' : opened.fault}`);
  }
  return opened.signed;
}

/**
 * Reads a record and checks it whole: form, ranges, id, signature.
 *
 * @param bytes - any bytes; kept in the result
 * @param idBytes - the VLAN that it has to be of, when that is known
 */
export function openRecord(bytes: Uint8Array, idBytes?: Uint8Array): OpenedRecord {
  if (bytes.length > MAX_RECORD_BYTES) return { ok: false, fault: 'malformed' };
  const body = bytes.subarray(0, Math.max(0, bytes.length - SIGNATURE_BYTES));
  const record = readRecord(body);
  if (typeof record === 'string') return { ok: false, fault: record };
  const id = hash128(record.publicKey);
  if (idBytes !== undefined && !sameBytes(id, idBytes)) return { ok: false, fault: 'other-vlan' };
  if (!verifySignature(record.publicKey, signedBytes(body), bytes.subarray(body.length))) {
    return { ok: false, fault: 'forged' };
  }
  return { ok: true, signed: { idBytes: id, id: formatVlanId(id), record, bytes } };
}

/**
 * Whether a record takes another's place: the higher sequence does, of two with one sequence the one with the
 * greater bytes, so that everybody keeps the same.
 */
export function isNewer(
  candidate: Pick<SignedRecord, 'record' | 'bytes'>,
  present: Pick<SignedRecord, 'record' | 'bytes'> | undefined,
): boolean {
  if (present === undefined) return true;
  if (candidate.record.sequence !== present.record.sequence) {
    return candidate.record.sequence > present.record.sequence;
  }
  return Buffer.compare(candidate.bytes, present.bytes) > 0;
}

/** Whether a record's sequence lies so far ahead of the (corrected) clock that no later one could replace it. */
export function isAheadOfTime(record: Pick<VlanRecord, 'sequence'>, unixMs: number): boolean {
  return record.sequence > unixMs + MAX_AHEAD_MS;
}

function writeRecord(writer: ByteWriter, record: VlanRecord): void {
  writer.u8(VERSION);
  writer.bytes(record.publicKey, KEY_BYTES);
  writer.u64(record.sequence);
  writer.u64(record.createdMs);
  writer.u8(KINDS.indexOf(record.kind));
  writer.u8(CIPHERS.indexOf(record.cipher));
  writer.u8((record.public ? FLAG.public : 0) | (record.movingHosts === 'allow' ? FLAG.movingHosts : 0));
  writer.u24(record.tokenPeriodSeconds);
  writer.u24(record.membersMax);
  writer.u24(record.rekeyIntervalSeconds);
  writeSubnet(writer, record.subnet);
  writeTextField(writer, record.name);
  writeTextField(writer, record.description);
  writeField(writer, record.icon);
  writer.u8(record.admins.length);
  for (const admin of record.admins) {
    writer.bytes(publicKeyOfPeerId(admin) ?? new Uint8Array(0), KEY_BYTES);
  }
}

function readRecord(body: Uint8Array): VlanRecord | 'malformed' | 'newer-version' {
  const reader = new ByteReader(body);
  const version = reader.u8();
  if (version !== VERSION) return version > VERSION ? 'newer-version' : 'malformed';
  const head = { publicKey: reader.bytes(KEY_BYTES), sequence: reader.u64(), createdMs: reader.u64() };
  const kind = KINDS[reader.u8()];
  const cipher = CIPHERS[reader.u8()];
  const flags = reader.u8();
  const numbers = {
    tokenPeriodSeconds: reader.u24(),
    membersMax: reader.u24(),
    rekeyIntervalSeconds: reader.u24(),
  };
  const subnet = readSubnet(reader);
  const name = readTextField(reader, MAX_RECORD_BYTES);
  const description = readTextField(reader, MAX_RECORD_BYTES);
  const icon = readField(reader, MAX_RECORD_BYTES);
  const admins = Array.from({ length: reader.u8() }, () => formatPeerId(reader.bytes(KEY_BYTES)));
  if (!reader.finished() || kind === undefined || cipher === undefined || flags > 3) return 'malformed';
  if (subnet === undefined || name === undefined || description === undefined || icon === undefined) {
    return 'malformed';
  }
  const record: VlanRecord = {
    ...head,
    kind,
    cipher,
    public: (flags & FLAG.public) !== 0,
    movingHosts: (flags & FLAG.movingHosts) !== 0 ? 'allow' : 'refuse',
    ...numbers,
    ...{ subnet, name, description, icon, admins },
  };
  return settingProblem(record) === undefined ? record : 'malformed';
}

function writeSubnet(writer: ByteWriter, subnet: string | null): void {
  const parsed = subnet === null ? undefined : parseSubnet(subnet);
  if (parsed?.ok !== true) {
    writer.u8(0);
    return;
  }
  writer.u8(parsed.address.length === 4 ? 4 : 6);
  writer.bytes(parsed.address, parsed.address.length);
  writer.u8(parsed.prefixLength);
}

/** null: none; undefined: not a subnet in its one form. */
function readSubnet(reader: ByteReader): string | null | undefined {
  const family = reader.u8();
  if (family === 0) return null;
  const addressBytes = ADDRESS_BYTES.get(family);
  if (addressBytes === undefined) return undefined;
  return formatSubnet(reader.bytes(addressBytes), reader.u8());
}

function signedBytes(body: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([DOMAIN, body]));
}
