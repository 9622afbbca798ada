/**
 * libp2p's addresses, read from text.
 *
 * Main thread; pure.
 */
import { networkInterfaces } from 'node:os';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { NetworkError } from './network-error.ts';

/** @throws NetworkError `bad-address` */
export function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address);
  } catch (cause) {
    throw new NetworkError('bad-address', `${address} is not a libp2p address`, { address, cause });
  }
}

/** @returns the address with the expected peer at its end, or undefined for one that names another peer or is none */
export function namedAddress(address: string, peer: PeerIdText): Multiaddr | undefined {
  try {
    const parsed = multiaddr(address);
    const parts = parsed.getComponents();
    // Before the circuit stands the relay's name.
    const circuitAt = parts.findIndex((component) => component.name === 'p2p-circuit');
    const named = parts.slice(circuitAt + 1).find((component) => component.name === 'p2p')?.value;
    if (named === undefined) {
      return parsed.encapsulate(`/p2p/${peer}`);
    }
    return named === peer ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where a machine can be reached that listens at these: a wildcard stands for each address of its family.
 *
 * libp2p's own list leaves out global addresses until another node has confirmed them, which here nobody does.
 *
 * @param interfaces - test seam; the default asks the system
 */
export function expandedAddresses(
  listening: readonly Multiaddr[],
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): string[] {
  const own = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  const expanded = listening.flatMap((address) => {
    const text = address.toString();
    const wildcard = /^\/(?:ip4\/0\.0\.0\.0|ip6\/::)\//.exec(text)?.[0];
    const family = wildcard?.startsWith('/ip6') === true ? 'IPv6' : 'IPv4';
    const isIp6 = family === 'IPv6';
    return wildcard === undefined
      ? [text]
      : own
          .filter((one) => one.family === family && !(isIp6 && one.scopeid !== 0))
          .map((one) => `/${isIp6 ? 'ip6' : 'ip4'}/${one.address}/${text.slice(wildcard.length)}`);
  });
  return [...new Set(expanded)];
}
