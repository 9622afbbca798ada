/**
 * Where other nodes may reach this one: what the network tells about listening, less what would not help.
 *
 * Main thread. Loopback and link-local addresses mean another machine to the peer. Addresses of our own TAP
 * interfaces must never be told: a trunk inside the VLAN that it carries would feed on itself.
 */
import { networkInterfaces } from 'node:os';
import { canonicalIp } from '../trunk/ip-text.ts';
import type { DatagramAddress } from '../trunk/trunk-port.ts';

export interface LocalAddressOptions {
  /** The datagram sockets' bind address and worker 0's port. */
  readonly datagram: { readonly address: string; readonly port: number };
  /** What `Libp2pNetwork.listenAddresses` returned. */
  readonly listen: readonly string[];
  /** The interfaces of our VLANs. */
  readonly ownInterfaces: ReadonlySet<string>;
  /** Test seam; the default asks the system. */
  readonly interfaces?: ReturnType<typeof networkInterfaces>;
}

export interface LocalAddresses {
  /** Every address of this machine that is up, told or not. */
  readonly own: readonly string[];
  readonly datagram: readonly DatagramAddress[];
  readonly listen: readonly string[];
  /** The addresses of our own VLANs' interfaces, with their prefix length. */
  readonly vlanNetworks: readonly string[];
}

/**
 * @returns full datagram addresses, and the multiaddrs to dial; loopback alone when there is nothing else,
 *   so that nodes of one machine can still find each other
 */
export function localAddresses(options: LocalAddressOptions): LocalAddresses {
  const entries = Object.entries(options.interfaces ?? networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address, internal }) => ({ name, internal, ip: canonicalIp(address) })),
  );
  const ownIps = new Set(entries.filter(({ name }) => options.ownInterfaces.has(name)).map(({ ip }) => ip));
  const usable = entries
    .filter(({ ip, internal }) => ip !== undefined && !internal && !ownIps.has(ip) && !isLinkLocal(ip))
    .map(({ ip }) => ip ?? '');
  const ips = isWildcard(options.datagram.address)
    ? usable.filter((ip) => options.datagram.address === '::' || !ip.includes(':'))
    : [options.datagram.address];
  const listen = options.listen.filter((address) => {
    const ip = canonicalIp(address.split('/')[2] ?? '');
    return ip === undefined || (!ownIps.has(ip) && !isLinkLocal(ip));
  });
  const beyondLoopback = listen.filter((address) => !isLoopback(address.split('/')[2] ?? ''));
  return {
    own: entries.flatMap(({ ip }) => ip ?? []),
    vlanNetworks: vlanNetworks(options),
    datagram: ips.filter((ip) => !isLoopback(ip)).map((ip) => ({ ip, port: options.datagram.port })),
    listen: beyondLoopback.length > 0 ? beyondLoopback : listen,
  };
}

/** Without link-local addresses, which every interface has of one network. */
function vlanNetworks({ ownInterfaces, interfaces }: LocalAddressOptions): string[] {
  return Object.entries(interfaces ?? networkInterfaces()).flatMap(([name, addresses]) =>
    ownInterfaces.has(name)
      ? (addresses ?? []).flatMap(({ address, cidr }) => (isLinkLocal(address) ? [] : (cidr ?? [])))
      : [],
  );
}

function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

/** RFC 3927 and RFC 4291 §2.5.6: they need a zone, which means nothing elsewhere. */
function isLinkLocal(ip: string): boolean {
  return ip.startsWith('169.254.') || /^fe[89ab]/i.test(ip);
}
