/**
 * Makes the queries that this node writes to its own TAP: IGMPv3 and MLDv2, which hosts of older versions take for their
 * own (RFC 3376 section 7.2, RFC 3810 section 8.2).
 *
 * A snooping switch is no router: it must win no election over one. So IGMP is asked from 0.0.0.0 (RFC 4541 section
 * 2.1.1), which no router compares with its own address; MLD, whose hosts answer to link-local addresses only, from the
 * highest ones that there are, fe80::ffff:…, and the lowest address wins.
 *
 * Main thread; pure.
 *
 * @see RFC 3376 section 4.1, RFC 3810 section 5.1
 */
import { addSums, checksumOf, sumBytes, writeIpv4Checksum } from '../../dataplane/wire/checksum.ts';
import { ETHER_TYPE_IPV4, ETHER_TYPE_IPV6, ETHERNET_HEADER_BYTES } from '../../dataplane/wire/frame-view.ts';
import { groupMac } from './group-address.ts';
import type { Family } from './multicast-message.ts';
import { MULTICAST_TIMING, ROBUSTNESS } from './multicast-timing.ts';
import { viewOf } from './snooped-packet.ts';

const MAC_BYTES = 6;
/** Not the interface's own address, which a bridge that it stands in takes for its own. */
const QUERIER_BIT = 0x10;

const IPV4_HEADER_BYTES = 24;
const IGMP_BYTES = 12;
const IPV6_HEADER_BYTES = 40;
const HOP_BY_HOP_BYTES = 8;
const MLD_BYTES = 28;
/** Above all addresses that hosts make of their MAC addresses or are given. */
const SNOOPER_PREFIX = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
/** Network control (RFC 3376 section 4). */
const TYPE_OF_SERVICE = 0xc0;
const ALL_HOSTS_V4 = Uint8Array.of(224, 0, 0, 1);
const ALL_NODES_V6 = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** Who asks, and where. */
export interface QueryOrigin {
  readonly family: Family;
  /** Of the interface that the query is written to. */
  readonly interfaceMac: Uint8Array;
  /** VLAN tags in front of it: 0, 4 or 8 bytes. */
  readonly tags: Uint8Array;
}

/** What is asked. */
export interface QueryTopic {
  /** Undefined: all groups. */
  readonly group: Uint8Array | undefined;
  /** Empty: any source. */
  readonly sources: readonly Uint8Array[];
}

/** The address that MLD is asked from on an interface. */
export function querierAddress(interfaceMac: Uint8Array): Uint8Array {
  const address = new Uint8Array(16);
  address.set(SNOOPER_PREFIX);
  address.set(querierMac(interfaceMac), 10);
  return address;
}

/** Whether a query is a node's like this one, and no router's. @param source - 4 or 16 bytes */
export function isSnooper(source: Uint8Array): boolean {
  return SNOOPER_PREFIX.every((byte, index) => source[index] === byte);
}

/** A whole Ethernet frame that asks. */
export function encodeQuery(origin: QueryOrigin, topic: QueryTopic): Uint8Array {
  const destination = topic.group ?? (origin.family === 4 ? ALL_HOSTS_V4 : ALL_NODES_V6);
  const packet =
    origin.family === 4 ? ipv4Query(destination, topic) : ipv6Query(origin.interfaceMac, destination, topic);
  const at = ETHERNET_HEADER_BYTES + origin.tags.length;
  const frame = new Uint8Array(at + packet.length);
  frame.set(groupMac(destination));
  frame.set(querierMac(origin.interfaceMac), MAC_BYTES);
  frame.set(origin.tags, 2 * MAC_BYTES);
  viewOf(frame).setUint16(at - 2, origin.family === 4 ? ETHER_TYPE_IPV4 : ETHER_TYPE_IPV6);
  frame.set(packet, at);
  return frame;
}

function querierMac(interfaceMac: Uint8Array): Uint8Array {
  const mac = interfaceMac.slice();
  mac[0] = (mac[0] ?? 0) ^ QUERIER_BIT;
  return mac;
}

function responseMs({ group }: QueryTopic): number {
  return group === undefined ? MULTICAST_TIMING.responseIntervalMs : MULTICAST_TIMING.lastMemberIntervalMs;
}

function ipv4Query(destination: Uint8Array, topic: QueryTopic): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER_BYTES + IGMP_BYTES + 4 * topic.sources.length);
  const view = viewOf(packet);
  packet.set([0x40 | (IPV4_HEADER_BYTES / 4), TYPE_OF_SERVICE]);
  view.setUint16(2, packet.length);
  packet.set([1, 2], 8); // one hop, IGMP
  packet.set(destination, 16);
  packet.set([0x94, 0x04, 0, 0], 20); // router alert
  writeIpv4Checksum(view, 0, IPV4_HEADER_BYTES);
  const igmp = packet.subarray(IPV4_HEADER_BYTES);
  igmp.set([0x11, responseMs(topic) / 100]);
  igmp.set(topic.group ?? [], 4);
  setTail(igmp, 8, topic.sources);
  viewOf(igmp).setUint16(2, checksumOf(sumBytes(viewOf(igmp), 0, igmp.length)));
  return packet;
}

function ipv6Query(interfaceMac: Uint8Array, destination: Uint8Array, topic: QueryTopic): Uint8Array {
  const body = new Uint8Array(MLD_BYTES + 16 * topic.sources.length);
  const bodyView = viewOf(body);
  body[0] = 130;
  bodyView.setUint16(4, responseMs(topic));
  body.set(topic.group ?? [], 8);
  setTail(body, 24, topic.sources);
  const packet = new Uint8Array(IPV6_HEADER_BYTES + HOP_BY_HOP_BYTES + body.length);
  packet[0] = 0x60;
  viewOf(packet).setUint16(4, HOP_BY_HOP_BYTES + body.length);
  packet.set([0, 1], 6); // hop-by-hop options, one hop
  packet.set(querierAddress(interfaceMac), 8);
  packet.set(destination, 24);
  packet.set([58, 0, 5, 2, 0, 0, 1, 0], IPV6_HEADER_BYTES); // ICMPv6 follows; router alert, padding
  const addresses = sumBytes(viewOf(packet), 8, 32);
  const pseudo = addSums(addresses, body.length + 58);
  bodyView.setUint16(2, checksumOf(addSums(pseudo, sumBytes(bodyView, 0, body.length))));
  packet.set(body, IPV6_HEADER_BYTES + HOP_BY_HOP_BYTES);
  return packet;
}

/** Robustness, interval and sources, which the newer version of either protocol has. */
function setTail(message: Uint8Array, at: number, sources: readonly Uint8Array[]): void {
  message.set([ROBUSTNESS, MULTICAST_TIMING.queryIntervalMs / 1_000], at);
  viewOf(message).setUint16(at + 2, sources.length);
  for (const [index, source] of sources.entries()) {
    message.set(source, at + 4 + index * source.length);
  }
}
