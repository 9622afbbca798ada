/** `peertap vlan members ID`: who is in a VLAN, and who of them is there now. */
import { AdminClient } from '../admin/admin-client.ts';
import type { MemberReport, VlanState } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { nameOf, vlanIdOf } from './named.ts';
import { cell, formatDuration, formatTable } from './table.ts';

const NOT_IN: ReadonlySet<VlanState> = new Set(['joining', 'waiting-for-approval', 'refused', 'expelled']);

export interface MembersOptions extends QueryOptions {
  readonly long?: boolean;
}

/** Prints the members. */
export async function runVlanMembers(text: string, options: MembersOptions, io: CommandIo): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlans = await client.vlans();
  const id = vlanIdOf(text, vlans);
  const members = await client.members(id);
  if (options.json === true) {
    io.out(JSON.stringify({ members }, undefined, 2));
    return;
  }
  const isLong = options.long === true;
  const header = ['PEER', 'ROLE', 'STATE', 'TRUNK', 'HEARD', 'EPOCH', 'STATIONS'];
  for (const line of formatTable(
    header,
    members.map((member) => row(member, isLong)),
  )) {
    io.out(line);
  }
  const vlan = vlans.find((entry) => entry.id === id);
  if (vlan !== undefined && NOT_IN.has(vlan.state)) {
    io.err(`this node is not in ${nameOf(vlan)} yet: it is ${vlan.state}`);
  }
}

function row(member: MemberReport, isLong: boolean): string[] {
  const heard = member.lastHeardSeconds;
  return [
    member.peer,
    member.role,
    member.state,
    member.state === 'self' ? '-' : member.trunk ? 'up' : 'none',
    cell(heard === null ? null : `${formatDuration(heard)} ago`),
    cell(member.epoch),
    isLong ? cell(member.stations.join(' ')) : String(member.stations.length),
  ];
}
