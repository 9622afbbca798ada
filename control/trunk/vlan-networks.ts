/**
 * The networks of this node's own VLAN interfaces. A trunk through one of them would carry the VLAN that carries it:
 * frames sealed into themselves without end. So nothing is sent to them, and what comes from them is not taken.
 *
 * Main thread, pure.
 */
import { ipToBytes } from './ip-text.ts';

interface Network {
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

/** See the file's head. */
export class VlanNetworks {
  readonly #networks: readonly Network[];

  /** @param cidrs - `10.7.0.1/24`; what is no such thing is left out */
  constructor(cidrs: readonly string[]) {
    this.#networks = cidrs.flatMap((cidr) => {
      const [ip = '', prefix = ''] = cidr.split('/');
      const bytes = ipToBytes(ip);
      const prefixBits = Number(prefix);
      return bytes === undefined || prefix === '' || !(prefixBits >= 0 && prefixBits <= 8 * bytes.length)
        ? []
        : [{ bytes, prefixBits }];
    });
  }

  /** Whether an address is one of these networks'. */
  hasIp(ip: string): boolean {
    const bytes = this.#networks.length === 0 ? undefined : ipToBytes(ip);
    return bytes !== undefined && this.#networks.some((network) => isWithin(bytes, network));
  }

  /** Whether a multiaddr leads into one of them. */
  hasMultiaddr(address: string): boolean {
    const [, family, host] = address.split('/');
    return (family === 'ip4' || family === 'ip6') && host !== undefined && this.hasIp(host);
  }
}

function isWithin(bytes: Uint8Array, network: Network): boolean {
  if (bytes.length !== network.bytes.length) {
    return false;
  }
  for (let bit = 0; bit < network.prefixBits; bit += 8) {
    const mask = 0xff & (0xff00 >> Math.min(8, network.prefixBits - bit));
    const [one = 0, other = 0] = [bytes[bit >> 3], network.bytes[bit >> 3]];
    if (((one ^ other) & mask) !== 0) {
      return false;
    }
  }
  return true;
}
