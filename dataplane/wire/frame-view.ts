/**
 * Finds the headers of an Ethernet frame: up to two VLAN tags, IPv4 or IPv6 with its extension headers, TCP or UDP.
 * Any thread; pure. The result is a record that the caller owns and uses again for every frame, so that parsing
 * allocates nothing. A header that is cut short or contradicts the frame's length counts as not there: what cannot be
 * parsed is still a frame, and passes.
 *
 *   │ dst 6 │ src 6 │ tag 4 … │ type 2 │ IP header … │ TCP or UDP header … │ payload … │ padding … │
 *   offset                             network       transport             payload     payloadEnd  end
 *
 * Bytes: frames from the TAP and from authenticated members.
 */

export const ETHERNET_HEADER_BYTES = 14;
export const VLAN_TAG_BYTES = 4;

export const ETHER_TYPE_IPV4 = 0x0800;
export const ETHER_TYPE_IPV6 = 0x86dd;
const ETHER_TYPE_VLAN = 0x8100;
const ETHER_TYPE_SERVICE_VLAN = 0x88a8;

export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
const PROTOCOL_HOP_BY_HOP = 0;
const PROTOCOL_ROUTING = 43;
const PROTOCOL_FRAGMENT = 44;
const PROTOCOL_DESTINATION = 60;

export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
export const TCP_HEADER_BYTES = 20;
export const UDP_HEADER_BYTES = 8;

/** Byte offsets within an IPv4 header. */
export const IPV4 = {
  tos: 1,
  length: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
} as const;
/** Byte offsets within an IPv6 header. */
export const IPV6 = { length: 4, nextHeader: 6, hopLimit: 7, source: 8, destination: 24 } as const;
/** Byte offsets within a TCP header. */
export const TCP = {
  ports: 0,
  sequence: 4,
  acknowledgment: 8,
  flags: 13,
  window: 14,
  checksum: 16,
  urgent: 18,
} as const;
/** Byte offsets within a UDP header. */
export const UDP = { ports: 0, length: 4, checksum: 6 } as const;

/** TCP flag bits (RFC 9293 §3.1, RFC 3168 §6.1). */
export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_CWR = 0x80;

/** IPv4 "don't fragment" in the 16 bits at IPV4.fragment. */
export const IPV4_DONT_FRAGMENT = 0x4000;
/** IPv4 "more fragments" and the offset: not all zero in a fragment. */
const IPV4_FRAGMENT_MASK = 0x3fff;
/** More extension headers than this are not looked through. */
const EXTENSION_HEADERS_MAX = 8;
const HEADER_TYPES = 256;
const CUT_SHORT = -1;

/** Where a frame's headers lie. All offsets count from the start of the parsed buffer; 0 means "not there". */
export interface FrameView {
  offset: number;
  /** One past the frame's last byte. */
  end: number;
  /** VLAN tags looked through, at most 2. */
  tags: number;
  /** The outermost tag's 802.1p priority, or -1 without a tag. */
  priority: number;
  /** Behind the tags. */
  etherType: number;
  /** First byte behind the EtherType. */
  network: number;
  /** 4, 6, or 0. */
  ipVersion: number;
  /** IPv4 TOS or IPv6 traffic class. */
  trafficClass: number;
  /** IPv4 without options, or IPv6 without extension headers. */
  plainIp: boolean;
  /** A fragment of an IP packet: its ports, if any, are not looked for. */
  fragment: boolean;
  /** PROTOCOL_TCP or PROTOCOL_UDP when the whole header is there; otherwise 0. */
  protocol: number;
  transport: number;
  payload: number;
  /** Where the IP packet ends; behind it lies only Ethernet padding. */
  payloadEnd: number;
}

/** A record for {@link parseFrame} to fill. */
export function createFrameView(): FrameView {
  return {
    offset: 0,
    end: 0,
    tags: 0,
    priority: -1,
    etherType: 0,
    network: 0,
    ipVersion: 0,
    trafficClass: 0,
    plainIp: false,
    fragment: false,
    protocol: 0,
    transport: 0,
    payload: 0,
    payloadEnd: 0,
  };
}

/**
 * Parses the frame of `length` bytes at `offset` into `view`.
 *
 * @param bytes - the buffer that holds the frame
 * @param length - at least 14; shorter frames parse as EtherType 0
 * @see IEEE 802.1Q-2022 §9, RFC 791, RFC 8200 §4
 */
export function parseFrame(bytes: DataView, offset: number, length: number, view: FrameView): void {
  view.offset = offset;
  view.end = offset + length;
  view.tags = 0;
  view.priority = -1;
  view.ipVersion = 0;
  view.trafficClass = 0;
  view.plainIp = false;
  view.fragment = false;
  view.protocol = 0;
  view.transport = 0;
  view.payload = 0;
  view.payloadEnd = view.end;
  parseEthernet(bytes, view);
  if (view.etherType === ETHER_TYPE_IPV4) parseIpv4(bytes, view);
  else if (view.etherType === ETHER_TYPE_IPV6) parseIpv6(bytes, view);
}

function parseEthernet(bytes: DataView, view: FrameView): void {
  view.etherType = 0;
  view.network = view.offset + ETHERNET_HEADER_BYTES;
  if (view.network > view.end) return;
  view.etherType = bytes.getUint16(view.network - 2);
  while (view.tags < 2 && isTag(view.etherType) && view.network + VLAN_TAG_BYTES <= view.end) {
    if (view.tags === 0) view.priority = bytes.getUint8(view.network) >> 5;
    view.tags++;
    view.network += VLAN_TAG_BYTES;
    view.etherType = bytes.getUint16(view.network - 2);
  }
}

function isTag(etherType: number): boolean {
  return etherType === ETHER_TYPE_VLAN || etherType === ETHER_TYPE_SERVICE_VLAN;
}

function parseIpv4(bytes: DataView, view: FrameView): void {
  const ip = view.network;
  if (ip + IPV4_HEADER_BYTES > view.end) return;
  const versionAndLength = bytes.getUint8(ip);
  const headerBytes = (versionAndLength & 0x0f) * 4;
  const totalBytes = bytes.getUint16(ip + IPV4.length);
  if (versionAndLength >> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES) return;
  if (totalBytes < headerBytes || ip + totalBytes > view.end) return;
  view.ipVersion = 4;
  view.trafficClass = bytes.getUint8(ip + IPV4.tos);
  view.plainIp = headerBytes === IPV4_HEADER_BYTES;
  view.payloadEnd = ip + totalBytes;
  view.fragment = (bytes.getUint16(ip + IPV4.fragment) & IPV4_FRAGMENT_MASK) !== 0;
  if (!view.fragment) parseTransport(bytes, view, bytes.getUint8(ip + IPV4.protocol), ip + headerBytes);
}

function parseIpv6(bytes: DataView, view: FrameView): void {
  const ip = view.network;
  if (ip + IPV6_HEADER_BYTES > view.end) return;
  const firstWord = bytes.getUint32(ip);
  const end = ip + IPV6_HEADER_BYTES + bytes.getUint16(ip + IPV6.length);
  if (firstWord >>> 28 !== 6 || end > view.end) return;
  view.ipVersion = 6;
  view.trafficClass = (firstWord >>> 20) & 0xff;
  view.payloadEnd = end;
  const first = bytes.getUint8(ip + IPV6.nextHeader);
  view.plainIp = !isExtension(first);
  if (view.plainIp) return parseTransport(bytes, view, first, ip + IPV6_HEADER_BYTES);
  const upper = passExtensions(bytes, first, ip + IPV6_HEADER_BYTES, end);
  if (upper === CUT_SHORT) return;
  const nextHeader = upper % HEADER_TYPES;
  if (nextHeader === PROTOCOL_FRAGMENT) view.fragment = true;
  else parseTransport(bytes, view, nextHeader, Math.floor(upper / HEADER_TYPES));
}

/**
 * Walks an IPv6 header's extensions.
 *
 * @param at - of the first, whose type is `first`
 * @returns where what they lead to begins, times 256, plus its type: PROTOCOL_FRAGMENT, if one of them is that; or CUT_SHORT
 */
function passExtensions(bytes: DataView, first: number, at: number, end: number): number {
  let nextHeader = first;
  let next = at;
  for (let count = 0; count < EXTENSION_HEADERS_MAX; count++) {
    if (!isExtension(nextHeader) || nextHeader === PROTOCOL_FRAGMENT) break;
    if (next + 8 > end) return CUT_SHORT;
    nextHeader = bytes.getUint8(next);
    next += 8 * (1 + bytes.getUint8(next + 1));
    if (next > end) return CUT_SHORT;
  }
  return next * HEADER_TYPES + nextHeader;
}

/** What an IP header and its extensions lead to. */
export interface UpperHeader {
  readonly protocol: number;
  /** Where it begins; it may be cut short. */
  readonly at: number;
}

/** The upper header of a frame that was parsed into `view`; undefined where it is no IP, or a fragment. */
export function upperHeader(bytes: DataView, view: FrameView): UpperHeader | undefined {
  const ip = view.network;
  if (view.ipVersion === 0 || view.fragment) return undefined;
  if (view.ipVersion === 4) {
    return { protocol: bytes.getUint8(ip + IPV4.protocol), at: ip + (bytes.getUint8(ip) & 0x0f) * 4 };
  }
  const first = bytes.getUint8(ip + IPV6.nextHeader);
  const upper = passExtensions(bytes, first, ip + IPV6_HEADER_BYTES, view.payloadEnd);
  if (upper === CUT_SHORT) return undefined;
  return { protocol: upper % HEADER_TYPES, at: Math.floor(upper / HEADER_TYPES) };
}

function isExtension(nextHeader: number): boolean {
  return (
    nextHeader === PROTOCOL_HOP_BY_HOP ||
    nextHeader === PROTOCOL_ROUTING ||
    nextHeader === PROTOCOL_FRAGMENT ||
    nextHeader === PROTOCOL_DESTINATION
  );
}

function parseTransport(bytes: DataView, view: FrameView, protocol: number, at: number): void {
  let headerBytes = UDP_HEADER_BYTES;
  if (protocol === PROTOCOL_TCP) {
    if (at + TCP_HEADER_BYTES > view.payloadEnd) return;
    headerBytes = (bytes.getUint8(at + 12) >> 4) * 4;
    if (headerBytes < TCP_HEADER_BYTES) return;
  } else if (protocol !== PROTOCOL_UDP) {
    return;
  }
  if (at + headerBytes > view.payloadEnd) return;
  view.protocol = protocol;
  view.transport = at;
  view.payload = at + headerBytes;
}
