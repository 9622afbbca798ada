/**
 * The commands, their options and their help; each command's file is loaded only when it runs.
 *
 * argv → commander (usage errors: exit 2) → one command file → exit code
 *
 * Must never import what a command needs: `peertap id` should not wait for libp2p.
 */
import { Command } from 'commander';
import { readVersion } from '../admin/version.ts';
import { DEFAULT_CONFIG_PATH, DEFAULT_CONTROL_SOCKET } from '../config/defaults.ts';
import {
  configOption,
  jsonOption,
  type QueryOptions,
  socketOption,
  socketOverrideOption,
} from './arguments.ts';
import { EXIT_DONE, reportError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { addInspectionCommands } from './inspection-commands.ts';
import { addMemberCommands } from './member-commands.ts';
import { addSwarmCommands } from './swarm-commands.ts';
import { addVlanCommands } from './vlan-commands.ts';

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
  addInspectionCommands(program, io, setExitCode);
  const vlan = program
    .command('vlan')
    .description('create, join, leave and list VLANs, and say who is in them');
  addVlanCommands(vlan, io);
  addMemberCommands(vlan, io);
  const swarm = program.command('swarm').description('let only nodes with a common key connect');
  addSwarmCommands(swarm, io);
  return program;
}

const FILE_COLUMN_WIDTH = 32;

const AFTER_HELP = `
Files:
  ${DEFAULT_CONFIG_PATH.padEnd(FILE_COLUMN_WIDTH)}config, unless --config names another
  ${DEFAULT_CONTROL_SOCKET.padEnd(FILE_COLUMN_WIDTH)}control socket of the daemon, unless --socket names another

Exit codes: 0 done, 1 failed, 2 used wrongly.`;

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
    .action(async (options: QueryOptions) => {
      await (await import('./status.ts')).runStatus(options, io);
    });
  program
    .command('peers')
    .description('show the nodes that the daemon knows')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: QueryOptions) => {
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
