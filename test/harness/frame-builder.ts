/**
 * Builds Ethernet frames for tests, with every field that a stage may change under the test's control. It shares no
 * code with the dataplane: lengths and checksums are computed here in the plainest way, so that it can judge.
 */

export interface FrameOptions {
  readonly destination?: Uint8Array;
  readonly source?: Uint8Array;
  /** 802.1Q tag control values, outermost first; two make QinQ. */
  readonly tags?: readonly number[];
  readonly ipVersion?: 4 | 6;
  readonly tos?: number;
  readonly ttl?: number;
  readonly id?: number;
  readonly dontFragment?: boolean;
  /** IPv4 options, a multiple of 4 bytes; IPv6: a hop-by-hop header, a multiple of 8, next header filled in. */
  readonly ipOptions?: Uint8Array;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly payload: Uint8Array;
}

export interface TcpOptions extends FrameOptions {
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly urgent?: number;
  /** TCP options, a multiple of 4 bytes. */
  readonly tcpOptions?: Uint8Array;
}

/** A frame and where its transport header begins, counted from the frame's start. */
export interface BuiltFrame {
  readonly bytes: Uint8Array;
  readonly transport: number;
  readonly headerBytes: number;
}

const TCP = 6;
const UDP = 17;

export const DEFAULT_DESTINATION = Uint8Array.of(2, 0, 0, 0, 0, 2);
export const DEFAULT_SOURCE = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** An Ethernet frame with any payload. */
export function ethernetFrame(
  etherType: number,
  payload: Uint8Array,
  options: Partial<FrameOptions> = {},
): Uint8Array {
  const tags = options.tags ?? [];
  const tagBytes = tags.flatMap((tag, index) => [
    ...u16(tags.length > 1 && index === 0 ? 0x88a8 : 0x8100),
    ...u16(tag),
  ]);
  return Uint8Array.from([
    ...(options.destination ?? DEFAULT_DESTINATION),
    ...(options.source ?? DEFAULT_SOURCE),
    ...tagBytes,
    ...u16(etherType),
    ...payload,
  ]);
}

/** A TCP segment in IP in Ethernet, with correct lengths and checksums. */
export function tcpFrame(options: TcpOptions): BuiltFrame {
  const tcpOptions = options.tcpOptions ?? new Uint8Array(0);
  const header = Uint8Array.from([
    ...u16(options.sourcePort ?? 40_000),
    ...u16(options.destinationPort ?? 443),
    ...u32(options.sequence ?? 1),
    ...u32(options.acknowledgment ?? 1),
    (20 + tcpOptions.length) << 2,
    options.flags ?? 0x10,
    ...u16(options.window ?? 512),
    0,
    0,
    ...u16(options.urgent ?? 0),
    ...tcpOptions,
  ]);
  return inIp(options, TCP, header, 16);
}

/** A UDP datagram in IP in Ethernet. */
export function udpFrame(options: FrameOptions): BuiltFrame {
  const header = Uint8Array.from([
    ...u16(options.sourcePort ?? 5353),
    ...u16(options.destinationPort ?? 5353),
    ...u16(8 + options.payload.length),
    0,
    0,
  ]);
  return inIp(options, UDP, header, 6);
}

function inIp(options: FrameOptions, protocol: number, header: Uint8Array, checksumAt: number): BuiltFrame {
  const transport = Uint8Array.from([...header, ...options.payload]);
  const addresses =
    options.ipVersion === 6
      ? Uint8Array.from([...new Array<number>(15).fill(0xfd), 1, ...new Array<number>(15).fill(0xfd), 2])
      : Uint8Array.of(10, 7, 0, 1, 10, 7, 0, 2);
  const pseudo = Uint8Array.from([...addresses, ...u32(transport.length), 0, 0, 0, protocol]);
  const checksum = internetChecksum(Uint8Array.from([...pseudo, ...transport]));
  transport.set(u16(protocol === UDP && checksum === 0 ? 0xffff : checksum), checksumAt);
  const ip =
    options.ipVersion === 6
      ? ipv6(options, protocol, addresses, transport)
      : ipv4(options, protocol, addresses, transport);
  const bytes = ethernetFrame(options.ipVersion === 6 ? 0x86dd : 0x0800, ip, options);
  const transportAt = bytes.length - transport.length;
  return { bytes, transport: transportAt, headerBytes: transportAt + header.length };
}

function ipv4(
  options: FrameOptions,
  protocol: number,
  addresses: Uint8Array,
  transport: Uint8Array,
): Uint8Array {
  const ipOptions = options.ipOptions ?? new Uint8Array(0);
  const headerBytes = 20 + ipOptions.length;
  const header = Uint8Array.from([
    0x40 | (headerBytes / 4),
    options.tos ?? 0,
    ...u16(headerBytes + transport.length),
    ...u16(options.id ?? 0),
    ...u16(options.dontFragment === false ? 0 : 0x4000),
    options.ttl ?? 64,
    protocol,
    0,
    0,
    ...addresses,
    ...ipOptions,
  ]);
  header.set(u16(internetChecksum(header)), 10);
  return Uint8Array.from([...header, ...transport]);
}

function ipv6(
  options: FrameOptions,
  protocol: number,
  addresses: Uint8Array,
  transport: Uint8Array,
): Uint8Array {
  const extension = Uint8Array.from(options.ipOptions ?? []);
  if (extension.length > 0) {
    extension[0] = protocol;
    extension[1] = extension.length / 8 - 1;
  }
  const tos = options.tos ?? 0;
  return Uint8Array.from([
    0x60 | (tos >> 4),
    (tos & 0x0f) << 4,
    0,
    0,
    ...u16(extension.length + transport.length),
    extension.length > 0 ? 0 : protocol,
    options.ttl ?? 64,
    ...addresses,
    ...extension,
    ...transport,
  ]);
}

/** RFC 1071, word by word. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

/** Sum of the pseudo-header, folded and not complemented: what NEEDS_CSUM leaves in the field. */
export function pseudoSum(frame: Pick<BuiltFrame, 'bytes' | 'transport'>, protocol: number): number {
  const { bytes, transport } = frame;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let network = 14;
  while (view.getUint16(network - 2) === 0x8100 || view.getUint16(network - 2) === 0x88a8) network += 4;
  const isSix = (bytes[network] ?? 0) >> 4 === 6;
  const addresses = isSix ? bytes.slice(network + 8, network + 40) : bytes.slice(network + 12, network + 20);
  const length = bytes.length - transport;
  const pseudo = Uint8Array.from([...addresses, ...u32(length), 0, 0, 0, protocol]);
  return ~internetChecksum(pseudo) & 0xffff;
}

export function u16(value: number): [number, number] {
  return [(value >> 8) & 0xff, value & 0xff];
}

export function u32(value: number): [number, number, number, number] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** Deterministic filler: byte i is (seed + 31 i) mod 251. */
export function filler(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (seed + index * 31) % 251);
}
