/**
 * The commands, their options and their help; each command's file is loaded only when it runs.
 *
 * argv → commander (usage errors: exit 2) → one command file → exit code
 *
 * Must never import what a command needs: `peertap id` should not wait for libp2p.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { readVersion } from '../admin/version.ts';
import { parseCidr } from '../config/cidr.ts';
import { DEFAULT_CONFIG_PATH, DEFAULT_CONTROL_SOCKET, DEFAULT_MTU_BYTES } from '../config/defaults.ts';
import { interfaceNameProblem } from '../config/interface-name.ts';
import { vlanNameProblem } from '../config/vlan-name.ts';
import { parseVlanId } from '../vlan/vlan-id.ts';
import { EXIT_DONE, reportError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';

/**
 * Runs one command line.
 *
 * @param args - without node and script
 * @returns the exit code: 0 done, 1 failed, 2 used wrongly
 */
export async function runCommandLine(args: readonly string[], io: CommandIo): Promise<number> {
  let exitCode = EXIT_DONE;
  const setExitCode = (code: number): void => {
    exitCode = code;
  };
  try {
    await buildProgram(io, setExitCode).parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportError(error, io);
  }
}

function buildProgram(io: CommandIo, setExitCode: (code: number) => void): Command {
  const program = new Command('peertap')
    .description('One private Ethernet segment over any network, with no server in the middle.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        io.out(text.trimEnd());
      },
      writeErr: (text) => {
        io.err(text.trimEnd());
      },
    })
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', AFTER_HELP);
  addNodeCommands(program, io);
  addQueryCommands(program, io, setExitCode);
  addVlanCommands(program.command('vlan').description('create, join, leave and list VLANs'), io);
  return program;
}

const FILE_COLUMN_WIDTH = 32;

const AFTER_HELP = `
Files:
  ${DEFAULT_CONFIG_PATH.padEnd(FILE_COLUMN_WIDTH)}config, unless --config names another
  ${DEFAULT_CONTROL_SOCKET.padEnd(FILE_COLUMN_WIDTH)}control socket of the daemon, unless --socket names another

Exit codes: 0 done, 1 failed, 2 used wrongly.`;

function configOption(): Option {
  return new Option('--config <file>', `config file (default: ${DEFAULT_CONFIG_PATH})`);
}

function socketOption(): Option {
  return new Option('--socket <path>', 'control socket of the daemon').default(DEFAULT_CONTROL_SOCKET);
}

/** For commands that read a config, which names a socket itself. */
function socketOverrideOption(): Option {
  return new Option('--socket <path>', "control socket, in place of the config's");
}

function jsonOption(): Option {
  return new Option('--json', 'print JSON, for scripts');
}

function addNodeCommands(program: Command, io: CommandIo): void {
  program
    .command('daemon')
    .description('run the daemon in the foreground')
    .addOption(configOption())
    .addOption(socketOverrideOption())
    .action(async (options: { config?: string; socket?: string }) => {
      await (await import('./daemon.ts')).runDaemon(options);
    });
  program
    .command('init')
    .description("write a commented starting config and this node's identity; print the PeerId")
    .addOption(configOption())
    .option('--state-directory <path>', 'where the identity is kept (default: /var/lib/peertap)')
    .addOption(socketOverrideOption())
    .action(async (options: { config?: string; stateDirectory?: string; socket?: string }) => {
      await (await import('./init.ts')).runInit(options, io);
    });
  program
    .command('id')
    .description("print this node's PeerId; makes the identity if there is none")
    .addOption(configOption())
    .addOption(socketOverrideOption())
    .action(async (options: { config?: string; socket?: string }) => {
      await (await import('./id.ts')).runId(options, io);
    });
}

function addQueryCommands(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  program
    .command('status')
    .description('show trunks, VLANs, counters and drops of the running daemon')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: { json?: boolean; socket: string }) => {
      await (await import('./status.ts')).runStatus(options, io);
    });
  program
    .command('peers')
    .description('show the nodes that the daemon knows')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: { json?: boolean; socket: string }) => {
      await (await import('./peers.ts')).runPeers(options, io);
    });
  program
    .command('doctor')
    .description('check this machine, and say what to do about what is missing')
    .addOption(configOption())
    .addOption(jsonOption())
    .addOption(socketOverrideOption())
    .action(async (options: { config?: string; json?: boolean; socket?: string }) => {
      setExitCode(await (await import('./doctor.ts')).runDoctor(options, io));
    });
}

function addVlanCommands(vlan: Command, io: CommandIo): void {
  vlan
    .command('create')
    .description('make a VLAN and print its id')
    .argument('<name>', 'what you call it', vlanNameArgument)
    .addOption(socketOption())
    .action(async (name: string, options: { socket: string }) => {
      await (await import('./vlan-create.ts')).runVlanCreate(name, options, io);
    });
  addJoinCommand(vlan, io);
  vlan
    .command('leave')
    .description('leave a VLAN and remove its interface')
    .argument('<id>', 'the VLAN', vlanIdArgument)
    .addOption(socketOption())
    .action(async (id: string, options: { socket: string }) => {
      await (await import('./vlan-leave.ts')).runVlanLeave(id, options, io);
    });
  vlan
    .command('list')
    .description('list the VLANs that this node is in')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: { json?: boolean; socket: string }) => {
      await (await import('./vlan-list.ts')).runVlanList(options, io);
    });
}

interface JoinOptions {
  readonly interface: string;
  readonly address: readonly string[];
  readonly mtu: number;
  readonly wait: boolean;
  readonly socket: string;
}

function addJoinCommand(vlan: Command, io: CommandIo): void {
  vlan
    .command('join')
    .description('join a VLAN and show it as a network interface')
    .argument('<id>', 'the VLAN, 26 characters', vlanIdArgument)
    .requiredOption('--interface <name>', 'name of the interface to make', interfaceArgument)
    .option('--address <cidr>', 'address for it, as 10.7.0.1/24; may be given again', addressArgument, [])
    .option('--mtu <bytes>', 'MTU of the interface, 576..9000', mtuArgument, DEFAULT_MTU_BYTES)
    .option('--no-wait', 'do not wait up to 10 s for a first member')
    .addOption(socketOption())
    .action(async (id: string, options: JoinOptions) => {
      const join = { id, interface: options.interface, addresses: options.address, mtuBytes: options.mtu };
      await (await import('./vlan-join.ts')).runVlanJoin(join, options, io);
    });
}

function vlanIdArgument(text: string): string {
  const parsed = parseVlanId(text);
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.reason}.`);
  return text;
}

function vlanNameArgument(text: string): string {
  const problem = vlanNameProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`${problem}.`);
  return text;
}

function interfaceArgument(text: string): string {
  const problem = interfaceNameProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`${problem}.`);
  return text;
}

function addressArgument(text: string, earlier: readonly string[]): readonly string[] {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.reason}.`);
  return [...earlier, text];
}

function mtuArgument(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 576 && value <= 9000)) throw new InvalidArgumentError('expected 576..9000.');
  return value;
}
