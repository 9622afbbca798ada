/**
 * The libp2p addresses that this daemon can listen on or dial: TCP over IP or a name.
 *
 * A check of the text alone, so that the command can read a config without loading libp2p; the network
 * module parses the address again with the library. Pure. Must never resolve a name.
 */
import { isIPv4, isIPv6 } from 'node:net';

const HOST_PROTOCOLS = ['ip4', 'ip6', 'dns', 'dns4', 'dns6'];

/**
 * Checks an address to listen on: `/ip4/0.0.0.0/tcp/7946` or `/ip6/::/tcp/7946`.
 *
 * @returns undefined when it is good, else what was expected
 */
export function listenAddressProblem(text: string): string | undefined {
  const [empty, protocol = '', host = '', tcp, port = '', ...rest] = text.split('/');
  const isIp = (protocol === 'ip4' && isIPv4(host)) || (protocol === 'ip6' && isIPv6(host));
  const good = empty === '' && isIp && tcp === 'tcp' && isPort(port, 0) && rest.length === 0;
  return good ? undefined : `expected an address like /ip4/0.0.0.0/tcp/7946, got ${shown(text)}`;
}

/**
 * Checks an address to dial: `/ip4/192.0.2.1/tcp/7946/p2p/12D3KooW…`. Without its `/p2p/` end whoever
 * answers there is taken as it is.
 *
 * @returns undefined when it is good, else what was expected
 */
export function dialAddressProblem(text: string): string | undefined {
  const [empty, protocol = '', host = '', tcp, port = '', p2p, peerId = '', ...rest] = text.split('/');
  const good =
    empty === '' && isHost(protocol, host) && tcp === 'tcp' && isPort(port, 1) && rest.length === 0;
  if (!good || (p2p !== undefined && p2p !== 'p2p')) {
    return `expected an address like /ip4/192.0.2.1/tcp/7946/p2p/PEERID, got ${shown(text)}`;
  }
  if (p2p === 'p2p' && !/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/.test(peerId)) {
    return `expected a PeerId of 52 characters after /p2p/ (12D3KooW…, from \`peertap id\`), got ${shown(peerId)}`;
  }
  return undefined;
}

function isHost(protocol: string, host: string): boolean {
  if (!HOST_PROTOCOLS.includes(protocol)) return false;
  if (protocol === 'ip4') return isIPv4(host);
  if (protocol === 'ip6') return isIPv6(host);
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host);
}

function isPort(text: string, least: number): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= least && Number(text) <= 65_535;
}

function shown(text: string): string {
  return `'${text.slice(0, 128)}'`;
}
