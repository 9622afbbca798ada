/** `peertap vlan create NAME`: makes a VLAN; this node is its owner and first member, without an interface. */
import { AdminClient } from '../admin/admin-client.ts';
import type { CommandIo } from './command-io.ts';

/** Prints the id alone on stdout. */
export async function runVlanCreate(name: string, options: { socket: string }, io: CommandIo): Promise<void> {
  const { id } = await new AdminClient(options.socket).createVlan(name);
  io.out(id);
  io.err('whoever has this id is a member: share it like a password. To use the VLAN on this machine:');
  io.err(`  peertap vlan join ${id} --interface ptap0 --address 10.7.0.1/24`);
}
