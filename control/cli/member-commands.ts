/**
 * `peertap vlan invite|requests|approve|remove|members`: their options and help; each command's file is loaded only
 * when it runs.
 *
 * Must never import what a command needs.
 */
import { type Command, Option } from 'commander';
import {
  expiryArgument,
  jsonOption,
  peerArgument,
  type QueryOptions,
  socketOption,
  usesArgument,
  vlanArgument,
} from './arguments.ts';
import type { CommandIo } from './command-io.ts';

const DEFAULT_EXPIRY_SECONDS = 86_400;

/** Adds them to `peertap vlan`. */
export function addMemberCommands(vlan: Command, io: CommandIo): void {
  addInviteCommand(vlan, io);
  vlan
    .command('requests')
    .description('list the peers that wait to be admitted to a private VLAN')
    .argument('<id>', 'the VLAN', vlanArgument)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (id: string, options: QueryOptions) => {
      await (await import('./vlan-admission.ts')).runVlanRequests(id, options, io);
    });
  vlan
    .command('approve')
    .description('admit a peer that waits')
    .argument('<id>', 'the VLAN', vlanArgument)
    .argument('<peer>', 'its PeerId, or 4 or more characters that it begins with', peerArgument)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (id: string, peer: string, options: QueryOptions) => {
      await (await import('./vlan-admission.ts')).runVlanApprove({ vlan: id, peer }, options, io);
    });
  vlan
    .command('remove')
    .description('remove a member of a private VLAN at once, or refuse a peer that waits')
    .argument('<id>', 'the VLAN', vlanArgument)
    .argument('<peer>', 'its PeerId, or 4 or more characters that it begins with', peerArgument)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (id: string, peer: string, options: QueryOptions) => {
      await (await import('./vlan-admission.ts')).runVlanRemove({ vlan: id, peer }, options, io);
    });
  vlan
    .command('members')
    .description('list who is in a VLAN')
    .argument('<id>', 'the VLAN', vlanArgument)
    .option('--long', 'show the MAC addresses behind each')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (id: string, options: QueryOptions & { long?: boolean }) => {
      await (await import('./vlan-members.ts')).runVlanMembers(id, options, io);
    });
}

interface InviteOptions extends QueryOptions {
  readonly uses: number;
  readonly expires: number;
  readonly secret: boolean;
}

function addInviteCommand(vlan: Command, io: CommandIo): void {
  vlan
    .command('invite')
    .description('print an invite, for another node to join by')
    .argument('<id>', 'the VLAN', vlanArgument)
    .addOption(new Option('--uses <count>', 'how many nodes it admits').argParser(usesArgument).default(1))
    .addOption(
      new Option('--expires <duration>', 'how long it holds, as 30min, 12h or 7d')
        .argParser(expiryArgument)
        .default(DEFAULT_EXPIRY_SECONDS, '1d'),
    )
    .option('--no-secret', 'lead to the VLAN only; an admin approves')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (id: string, options: InviteOptions) => {
      const { uses, expires: expiresSeconds, secret: oneTimeSecret } = options;
      const wanted = { uses, expiresSeconds, oneTimeSecret };
      await (await import('./vlan-invite.ts')).runVlanInvite(id, wanted, options, io);
    });
}
