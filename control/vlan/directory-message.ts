/**
 * What nodes say to each other about records: over a VLAN's exchange stream about that VLAN's, over the directory's own
 * protocol about public ones.
 *
 *   0  type  u8
 *   1  ask   1   key 16
 *      give  2   age u24 │ envelope length u24 │ envelope        seconds since a member vouched for it
 *      none  3   key 16
 *      list  4   after 16: public records whose keys come after this one
 *      page  5   more u8 │ count u8 │ { age u24 │ envelope length u24 │ envelope }…, by ascending key
 *      news  6   key 16 │ sequence u64
 *
 * Main thread; pure functions. Must never throw for bytes that came from a peer.
 */
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import { DIRECTORY_KEY_BYTES, MAX_ENVELOPE_BYTES } from './envelope.ts';
import { readField, writeField } from './length-fields.ts';

/** Limits of one message. */
export const DIRECTORY_LIMIT = {
  /** Below what a stream takes (64 KiB), with an envelope of the largest size to spare. */
  messageBytes: 61_440,
  /** Each costs a signature to check: some 3 ms in all. */
  pageRecords: 24,
} as const;

const TYPE = { ask: 1, give: 2, none: 3, list: 4, page: 5, news: 6 } as const;
const MAX_AGE_SECONDS = 0xffffff;

/** An envelope, and how long ago a member of its VLAN vouched for it. */
export interface GivenRecord {
  readonly ageSeconds: number;
  readonly envelope: Uint8Array;
}

export type DirectoryMessage =
  | { readonly type: 'ask' | 'none'; readonly key: Uint8Array }
  | ({ readonly type: 'give' } & GivenRecord)
  | { readonly type: 'list'; readonly after: Uint8Array }
  | { readonly type: 'page'; readonly hasMore: boolean; readonly records: readonly GivenRecord[] }
  | { readonly type: 'news'; readonly key: Uint8Array; readonly sequence: number };

/** What a record takes in a page. */
export function givenBytes({ envelope }: GivenRecord): number {
  return 6 + envelope.length;
}

/**
 * Writes a message.
 *
 * @throws RangeError when it exceeds a limit (a bug of the caller)
 */
export function encodeDirectoryMessage(message: DirectoryMessage): Uint8Array {
  const writer = new ByteWriter(DIRECTORY_LIMIT.messageBytes);
  writer.u8(TYPE[message.type]);
  switch (message.type) {
    case 'ask':
    case 'none':
      writer.bytes(message.key, DIRECTORY_KEY_BYTES);
      break;
    case 'give':
      writeGiven(writer, message);
      break;
    case 'list':
      writer.bytes(message.after, DIRECTORY_KEY_BYTES);
      break;
    case 'page':
      writePage(writer, message.hasMore, message.records);
      break;
    case 'news':
      writer.bytes(message.key, DIRECTORY_KEY_BYTES);
      writer.u64(message.sequence);
      break;
  }
  return writer.done().slice();
}

/** Reads a message. @returns undefined when the bytes are none */
export function decodeDirectoryMessage(bytes: Uint8Array): DirectoryMessage | undefined {
  if (bytes.length > DIRECTORY_LIMIT.messageBytes) return undefined;
  const reader = new ByteReader(bytes);
  const message = readRest(reader, reader.u8());
  return reader.finished() ? message : undefined;
}

function readRest(reader: ByteReader, type: number): DirectoryMessage | undefined {
  switch (type) {
    case TYPE.ask:
      return { type: 'ask', key: reader.bytes(DIRECTORY_KEY_BYTES) };
    case TYPE.none:
      return { type: 'none', key: reader.bytes(DIRECTORY_KEY_BYTES) };
    case TYPE.give: {
      const given = readGiven(reader);
      return given === undefined ? undefined : { type: 'give', ...given };
    }
    case TYPE.list:
      return { type: 'list', after: reader.bytes(DIRECTORY_KEY_BYTES) };
    case TYPE.page:
      return readPage(reader);
    case TYPE.news:
      return { type: 'news', key: reader.bytes(DIRECTORY_KEY_BYTES), sequence: reader.u64() };
    default:
      return undefined;
  }
}

function writePage(writer: ByteWriter, hasMore: boolean, records: readonly GivenRecord[]): void {
  if (records.length > DIRECTORY_LIMIT.pageRecords)
    throw new RangeError(`a page of ${records.length} records`);
  writer.u8(hasMore ? 1 : 0);
  writer.u8(records.length);
  for (const record of records) writeGiven(writer, record);
}

function readPage(reader: ByteReader): DirectoryMessage | undefined {
  const more = reader.u8();
  const count = reader.u8();
  if (more > 1 || count > DIRECTORY_LIMIT.pageRecords) return undefined;
  const records: GivenRecord[] = [];
  for (let index = 0; index < count; index++) {
    const given = readGiven(reader);
    if (given === undefined) return undefined;
    records.push(given);
  }
  return { type: 'page', hasMore: more === 1, records };
}

function writeGiven(writer: ByteWriter, { ageSeconds, envelope }: GivenRecord): void {
  writer.u24(Math.min(MAX_AGE_SECONDS, Math.max(0, Math.floor(ageSeconds))));
  writeField(writer, envelope);
}

function readGiven(reader: ByteReader): GivenRecord | undefined {
  const ageSeconds = reader.u24();
  const envelope = readField(reader, MAX_ENVELOPE_BYTES);
  return envelope === undefined || envelope.length === 0 ? undefined : { ageSeconds, envelope };
}
