/**
 * What members tell all other members: items, each signed by its originator, passed on from neighbour to neighbour.
 *
 *   heartbeat   sequence u64 │ epoch u48 │ head 16 │ epoch tag 16 │ rebuild tag 16
 *   commit      base 16 │ digest 16 │ epoch u48 │ flags u8 │ Welcome's digest 16
 *               │ counts u8 each of {admissions 138 │ removed keys 32 │ leaves 113}
 *               │ for each admission the digest of its key package 16
 *   ack         base 16 │ digest 16 │ epoch tag of the base 16
 *   add         base 16 │ admission 138 │ key package (the rest)
 *   leave       base 16 │ epoch tag of the base 16
 *   rebuild     generation u48 │ rebuild tag 16
 *     each between  type u8 │ originator's key 32  and  signature 64 over domain ‖ VLAN id ‖ all bytes before it
 *   credential  type u8 │ an admission or a tombstone, as it is      (signed by an admin)
 *   record      type u8 │ the VLAN's record, as it is                (signed by its owner)
 *
 * Digests and heads are StateIds. What is signed names the epoch by its secret-derived tag, except where the reader
 * may be outside it.
 *
 * Main thread and simulation; pure. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Order of commits"
 */
import { ADMISSION_BYTES } from '../../../admission/credentials.ts';
import { ByteReader, ByteWriter } from '../../byte-codec.ts';
import { ORDER_LIMIT } from './order-port.ts';
import { DIGEST_BYTES, digestBytes, digestText, keyOfPeer, PEER_KEY_BYTES, peerOfKey } from './peer-key.ts';

export const ITEM_TYPE = {
  heartbeat: 1,
  commit: 2,
  ack: 3,
  add: 4,
  leave: 5,
  rebuild: 6,
  credential: 7,
  record: 8,
} as const;

const TAG_BYTES = 16;
const SIGNATURE_BYTES = 64;
const HEAD_BYTES = 1 + PEER_KEY_BYTES;
const LEAVE_BYTES = HEAD_BYTES + DIGEST_BYTES + TAG_BYTES + SIGNATURE_BYTES;
/** An admission's first byte (admission/credentials.ts). */
const ADMISSION_TYPE = 1;
const FLAG = { external: 1, returning: 2 } as const;
const DOMAIN = new TextEncoder().encode('peertap order v1');
const NONE = '0'.repeat(2 * DIGEST_BYTES);
export const NO_TAG = new Uint8Array(TAG_BYTES);

interface Signed {
  /** PeerId of the originator. */
  readonly peer: string;
  /** The whole item as it goes over the wire. */
  readonly bytes: Uint8Array;
}

/** "I am here, and this is my settled head." */
export interface Heartbeat extends Signed {
  readonly type: 'heartbeat';
  /** max(last + 1, unix ms): the later of two holds. */
  readonly sequence: number;
  readonly epoch: number;
  readonly head: string;
  readonly tag: Uint8Array;
  /** Of the last rebuild by an admin in this branch; zeros before one. */
  readonly rebuildTag: Uint8Array;
}
/** "I made this commit; here is why it is allowed." */
export interface CommitItem extends Signed {
  readonly type: 'commit';
  readonly base: string;
  readonly digest: string;
  /** Epoch number that it leads to. */
  readonly epoch: number;
  readonly isExternal: boolean;
  /** External, and an own older leaf goes. */
  readonly isReturning: boolean;
  readonly welcome: string | undefined;
  /** Credentials of those who come in, an outsider that comes in by itself included. */
  readonly admissions: readonly Uint8Array[];
  /** PeerIds in `admissions`. */
  readonly admitted: readonly string[];
  /** Digests of their key packages, in the same order; tells proposers whose was taken. */
  readonly keyPackages: readonly string[];
  /** PeerIds. */
  readonly removed: readonly string[];
  /** Whole `leave` items of those among `removed` who asked for it. */
  readonly leaves: readonly Uint8Array[];
}
/** "This commit holds." */
export interface Ack extends Signed {
  readonly type: 'ack';
  readonly base: string;
  readonly digest: string;
  readonly tag: Uint8Array;
}
/** "Let this one in." */
export interface AddItem extends Signed {
  readonly type: 'add';
  readonly base: string;
  readonly admission: Uint8Array;
  /** PeerId in the admission. */
  readonly joiner: string;
  readonly keyPackage: Uint8Array;
}
/** "Take me out." */
export interface LeaveItem extends Signed {
  readonly type: 'leave';
  readonly base: string;
  readonly tag: Uint8Array;
}
/** "Who is too far apart comes to my branch." By an admin. */
export interface RebuildItem extends Signed {
  readonly type: 'rebuild';
  readonly generation: number;
  readonly rebuildTag: Uint8Array;
}
export type SignedItem = Heartbeat | CommitItem | Ack | AddItem | LeaveItem | RebuildItem;

/** What its own signature vouches for, whoever sends it. */
export interface CredentialItem {
  readonly type: 'credential';
  readonly bytes: Uint8Array;
}
export interface RecordItem {
  readonly type: 'record';
  readonly bytes: Uint8Array;
}
export type Item = SignedItem | CredentialItem | RecordItem;

type Unsigned<Type> = Type extends Signed ? Omit<Type, 'peer' | 'bytes'> : never;
/** A signed item before it is signed. */
export type ItemFields = Unsigned<SignedItem>;

/** By whom and for which VLAN. */
export interface ItemSigner {
  readonly self: string;
  readonly vlanId: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Writes and signs an item. @returns its bytes */
export function signItem(fields: ItemFields, signer: ItemSigner): Uint8Array {
  const writer = new ByteWriter(capacityOf(fields));
  writer.u8(ITEM_TYPE[fields.type]);
  writer.bytes(keyOfPeer(signer.self), PEER_KEY_BYTES);
  writeFields(writer, fields);
  const body = writer.done();
  writer.bytes(signer.sign(signedBytes(signer.vlanId, body)), SIGNATURE_BYTES);
  return writer.done().slice();
}

/** What an item's signature is over. */
export function itemSignature(
  item: SignedItem,
  vlanId: Uint8Array,
): { readonly key: Uint8Array; readonly signed: Uint8Array; readonly signature: Uint8Array } {
  const end = item.bytes.length - SIGNATURE_BYTES;
  return {
    key: keyOfPeer(item.peer),
    signed: signedBytes(vlanId, item.bytes.subarray(0, end)),
    signature: item.bytes.subarray(end),
  };
}

/**
 * Reads an item; no signature is looked at.
 *
 * @param bytes - any bytes; kept, so they must be the item's own
 */
export function decodeItem(bytes: Uint8Array): Item | undefined {
  const type = bytes[0];
  if (type === ITEM_TYPE.credential) return { type: 'credential', bytes: bytes.subarray(1) };
  if (type === ITEM_TYPE.record) {
    return bytes.length - 1 <= ORDER_LIMIT.recordBytes
      ? { type: 'record', bytes: bytes.subarray(1) }
      : undefined;
  }
  if (bytes.length < HEAD_BYTES + SIGNATURE_BYTES) return undefined;
  const peer = peerOfKey(bytes.subarray(1, HEAD_BYTES));
  const reader = new ByteReader(bytes.subarray(HEAD_BYTES, bytes.length - SIGNATURE_BYTES));
  const item = readFields(type, reader, { peer, bytes });
  return reader.finished() ? item : undefined;
}

/** A credential or a record as an item. */
export function bareItem(type: 'credential' | 'record', bytes: Uint8Array): Uint8Array {
  const item = new Uint8Array(1 + bytes.length);
  item[0] = ITEM_TYPE[type];
  item.set(bytes, 1);
  return item;
}

/** The digest that a commit item names; undefined for another item. No decoding: repetitions are many. */
export function digestOfCommit(bytes: Uint8Array): string | undefined {
  const at = HEAD_BYTES + DIGEST_BYTES;
  return bytes[0] === ITEM_TYPE.commit ? digestText(bytes.subarray(at, at + DIGEST_BYTES)) : undefined;
}

/** Who is in after a commit that was not before it. */
export function addedBy(commit: CommitItem): readonly string[] {
  return commit.isExternal ? [commit.peer] : commit.admitted;
}

/** An upper bound of an item's size. */
function capacityOf(fields: ItemFields): number {
  const plain = HEAD_BYTES + 4 * DIGEST_BYTES + SIGNATURE_BYTES;
  if (fields.type === 'add') return plain + ADMISSION_BYTES + fields.keyPackage.length;
  if (fields.type !== 'commit') return plain;
  const { admissions, removed, leaves } = fields;
  const changes =
    admissions.length * (ADMISSION_BYTES + DIGEST_BYTES) +
    removed.length * PEER_KEY_BYTES +
    leaves.length * LEAVE_BYTES;
  return plain + changes;
}

function signedBytes(vlanId: Uint8Array, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(DOMAIN.length + vlanId.length + body.length);
  bytes.set(DOMAIN);
  bytes.set(vlanId, DOMAIN.length);
  bytes.set(body, DOMAIN.length + vlanId.length);
  return bytes;
}

function writeFields(writer: ByteWriter, fields: ItemFields): void {
  switch (fields.type) {
    case 'heartbeat':
      writer.u64(fields.sequence);
      writer.u48(fields.epoch);
      writer.bytes(digestBytes(fields.head), DIGEST_BYTES);
      writer.bytes(fields.tag, TAG_BYTES);
      writer.bytes(fields.rebuildTag, TAG_BYTES);
      return;
    case 'commit':
      writeCommit(writer, fields);
      return;
    case 'ack':
      writer.bytes(digestBytes(fields.base), DIGEST_BYTES);
      writer.bytes(digestBytes(fields.digest), DIGEST_BYTES);
      writer.bytes(fields.tag, TAG_BYTES);
      return;
    case 'add':
      writer.bytes(digestBytes(fields.base), DIGEST_BYTES);
      writer.bytes(fields.admission, ADMISSION_BYTES);
      writer.bytes(fields.keyPackage, fields.keyPackage.length);
      return;
    case 'leave':
      writer.bytes(digestBytes(fields.base), DIGEST_BYTES);
      writer.bytes(fields.tag, TAG_BYTES);
      return;
    case 'rebuild':
      writer.u48(fields.generation);
      writer.bytes(fields.rebuildTag, TAG_BYTES);
  }
}

function writeCommit(writer: ByteWriter, commit: Unsigned<CommitItem>): void {
  writer.bytes(digestBytes(commit.base), DIGEST_BYTES);
  writer.bytes(digestBytes(commit.digest), DIGEST_BYTES);
  writer.u48(commit.epoch);
  writer.u8((commit.isExternal ? FLAG.external : 0) | (commit.isReturning ? FLAG.returning : 0));
  writer.bytes(digestBytes(commit.welcome ?? NONE), DIGEST_BYTES);
  writer.u8(commit.admissions.length);
  writer.u8(commit.removed.length);
  writer.u8(commit.leaves.length);
  for (const admission of commit.admissions) writer.bytes(admission, ADMISSION_BYTES);
  for (const peer of commit.removed) writer.bytes(keyOfPeer(peer), PEER_KEY_BYTES);
  for (const leave of commit.leaves) writer.bytes(leave, LEAVE_BYTES);
  for (const [index] of commit.admissions.entries()) {
    writer.bytes(digestBytes(commit.keyPackages[index] ?? NONE), DIGEST_BYTES);
  }
}

function readFields(type: number | undefined, reader: ByteReader, signed: Signed): SignedItem | undefined {
  const digest = (): string => digestText(reader.bytes(DIGEST_BYTES));
  switch (type) {
    case ITEM_TYPE.heartbeat:
      return {
        type: 'heartbeat',
        ...signed,
        sequence: reader.u64(),
        epoch: reader.u48(),
        head: digest(),
        tag: reader.bytes(TAG_BYTES),
        rebuildTag: reader.bytes(TAG_BYTES),
      };
    case ITEM_TYPE.commit:
      return readCommit(reader, signed);
    case ITEM_TYPE.ack:
      return { type: 'ack', ...signed, base: digest(), digest: digest(), tag: reader.bytes(TAG_BYTES) };
    case ITEM_TYPE.add:
      return readAdd(reader, signed);
    case ITEM_TYPE.leave:
      return { type: 'leave', ...signed, base: digest(), tag: reader.bytes(TAG_BYTES) };
    case ITEM_TYPE.rebuild:
      return { type: 'rebuild', ...signed, generation: reader.u48(), rebuildTag: reader.bytes(TAG_BYTES) };
    default:
      return undefined;
  }
}

function readAdd(reader: ByteReader, signed: Signed): AddItem | undefined {
  const base = digestText(reader.bytes(DIGEST_BYTES));
  const admission = reader.bytes(ADMISSION_BYTES);
  const joiner = peerOfAdmission(admission);
  const keyPackage = reader.bytes(reader.left());
  const fits = keyPackage.length > 0 && keyPackage.length <= ORDER_LIMIT.keyPackageBytes;
  return joiner === undefined || !fits
    ? undefined
    : { type: 'add', ...signed, base, admission, joiner, keyPackage };
}

function readCommit(reader: ByteReader, signed: Signed): CommitItem | undefined {
  const base = digestText(reader.bytes(DIGEST_BYTES));
  const digest = digestText(reader.bytes(DIGEST_BYTES));
  const epoch = reader.u48();
  const flags = reader.u8();
  const welcome = digestText(reader.bytes(DIGEST_BYTES));
  const counts = [reader.u8(), reader.u8(), reader.u8()];
  const most = ORDER_LIMIT.changesPerCommit;
  if (counts.some((count) => count > most)) return undefined;
  const read = (index: number, size: number): Uint8Array[] =>
    Array.from({ length: counts[index] ?? 0 }, () => reader.bytes(size));
  const admissions = read(0, ADMISSION_BYTES);
  const admitted = admissions.map((bytes) => peerOfAdmission(bytes)).filter((peer) => peer !== undefined);
  if (admitted.length !== admissions.length || new Set(admitted).size !== admitted.length) return undefined;
  return {
    type: 'commit',
    ...signed,
    base,
    digest,
    epoch,
    isExternal: (flags & FLAG.external) !== 0,
    isReturning: (flags & FLAG.returning) !== 0,
    welcome: welcome === NONE ? undefined : welcome,
    admissions,
    admitted,
    removed: read(1, PEER_KEY_BYTES).map((key) => peerOfKey(key)),
    leaves: read(2, LEAVE_BYTES),
    keyPackages: read(0, DIGEST_BYTES).map((bytes) => digestText(bytes)),
  };
}

/** Of bytes that have an admission's form; its signature is looked at later. The key follows the type byte. */
function peerOfAdmission(bytes: Uint8Array): string | undefined {
  const isOne = bytes.length === ADMISSION_BYTES && bytes[0] === ADMISSION_TYPE;
  return isOne ? peerOfKey(bytes.subarray(1, 1 + PEER_KEY_BYTES)) : undefined;
}
