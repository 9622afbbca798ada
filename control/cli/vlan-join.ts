/**
 * `peertap vlan join ID --interface NAME`: attaches this machine to a VLAN and looks for a first member.
 *
 * An open VLAN has no list to look an id up in: a mistyped but well-formed id is a VLAN without members, so
 * silence for ten seconds is said, and is no failure.
 */
import { AdminClient } from '../admin/admin-client.ts';
import type { JoinRequest } from '../admin/daemon-control.ts';
import type { CommandIo } from './command-io.ts';

const FIRST_MEMBER_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 200;

/** Joins, then waits for a member unless told not to. */
export async function runVlanJoin(
  join: JoinRequest,
  options: { socket: string; wait: boolean },
  io: CommandIo,
): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlan = await client.joinVlan(join);
  const addresses = vlan.addresses.length === 0 ? 'no address' : vlan.addresses.join(', ');
  io.out(`joined ${vlan.id} on ${vlan.interface ?? join.interface} (${addresses}, MTU ${vlan.mtuBytes})`);
  if (!options.wait) return;
  const members = await waitForMember(client, join.id, io);
  if (members > 0) {
    io.out(`found ${members} other member${members === 1 ? '' : 's'}`);
    return;
  }
  io.err(
    `no other member was found within ${FIRST_MEMBER_TIMEOUT_MS / 1000} s. The VLAN stays joined and takes ` +
      'members as they come; check the id, and `peertap peers` for a trunk to one of them',
  );
}

async function waitForMember(client: AdminClient, id: string, io: CommandIo): Promise<number> {
  const deadlineMs = io.nowMs() + FIRST_MEMBER_TIMEOUT_MS;
  for (;;) {
    const vlan = (await client.vlans()).find((entry) => entry.id === id);
    if (vlan !== undefined && vlan.members > 0) return vlan.members;
    if (io.nowMs() >= deadlineMs) return 0;
    await io.sleep(POLL_INTERVAL_MS);
  }
}
