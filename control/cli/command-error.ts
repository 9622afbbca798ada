/**
 * From whatever a command threw to one message on stderr and an exit code.
 *
 * 0 done · 1 failed · 2 used wrongly. Must never show a stack for something that the user can mend.
 */
import { CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import type { CommandIo } from './command-io.ts';

/** Exit codes, a promise to scripts. */
export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USED_WRONGLY = 2;

/** A command that failed for a reason of its own; `message` says what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'command-failed';
}

/** Used wrongly, in a way that only a command itself can see. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'used-wrongly';
}

/**
 * Says what went wrong.
 *
 * @returns the exit code
 */
export function reportError(error: unknown, io: CommandIo): number {
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help, itself.
    return error.exitCode === 0 ? EXIT_DONE : EXIT_USED_WRONGLY;
  }
  if (error instanceof ConfigError && error.code !== 'unreadable') {
    io.err(`peertap: ${error.file ?? 'the config'} cannot be used:`);
    for (const line of error.message.split('\n')) io.err(`  ${line}`);
  } else if (isOperatingError(error)) {
    io.err(`peertap: ${error.message}`);
  } else {
    io.err('peertap: unexpected error, please report it:');
    io.err(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return error instanceof UsageError ? EXIT_USED_WRONGLY : EXIT_FAILED;
}

/** Our error classes carry a lower-case code; Node's and the system's are in upper case. */
function isOperatingError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^[a-z][a-z-]*$/.test(error.code)
  );
}
