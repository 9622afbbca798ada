/**
 * Keeps what the JavaScript engine made of our files, so that the next start need not compile them again.
 *
 *   root    /var/cache/peertap          others   ~/.cache/peertap
 *
 * Node compares each entry with the file that it was made from, so a stale one is not used; and a name is written
 * over, so it does not grow. What lies there is run as code: it must never be read from a directory that somebody
 * else could write to (root's HOME under sudo may be such a one). Must never keep the command from starting.
 *
 * Main thread, before anything else is imported; imports nothing but builtins.
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Uses the cache from now on, in this thread and in workers. `NODE_COMPILE_CACHE` and
 * `NODE_DISABLE_COMPILE_CACHE` of the environment come first.
 *
 * @returns the directory; undefined when it cannot be made or trusted
 */
export function useCompileCache(directory = ownCacheDirectory()): string | undefined {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const status = lstatSync(directory);
    const isOwn = status.isDirectory() && status.uid === process.geteuid?.();
    if (!isOwn || (status.mode & WRITABLE_BY_OTHERS) !== 0) return undefined;
    const { directory: used } = enableCompileCache(directory);
    // Workers begin with this environment.
    if (used !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;
    return used;
  } catch {
    return undefined;
  }
}

function ownCacheDirectory(): string {
  return process.geteuid?.() === 0 ? '/var/cache/peertap' : join(homedir(), '.cache', 'peertap');
}
