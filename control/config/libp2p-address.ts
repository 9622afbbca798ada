/**
 * The libp2p addresses that this daemon can listen on or dial: TCP, WebSocket or QUIC, over IP or a name.
 *
 *   /ip4/192.0.2.1/tcp/7946   …/tcp/7946/ws   …/udp/7946/quic-v1        [/p2p/PEERID when dialled]
 *
 * A check of the text alone, so that the command can read a config without loading libp2p; the network
 * module parses the address again with the library. Pure. Must never resolve a name.
 */
import { isIPv4, isIPv6 } from 'node:net';

const IP_PROTOCOLS = ['ip4', 'ip6'];
const HOST_PROTOCOLS = [...IP_PROTOCOLS, 'dns', 'dns4', 'dns6'];

/** An address in its parts; `peerId` is what stands after `/p2p/`, if that is there. */
interface AddressParts {
  readonly protocol: string;
  readonly host: string;
  readonly transport: 'tcp' | 'ws' | 'quic-v1';
  readonly port: number;
  readonly peerId: string | undefined;
}

/**
 * Checks an address to listen on: `/ip4/0.0.0.0/tcp/7946`, `/ip6/::/tcp/7946/ws` or `/ip4/0.0.0.0/udp/7946/quic-v1`.
 *
 * @returns undefined when it is good, else what was expected
 */
export function listenAddressProblem(text: string): string | undefined {
  const parts = addressParts(text);
  const isGood = parts !== undefined && IP_PROTOCOLS.includes(parts.protocol) && parts.peerId === undefined;
  return isGood ? undefined : `expected an address like ${examples('/ip4/0.0.0.0', '')}, got ${shown(text)}`;
}

/**
 * Checks an address to dial: `/ip4/192.0.2.1/tcp/7946/p2p/12D3KooW…`. Without its `/p2p/` end whoever
 * answers there is taken as it is.
 *
 * @returns undefined when it is good, else what was expected
 */
export function dialAddressProblem(text: string): string | undefined {
  const parts = addressParts(text);
  if (parts === undefined || parts.port === 0) {
    return `expected an address like ${examples('/ip4/192.0.2.1', '/p2p/PEERID')}, got ${shown(text)}`;
  }
  const { peerId } = parts;
  if (peerId !== undefined && !/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/.test(peerId)) {
    return `expected a PeerId of 52 characters after /p2p/ (12D3KooW…, from \`peertap id\`), got ${shown(peerId)}`;
  }
  return undefined;
}

/** Where a listening address binds; for whoever tries its port. */
export function listenPort(text: string): { kind: 'tcp' | 'udp'; host: string; port: number } | undefined {
  const parts = addressParts(text);
  if (parts === undefined) return undefined;
  return { kind: parts.transport === 'quic-v1' ? 'udp' : 'tcp', host: parts.host, port: parts.port };
}

function addressParts(text: string): AddressParts | undefined {
  const [empty, protocol = '', host = '', carrier = '', port = '', ...rest] = text.split('/');
  if (empty !== '' || !isHost(protocol, host) || !isPort(port)) return undefined;
  const peerId = rest.at(-2) === 'p2p' ? rest.at(-1) : undefined;
  const transport = transportOf(carrier, peerId === undefined ? rest : rest.slice(0, -2));
  return transport === undefined ? undefined : { protocol, host, transport, port: Number(port), peerId };
}

function transportOf(carrier: string, over: readonly string[]): AddressParts['transport'] | undefined {
  const words = [carrier, ...over].join('/');
  if (words === 'tcp') return 'tcp';
  if (words === 'tcp/ws') return 'ws';
  return words === 'udp/quic-v1' ? 'quic-v1' : undefined;
}

function examples(host: string, end: string): string {
  return `${host}/tcp/7946${end} (or …/tcp/7946/ws${end}, …/udp/7946/quic-v1${end})`;
}

function isHost(protocol: string, host: string): boolean {
  if (!HOST_PROTOCOLS.includes(protocol)) return false;
  if (protocol === 'ip4') return isIPv4(host);
  if (protocol === 'ip6') return isIPv6(host);
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host);
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}

function shown(text: string): string {
  return `'${text.slice(0, 128)}'`;
}
