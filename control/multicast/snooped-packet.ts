/**
 * Finds the IGMP, MLD or PIM message in an Ethernet frame from a TAP, and checks what carries it.
 *
 *   │ dst 6 │ src 6 │ tag 4, at most 2 │ type 2 │ IPv4, options │ IGMP or PIM │ padding │
 *                                               │ IPv6, hop-by-hop options │ ICMPv6 │
 *
 * Main thread; pure. The bytes are a host's: nothing here throws, and no byte beyond the frame is read.
 *
 * @see RFC 3376 section 4, RFC 3810 section 5, RFC 2113, RFC 2711
 */
import { addSums, sumBytes } from '../../dataplane/wire/checksum.ts';
import {
  createFrameView,
  ETHERNET_HEADER_BYTES,
  type FrameView,
  IPV4,
  IPV6,
  IPV6_HEADER_BYTES,
  parseFrame,
} from '../../dataplane/wire/frame-view.ts';
import { isLinkLocal, isUnspecified } from './group-address.ts';
import type { Family, Refusal } from './multicast-message.ts';

const PROTOCOL_HOP_BY_HOP = 0;
const PROTOCOL_IGMP = 2;
const PROTOCOL_ICMPV6 = 58;
const PROTOCOL_PIM = 103;
/** All that is looked at lives on one link. */
const HOP_LIMIT = 1;

const IPV4_DESTINATION = 16;
const IPV6_DESTINATION = 24;
const OPTION_PAD1 = 0;
const OPTION_ROUTER_ALERT = 5;
const ROUTER_ALERT_MLD = 0;

/** A message and what it came in. */
export interface SnoopedPacket {
  readonly family: Family;
  readonly protocol: 'igmp' | 'icmpv6' | 'pim';
  /** The VLAN tags as they stand in the frame: 0, 4 or 8 bytes. */
  readonly tags: Uint8Array;
  /** 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Whether the router alert option of MLD was there. */
  readonly hasRouterAlert: boolean;
  /** From the message's first byte to the end of the IP packet. */
  readonly body: Uint8Array;
}

const frameView = createFrameView();

/** @param frame - one Ethernet frame, whole */
export function findPacket(frame: Uint8Array): SnoopedPacket | Refusal {
  const view = viewOf(frame);
  parseFrame(view, 0, frame.length, frameView);
  if (frameView.ipVersion === 4) return findInIpv4(frame, view, frameView);
  if (frameView.ipVersion === 6) return findInIpv6(frame, view, frameView);
  return 'other';
}

/** Whether the checksum of ICMPv6 holds, which covers the addresses too (RFC 8200 section 8.1). */
export function icmpv6ChecksumHolds({ source, destination, body }: SnoopedPacket): boolean {
  const addresses = addSums(sumBytes(viewOf(source), 0, 16), sumBytes(viewOf(destination), 0, 16));
  const pseudo = addSums(addresses, body.length + PROTOCOL_ICMPV6);
  return addSums(pseudo, sumBytes(viewOf(body), 0, body.length)) === 0xffff;
}

/** Whether the checksum of IGMP holds. */
export function igmpChecksumHolds(body: Uint8Array): boolean {
  return sumBytes(viewOf(body), 0, body.length) === 0xffff;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function tagsOf(frame: Uint8Array, { network, tags }: FrameView): Uint8Array {
  const at = ETHERNET_HEADER_BYTES - 2;
  return tags === 0 ? frame.subarray(0, 0) : frame.subarray(at, network - 2);
}

function findInIpv4(frame: Uint8Array, view: DataView, found: FrameView): SnoopedPacket | Refusal {
  const ip = found.network;
  const number = view.getUint8(ip + IPV4.protocol);
  if (number !== PROTOCOL_IGMP && number !== PROTOCOL_PIM) return 'other';
  const headerBytes = (view.getUint8(ip) & 0x0f) * 4;
  if (found.fragment) return 'malformed';
  if (sumBytes(view, ip, headerBytes) !== 0xffff) return 'checksum';
  if (view.getUint8(ip + IPV4.ttl) !== HOP_LIMIT) return 'hop-limit';
  return {
    family: 4,
    protocol: number === PROTOCOL_IGMP ? 'igmp' : 'pim',
    tags: tagsOf(frame, found),
    source: frame.subarray(ip + IPV4.source, ip + IPV4_DESTINATION),
    destination: frame.subarray(ip + IPV4_DESTINATION, ip + IPV4_DESTINATION + 4),
    hasRouterAlert: false,
    body: frame.subarray(ip + headerBytes, found.payloadEnd),
  };
}

function findInIpv6(frame: Uint8Array, view: DataView, found: FrameView): SnoopedPacket | Refusal {
  const ip = found.network;
  let number = view.getUint8(ip + IPV6.nextHeader);
  let at = ip + IPV6_HEADER_BYTES;
  let hasRouterAlert = false;
  if (number === PROTOCOL_HOP_BY_HOP) {
    const end = optionsEnd(view, at, found.payloadEnd);
    if (end === undefined) return 'malformed';
    hasRouterAlert = namesRouterAlert(frame.subarray(at + 2, end));
    number = view.getUint8(at);
    at = end;
  }
  if (number !== PROTOCOL_ICMPV6 && number !== PROTOCOL_PIM) return 'other';
  const source = frame.subarray(ip + IPV6.source, ip + IPV6_DESTINATION);
  if (view.getUint8(ip + IPV6.hopLimit) !== HOP_LIMIT) return 'hop-limit';
  if (!isLinkLocal(source) && !isUnspecified(source)) return 'source';
  return {
    family: 6,
    protocol: number === PROTOCOL_ICMPV6 ? 'icmpv6' : 'pim',
    tags: tagsOf(frame, found),
    source,
    destination: frame.subarray(ip + IPV6_DESTINATION, ip + IPV6_HEADER_BYTES),
    hasRouterAlert,
    body: frame.subarray(at, found.payloadEnd),
  };
}

/** Where the hop-by-hop header at `at` ends, if the packet holds it. */
function optionsEnd(view: DataView, at: number, packetEnd: number): number | undefined {
  if (at + 8 > packetEnd) return undefined;
  const end = at + 8 * (1 + view.getUint8(at + 1));
  return end > packetEnd ? undefined : end;
}

/** @param options - type, length, value each, but for the one byte of Pad1 */
function namesRouterAlert(options: Uint8Array): boolean {
  let at = 0;
  while (at < options.length) {
    const type = options[at] ?? 0;
    if (type === OPTION_PAD1) {
      at++;
      continue;
    }
    const length = options[at + 1] ?? 0;
    if (type === OPTION_ROUTER_ALERT && length === 2) {
      const value = ((options[at + 2] ?? 0xff) << 8) | (options[at + 3] ?? 0xff);
      if (value === ROUTER_ALERT_MLD) return true;
    }
    at += 2 + length;
  }
  return false;
}
