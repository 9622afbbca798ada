/**
 * A small file that is either the old one or the new one, whatever happens while it is written.
 *
 *   write FILE.tmp → fsync → rename to FILE → fsync the directory
 *
 * Main thread, and the pool's threads for the files of a group. Synchronous for what is small and seldom changes: it is
 * on disk before it is used. The other form is for what changes while frames flow: a disk may take longer than the event
 * loop has. Must never truncate the old file.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

/**
 * Replaces a file by new contents, durably.
 *
 * @param path - its directory is made if it is missing
 * @param contents - the whole new contents
 * @param temporary - where they are written first, in the same directory; threads that write one file need their own
 * @throws the system's error (ENOSPC, EROFS, EACCES…); the old file is then as it was
 */
export function replaceFile(path: string, contents: Uint8Array, temporary = `${path}.tmp`): void {
  mkdirSync(dirname(path), { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  try {
    writeAndSync(temporary, contents);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/**
 * As {@link replaceFile}, without holding the caller's thread. Two writers of one file must wait for each other.
 *
 * @returns when the new contents are on disk
 * @throws the system's error; the old file is then as it was
 */
export async function replaceFileAsync(path: string, contents: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  try {
    await using file = await open(temporary, 'w', OWNER_ONLY_FILE);
    await file.writeFile(contents);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await rename(temporary, path);
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
}

/** The file's contents, or `undefined` when there is none. Other errors are thrown. */
export function readFileIfPresent(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

function writeAndSync(path: string, contents: Uint8Array): void {
  const descriptor = openSync(path, 'w', OWNER_ONLY_FILE);
  try {
    let written = 0;
    while (written < contents.length) {
      written += writeSync(descriptor, contents, written);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
