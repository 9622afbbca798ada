/** `peertap vlan leave ID`: detaches this machine from a VLAN; its interface goes, and a request to join ends. */
import { AdminClient } from '../admin/admin-client.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { vlanIdOf } from './named.ts';

/** Leaves. */
export async function runVlanLeave(text: string, options: QueryOptions, io: CommandIo): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlans = await client.vlans();
  const id = vlanIdOf(text, vlans);
  const vlan = vlans.find((entry) => entry.id === id);
  const isIn = vlan?.kind === 'private' && vlan.epoch !== null;
  const others = isIn ? (await client.members(id)).filter(({ state }) => state !== 'self') : undefined;
  await client.leaveVlan(id);
  io.out(options.json === true ? JSON.stringify({ id }, undefined, 2) : `left ${id}`);
  if (vlan?.source === 'config') {
    io.err(
      'it stands in the config file and comes back at the next start or reload, unless it is removed there',
    );
  }
  if (others?.length === 0) {
    io.err('nobody else was in it, so there is nobody left who could let anybody in');
  } else if (others?.every(({ role }) => role === 'member') === true) {
    io.err('no admin is left in it: its members go on, and nobody is let in any more, this node included');
  } else if (vlan?.kind === 'private') {
    io.err('to be in it again, this node has to be admitted anew');
  }
}
