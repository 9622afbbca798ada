/** `peertap vlan invite ID`: an invite to a VLAN, to be handed over. */
import { AdminClient } from '../admin/admin-client.ts';
import type { InviteReport, InviteRequest } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { findVlan } from './named.ts';

const OPEN_ADVICE =
  'the VLAN is open, so this admits whoever has it, for good: hand it over like a password. There:';

/** Prints the invite alone on stdout. */
export async function runVlanInvite(
  text: string,
  wanted: Omit<InviteRequest, 'id'>,
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlan = findVlan(text, await client.vlans());
  const report = await client.invite({ id: vlan?.id ?? text, ...wanted });
  io.err(vlan?.kind === 'open' ? OPEN_ADVICE : advice(report));
  io.err('  peertap vlan join INVITE --interface ptap0');
  io.out(options.json === true ? JSON.stringify(report, undefined, 2) : report.invite);
}

function advice({ uses, expiresAt }: InviteReport): string {
  const until = expiresAt === null ? '' : ` until ${expiresAt}`;
  if (uses === 0) {
    return `it leads to the VLAN${until}; who joins by it waits for \`peertap vlan approve\`. There:`;
  }
  const who = uses === 1 ? 'the first node that has it' : `the first ${uses} nodes that have it`;
  return `admits ${who}${until}, by itself: hand it over like a password. There:`;
}
