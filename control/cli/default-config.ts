/**
 * Which config a command works with: the file that was named, the default file, or the defaults alone.
 *
 * Must never use the defaults in place of a file that was named.
 */
import { access } from 'node:fs/promises';
import { type Config, parseConfig } from '../config/config.ts';
import { DEFAULT_CONFIG_PATH } from '../config/defaults.ts';
import { loadConfig } from '../config/load-config.ts';
import { errnoOf } from '../identity/identity-error.ts';

/** A config and the file that it came from, if there was one. */
export interface FoundConfig {
  readonly config: Config;
  readonly path: string | undefined;
}

/**
 * Finds the config.
 *
 * @param named - `--config`; without it the default file is used if it exists
 * @param socket - `--socket`, in place of the config's `controlSocket`
 * @throws ConfigError
 */
export async function findConfig(named: string | undefined, socket?: string): Promise<FoundConfig> {
  const path = named ?? ((await exists(DEFAULT_CONFIG_PATH)) ? DEFAULT_CONFIG_PATH : undefined);
  const config = path === undefined ? parseConfig({}) : await loadConfig(path);
  if (socket === undefined) return { config, path };
  return { config: parseConfig({ ...config, controlSocket: socket }), path };
}

/** A path that cannot be looked at counts as there, so that the error is about it. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: unknown) => errnoOf(error) !== 'ENOENT',
  );
}
