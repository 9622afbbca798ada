/**
 * `peertap swarm …`: a private swarm, whose nodes take connections from each other only.
 *
 * Must never print a key but where it was asked for.
 */
import { AdminClient } from '../admin/admin-client.ts';
import type { SwarmKeyReport, SwarmReport } from '../admin/daemon-control.ts';
import { SwarmError } from '../swarm/swarm-error.ts';
import { parseSwarmKey } from '../swarm/swarm-key.ts';
import type { QueryOptions } from './arguments.ts';
import { UsageError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';

const KEY_ADVICE = {
  configure:
    'from now on this node talks to nodes with this key alone, and trunks to others end. Hand it over like a password; there:',
  exchange: 'whoever has this key may connect: hand it over like a password. There:',
  rotate:
    'the key before holds for another day, so that nothing is cut off: give this one to every other node, then `peertap swarm rotate --finish` ends it. There:',
} as const;

/** Makes, shows or replaces the key, and prints it alone on stdout. */
export async function runSwarmKey(
  how: keyof typeof KEY_ADVICE,
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  const report: SwarmKeyReport = await new AdminClient(options.socket).swarmKey(how);
  io.err(KEY_ADVICE[how]);
  io.err('  peertap swarm join KEY');
  io.out(options.json === true ? JSON.stringify(report, undefined, 2) : report.key);
}

/** Takes a key over. @param text - the key, or `-` to read it from stdin, where no list of processes shows it */
export async function runSwarmJoin(text: string, options: QueryOptions, io: CommandIo): Promise<void> {
  const key = text === '-' ? (await io.read()).trim() : text.trim();
  if (key === '') throw new UsageError('there was no key on stdin; `peertap swarm exchange` prints one');
  requireSwarmKey(key);
  printSwarm(await new AdminClient(options.socket).joinSwarm(key), options, io);
}

/** Ends the acceptance of the key before. */
export async function runSwarmFinish(options: QueryOptions, io: CommandIo): Promise<void> {
  printSwarm(await new AdminClient(options.socket).finishSwarmRotation(), options, io);
}

export async function runSwarmLeave(options: QueryOptions, io: CommandIo): Promise<void> {
  printSwarm(await new AdminClient(options.socket).leaveSwarm(), options, io);
}

export async function runSwarmStatus(options: QueryOptions, io: CommandIo): Promise<void> {
  printSwarm(await new AdminClient(options.socket).swarm(), options, io);
}

/** @throws UsageError when the text is none, without repeating it */
function requireSwarmKey(text: string): void {
  try {
    parseSwarmKey(text);
  } catch (error) {
    throw error instanceof SwarmError ? new UsageError(error.message) : error;
  }
}

function printSwarm(swarm: SwarmReport, options: QueryOptions, io: CommandIo): void {
  if (options.json === true) io.out(JSON.stringify(swarm, undefined, 2));
  else for (const line of describeSwarm(swarm)) io.out(line);
}

/** The swarm in lines for a terminal. */
export function describeSwarm(swarm: SwarmReport): string[] {
  if (!swarm.active) {
    return [
      'no private swarm: any node may connect. `peertap swarm configure` makes one, `swarm join KEY` joins one',
    ];
  }
  const previous =
    swarm.previousFingerprint === null
      ? []
      : [`key before   ${swarm.previousFingerprint}${untilText(swarm.previousUntil)}`];
  return [
    'private swarm: only nodes with its key may connect',
    `key          ${swarm.fingerprint ?? '-'}`,
    ...previous,
    `refused      ${swarm.refusedConnections} connection${swarm.refusedConnections === 1 ? '' : 's'}`,
  ];
}

function untilText(until: string | null): string {
  return until === null ? ', still accepted' : `, accepted until ${until}`;
}
