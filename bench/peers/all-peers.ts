/**
 * Owns the list of tunnels that the bench knows. Runs on the main thread of the bench; reads only.
 */

import { findTool } from '../../test/lab/command.ts';
import { fastd } from './fastd.ts';
import { n2n } from './n2n.ts';
import { nebula } from './nebula.ts';
import { openvpn } from './openvpn.ts';
import type { Peer } from './peer.ts';
import { tinc } from './tinc.ts';
import { vpncloud } from './vpncloud.ts';
import { wireguardGo } from './wireguard-go.ts';

/** Every tunnel that the bench can bring up. */
const ALL_PEERS: readonly Peer[] = [wireguardGo, nebula, tinc, n2n, fastd, openvpn, vpncloud];

/** The tunnels whose programs are on the PATH, and the names of the others. */
export function findPeers(): { readonly installed: readonly Peer[]; readonly missing: readonly string[] } {
  const isInstalled = ({ programs }: Peer): boolean =>
    programs.every((program) => findTool(program) !== undefined);
  return {
    installed: ALL_PEERS.filter(isInstalled),
    missing: ALL_PEERS.filter((peer) => !isInstalled(peer)).map((peer) => peer.name),
  };
}
