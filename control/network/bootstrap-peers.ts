/**
 * From the config's bootstrap addresses to peers: those that name a PeerId grouped by it, the others as they are.
 * Main thread; pure.
 */
import type { SetPeersInput } from '../trunk/trunk-port.ts';

/**
 * Groups bootstrap addresses.
 *
 * @param addresses - multiaddrs that the config's schema has accepted
 */
export function bootstrapPeers(addresses: readonly string[]): Omit<SetPeersInput, 'kind'> {
  const byPeer = new Map<string, string[]>();
  const unnamed: string[] = [];
  for (const address of addresses) {
    const peer = /\/p2p\/([^/]+)$/.exec(address)?.[1];
    if (peer === undefined) unnamed.push(address);
    else byPeer.set(peer, [...(byPeer.get(peer) ?? []), address]);
  }
  return { peers: [...byPeer].map(([peer, known]) => ({ peer, addresses: known })), unnamed };
}
