/** `peertap vlan create NAME`: makes a VLAN; this node is its owner and first member, without an interface. */
import { AdminClient } from '../admin/admin-client.ts';
import type { CreateRequest } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { shortId } from './named.ts';
import { hostInSubnet } from './subnet-host.ts';

const EXAMPLE_SUBNET = '10.7.0.0/24';

/** Prints the id alone on stdout. */
export async function runVlanCreate(
  wanted: CreateRequest,
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  const vlan = await new AdminClient(options.socket).createVlan(wanted);
  io.out(options.json === true ? JSON.stringify(vlan, undefined, 2) : vlan.id);
  const address = hostInSubnet(wanted.subnet ?? EXAMPLE_SUBNET, 1);
  const join = `  peertap vlan join ${shortId(vlan.id)} --interface ptap0 --address ${address}`;
  if (!wanted.private) {
    io.err('whoever has this id is a member: share it like a password. To use the VLAN on this machine:');
    io.err(join);
    return;
  }
  io.err('nobody else is in it yet, and nobody is let in by the id alone. To use it on this machine:');
  io.err(join);
  io.err('and to let another node in:');
  io.err(`  peertap vlan invite ${shortId(vlan.id)}`);
}
