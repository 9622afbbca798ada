/**
 * Egress, first stage: decides for each frame from a TAP where it goes and under which key. Worker threads.
 *
 *   length → VLAN → source (told to the main thread when unknown) → destination
 *     group address or unknown   flooded to the VLAN's set under this worker's group key; where the VLAN snoops, a group
 *                                that is known goes to those who want it (snoop.ts)
 *     a member's station         to the trunk towards it, or to several, under the pairwise key, in the member's epoch
 *     a station on this very TAP dropped
 *
 * The source of a frame only ever becomes ours by announcement: nothing is learned here.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { count } from '../shm/arena.ts';
import {
  ArenaHeader,
  BATCH,
  Epoch,
  ForwardSet,
  FRAME_FLOOD,
  FRAME_SET,
  FRAME_UNICAST,
  FrameDescriptor,
  INITIAL_HOPS,
  NONE,
  PATH_MIN_BYTES,
  SEEN_GROUP,
  SEEN_STATION,
  Seen,
  STATION_GROUP,
  STATION_LOCAL,
  STATION_SET,
  STATION_VIA_BROADCAST,
  Station,
  Trunk,
  VLAN_SNOOP,
  Vlan,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { findStation } from '../shm/tables.ts';
import { ETHERNET_HEADER_BYTES, parseFrame } from '../wire/frame-view.ts';
import { flowHash } from './flow-hash.ts';
import { LE } from './memory.ts';
import { GROUP_DATA, GROUP_REPORT, groupRole, isPruned, snoop } from './snoop.ts';
import { dropFrame, frameAt, isStable, nowMs, type StageContext } from './stage-context.ts';
import { NO_TOKEN } from './token-cache.ts';

/** Two VLAN tags may stand between the Ethernet header and a full MTU. */
const TAG_ALLOWANCE_BYTES = 8;
/** A super-frame: an IP packet of 65,535 bytes behind an Ethernet header and a tag. */
const SUPER_FRAME_BYTES = 65_535 + 18;
/** The address 01:00:00:00:00:00, which no frame has: its entry says who wants all groups. */
const ALL_GROUPS_LOW = 1;
const ALL_GROUPS_HIGH = 0;

/** Fills in the verdicts of frames 0 … frameCount-1; see Engine.classify. */
export function classify(context: StageContext, frameCount: number): void {
  context.memory.setUint32(ARENA.header + ArenaHeader.at.seenCount, 0, LE);
  context.memory.setUint32(ARENA.header + ArenaHeader.at.snoopedCount, 0, LE);
  for (let index = 0; index < frameCount; index++) classifyFrame(context, frameAt(index));
}

function classifyFrame(context: StageContext, at: number): void {
  const { memory, table } = context;
  const offset = memory.getUint32(at + FrameDescriptor.at.offset, LE);
  const length = memory.getUint32(at + FrameDescriptor.at.length, LE);
  const vlan = memory.getUint32(at + FrameDescriptor.at.vlan, LE);
  const vlanAt = TABLE.vlans + vlan * Vlan.size;
  if (length < ETHERNET_HEADER_BYTES) return dropFrame(context, at, DROP['frame-short']);
  if (length > longestFrame(context, at, vlanAt)) return dropFrame(context, at, DROP['frame-oversize']);
  const epoch = table.getUint32(vlanAt + Vlan.at.txEpoch, LE);
  if (!isLive(context, vlanAt, Vlan.at.state) || epoch === NONE)
    return dropFrame(context, at, DROP['vlan-down']);
  const epochAt = TABLE.epochs + epoch * Epoch.size;
  if (!isLive(context, epochAt, Epoch.at.state)) return dropFrame(context, at, DROP['vlan-down']);
  memory.setUint32(at + FrameDescriptor.at.epoch, epoch, LE);
  describeFlow(context, at, offset, length);
  noteSource(context, vlan, memory.getInt32(offset + 6, LE), memory.getUint16(offset + 10, LE));
  const macLow = memory.getInt32(offset, LE);
  if ((macLow & 1) !== 0) return toGroup(context, at, vlan, epoch);
  const station = findStation(context.tables, vlan, macLow, memory.getUint16(offset + 4, LE));
  if (station === NONE) flood(context, at, vlanAt, epoch);
  else unicast(context, at, station);
}

function longestFrame(context: StageContext, at: number, vlanAt: number): number {
  const gsoType = (context.memory.getUint32(at + FrameDescriptor.at.virtioFlags, LE) >>> 8) & 0xff;
  if (gsoType !== 0) return SUPER_FRAME_BYTES;
  const mtuBytes = context.table.getUint32(vlanAt + Vlan.at.mtuBytes, LE);
  return Math.min(SUPER_FRAME_BYTES, mtuBytes + ETHERNET_HEADER_BYTES + TAG_ALLOWANCE_BYTES);
}

function isLive(context: StageContext, slotAt: number, stateField: number): boolean {
  return isStable(context, slotAt) && context.table.getUint32(slotAt + stateField, LE) === 1;
}

/** Flow hash, and class: the tag's priority, else the upper three bits of the DSCP. */
function describeFlow(context: StageContext, at: number, offset: number, length: number): void {
  const { memory, frame } = context;
  parseFrame(memory, offset, length, frame);
  memory.setUint32(at + FrameDescriptor.at.flowHash, flowHash(memory, frame), LE);
  const frameClass = frame.priority >= 0 ? frame.priority : frame.trafficClass >> 5;
  memory.setUint32(at + FrameDescriptor.at.class, frameClass, LE);
}

function noteSource(context: StageContext, vlan: number, macLow: number, macHigh: number): void {
  if ((macLow & 1) !== 0) return; // no station has a group address; receivers drop such a frame
  const station = findStation(context.tables, vlan, macLow, macHigh);
  if (station !== NONE) {
    const at = TABLE.stations + station * Station.size;
    if ((context.table.getUint32(at + Station.at.flags, LE) & STATION_LOCAL) !== 0) {
      context.table.setUint32(at + Station.at.lastSeenMs, nowMs(context), LE);
      return;
    }
  }
  reportSeen(context, vlan, macLow, macHigh, SEEN_STATION);
}

/** Each address once a batch, at most BATCH.seen of them: what is left out shows up again with its next frame. */
function reportSeen(
  context: StageContext,
  vlan: number,
  macLow: number,
  macHigh: number,
  kind: number,
): void {
  const { memory } = context;
  const seen = memory.getUint32(ARENA.header + ArenaHeader.at.seenCount, LE);
  for (let index = 0; index < seen; index++) {
    const at = ARENA.seen + index * Seen.size;
    const isSame =
      memory.getInt32(at + Seen.at.macLow, LE) === macLow &&
      memory.getUint32(at + Seen.at.macHigh, LE) === macHigh &&
      memory.getUint32(at + Seen.at.vlan, LE) === vlan &&
      memory.getUint32(at + Seen.at.kind, LE) === kind;
    if (isSame) return;
  }
  if (seen === BATCH.seen) return;
  const at = ARENA.seen + seen * Seen.size;
  memory.setUint32(at + Seen.at.vlan, vlan, LE);
  memory.setUint32(at + Seen.at.macLow, macLow, LE);
  memory.setUint32(at + Seen.at.macHigh, macHigh, LE);
  memory.setUint32(at + Seen.at.kind, kind, LE);
  memory.setUint32(ARENA.header + ArenaHeader.at.seenCount, seen + 1, LE);
}

/** To a group address: everywhere, unless the VLAN knows who wants it. */
function toGroup(context: StageContext, at: number, vlan: number, epoch: number): void {
  const { memory, table, frame, tables } = context;
  const vlanAt = TABLE.vlans + vlan * Vlan.size;
  if ((table.getUint32(vlanAt + Vlan.at.flags, LE) & VLAN_SNOOP) === 0)
    return flood(context, at, vlanAt, epoch);
  const role = groupRole(memory, frame);
  if (role !== GROUP_DATA) snoop(context, at);
  if (role === GROUP_REPORT) {
    const all = findStation(tables, vlan, ALL_GROUPS_LOW, ALL_GROUPS_HIGH);
    if (all === NONE) return dropFrame(context, at, DROP['no-subscriber']);
    return toSubscribers(context, at, all, epoch);
  }
  const macLow = memory.getInt32(frame.offset, LE);
  const macHigh = memory.getUint16(frame.offset + 4, LE);
  if (!isPruned(memory, frame, macLow, macHigh)) return flood(context, at, vlanAt, epoch);
  const group = findStation(tables, vlan, macLow, macHigh);
  if (group !== NONE) return toSubscribers(context, at, group, epoch);
  reportSeen(context, vlan, macLow, macHigh, SEEN_GROUP);
  flood(context, at, vlanAt, epoch);
}

/** To those who want a group. That somebody sends to it is noted, whether or not anybody does. */
function toSubscribers(context: StageContext, at: number, group: number, epoch: number): void {
  const { table, tokens } = context;
  const groupAt = TABLE.stations + group * Station.size;
  const flags = table.getUint32(groupAt + Station.at.flags, LE);
  const set = table.getUint32(groupAt + Station.at.trunk, LE);
  table.setUint32(groupAt + Station.at.lastSeenMs, nowMs(context), LE);
  if ((flags & STATION_GROUP) === 0 || set === NONE) return dropFrame(context, at, DROP['no-subscriber']);
  const announced = table.getUint32(groupAt + Station.at.pathMtuBytes, LE);
  const pathBytes = atMost(leastPathBytes(context, set), announced);
  if (pathBytes === 0) return dropFrame(context, at, DROP['no-trunk']);
  const macLow = table.getInt32(groupAt + Station.at.macLow, LE);
  const macHigh = table.getUint16(groupAt + Station.at.macHigh, LE);
  const isBroadcast = (flags & STATION_VIA_BROADCAST) !== 0;
  const token = isBroadcast ? tokens.broadcast(epoch) : tokens.group(group, epoch, macLow, macHigh);
  toSet(context, at, set, pathBytes, token);
}

function flood(context: StageContext, at: number, vlanAt: number, epoch: number): void {
  const { table, tokens } = context;
  const set = table.getUint32(vlanAt + Vlan.at.floodSet, LE);
  const announced = table.getUint32(vlanAt + Vlan.at.floodPathBytes, LE);
  const pathBytes = set === NONE ? 0 : atMost(leastPathBytes(context, set), announced);
  if (pathBytes === 0) return dropFrame(context, at, DROP['no-member']);
  toSet(context, at, set, pathBytes, tokens.broadcast(epoch));
}

/** Under this worker's group key, with the hops of the VLAN's floods. */
function toSet(context: StageContext, at: number, set: number, pathBytes: number, token: number): void {
  const { memory, table, worker } = context;
  const epochAt = TABLE.epochs + memory.getUint32(at + FrameDescriptor.at.epoch, LE) * Epoch.size;
  const key = table.getUint32(epochAt + Epoch.at.groupKeys + worker * 4, LE);
  if (key === NONE || token === NO_TOKEN) return dropFrame(context, at, DROP['no-key']);
  const vlanAt = TABLE.vlans + memory.getUint32(at + FrameDescriptor.at.vlan, LE) * Vlan.size;
  memory.setUint32(at + FrameDescriptor.at.verdict, FRAME_FLOOD, LE);
  memory.setUint32(at + FrameDescriptor.at.frameKey, key, LE);
  memory.setUint32(at + FrameDescriptor.at.destination, set, LE);
  setToken(context, at, token);
  memory.setUint32(at + FrameDescriptor.at.datagramMtuBytes, pathBytes, LE);
  memory.setUint32(at + FrameDescriptor.at.hops, table.getUint32(vlanAt + Vlan.at.floodHops, LE), LE);
  count(context.arena, COUNTER.framesFlooded, 1);
}

/** What the trunks take, or less when a size was announced for the whole way; 0: they carry nothing. */
function atMost(pathBytes: number, announcedBytes: number): number {
  return announcedBytes !== 0 && announcedBytes < pathBytes ? announcedBytes : pathBytes;
}

/** Least path size over the set's trunks that carry anything; 0 when none does. */
function leastPathBytes(context: StageContext, set: number): number {
  const setAt = TABLE.sets + set * ForwardSet.size;
  if (!isStable(context, setAt)) return 0;
  const trunks = context.table.getUint32(setAt + ForwardSet.at.count, LE);
  let least = 0;
  for (let index = 0; index < trunks; index++) {
    const pathBytes = trunkPathBytes(
      context,
      context.table.getUint16(setAt + ForwardSet.at.trunks + 2 * index, LE),
    );
    if (pathBytes !== 0 && (least === 0 || pathBytes < least)) least = pathBytes;
  }
  return least;
}

/** A trunk's path size, or 0 when it carries nothing. */
function trunkPathBytes(context: StageContext, trunk: number): number {
  const trunkAt = TABLE.trunks + trunk * Trunk.size;
  if (!isLive(context, trunkAt, Trunk.at.state)) return 0;
  const pathBytes = context.table.getUint32(trunkAt + Trunk.at.datagramMtuBytes, LE);
  return pathBytes < PATH_MIN_BYTES ? 0 : pathBytes;
}

function unicast(context: StageContext, at: number, station: number): void {
  const { memory, table, worker } = context;
  const stationAt = TABLE.stations + station * Station.size;
  const flags = table.getUint32(stationAt + Station.at.flags, LE);
  if ((flags & STATION_LOCAL) !== 0) return dropFrame(context, at, DROP['destination-local']);
  const isToSet = (flags & STATION_SET) !== 0;
  const trunk = table.getUint32(stationAt + Station.at.trunk, LE);
  const pathBytes = stationPathBytes(context, stationAt, trunk, isToSet);
  if (pathBytes === 0) return dropFrame(context, at, DROP['no-trunk']);
  const route = table.getUint32(stationAt + Station.at.route, LE);
  const token = route === NONE ? NO_TOKEN : stationToken(context, station, route >>> 16);
  if (token === NO_TOKEN) return dropFrame(context, at, DROP['no-key']);
  memory.setUint32(at + FrameDescriptor.at.verdict, isToSet ? FRAME_SET : FRAME_UNICAST, LE);
  memory.setUint32(at + FrameDescriptor.at.epoch, route >>> 16, LE);
  memory.setUint32(at + FrameDescriptor.at.frameKey, (route & 0xffff) + worker, LE);
  memory.setUint32(at + FrameDescriptor.at.destination, trunk, LE);
  setToken(context, at, token);
  memory.setUint32(at + FrameDescriptor.at.datagramMtuBytes, pathBytes, LE);
  memory.setUint32(at + FrameDescriptor.at.hops, INITIAL_HOPS, LE);
}

/** @param way - a trunk, a set, or NONE */
function stationPathBytes(context: StageContext, stationAt: number, way: number, isSet: boolean): number {
  if (way === NONE) return 0;
  const pathBytes = isSet ? leastPathBytes(context, way) : trunkPathBytes(context, way);
  return atMost(pathBytes, context.table.getUint32(stationAt + Station.at.pathMtuBytes, LE));
}

/** Its member's epoch may be another than the VLAN's, and go before the station does. */
function stationToken(context: StageContext, station: number, epoch: number): number {
  const { table } = context;
  if (!isLive(context, TABLE.epochs + epoch * Epoch.size, Epoch.at.state)) return NO_TOKEN;
  const stationAt = TABLE.stations + station * Station.size;
  const macLow = table.getInt32(stationAt + Station.at.macLow, LE);
  return context.tokens.station(station, epoch, macLow, table.getUint16(stationAt + Station.at.macHigh, LE));
}

function setToken(context: StageContext, at: number, token: number): void {
  const { memory } = context;
  const { words } = context.tokens;
  for (let word = 0; word < 4; word++) {
    memory.setInt32(at + FrameDescriptor.at.token + 4 * word, words[token + word] as number, LE);
  }
}
