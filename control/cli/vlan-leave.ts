/** `peertap vlan leave ID`: detaches this machine from a VLAN; its interface goes. */
import { AdminClient } from '../admin/admin-client.ts';
import type { CommandIo } from './command-io.ts';

/** Leaves. */
export async function runVlanLeave(id: string, options: { socket: string }, io: CommandIo): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlan = (await client.vlans()).find((entry) => entry.id === id);
  await client.leaveVlan(id);
  io.out(`left ${id}`);
  if (vlan?.source === 'config') {
    io.err(
      'it stands in the config file and comes back at the next start or reload, unless it is removed there',
    );
  }
}
