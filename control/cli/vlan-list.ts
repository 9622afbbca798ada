/** `peertap vlan list`: the VLANs that this node is in, or asks to be in. */
import { AdminClient } from '../admin/admin-client.ts';
import type { VlanReport } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { nameOf, shortId } from './named.ts';
import { cell, formatTable, printable } from './table.ts';

/** Prints the VLANs. */
export async function runVlanList(options: QueryOptions, io: CommandIo): Promise<void> {
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
  for (const vlan of vlans) {
    if (vlan.requests > 0) io.err(requestsLine(vlan));
    if (vlan.reason !== null) io.err(`${nameOf(vlan)} is ${vlan.state}: ${vlan.reason}`);
  }
}

/** VLANs as the lines of a table. */
export function vlanTable(vlans: readonly VlanReport[]): string[] {
  const rows = vlans.map((vlan) => [
    vlan.id,
    cell(vlan.name === null ? null : printable(vlan.name)),
    vlan.kind,
    vlan.state,
    cell(vlan.interface),
    cell(vlan.addresses.join(' ')),
    String(vlan.mtuBytes),
    String(vlan.members),
    String(vlan.stations),
    vlan.source,
  ]);
  const header = [
    'ID',
    'NAME',
    'KIND',
    'STATE',
    'INTERFACE',
    'ADDRESSES',
    'MTU',
    'MEMBERS',
    'STATIONS',
    'FROM',
  ];
  return formatTable(header, rows);
}

function requestsLine(vlan: VlanReport): string {
  const who = vlan.requests === 1 ? '1 peer waits' : `${vlan.requests} peers wait`;
  return `${who} to be admitted to ${nameOf(vlan)}: \`peertap vlan requests ${shortId(vlan.id)}\``;
}
