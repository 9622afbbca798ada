/** Why the node's key or its state directory cannot be used, in a sentence that says what to do. */
import { reasonOf } from '../../dataplane/base/error-reason.ts';

/**
 * `permission`: the file system refuses; `exposed`: others may read the key; `corrupt`: not a node key, or
 * not the one that it names; `locked`: another daemon uses the directory; `io`: anything else.
 */
export type IdentityErrorCode = 'permission' | 'exposed' | 'corrupt' | 'locked' | 'io';

/** A failure around the state directory. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly code: IdentityErrorCode;
  readonly path: string;

  constructor(code: IdentityErrorCode, path: string, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

/** Turns what the file system said about `path` into an `IdentityError`. */
export function fileSystemError(action: string, path: string, cause: unknown): IdentityError {
  const code = errnoOf(cause);
  const sentences: Readonly<Record<string, string>> = {
    EACCES: 'no permission; run as root or as the owner of the directory, or choose another stateDirectory',
    EPERM: 'no permission; run as root or as the owner of the directory, or choose another stateDirectory',
    EROFS: 'the file system is read-only; choose another stateDirectory',
    ENOSPC: 'the disk is full; free some space and start again',
    EDQUOT: 'the disk quota is used up; free some space and start again',
    ENOTDIR: 'a part of the path is not a directory; correct stateDirectory',
  };
  const reason = sentences[code ?? ''] ?? reasonOf(cause);
  const kind = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'permission' : 'io';
  return new IdentityError(kind, path, `cannot ${action} ${path}: ${reason}`, { cause });
}

/** The `code` of a system error, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
