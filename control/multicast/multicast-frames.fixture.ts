/**
 * Frames as hosts and routers send them, built byte for byte; it shares no code with the codec, so that it can judge.
 *
 * Tests only.
 */
import { ethernetFrame, internetChecksum, u16, u32 } from '../../test/harness/frame-builder.ts';

export const HOST_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x0a);
export const TAP_MAC = Uint8Array.of(0x02, 0x11, 0x22, 0x33, 0x44, 0x55);
export const HOST_V6 = 'fe80::a';
const MAX_FIELDS = 8;

/** How a packet differs from what it should be. */
export interface PacketOptions {
  readonly tags?: readonly number[];
  readonly hopLimit?: number;
  readonly source?: string;
  readonly destination?: string;
  readonly checksum?: number;
  /** Instead of the router alert option alone. */
  readonly options?: readonly number[];
  readonly padding?: number;
}

/** An address of either family as bytes. */
export function ip(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.').map(Number));
  const [left = '', right] = text.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').flatMap((word) => u16(Number.parseInt(word, 16)));
  const head = words(left);
  const tail = right === undefined ? [] : words(right);
  return Uint8Array.from([
    ...head,
    ...new Array<number>(2 * MAX_FIELDS - head.length - tail.length).fill(0),
    ...tail,
  ]);
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Plain groupings of RFC 1112 and RFC 2464, for what a test expects. */
export function macOf(group: string): string {
  const address = ip(group);
  return address.length === 4
    ? hex(Uint8Array.of(1, 0, 0x5e, (address[1] ?? 0) % 128, address[2] ?? 0, address[3] ?? 0))
    : `3333${hex(address.slice(12))}`;
}

/** An IGMP message in IPv4 with the router alert option. */
export function igmp(body: readonly number[], options: PacketOptions = {}): Uint8Array {
  const message = Uint8Array.from(body);
  message.set(u16(options.checksum ?? internetChecksum(message)), 2);
  return ipv4(2, message, { destination: '224.0.0.22', ...options });
}

export function ipv4(protocol: number, message: Uint8Array, options: PacketOptions): Uint8Array {
  const ipOptions = options.options ?? [0x94, 4, 0, 0];
  const header = Uint8Array.from([
    0x40 | (5 + ipOptions.length / 4),
    0xc0,
    ...u16(20 + ipOptions.length + message.length),
    0,
    0,
    0x40,
    0,
    options.hopLimit ?? 1,
    protocol,
    0,
    0,
    ...ip(options.source ?? '10.7.0.9'),
    ...ip(options.destination ?? '224.0.0.22'),
    ...ipOptions,
  ]);
  header.set(u16(internetChecksum(header)), 10);
  const packet = Uint8Array.from([...header, ...message, ...new Array<number>(options.padding ?? 0).fill(0)]);
  return framed(0x0800, packet, options.destination ?? '224.0.0.22', options);
}

/** An MLD message in IPv6 behind hop-by-hop options. */
export function mld(body: readonly number[], options: PacketOptions = {}): Uint8Array {
  const message = Uint8Array.from(body);
  const source = ip(options.source ?? HOST_V6);
  const destination = ip(options.destination ?? 'ff02::16');
  const pseudo = [...source, ...destination, ...u32(message.length), 0, 0, 0, 58];
  message.set(u16(options.checksum ?? internetChecksum(Uint8Array.from([...pseudo, ...message]))), 2);
  const hopByHop = options.options ?? [58, 0, 5, 2, 0, 0, 1, 0];
  const packet = [
    ...u32(0x60000000),
    ...u16(hopByHop.length + message.length),
    hopByHop.length === 0 ? 58 : 0,
    options.hopLimit ?? 1,
    ...source,
    ...destination,
    ...hopByHop,
    ...message,
  ];
  return framed(0x86dd, Uint8Array.from(packet), options.destination ?? 'ff02::16', options);
}

/** To the address that the group's frames have. */
function framed(
  etherType: number,
  packet: Uint8Array,
  group: string,
  { tags = [] }: PacketOptions,
): Uint8Array {
  const destination = new Uint8Array(Buffer.from(macOf(group), 'hex'));
  return ethernetFrame(etherType, packet, { destination, source: HOST_MAC, tags });
}

/** One record of a v3 or MLDv2 report. */
export interface TestRecord {
  readonly mode: number;
  readonly group: string;
  readonly sources?: readonly string[];
  /** Auxiliary data, in words. */
  readonly aux?: number;
}

/** Numbers of RFC 3376 section 4.2.12. */
export const MODE = { isIn: 1, isEx: 2, toIn: 3, toEx: 4, allow: 5, block: 6 } as const;

function records(list: readonly TestRecord[]): number[] {
  return list.flatMap(({ mode, group, sources = [], aux = 0 }) => [
    mode,
    aux,
    ...u16(sources.length),
    ...ip(group),
    ...sources.flatMap((source) => [...ip(source)]),
    ...new Array<number>(4 * aux).fill(0xee),
  ]);
}

/** A report of IGMPv3, or of MLDv2 where the first group is an IPv6 one. */
export function report(list: readonly TestRecord[], options: PacketOptions = {}): Uint8Array {
  const isSix = list[0]?.group.includes(':') === true;
  const body = [isSix ? 143 : 0x22, 0, 0, 0, 0, 0, ...u16(list.length), ...records(list)];
  return isSix ? mld(body, options) : igmp(body, options);
}

/** A report of IGMPv2, or of MLDv1. */
export function oldReport(group: string, options: PacketOptions = {}): Uint8Array {
  return group.includes(':')
    ? mld([131, 0, 0, 0, 0, 0, 0, 0, ...ip(group)], { destination: group, ...options })
    : igmp([0x16, 0, 0, 0, ...ip(group)], { destination: group, ...options });
}

/** A leave of IGMPv2, or a done of MLDv1. */
export function leave(group: string): Uint8Array {
  return group.includes(':')
    ? mld([132, 0, 0, 0, 0, 0, 0, 0, ...ip(group)], { destination: 'ff02::2' })
    : igmp([0x17, 0, 0, 0, ...ip(group)], { destination: '224.0.0.2' });
}

/** A v3 or MLDv2 query. @param group - the unspecified address asks for all */
export function query(
  group: string,
  from: string,
  options: PacketOptions & { readonly flags?: number; readonly sources?: readonly string[] } = {},
): Uint8Array {
  const isGeneral = group === '0.0.0.0' || group === '::';
  const sources = (options.sources ?? []).flatMap((source) => [...ip(source)]);
  const tail = [options.flags ?? 2, 125, ...u16(options.sources?.length ?? 0), ...sources];
  if (group.includes(':')) {
    const body = [130, 0, 0, 0, ...u16(isGeneral ? 10_000 : 1_000), 0, 0, ...ip(group), ...tail];
    return mld(body, { source: from, destination: isGeneral ? 'ff02::1' : group, ...options });
  }
  const body = [0x11, isGeneral ? 100 : 10, 0, 0, ...ip(group), ...tail];
  return igmp(body, { source: from, destination: isGeneral ? '224.0.0.1' : group, ...options });
}

/** A PIM hello (RFC 7761 section 4.9.2) without options. */
export function pimHello(): Uint8Array {
  return ipv4(103, Uint8Array.of(0x20, 0, 0xdf, 0xff), { destination: '224.0.0.13', options: [] });
}
