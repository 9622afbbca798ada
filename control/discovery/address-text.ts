/**
 * Multiaddrs that others name: which of them are looked at, and which would lead nowhere or where they must not.
 *
 *   /ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/ws]    /ip4|…/HOST/udp/PORT/quic-v1    [/p2p/PEERID]
 *   [one of these]/p2p/RELAY/p2p-circuit          [/p2p/PEERID]
 *
 * Main thread, pure; text alone, nothing is resolved. Must never throw for text that came from a peer.
 */
import { canonicalIp, ipToBytes } from '../trunk/ip-text.ts';

/** The longest that is taken: a DNS name of 63 characters a label and what stands around it. */
export const ADDRESS_MAX_CHARACTERS = 160;
/** Addresses that are taken of one source's word, and how many are looked at for them: a machine has a few. */
export const ADDRESSES_PER_SOURCE_MAX = 8;
const LOOKED_AT_MAX = 32;

/** A relay's own address or none, its PeerId, and perhaps the PeerId behind it. */
const CIRCUIT = /^(.*)\/p2p\/([1-9A-HJ-NP-Za-km-z]{40,64})\/p2p-circuit(?:\/p2p\/([^/]*))?$/;

const FORM =
  /^\/(?:(ip4|ip6)\/([0-9a-fA-F.:]{2,45})|(?:dns[46]?)\/[A-Za-z0-9](?:[A-Za-z0-9.-]{0,98}[A-Za-z0-9])?)\/(?:tcp\/(\d{1,5})(?:\/ws)?|udp\/(\d{1,5})\/quic-v1)$/;

/**
 * The address without its `/p2p/` end, if it can be dialled.
 *
 * @param peer - whom it must lead to, if it names anybody
 * @param options - `loopback`: this machine's own addresses count, since this node has no others
 */
export function usableAddress(
  text: string,
  peer: string,
  options: { readonly loopback: boolean },
): string | undefined {
  if (text.length > ADDRESS_MAX_CHARACTERS + 2 * peer.length) {
    return undefined;
  }
  const circuit = CIRCUIT.exec(text);
  if (circuit !== null) {
    return usableCircuit(circuit, peer, options);
  }
  const named = /\/p2p\/([^/]*)$/.exec(text)?.[1];
  if (named !== undefined && named !== peer) {
    return undefined;
  }
  const bare = named === undefined ? text : text.slice(0, -'/p2p/'.length - named.length);
  const parts = FORM.exec(bare);
  const port = Number(parts?.[3] ?? parts?.[4] ?? 0);
  if (parts === null || port === 0 || port > 65_535 || bare.length > ADDRESS_MAX_CHARACTERS) {
    return undefined;
  }
  return parts[1] === undefined || isUsableIp(parts[1], parts[2] ?? '', options.loopback) ? bare : undefined;
}

/** Through a relay, which may be known by its name alone. */
function usableCircuit(
  [, way = '', relay = '', named]: readonly string[],
  peer: string,
  options: { readonly loopback: boolean },
): string | undefined {
  const isWay = way === '' || usableAddress(way, relay, options) === way;
  const isNamed = named === undefined || named === peer;
  return isWay && isNamed && relay !== peer ? `${way}/p2p/${relay}/p2p-circuit` : undefined;
}

/** Those of the addresses that can be dialled, the first few. */
export function usableAddresses(
  addresses: readonly string[],
  peer: string,
  options: { readonly loopback: boolean },
): string[] {
  return addresses
    .slice(0, LOOKED_AT_MAX)
    .flatMap((address) => usableAddress(address, peer, options) ?? [])
    .slice(0, ADDRESSES_PER_SOURCE_MAX);
}

/** Whether a listening address is one of this machine alone. */
export function isLoopbackAddress(address: string): boolean {
  const host = address.split('/')[2] ?? '';
  const ip = canonicalIp(host);
  return ip !== undefined && (ip === '::1' || ip.startsWith('127.'));
}

/** Neither unspecified, nor a group, nor (RFC 3927, RFC 4291 §2.5.6) of one link only. */
function isUsableIp(family: string, text: string, loopback: boolean): boolean {
  const bytes = ipToBytes(text);
  const ip = canonicalIp(text);
  if (bytes === undefined || ip === undefined || text.includes(':') !== (family === 'ip6')) {
    return false;
  }
  if (ip === '::1' || ip.startsWith('127.')) {
    return loopback;
  }
  const isGroup = bytes.length === 4 ? (bytes[0] ?? 0) >= 224 : bytes[0] === 0xff;
  const isLinkLocal =
    bytes.length === 4 ? ip.startsWith('169.254.') : bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
  return !isGroup && !isLinkLocal && bytes.some((byte) => byte !== 0) && !ip.startsWith('0.');
}
