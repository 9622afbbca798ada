/** Addresses of hosts in a subnet, for advice of what to type. Pure. */
import { parseCidr } from '../config/cidr.ts';

/**
 * The address of a host in a subnet.
 *
 * @param subnet - in CIDR form, host bits zero
 * @param host - 1 for the first one; below 256, and in the subnet
 * @returns `10.7.0.1/24` for `10.7.0.0/24` and 1
 */
export function hostInSubnet(subnet: string, host: number): string {
  const parsed = parseCidr(subnet);
  const [network = '', prefix = ''] = subnet.split('/');
  if (!parsed.ok) return subnet;
  if (parsed.value.family === 6) {
    return `${network.endsWith('::') ? network : `${network.replace(/:0$/, '')}:`}${host.toString(16)}/${prefix}`;
  }
  const bytes = [...parsed.value.address];
  bytes[3] = (bytes[3] ?? 0) + host;
  return `${bytes.join('.')}/${prefix}`;
}
