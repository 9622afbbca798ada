/**
 * `peertap vlan create|join|leave|list|browse|set`: their options and help; each command's file is loaded only when it
 * runs.
 *
 * Must never import what a command needs.
 */
import { type Command, Option } from 'commander';
import { DEFAULT_MTU_BYTES } from '../config/defaults.ts';
import {
  addressArgument,
  interfaceArgument,
  jsonOption,
  mtuArgument,
  type QueryOptions,
  settingArgument,
  socketOption,
  subnetArgument,
  vlanArgument,
  vlanNameArgument,
  vlanOrInviteArgument,
} from './arguments.ts';
import type { CommandIo } from './command-io.ts';

const AFTER_HELP = `
A VLAN goes by its id, by 4 or more characters that the id begins with, by its name here or by its interface.

An open VLAN (the default) admits whoever knows its id. A private one admits whom an admin invites or approves:
  peertap vlan create home --private --subnet 10.7.0.0/24
  peertap vlan join home --interface ptap0 --address 10.7.0.1/24
  peertap vlan invite home                                          prints an invite; on the other node:
  peertap vlan join INVITE --interface ptap0 --address 10.7.0.2/24`;

/** Adds them to `peertap vlan`. */
export function addVlanCommands(vlan: Command, io: CommandIo): void {
  vlan.addHelpText('after', AFTER_HELP);
  addCreateCommand(vlan, io);
  addJoinCommand(vlan, io);
  vlan
    .command('leave')
    .description('leave a VLAN and remove its interface; ends a request to join, too')
    .argument('<id>', 'the VLAN', vlanArgument)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (id: string, options: QueryOptions) => {
      await (await import('./vlan-leave.ts')).runVlanLeave(id, options, io);
    });
  vlan
    .command('list')
    .description('list the VLANs that this node is in')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: QueryOptions) => {
      await (await import('./vlan-list.ts')).runVlanList(options, io);
    });
  vlan
    .command('browse')
    .description('list the public VLANs that the directory knows')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: QueryOptions) => {
      await (await import('./vlan-browse.ts')).runVlanBrowse(options, io);
    });
  addSetCommand(vlan, io);
}

function addCreateCommand(vlan: Command, io: CommandIo): void {
  vlan
    .command('create')
    .description('make a VLAN and print its id')
    .argument('<name>', 'what you call it', vlanNameArgument)
    .option('--private', 'admit only whom an admin invites or approves, and be able to remove them')
    .addOption(
      new Option('--subnet <cidr>', 'addresses that its hosts have, as 10.7.0.0/24').argParser(
        subnetArgument,
      ),
    )
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (name: string, options: QueryOptions & { private?: boolean; subnet?: string }) => {
      const wanted = { name, private: options.private === true, subnet: options.subnet ?? null };
      await (await import('./vlan-create.ts')).runVlanCreate(wanted, options, io);
    });
}

interface JoinOptions extends QueryOptions {
  readonly interface: string;
  readonly address: readonly string[];
  readonly mtu: number;
  readonly wait: boolean;
}

function addJoinCommand(vlan: Command, io: CommandIo): void {
  vlan
    .command('join')
    .description('join a VLAN and show it as a network interface')
    .argument('<id|invite>', 'the VLAN, 26 characters, or an invite to it', vlanOrInviteArgument)
    .requiredOption('--interface <name>', 'name of the interface to make', interfaceArgument)
    .option('--address <cidr>', 'address for it, as 10.7.0.1/24; may be given again', addressArgument, [])
    .option('--mtu <bytes>', 'MTU of the interface, 576..9000', mtuArgument, DEFAULT_MTU_BYTES)
    .option('--no-wait', 'do not wait to be admitted, nor up to 10 s for a first member')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (text: string, options: JoinOptions) => {
      const attachment = { interface: options.interface, addresses: options.address, mtuBytes: options.mtu };
      await (await import('./vlan-join.ts')).runVlanJoin(text, attachment, options, io);
    });
}

function addSetCommand(vlan: Command, io: CommandIo): void {
  vlan
    .command('set')
    .description('change settings of a VLAN that this node owns')
    .argument('<id>', 'the VLAN', vlanArgument)
    .argument(
      '[key=value...]',
      'settings, listed when none is given; an empty value clears one',
      settingArgument,
    )
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(
      async (id: string, changes: Readonly<Record<string, string>> | undefined, options: QueryOptions) => {
        await (await import('./vlan-set.ts')).runVlanSet(id, changes ?? {}, options, io);
      },
    );
}
