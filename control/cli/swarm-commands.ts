/**
 * `peertap swarm configure|exchange|join|leave|rotate|status`: their options and help.
 *
 * Must never import what a command needs.
 */
import type { Command } from 'commander';
import { jsonOption, type QueryOptions, socketOption } from './arguments.ts';
import type { CommandIo } from './command-io.ts';

const AFTER_HELP = `
On the first node, then on each other one:
  peertap swarm configure                                           prints the key
  peertap swarm join KEY
A fresh key, now and then; the one before holds for a day, or until you say that all have it:
  peertap swarm rotate
  peertap swarm rotate --finish`;

const KEY_COMMANDS = {
  configure: 'make a private swarm and print its key',
  exchange: "print the swarm's key, for another node to join by",
} as const;

/** Adds them to `peertap swarm`. */
export function addSwarmCommands(swarm: Command, io: CommandIo): void {
  swarm.addHelpText('after', AFTER_HELP);
  for (const how of ['configure', 'exchange'] as const) {
    swarm
      .command(how)
      .description(KEY_COMMANDS[how])
      .addOption(jsonOption())
      .addOption(socketOption())
      .action(async (options: QueryOptions) => {
        await (await import('./swarm.ts')).runSwarmKey(how, options, io);
      });
  }
  swarm
    .command('rotate')
    .description('put a fresh key into the place of the one in use, and print it')
    .option('--finish', 'make no key, but end the acceptance of the one before')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: QueryOptions & { finish?: boolean }) => {
      const commands = await import('./swarm.ts');
      if (options.finish === true) await commands.runSwarmFinish(options, io);
      else await commands.runSwarmKey('rotate', options, io);
    });
  swarm
    .command('join')
    .description('take the key of a private swarm over')
    .argument('<key>', 'as `peertap swarm exchange` prints it, or - to read it from stdin')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (key: string, options: QueryOptions) => {
      await (await import('./swarm.ts')).runSwarmJoin(key, options, io);
    });
  swarm
    .command('leave')
    .description('forget the key; any node may connect again')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: QueryOptions) => {
      await (await import('./swarm.ts')).runSwarmLeave(options, io);
    });
  swarm
    .command('status')
    .description('say whether this node is in a private swarm')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(async (options: QueryOptions) => {
      await (await import('./swarm.ts')).runSwarmStatus(options, io);
    });
}
