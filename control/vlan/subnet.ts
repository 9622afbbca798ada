/**
 * The subnet of a VLAN: a network address and its prefix length, in its one text form.
 *
 * Any thread; pure. Must never accept a second spelling where one is compared or signed.
 *
 * @see RFC 4632 §3.1, RFC 5952
 */
import { parseCidr } from '../config/cidr.ts';
import { ipFromBytes } from '../trunk/ip-text.ts';

/** What `parseSubnet` returns: the text form, or what was expected instead. */
export type ParsedSubnet =
  | {
      readonly ok: true;
      readonly subnet: string;
      readonly address: Uint8Array;
      readonly prefixLength: number;
    }
  | { readonly ok: false; readonly reason: string };

/** A host needs an address beside the network's own. */
const MAX_PREFIX_LENGTH = { 4: 30, 6: 126 } as const;

/**
 * Reads `10.7.0.0/24` or `fd00:1::/64`.
 *
 * @param text - a network address, host bits zero, and a prefix length
 */
export function parseSubnet(text: string): ParsedSubnet {
  const parsed = parseCidr(text);
  if (!parsed.ok) return parsed;
  const { family, address, prefixLength } = parsed.value;
  if (prefixLength > MAX_PREFIX_LENGTH[family]) {
    return {
      ok: false,
      reason: `expected a prefix length of 1..${MAX_PREFIX_LENGTH[family]}, got '${text}'`,
    };
  }
  const network = masked(address, prefixLength);
  const subnet = subnetText(network, prefixLength);
  if (subnet === undefined) return { ok: false, reason: `expected a subnet, got '${text}'` };
  return address.every((byte, index) => byte === network[index])
    ? { ok: true, subnet, address: network, prefixLength }
    : { ok: false, reason: `expected a subnet, as ${subnet}, got an address in it: '${text}'` };
}

/** @returns the text form of a network, or undefined when it is none (host bits set, a mapped or odd address) */
export function formatSubnet(address: Uint8Array, prefixLength: number): string | undefined {
  const text = subnetText(address, prefixLength);
  const parsed = text === undefined ? undefined : parseSubnet(text);
  const isSame = parsed?.ok === true && parsed.address.length === address.length;
  return isSame && parsed.subnet === text ? text : undefined;
}

function subnetText(address: Uint8Array, prefixLength: number): string | undefined {
  const ip = ipFromBytes(address);
  // An IPv4-mapped address would come out as IPv4, with a prefix length of the other family.
  return ip === undefined || (address.length === 16) !== ip.includes(':')
    ? undefined
    : `${ip}/${prefixLength}`;
}

function masked(address: Uint8Array, prefixLength: number): Uint8Array {
  return address.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
}
