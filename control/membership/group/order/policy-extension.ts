/**
 * What the group's policy extension holds: the VLAN's signed record, who was put out, and the last rebuild.
 *
 *   0  version     u8   1
 *   1  record      u24 length │ bytes
 *   …  rebuild     u16 length │ a `rebuild` item, or nothing
 *   …  standings   u16 count  │ {u8 length │ credential} each, by ascending PeerId
 *
 * It is in the GroupContext, so all who are in an epoch agree on it, and an outsider reads it in a GroupInfo.
 *
 * Main thread and simulation; pure. Must never throw for bytes that came from a peer.
 *
 * @see RFC 9420 §12.1.7 (GroupContextExtensions)
 */
import { ADMISSION_BYTES } from '../../../admission/credentials.ts';
import { ByteReader, ByteWriter } from '../../byte-codec.ts';
import { decodeItem, type RebuildItem } from './item.ts';
import { ORDER_LIMIT } from './order-port.ts';
import { type Standing, Standings, standingOf } from './standings.ts';

const VERSION = 1;
/** Version, lengths, a rebuild. */
const FIXED_BYTES = 256;

/** The parts; signatures in them are looked at by whoever takes over a change. */
export interface GroupPolicy {
  readonly record: Uint8Array;
  readonly rebuild: RebuildItem | undefined;
  readonly standings: Standings;
}

/**
 * Writes the extension's bytes.
 *
 * @throws RangeError when the record is larger than {@link ORDER_LIMIT.recordBytes} (a bug of the caller)
 */
export function encodePolicy(policy: GroupPolicy): Uint8Array {
  if (policy.record.length > ORDER_LIMIT.recordBytes) {
    throw new RangeError(`a record of ${policy.record.length} bytes`);
  }
  const standingsBytes = policy.standings.entries.size * (1 + ADMISSION_BYTES);
  const writer = new ByteWriter(FIXED_BYTES + policy.record.length + standingsBytes);
  writer.u8(VERSION);
  writer.u24(policy.record.length);
  writer.bytes(policy.record, policy.record.length);
  const rebuild = policy.rebuild?.bytes ?? new Uint8Array(0);
  writer.u16(rebuild.length);
  writer.bytes(rebuild, rebuild.length);
  const standings = policy.standings.sorted();
  writer.u16(standings.length);
  for (const { bytes } of standings) {
    writer.u8(bytes.length);
    writer.bytes(bytes, bytes.length);
  }
  return writer.done().slice();
}

/** Reads the extension; undefined for bytes that are none. */
export function decodePolicy(bytes: Uint8Array): GroupPolicy | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== VERSION) return undefined;
  const recordBytes = reader.u24();
  if (recordBytes > ORDER_LIMIT.recordBytes) return undefined;
  const record = reader.bytes(recordBytes);
  const rebuildBytes = reader.u16();
  const rebuild =
    rebuildBytes === 0 ? undefined : decodeItem(reader.bytes(Math.min(rebuildBytes, reader.left())));
  if (rebuildBytes > 0 && rebuild?.type !== 'rebuild') return undefined;
  const standings = readStandings(reader);
  if (standings === undefined || !reader.finished()) return undefined;
  return { record, rebuild: rebuild?.type === 'rebuild' ? rebuild : undefined, standings };
}

function readStandings(reader: ByteReader): Standings | undefined {
  const count = reader.u16();
  if (count > ORDER_LIMIT.standings) return undefined;
  const entries = new Map<string, Standing>();
  for (let index = 0; index < count; index++) {
    const standing = standingOf(reader.bytes(reader.u8()));
    if (standing === undefined) return undefined;
    entries.set(standing.credential.peer, standing);
  }
  return entries.size === count ? new Standings(entries) : undefined;
}
