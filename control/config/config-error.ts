/**
 * What is wrong with a config file, as a list of sentences that name the place.
 *
 * Runs on the main thread and in the command. Must never hold more of the file than the value at fault.
 */

/** `unreadable`: no file or no permission; `syntax`: not JSON; `invalid`: JSON, but no PeerTap config. */
export type ConfigErrorCode = 'unreadable' | 'syntax' | 'invalid';

/** One thing to mend. `path` is empty for the whole document; `line` counts from 1 where it is known. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
  readonly line?: number;
}

/** A config that cannot be used. `message` lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code: ConfigErrorCode;
  readonly problems: readonly ConfigProblem[];
  /** The file, when there is one. */
  readonly file: string | undefined;

  constructor(
    code: ConfigErrorCode,
    problems: readonly ConfigProblem[],
    options: { readonly file?: string; readonly cause?: unknown } = {},
  ) {
    super(problems.map(formatProblem).join('\n'), { cause: options.cause });
    this.code = code;
    this.file = options.file;
    this.problems = problems;
  }
}

function formatProblem(problem: ConfigProblem): string {
  const place = problem.path === '' ? '' : `${problem.path}: `;
  const line = problem.line === undefined ? '' : ` (line ${problem.line})`;
  return `${place}${problem.message}${line}`;
}
