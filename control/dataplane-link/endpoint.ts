/**
 * Datagram addresses between their text, the kernel's bytes, and the 48-byte endpoint of the rings.
 *
 *   endpoint:  sockaddr 28 │ its length u32 │ local address 16 (IPv4: the first four bytes)
 *
 * Main thread; pure, but for what a SourceMemory remembers.
 */
import { ENDPOINT_BYTES } from '../../dataplane/contract/ring-message.ts';
import { decodeSocketAddress, encodeSocketAddress } from '../../dataplane/io/sockaddr.ts';
import { SystemError } from '../../dataplane/io/system-error.ts';
import { ipFromBytes } from '../trunk/ip-text.ts';
import type { DatagramAddress } from '../trunk/trunk-port.ts';

const SOCKADDR_BYTES = 28;
const LENGTH_AT = SOCKADDR_BYTES;
const LOCAL_AT = LENGTH_AT + 4;
const LOCAL_BYTES = 16;
const IPV4_BYTES = 4;
const MAX_SOURCES = 8;
const NO_SOURCE = new Uint8Array(0);

/** An address as a key of a map. */
export function addressText(address: DatagramAddress): string {
  return `${address.ip}|${address.port}`;
}

/**
 * An address as the kernel takes it.
 *
 * @param ipv6 - the sockets are IPv6 ones
 * @returns undefined when these sockets cannot reach it
 */
export function encodeAddress(address: DatagramAddress, ipv6: boolean): Uint8Array | undefined {
  const bytes = new Uint8Array(SOCKADDR_BYTES);
  try {
    return bytes.subarray(0, encodeSocketAddress(address, ipv6, bytes, 0));
  } catch (error) {
    if (error instanceof SystemError) {
      return undefined;
    }
    throw error;
  }
}

/**
 * An endpoint to send a probe to.
 *
 * @param address - undefined: the lane's own, or its stream
 * @param source - local address to send from
 * @returns 48 bytes, or undefined when these sockets cannot reach the address
 */
export function encodeEndpoint(
  address: DatagramAddress | undefined,
  source: Uint8Array | undefined,
  ipv6: boolean,
): Uint8Array | undefined {
  const endpoint = new Uint8Array(ENDPOINT_BYTES);
  if (address === undefined) {
    return endpoint;
  }
  const encoded = encodeAddress(address, ipv6);
  if (encoded === undefined) {
    return undefined;
  }
  endpoint.set(encoded);
  new DataView(endpoint.buffer).setUint32(LENGTH_AT, encoded.length, true);
  endpoint.set(source ?? NO_SOURCE, LOCAL_AT);
  return endpoint;
}

/** Where a datagram came from, and to which local address. */
export function decodeEndpoint(
  bytes: Uint8Array,
  offset: number,
): { readonly source: DatagramAddress | undefined; readonly local: Uint8Array } {
  const copy = bytes.slice(offset, offset + ENDPOINT_BYTES);
  const length = new DataView(copy.buffer).getUint32(LENGTH_AT, true);
  return {
    source: decodeSocketAddress(copy, 0, length),
    local: copy.subarray(LOCAL_AT, LOCAL_AT + LOCAL_BYTES),
  };
}

/** The text of a local address as endpoints and lanes have it; undefined for none: the kernel chooses. */
function localIp(local: Uint8Array): string | undefined {
  if (local.every((byte) => byte === 0)) {
    return undefined;
  }
  const isIpv4 = local.subarray(IPV4_BYTES).every((byte) => byte === 0);
  return ipFromBytes(isIpv4 ? local.subarray(0, IPV4_BYTES) : local);
}

/** From which local address to answer: the one that was asked, for the last few addresses of a peer. */
export class SourceMemory {
  readonly #sources = new Map<string, Uint8Array>();

  remember(peer: DatagramAddress, local: Uint8Array): void {
    const key = addressText(peer);
    this.#sources.delete(key);
    this.#sources.set(key, local);
    const [oldest] = this.#sources.keys();
    if (this.#sources.size > MAX_SOURCES && oldest !== undefined) {
      this.#sources.delete(oldest);
    }
  }

  /** Forgets sources that this node no longer has: the kernel refuses to send from them. */
  keepOnly(ownIps: ReadonlySet<string>): void {
    for (const [peer, local] of this.#sources) {
      if (!ownIps.has(localIp(local) ?? '')) {
        this.#sources.delete(peer);
      }
    }
  }

  /** @returns 16 bytes, or none: the kernel chooses */
  find(peerText: string): Uint8Array {
    return this.#sources.get(peerText) ?? NO_SOURCE;
  }
}
