/**
 * What a frame to a group address is, in a VLAN where multicast goes only to those who want it (docs/protocol.md, "Broadcast
 * and multicast"). Worker threads.
 *
 *   IGMP, MLD and PIM   copied for the main thread, which learns from them who wants what
 *   reports among them  go only to those who want all groups: hosts that heard another's report would keep back their own
 *   link-local groups   flooded: 01:00:5e:00:00:xx, and the addresses ff02::/16
 *   other IP groups     pruned
 *   everything else     flooded: broadcast, and what is no IP of its address's version
 */
import { COUNTER } from '../base/counter.ts';
import { count } from '../shm/arena.ts';
import { ArenaHeader, BATCH, FrameDescriptor, Snooped } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { type FrameView, IPV6, upperHeader } from '../wire/frame-view.ts';
import { LE } from './memory.ts';
import type { StageContext } from './stage-context.ts';

/** A frame like any other. */
export const GROUP_DATA = 0;
/** Speaks of groups or routers: told to the main thread, and goes its way. */
export const GROUP_QUERY = 1;
/** Says who wants what: told to the main thread, and goes to those who want all groups. */
export const GROUP_REPORT = 2;

const PROTOCOL_IGMP = 2;
const PROTOCOL_ICMPV6 = 58;
const PROTOCOL_PIM = 103;
const IGMP_QUERY = 0x11;
/** Version 1 and 2 reports, leave, version 3 report (RFC 9776 section 4). */
const IGMP_REPORTS: readonly number[] = [0x12, 0x16, 0x17, 0x22];
const MLD_QUERY = 130;
/** Version 1 report, done, version 2 report (RFC 9777 section 5). */
const MLD_REPORTS: readonly number[] = [131, 132, 143];

/** First four bytes of an address, little-endian: 01:00:5e and 33:33 with what follows. */
const IPV4_GROUP = 0x5e_00_01;
const IPV4_GROUP_MASK = 0xff_ff_ff;
const IPV6_GROUP = 0x33_33;
const IPV6_GROUP_MASK = 0xff_ff;
const IPV6_LINK_LOCAL = 0xff02;

/** GROUP_* of the frame that was parsed into `view`. */
export function groupRole(bytes: DataView, view: FrameView): number {
  const upper = upperHeader(bytes, view);
  if (upper?.protocol === PROTOCOL_PIM) return GROUP_QUERY;
  if (upper === undefined || upper.at >= view.payloadEnd) return GROUP_DATA;
  if (view.ipVersion === 4 && upper.protocol === PROTOCOL_IGMP) {
    return roleOf(bytes.getUint8(upper.at), IGMP_QUERY, IGMP_REPORTS);
  }
  if (view.ipVersion === 6 && upper.protocol === PROTOCOL_ICMPV6) {
    return roleOf(bytes.getUint8(upper.at), MLD_QUERY, MLD_REPORTS);
  }
  return GROUP_DATA;
}

function roleOf(type: number, query: number, reports: readonly number[]): number {
  if (type === query) return GROUP_QUERY;
  return reports.includes(type) ? GROUP_REPORT : GROUP_DATA;
}

/**
 * Whether a frame goes only to those who want its group.
 *
 * @param macLow - first four bytes of its destination, little-endian
 * @param macHigh - the last two
 */
export function isPruned(bytes: DataView, view: FrameView, macLow: number, macHigh: number): boolean {
  if ((macLow & IPV4_GROUP_MASK) === IPV4_GROUP && view.ipVersion === 4) {
    const isLinkLocal = macLow >>> 24 === 0 && (macHigh & 0xff) === 0;
    return !isLinkLocal;
  }
  if ((macLow & IPV6_GROUP_MASK) === IPV6_GROUP && view.ipVersion === 6) {
    return bytes.getUint16(view.network + IPV6.destination) !== IPV6_LINK_LOCAL;
  }
  return false;
}

/** Copies a frame for the main thread, unless the batch's room is used up: it speaks again. */
export function snoop(context: StageContext, at: number): void {
  const { memory, arena } = context;
  const snooped = memory.getUint32(ARENA.header + ArenaHeader.at.snoopedCount, LE);
  const length = memory.getUint32(at + FrameDescriptor.at.length, LE);
  const place = snooped === 0 ? ARENA.snoopBuffer : endOf(memory, snooped - 1);
  const isRoom = place + length <= ARENA.snoopBuffer + BATCH.snoopedBytes;
  if (snooped === BATCH.snooped || !isRoom) return;
  const offset = memory.getUint32(at + FrameDescriptor.at.offset, LE);
  arena.bytes.copyWithin(place, offset, offset + length);
  const entryAt = ARENA.snooped + snooped * Snooped.size;
  memory.setUint32(entryAt + Snooped.at.vlan, memory.getUint32(at + FrameDescriptor.at.vlan, LE), LE);
  memory.setUint32(entryAt + Snooped.at.offset, place, LE);
  memory.setUint32(entryAt + Snooped.at.length, length, LE);
  memory.setUint32(ARENA.header + ArenaHeader.at.snoopedCount, snooped + 1, LE);
  count(arena, COUNTER.framesSnooped, 1);
}

function endOf(memory: DataView, index: number): number {
  const at = ARENA.snooped + index * Snooped.size;
  return memory.getUint32(at + Snooped.at.offset, LE) + memory.getUint32(at + Snooped.at.length, LE);
}
