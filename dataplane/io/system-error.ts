/** The error of a set-up system call: a code to branch on and a sentence that says what to do. Main thread. */
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

/** errno numbers, of the platform that runs. */
export const ERRNO = constants.errno;

/** What went wrong, as far as a caller may want to tell it apart. */
export type SystemErrorCode =
  | 'name-invalid'
  | 'name-in-use'
  | 'no-permission'
  | 'no-tun-device'
  | 'no-such-interface'
  | 'address-in-use'
  | 'address-unavailable'
  | 'address-exists'
  | 'value-refused'
  | 'not-supported'
  | 'system';

/** A system call that set-up needs failed. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: SystemErrorCode;
  /** The kernel's errno, or 0 when the call was not made. */
  readonly errno: number;

  constructor(code: SystemErrorCode, errno: number, message: string) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

/**
 * For an errno that has no sentence of its own.
 *
 * @param doing - what was tried, as in "bind the datagram socket"
 */
export function unexpectedError(doing: string, errno: number): SystemError {
  return new SystemError('system', errno, `could not ${doing}: ${errnoName(errno)}`);
}

/** `ENOENT` and its like. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}
