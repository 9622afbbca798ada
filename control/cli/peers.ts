/** `peertap peers`: the nodes that the daemon knows, connected or not, and why not. */
import { AdminClient } from '../admin/admin-client.ts';
import type { PeerReport } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { cell, formatTable, printable } from './table.ts';

/** Prints the peers. */
export async function runPeers(options: QueryOptions, io: CommandIo): Promise<void> {
  const peers = await new AdminClient(options.socket).peers();
  if (options.json === true) {
    io.out(JSON.stringify({ peers }, undefined, 2));
    return;
  }
  if (peers.length === 0) {
    io.out(
      'no peers known; name one in "bootstrap" of the config, here or there, or join a VLAN by an invite',
    );
    return;
  }
  for (const line of formatTable(
    ['PEER', 'STATE', 'STANDING', 'CARRIER', 'RTT', 'VLANS', 'KNOWN BY', 'ADDRESSES', 'LAST ERROR'],
    peers.map(row),
  )) {
    io.out(line);
  }
}

function row(peer: PeerReport): string[] {
  return [
    peer.peer,
    peer.state,
    peer.standing,
    cell(peer.carrier),
    cell(peer.rttMs === null ? null : peer.rttMs.toFixed(2), ' ms'),
    String(peer.sharedVlans.length),
    cell(peer.sources.join(' ')),
    cell(peer.addresses.map(printable).join(' ')),
    cell(peer.lastError === null ? null : printable(peer.lastError)),
  ];
}
