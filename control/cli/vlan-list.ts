/** `peertap vlan list`: the VLANs that this node is in. */
import { AdminClient } from '../admin/admin-client.ts';
import type { VlanReport } from '../admin/daemon-control.ts';
import type { CommandIo } from './command-io.ts';
import { cell, formatTable, printable } from './table.ts';

/** Prints the VLANs. */
export async function runVlanList(options: { socket: string; json?: boolean }, io: CommandIo): Promise<void> {
  const vlans = await new AdminClient(options.socket).vlans();
  if (options.json === true) {
    io.out(JSON.stringify({ vlans }, undefined, 2));
    return;
  }
  if (vlans.length === 0) {
    io.out(
      'no VLANs; `peertap vlan create NAME` makes one, `peertap vlan join ID --interface ptap0` joins one',
    );
    return;
  }
  for (const line of vlanTable(vlans)) io.out(line);
}

/** VLANs as the lines of a table. */
export function vlanTable(vlans: readonly VlanReport[]): string[] {
  const rows = vlans.map((vlan) => [
    vlan.id,
    cell(vlan.name === null ? null : printable(vlan.name)),
    cell(vlan.interface),
    cell(vlan.addresses.join(' ')),
    String(vlan.mtuBytes),
    String(vlan.members),
    String(vlan.stations),
    vlan.source,
  ]);
  return formatTable(['ID', 'NAME', 'INTERFACE', 'ADDRESSES', 'MTU', 'MEMBERS', 'STATIONS', 'FROM'], rows);
}
