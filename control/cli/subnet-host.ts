/** Addresses of hosts in a subnet, for advice of what to type. Pure. */
import { parseCidr } from '../config/cidr.ts';

const BITS = { 4: 32, 6: 128 } as const;

/**
 * The address of a host in a subnet.
 *
 * @param subnet - in CIDR form, host bits zero, with room for two hosts
 * @param host - 1 for the first one, below 256; the last one is taken where there are not so many
 * @returns `10.7.0.1/24` for `10.7.0.0/24` and 1
 */
export function hostInSubnet(subnet: string, host: number): string {
  const parsed = parseCidr(subnet);
  if (!parsed.ok) return subnet;
  const { family, address, prefixLength } = parsed.value;
  const last = 2 ** (BITS[family] - prefixLength) - 2;
  const number = Math.min(host, last);
  const [network = ''] = subnet.split('/');
  if (family === 4) {
    const bytes = [...address];
    bytes[3] = (bytes[3] ?? 0) + number;
    return `${bytes.join('.')}/${prefixLength}`;
  }
  const lastGroup = ((address[14] ?? 0) << 8) | (address[15] ?? 0);
  const head = network.endsWith('::') ? network : network.slice(0, network.lastIndexOf(':') + 1);
  return `${head}${(lastGroup + number).toString(16)}/${prefixLength}`;
}
