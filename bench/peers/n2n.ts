/**
 * Owns n2n as a peer: layer 2, edges that find each other through a supernode. Runs on the main thread of the bench.
 */

import { PEER_INTERFACE, type Peer, type PeerSite } from './peer.ts';

const SUPERNODE_PORT = 7654;
/** With its own default of 1,400 every full frame is sent as two fragments. */
const MTU_BYTES = 1350;

export const n2n: Peer = {
  name: 'n2n',
  layer: 2,
  cipher: 'Twofish (AES in n2n 3)',
  programs: ['edge', 'supernode'],
  start,
};

/** The supernode stands beside the first edge. It carries the edges' frames only until they know each other's address. */
async function start(site: PeerSite): Promise<void> {
  const supernode = `${site.a.machine.address}:${SUPERNODE_PORT}`;
  site.spawn(site.a, 'supernode', ['-l', String(SUPERNODE_PORT)]);
  for (const [near] of site.ends) {
    const membership = ['-c', 'bench', '-k', 'a key that is known to everybody', '-l', supernode];
    site.spawn(near, 'edge', ['-d', PEER_INTERFACE, '-a', near.innerAddress, ...membership]);
  }
  for (const [near] of site.ends)
    await site.configureInterface(near, { name: PEER_INTERFACE, mtuBytes: MTU_BYTES });
}
