/** The version of this PeerTap, as its package.json says; read once, where `--version` or the daemon asks. */
import { readFileSync } from 'node:fs';

let known: string | undefined;

/**
 * Reads the version, the first time that somebody asks.
 *
 * @returns such as `0.1.0`; `unknown` when the package was taken apart
 */
export function readVersion(): string {
  known ??= versionInPackage();
  return known;
}

function versionInPackage(): string {
  try {
    // The same way up in a checkout and in a build: control/admin/ lies two levels below package.json.
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version?: unknown };
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    return 'unknown';
  }
}
