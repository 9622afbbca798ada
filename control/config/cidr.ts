/**
 * Interface addresses as users write them: an IP address and the length of its prefix.
 *
 * Pure; used by the config, the admin API and whoever sets addresses on an interface. Must never accept an
 * address that the kernel would refuse for an interface.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** An address for an interface: 4 or 16 bytes in network order and a prefix length in bits. */
export interface InterfaceAddress {
  readonly family: 4 | 6;
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** What `parseCidr` returns: the address, or what was expected instead. */
export type ParsedCidr =
  | { readonly ok: true; readonly value: InterfaceAddress }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads `10.7.0.1/24` or `fd00::1/64`.
 *
 * @param text - address and prefix length in bits, separated by one slash
 * @returns the address in network byte order, or a reason; never throws
 * @see RFC 4632 §3.1, RFC 4291 §2.3
 */
export function parseCidr(text: string): ParsedCidr {
  const [host = '', prefix, ...rest] = text.split('/');
  if (rest.length > 0) return refuse('one slash, as in 10.7.0.1/24', text);
  const family = isIPv4(host) ? 4 : isIPv6(host) && !host.includes('%') ? 6 : undefined;
  if (family === undefined) return refuse('an IPv4 or IPv6 address before the slash', text);
  const address = family === 4 ? ipv4Bytes(host) : ipv6Bytes(host);
  const longest = family === 4 ? 32 : 128;
  if (prefix === undefined) {
    return refuse(`a prefix length after a slash, as in ${host}/${family === 4 ? 24 : 64}`, text);
  }
  const prefixLength = /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (prefixLength < 1 || prefixLength > longest) return refuse(`a prefix length of 1..${longest}`, text);
  const unusable = unusableReason(family, address);
  if (unusable !== undefined) return refuse(unusable, text);
  return { ok: true, value: { family, address, prefixLength } };
}

function refuse(expected: string, text: string): ParsedCidr {
  return { ok: false, reason: `expected ${expected}, got '${text.slice(0, 64)}'` };
}

/** The kernel refuses these on an interface, or they would never answer. */
function unusableReason(family: 4 | 6, address: Uint8Array): string | undefined {
  const first = address[0] ?? 0;
  if (address.every((byte) => byte === 0)) return 'an address other than the unspecified one';
  if (family === 4 && first >= 224) return 'a unicast address, below 224.0.0.0';
  if (family === 6 && first === 0xff) return 'a unicast address, not one of ff00::/8';
  return undefined;
}

/** Bytes of an address that `isIPv4` has accepted. */
function ipv4Bytes(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number);
}

/** Bytes of an address that `isIPv6` has accepted; it may end in dotted decimals. @see RFC 4291 §2.2 */
function ipv6Bytes(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = new Array<number>(16 - before.length - after.length).fill(0);
  return Uint8Array.from([...before, ...zeros, ...after]);
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return [...ipv4Bytes(group)];
    const value = Number.parseInt(group, 16);
    return [value >>> 8, value & 0xff];
  });
}
