/**
 * libp2p's addresses, read from text.
 *
 * Main thread; pure.
 */
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
