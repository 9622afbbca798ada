/**
 * Owns where the lab finds what it runs. Any thread; pure.
 */

import { fileURLToPath } from 'node:url';

/** The command, run from its source. */
export const PEERTAP_MAIN = fileURLToPath(new URL('../../control/main.ts', import.meta.url));

/** The module that finds the native addon. */
export const NATIVE_LOADER = fileURLToPath(new URL('../../dataplane/native/load.ts', import.meta.url));

/** A probe program of the lab. @param name - file name without its ending */
export function probePath(name: string): string {
  return fileURLToPath(new URL(`./probe/${name}.ts`, import.meta.url));
}
