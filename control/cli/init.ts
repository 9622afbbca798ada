/**
 * `peertap init`: a commented config to start with, and the node's identity.
 *
 * identity (kept if there is one) → config (refused if there is one) → PeerId on stdout
 *
 * Must never overwrite either.
 */
import { dirname, resolve } from 'node:path';
import { parseConfig } from '../config/config.ts';
import { DEFAULT_CONFIG_PATH } from '../config/defaults.ts';
import { loadOrCreateIdentity } from '../identity/node-identity.ts';
import { createFileDurably, ensureStateDirectory } from '../identity/state-directory.ts';
import { CommandError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { exists } from './default-config.ts';
import { startingConfig } from './starting-config.ts';

/** Where `peertap init` writes. */
export interface InitOptions {
  readonly config?: string;
  readonly stateDirectory?: string;
  readonly socket?: string;
}

/** Writes both and prints the PeerId alone on stdout. */
export async function runInit(options: InitOptions, io: CommandIo): Promise<void> {
  const path = resolve(options.config ?? DEFAULT_CONFIG_PATH);
  const defaults = parseConfig({});
  const paths = {
    stateDirectory: resolve(options.stateDirectory ?? defaults.stateDirectory),
    controlSocket: resolve(options.socket ?? defaults.controlSocket),
  };
  parseConfig(paths);
  if (await exists(path)) throw alreadyThere(path);
  const { identity, created } = await loadOrCreateIdentity(paths.stateDirectory);
  await ensureStateDirectory(dirname(path));
  if (!(await createFileDurably(path, startingConfig(paths)))) throw alreadyThere(path);
  io.err(`wrote ${path}`);
  io.err(`${created ? 'made' : 'kept'} the identity in ${paths.stateDirectory}; this node's PeerId:`);
  io.out(identity.peerId);
  io.err(`next: edit ${path}, then \`peertap doctor\` and \`peertap daemon\``);
}

function alreadyThere(path: string): CommandError {
  return new CommandError(
    `${path} exists and was left as it is. \`peertap id\` prints the PeerId; to start anew, move the file away`,
  );
}
