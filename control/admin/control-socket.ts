/**
 * Binds the control socket: a Unix socket that the daemon's owner and group may use.
 *
 * nothing there → bind;  a socket nobody answers on → a dead daemon's: replace;  one that answers → refuse;
 * anything else at the path → refuse, never remove
 *
 * Main thread. Must never leave the socket open to all, not even for a moment.
 */
import { lstat, mkdir, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { reasonOf } from '../../dataplane/base/error-reason.ts';

/** `running`: a daemon answers there; `occupied`: something that is no socket; `permission`; `io`. */
export type SocketErrorCode = 'running' | 'occupied' | 'permission' | 'io';

/** The control socket cannot be bound. */
export class SocketError extends Error {
  override readonly name = 'SocketError';
  readonly code: SocketErrorCode;
  readonly path: string;

  constructor(code: SocketErrorCode, path: string, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

/** Owner and group may read and write: 0660. */
const SOCKET_UMASK = 0o117;

/**
 * Binds `server` to a path.
 *
 * @param server - not listening yet; closing it removes the file
 * @param path - of the socket; its directory is made if it is missing
 * @throws SocketError
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await clearPath(path);
    await bind(server, path);
  } catch (error) {
    throw error instanceof SocketError ? error : socketError(path, error);
  }
}

async function clearPath(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    const message = `${path} exists and is no socket; move it away, or choose another controlSocket`;
    throw new SocketError('occupied', path, message);
  }
  if (await someoneAnswers(path)) {
    const message =
      `a daemon is already running and answers on ${path}; stop it first, or give this one its own ` +
      'controlSocket and stateDirectory';
    throw new SocketError('running', path, message);
  }
  await unlink(path);
}

/** @returns false when the connection is refused, as on the socket file of a process that is gone */
function someoneAnswers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

/** Pipes are bound within listen(), so the umask holds for the socket alone; chmod() would come too late. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(SOCKET_UMASK);
    try {
      server.listen(path, () => {
        server.removeListener('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function socketError(path: string, cause: unknown): SocketError {
  const errno = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') {
    const message = `no permission to make the control socket ${path}; run as root, or choose another controlSocket`;
    return new SocketError('permission', path, message, { cause });
  }
  const reason = reasonOf(cause);
  return new SocketError('io', path, `cannot make the control socket ${path}: ${reason}`, { cause });
}
