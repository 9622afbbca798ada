/**
 * One daemon a state directory: an advisory lock that the kernel drops when the daemon ends, however it ends.
 *
 * Runs on the main thread at start and stop. Must never wait, and never decide by a process id in a file,
 * which may be another process's by now; the number is only shown.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import koffi from 'koffi';
import { fileSystemError, IdentityError } from './identity-error.ts';

const LOCK_FILE = 'daemon.lock';
/** <sys/file.h>, the same on every Linux architecture. */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A held lock. */
export interface StateLock {
  /** Lets the next daemon in. */
  release(): Promise<void>;
}

/**
 * Takes the lock of a state directory.
 *
 * @param stateDirectory - exists already
 * @returns the lock; it is also gone with this process
 * @throws IdentityError: `locked` when another daemon holds it, `permission` or `io`
 */
export async function lockStateDirectory(stateDirectory: string): Promise<StateLock> {
  const path = join(stateDirectory, LOCK_FILE);
  const file = await openLockFile(path);
  try {
    await takeLock(file, stateDirectory, path);
  } catch (error) {
    await file.close();
    throw error instanceof IdentityError ? error : fileSystemError('lock', path, error);
  }
  return {
    async release() {
      await file.truncate(0);
      await file.close();
    },
  };
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600);
  } catch (error) {
    throw fileSystemError('open the lock file', path, error);
  }
}

async function takeLock(file: FileHandle, stateDirectory: string, path: string): Promise<void> {
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  if (flock(file.fd, LOCK_EX | LOCK_NB) !== 0) {
    const holder = (await file.readFile('utf8')).trim();
    const who = /^\d+$/.test(holder) ? ` (process ${holder})` : '';
    throw new IdentityError(
      'locked',
      path,
      `another PeerTap daemon${who} uses ${stateDirectory}. Stop it first, or give this one its own ` +
        'stateDirectory and controlSocket in its config',
    );
  }
  await file.truncate(0);
  await file.write(`${process.pid}\n`);
}
