/** `peertap vlan members ID`: who is in a VLAN, and who of them is there now. */
import { AdminClient } from '../admin/admin-client.ts';
import type { MemberReport } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { vlanIdOf } from './named.ts';
import { cell, formatDuration, formatTable } from './table.ts';

export interface MembersOptions extends QueryOptions {
  readonly long?: boolean;
}

/** Prints the members. */
export async function runVlanMembers(text: string, options: MembersOptions, io: CommandIo): Promise<void> {
  const client = new AdminClient(options.socket);
  const members = await client.members(vlanIdOf(text, await client.vlans()));
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
