/**
 * Reads IGMPv1, v2, v3, MLDv1, v2 and PIM hellos out of Ethernet frames.
 *
 *   v1, v2 │ type 1 │ response 1 │ checksum 2 │ group 4 │           MLDv1 │ type 1 │ 0 │ checksum 2 │ response 2 │ 0 2 │ group 16 │
 *   v3 query: the same, then │ flags and robustness 1 │ interval 1 │ count 2 │ sources … │           MLDv2: likewise
 *   v3 report │ type 1 │ 0 │ checksum 2 │ 0 2 │ count 2 │ records …                                  MLDv2: likewise
 *     record │ mode 1 │ words of auxiliary data 1 │ count of sources 2 │ group │ sources … │ auxiliary data │
 *
 * Main thread; pure. The bytes are a host's: nothing here throws; what is no message has a reason.
 *
 * @see RFC 1112, RFC 2236, RFC 3376 section 4, RFC 2710 section 3, RFC 3810 section 5, RFC 7761 section 4.9
 */
import { isGroup, isUnspecified } from './group-address.ts';
import type {
  Family,
  GroupRecord,
  MulticastMessage,
  Query,
  RecordMode,
  Refusal,
} from './multicast-message.ts';
import {
  findPacket,
  icmpv6ChecksumHolds,
  igmpChecksumHolds,
  type SnoopedPacket,
  viewOf,
} from './snooped-packet.ts';

const IGMP = { query: 0x11, reportV1: 0x12, reportV2: 0x16, leave: 0x17, reportV3: 0x22 } as const;
const MLD = { query: 130, reportV1: 131, done: 132, reportV2: 143 } as const;
/** Version 2, type Hello. */
const PIM_HELLO = 0x20;
const PIM_HEADER_BYTES = 4;

const IGMP_BYTES = 8;
const IGMP_QUERY_V3_BYTES = 12;
const MLD_BYTES = 24;
const MLD_QUERY_V2_BYTES = 28;
const REPORT_HEADER_BYTES = 8;
/** IGMPv1 has no field for it (RFC 2236 section 4). */
const V1_RESPONSE_MS = 10_000;
/** A robustness of 0 means more than its three bits hold (RFC 3376 section 4.1.6). */
const ROBUSTNESS_BEYOND = 8;
const SUPPRESS = 8;

const MODES: readonly (RecordMode | undefined)[] = [
  undefined,
  'is-in',
  'is-ex',
  'to-in',
  'to-ex',
  'allow',
  'block',
];

/** A frame that was understood. */
export interface Snooped {
  readonly packet: SnoopedPacket;
  readonly message: MulticastMessage;
}

/** Reads one frame. The result's bytes are the frame's own. */
export function decodeFrame(frame: Uint8Array): Snooped | Refusal {
  const packet = findPacket(frame);
  if (typeof packet === 'string') return packet;
  const message = decodeMessage(packet);
  return typeof message === 'string' ? message : { packet, message };
}

function decodeMessage(packet: SnoopedPacket): MulticastMessage | Refusal {
  switch (packet.protocol) {
    case 'igmp':
      return decodeIgmp(packet.body);
    case 'icmpv6':
      return decodeMld(packet);
    case 'pim':
      return decodePim(packet.body);
  }
}

/** A router's Hello says all by being there, so that its options do not matter. */
function decodePim(body: Uint8Array): MulticastMessage | Refusal {
  if (body.length < PIM_HEADER_BYTES) return 'malformed';
  return body[0] === PIM_HELLO ? { kind: 'router' } : 'other';
}

function decodeIgmp(body: Uint8Array): MulticastMessage | Refusal {
  if (body.length < IGMP_BYTES) return 'malformed';
  if (!igmpChecksumHolds(body)) return 'checksum';
  const group = body.subarray(4, 8);
  switch (body[0]) {
    case IGMP.query:
      return decodeIgmpQuery(body);
    case IGMP.reportV1:
    case IGMP.reportV2:
      return isGroup(group) ? oldReport(group, body[0] === IGMP.reportV1) : 'malformed';
    case IGMP.leave:
      return isGroup(group) ? { kind: 'leave', group } : 'malformed';
    case IGMP.reportV3:
      return decodeReport(body, 4);
    default:
      return 'other';
  }
}

/** A query's version is told by its length (RFC 3376 section 7.1). */
function decodeIgmpQuery(body: Uint8Array): Query | Refusal {
  const code = body[1] ?? 0;
  if (body.length === IGMP_BYTES) {
    const maxResponseMs = code === 0 ? V1_RESPONSE_MS : code * 100;
    return queryOf(body.subarray(4, 8), {
      maxResponseMs,
      isSuppressed: false,
      timing: undefined,
      sources: [],
    });
  }
  if (body.length < IGMP_QUERY_V3_BYTES) return 'malformed';
  const sources = readSources(body, IGMP_QUERY_V3_BYTES, viewOf(body).getUint16(10), 4);
  if (sources === undefined) return 'malformed';
  const maxResponseMs = floatOf8(code) * 100;
  return queryOf(body.subarray(4, 8), { ...tailOf(body, 8), maxResponseMs, sources });
}

function decodeMld(packet: SnoopedPacket): MulticastMessage | Refusal {
  const { body } = packet;
  const type = body[0] ?? 0;
  if (type !== MLD.query && type !== MLD.reportV1 && type !== MLD.done && type !== MLD.reportV2)
    return 'other';
  if (body.length < (type === MLD.reportV2 ? REPORT_HEADER_BYTES : MLD_BYTES)) return 'malformed';
  if (!icmpv6ChecksumHolds(packet)) return 'checksum';
  if (!packet.hasRouterAlert) return 'router-alert';
  const group = body.subarray(8, 24);
  switch (type) {
    case MLD.query:
      return isUnspecified(packet.source) ? 'source' : decodeMldQuery(body);
    case MLD.reportV1:
      return isGroup(group) ? oldReport(group, false) : 'malformed';
    case MLD.done:
      return isGroup(group) ? { kind: 'leave', group } : 'malformed';
    case MLD.reportV2:
      return decodeReport(body, 6);
  }
}

function decodeMldQuery(body: Uint8Array): Query | Refusal {
  const code = viewOf(body).getUint16(4);
  if (body.length === MLD_BYTES) {
    return queryOf(body.subarray(8, 24), {
      maxResponseMs: code,
      isSuppressed: false,
      timing: undefined,
      sources: [],
    });
  }
  if (body.length < MLD_QUERY_V2_BYTES) return 'malformed';
  const sources = readSources(body, MLD_QUERY_V2_BYTES, viewOf(body).getUint16(26), 16);
  if (sources === undefined) return 'malformed';
  const maxResponseMs = floatOf16(code);
  return queryOf(body.subarray(8, 24), { ...tailOf(body, 24), maxResponseMs, sources });
}

function queryOf(group: Uint8Array, facts: Omit<Query, 'kind' | 'group'>): Query | Refusal {
  if (isUnspecified(group)) {
    return facts.sources.length === 0 ? { kind: 'query', group: undefined, ...facts } : 'malformed';
  }
  return isGroup(group) ? { kind: 'query', group, ...facts } : 'malformed';
}

function tailOf(body: Uint8Array, at: number): Pick<Query, 'isSuppressed' | 'timing'> {
  const flags = body[at] ?? 0;
  const robustness = flags & 7;
  return {
    isSuppressed: (flags & SUPPRESS) !== 0,
    timing: {
      robustness: robustness === 0 ? ROBUSTNESS_BEYOND : robustness,
      intervalMs: floatOf8(body[at + 1] ?? 0) * 1_000,
    },
  };
}

function oldReport(group: Uint8Array, isSilentLeaver: boolean): MulticastMessage {
  return { kind: 'report', isSilentLeaver, records: [{ mode: 'is-ex', group, sources: [] }] };
}

/** A report that ends in the middle of a record is refused whole: what its host wants will be told again. */
function decodeReport(body: Uint8Array, family: Family): MulticastMessage | Refusal {
  const count = viewOf(body).getUint16(6);
  const records: GroupRecord[] = [];
  let at = REPORT_HEADER_BYTES;
  for (let index = 0; index < count; index++) {
    const end = recordEnd(body, at, family);
    if (end === undefined) return 'malformed';
    const record = decodeRecord(body, at, family);
    if (record === 'malformed') return 'malformed';
    if (record !== undefined) records.push(record);
    at = end;
  }
  return { kind: 'report', isSilentLeaver: false, records };
}

function addressBytes(family: Family): number {
  return family === 4 ? 4 : 16;
}

function recordEnd(body: Uint8Array, at: number, family: Family): number | undefined {
  const size = addressBytes(family);
  if (at + 4 + size > body.length) return undefined;
  const sources = viewOf(body).getUint16(at + 2);
  const end = at + 4 + size * (1 + sources) + 4 * (body[at + 1] ?? 0);
  return end > body.length ? undefined : end;
}

/** @returns undefined for a mode that is not known, which says nothing (RFC 3376 section 4.2.12) */
function decodeRecord(body: Uint8Array, at: number, family: Family): GroupRecord | 'malformed' | undefined {
  const size = addressBytes(family);
  const mode = MODES[body[at] ?? 0];
  const group = body.subarray(at + 4, at + 4 + size);
  if (mode === undefined) return undefined;
  const sources = readSources(body, at + 4 + size, viewOf(body).getUint16(at + 2), size);
  return sources === undefined || !isGroup(group) ? 'malformed' : { mode, group, sources };
}

function readSources(body: Uint8Array, at: number, count: number, size: number): Uint8Array[] | undefined {
  if (at + count * size > body.length) return undefined;
  return Array.from({ length: count }, (_, index) =>
    body.subarray(at + index * size, at + (index + 1) * size),
  );
}

/** Small numbers as they are, large ones as mantissa and exponent (RFC 3376 section 4.1.1). */
function floatOf8(code: number): number {
  return code < 0x80 ? code : ((code & 0x0f) | 0x10) << (((code >> 4) & 7) + 3);
}

/** The same in 16 bits (RFC 3810 section 5.1.3). */
function floatOf16(code: number): number {
  return code < 0x8000 ? code : ((code & 0x0fff) | 0x1000) << (((code >> 12) & 7) + 3);
}
