/**
 * Owns VpnCloud as a peer, with a TAP in its mode `switch`: layer 2. Runs on the main thread of the bench.
 */

import { PEER_INTERFACE, type Peer, type PeerSite } from './peer.ts';

const PORT = 3210;
/** What still fits into one datagram with its header and tag. */
const MTU_BYTES = 1400;
const UNDERLAY_INTERFACE = 'eth0';

export const vpncloud: Peer = {
  name: 'VpnCloud',
  layer: 2,
  cipher: 'the fastest of AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305',
  programs: ['vpncloud'],
  start,
};

/**
 * It looks for its own address on the way to the Internet, and ends where there is none.
 * One end asks, the other waits for it: questions that cross disturb each other.
 */
async function start(site: PeerSite): Promise<void> {
  for (const [near, far] of [site.ends[1], site.ends[0]]) {
    const { namespace, address } = near.machine;
    namespace.ip('route', 'add', 'default', 'dev', UNDERLAY_INTERFACE);
    site.spawn(near, 'vpncloud', [
      ...['--type', 'tap', '--mode', 'switch', '--device', PEER_INTERFACE],
      ...['--listen', `${address}:${PORT}`, '--no-port-forwarding', '--quiet'],
      ...['--password', 'a password that is known to everybody'],
      ...(near === site.a ? ['--peer', `${far.machine.address}:${PORT}`] : []),
    ]);
    await site.configureInterface(near, { name: PEER_INTERFACE, mtuBytes: MTU_BYTES });
  }
}
