/**
 * Socket addresses between their text and the kernel's bytes (sockaddr_in, sockaddr_in6), and "source addresses" as
 * Lane.sourceAddress has them. Main thread. On a dual-stack socket an IPv4 address is mapped (::ffff:a.b.c.d) in
 * the bytes and plain in the text.
 *
 *   sockaddr_in    family u16 │ port u16 be │ address 4 │ 0⁸                        16 bytes
 *   sockaddr_in6   family u16 │ port u16 be │ flow u32 │ address 16 │ scope u32      28 bytes
 */
import { isIPv4, isIPv6 } from 'node:net';
import { SystemError } from './system-error.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;

/** An address and a port. */
export interface SocketAddress {
  /** IPv4 or IPv6 text; never in the mapped form; no zone. */
  readonly ip: string;
  readonly port: number;
}

/**
 * Writes the bytes that the kernel takes.
 *
 * @param ipv6 - the socket's family is AF_INET6
 * @param into - 28 bytes from `offset`; what is not used is zeroed
 * @returns the length that the kernel is told
 * @throws SystemError `address-unavailable`: no address, or IPv6 for an IPv4 socket
 */
export function encodeSocketAddress(
  address: SocketAddress,
  ipv6: boolean,
  into: Uint8Array,
  offset: number,
): number {
  into.fill(0, offset, offset + SOCKADDR_IN6_BYTES);
  into[offset + 2] = address.port >>> 8;
  into[offset + 3] = address.port & 0xff;
  into[offset] = ipv6 ? AF_INET6 : AF_INET;
  into.set(encodeIp(address.ip, ipv6), offset + (ipv6 ? 8 : 4));
  return ipv6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES;
}

/**
 * Reads what the kernel wrote.
 *
 * @param length - as the kernel said
 * @returns undefined when it is no IPv4 or IPv6 address
 */
export function decodeSocketAddress(
  bytes: Uint8Array,
  offset: number,
  length: number,
): SocketAddress | undefined {
  const family = (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
  const port = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  if (family === AF_INET && length >= SOCKADDR_IN_BYTES) return { ip: decodeIpv4(bytes, offset + 4), port };
  if (family === AF_INET6 && length >= SOCKADDR_IN6_BYTES) return { ip: decodeIpv6(bytes, offset + 8), port };
  return undefined;
}

/**
 * An address's bytes: 4, or 16 for an IPv6 socket.
 *
 * @throws SystemError `address-unavailable`
 */
export function encodeIp(ip: string, ipv6: boolean): Uint8Array {
  if (isIPv4(ip)) {
    const four = Uint8Array.from(ip.split('.'), Number);
    if (!ipv6) return four;
    const mapped = new Uint8Array(16);
    mapped.fill(0xff, 10, 12);
    mapped.set(four, 12);
    return mapped;
  }
  if (!isIPv6(ip) || ip.includes('%'))
    throw new SystemError('address-unavailable', 0, `${ip} is no IP address`);
  if (!ipv6)
    throw new SystemError('address-unavailable', 0, `${ip} is IPv6 and the datagram socket is IPv4 only`);
  return parseIpv6(ip);
}

function decodeIpv4(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** Text of 16 bytes, in the form of RFC 5952 §4; a mapped address as plain IPv4. */
function decodeIpv6(bytes: Uint8Array, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => {
    return ((bytes[offset + i * 2] ?? 0) << 8) | (bytes[offset + i * 2 + 1] ?? 0);
  });
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return decodeIpv4(bytes, offset + 12);
  const zeros = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (zeros.length < 2) return hex.join(':');
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** The text has passed isIPv6. */
function parseIpv6(text: string): Uint8Array {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  let hex = text;
  if (tail.includes('.')) {
    const four = tail.split('.').map(Number);
    const pair = (i: number): string => (((four[i] ?? 0) << 8) | (four[i + 1] ?? 0)).toString(16);
    hex = `${text.slice(0, lastColon + 1)}${pair(0)}:${pair(2)}`;
  }
  const [before = '', after] = hex.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  const bytes = new Uint8Array(16);
  [...left, ...(after === undefined ? [] : zeros), ...right].forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    bytes[i * 2] = value >>> 8;
    bytes[i * 2 + 1] = value & 0xff;
  });
  return bytes;
}
