/** `peertap vlan browse`: the public VLANs that the directory knows, to be joined or asked to. */
import { AdminClient } from '../admin/admin-client.ts';
import type { BrowsedVlan } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { cell, formatTable, printable } from './table.ts';

/** Prints the VLANs of the directory. */
export async function runVlanBrowse(options: QueryOptions, io: CommandIo): Promise<void> {
  const vlans = await new AdminClient(options.socket).browse();
  if (options.json === true) {
    io.out(JSON.stringify({ vlans }, undefined, 2));
    return;
  }
  if (vlans.length === 0) {
    io.out(
      'no VLANs to browse: only public ones are here (`peertap vlan set ID public=yes`), as peers tell of them',
    );
    return;
  }
  const header = ['ID', 'NAME', 'KIND', 'SUBNET', 'OWNER', 'JOINED', 'DESCRIPTION'];
  for (const line of formatTable(header, vlans.map(row))) io.out(line);
}

function row(vlan: BrowsedVlan): string[] {
  return [
    vlan.id,
    printable(vlan.name),
    vlan.kind,
    cell(vlan.subnet),
    printable(vlan.owner),
    vlan.joined ? 'yes' : 'no',
    cell(vlan.description === null ? null : printable(vlan.description)),
  ];
}
