/**
 * The state directory: made with mode 0700, written to so that a crash leaves the old file or the new one.
 *
 * write: temporary file 0600 → fsync → link or rename into place → fsync of the directory
 *
 * Runs on the main thread and in the command. Must never leave a half-written file under its final name.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, fileSystemError } from './identity-error.ts';

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * Makes a state directory unless it is there; an existing one keeps its mode.
 *
 * @throws IdentityError: `permission` or `io`
 */
export async function ensureStateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw fileSystemError('make the state directory', directory, error);
  }
}

/**
 * Replaces a file at once or not at all; it is on the disk when this returns.
 *
 * @param path - final name; its directory exists
 * @throws IdentityError: `permission` or `io` (a full disk, say); the old file is then untouched
 */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  await placeFile(path, content, rename);
}

/**
 * Creates a file unless one of that name exists.
 *
 * @returns whether this call created it; false leaves the other one as it is
 * @throws IdentityError: `permission` or `io`
 */
export async function createFileDurably(path: string, content: string | Uint8Array): Promise<boolean> {
  try {
    await placeFile(path, content, linkAsOnly);
    return true;
  } catch (error) {
    if (error instanceof Error && errnoOf(error.cause) === 'EEXIST') return false;
    throw error;
  }
}

async function placeFile(
  path: string,
  content: string | Uint8Array,
  place: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeSynced(temporary, content);
    await place(temporary, path);
    await syncDirectory(directory);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileSystemError('write', path, error);
  }
}

async function writeSynced(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** rename() would replace a file that appeared meanwhile; link() refuses. */
async function linkAsOnly(temporary: string, path: string): Promise<void> {
  await link(temporary, path);
  await rm(temporary);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
