/**
 * Ingress, fourth stage: the rules of the port between a VLAN's members and this node's TAP (protocol section 4). Worker
 * threads. No station moves by what is heard here, only by announcements; a station that is heard stays young.
 *
 *   source a group address       dropped
 *   source a station of this TAP dropped: it would come back through its own bridge
 *   source another member's station dropped, unless the VLAN lets hosts move
 *   group-sealed to a station that this node has announced   dropped: whoever knows the claim knows the pairwise key
 */
import { DROP } from '../base/drop-code.ts';
import {
  FLAG_PAIRWISE,
  NONE,
  RX_FRAME,
  RxDatagram,
  STATION_ENFORCED,
  STATION_LOCAL,
  Station,
  VLAN_HOSTS_MOVE,
  Vlan,
} from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { findStation } from '../shm/tables.ts';
import { controlFlags } from '../wire/link-datagram.ts';
import { LE } from './memory.ts';
import { dropRx, nowMs, rxAt, type StageContext } from './stage-context.ts';

/** Applies the rules to frames among datagrams 0 … datagramCount-1; see Engine.learn. */
export function learn(context: StageContext, datagramCount: number): void {
  for (let index = 0; index < datagramCount; index++) {
    const at = rxAt(index);
    if (context.memory.getUint32(at + RxDatagram.at.verdict, LE) === RX_FRAME) learnFrame(context, at);
  }
}

function learnFrame(context: StageContext, at: number): void {
  const { memory, table } = context;
  const frame = memory.getUint32(at + RxDatagram.at.frameOffset, LE);
  if ((memory.getUint8(frame + 6) & 1) !== 0) return dropRx(context, at, DROP['source-invalid']);
  const source = stationAt(context, at, frame + 6);
  if (source !== NONE) {
    if ((table.getUint32(source + Station.at.flags, LE) & STATION_LOCAL) !== 0) {
      return dropRx(context, at, DROP['source-is-local']);
    }
    const holder = table.getUint32(source + Station.at.member, LE);
    if (holder === memory.getUint32(at + RxDatagram.at.member, LE)) {
      table.setUint32(source + Station.at.lastSeenMs, nowMs(context), LE);
    } else if (!hostsMove(context, at)) return dropRx(context, at, DROP['source-claimed']);
  }
  const flags = controlFlags(memory.getUint32(at + RxDatagram.at.control, LE));
  if ((flags & FLAG_PAIRWISE) === 0 && isEnforced(context, at, frame)) {
    dropRx(context, at, DROP['group-to-claimed']);
  }
}

function hostsMove(context: StageContext, at: number): boolean {
  const vlan = context.memory.getUint32(at + RxDatagram.at.vlan, LE);
  return (
    (context.table.getUint32(TABLE.vlans + vlan * Vlan.size + Vlan.at.flags, LE) & VLAN_HOSTS_MOVE) !== 0
  );
}

function isEnforced(context: StageContext, at: number, mac: number): boolean {
  if ((context.memory.getUint8(mac) & 1) !== 0) return false;
  const station = stationAt(context, at, mac);
  if (station === NONE) return false;
  const both = STATION_LOCAL | STATION_ENFORCED;
  return (context.table.getUint32(station + Station.at.flags, LE) & both) === both;
}

/** Offset of the slot of the station with the MAC address at `mac`, or NONE. */
function stationAt(context: StageContext, at: number, mac: number): number {
  const { memory } = context;
  const vlan = memory.getUint32(at + RxDatagram.at.vlan, LE);
  const slot = findStation(context.tables, vlan, memory.getInt32(mac, LE), memory.getUint16(mac + 4, LE));
  return slot === NONE ? NONE : TABLE.stations + slot * Station.size;
}
