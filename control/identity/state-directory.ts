/**
 * Makes the state directory (0700), and files in it that are there whole or not at all.
 *
 * temporary file 0600 → fsync → link into place → fsync of the directory
 *
 * Runs on the main thread and in the command. Must never leave a half-written file under its final name.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
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
 * Creates a file unless one of that name exists.
 *
 * @returns whether this call created it; false leaves the other one as it is
 * @throws IdentityError: `permission` or `io`
 */
export async function createFileDurably(path: string, content: string | Uint8Array): Promise<boolean> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeSynced(temporary, content);
    // rename() would replace a file that appeared meanwhile; link() refuses.
    await link(temporary, path);
    await syncDirectory(directory);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw fileSystemError('write', path, error);
  } finally {
    await rm(temporary, { force: true });
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

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
