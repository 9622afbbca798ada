/**
 * Owns running of outside programs for tests and benches: by name, with a deadline, with errors that say which
 * Debian package is missing.
 *
 * Runs on the main thread of a test process. A child never outlives its deadline or this process.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants as fileConstants, openSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

import { undoAtExit } from './cleanup.ts';

/** What went wrong with an outside program. */
export type LabErrorCode = 'missing-tool' | 'command-failed' | 'deadline' | 'not-permitted' | 'daemon-ended';

/** An operating error of the lab: the message says what to do about it. */
export class LabError extends Error {
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LabError';
    this.code = code;
  }
}

/** How a program ended. */
export interface CommandResult {
  /** Exit status; 128 + signal number when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Limits of one run. */
export interface RunOptions {
  /** The program is killed after this long; 30,000 unless given. */
  readonly timeoutMs?: number;
  /** Return the result of a failing program instead of throwing. */
  readonly allowFailure?: boolean;
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How to start a program that goes on in the background. */
export interface StartOptions extends Pick<RunOptions, 'environment'> {
  /**
   * A file that stdout and stderr are added to. The program is then a session of its own: it can outlive this
   * process, and a Ctrl-C at the terminal does not reach it.
   */
  readonly logFile?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const SHOWN_WORD_LENGTH = 120;

/** The Debian package that brings each program the lab may call. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  ethtool: 'ethtool',
  nft: 'nftables',
  iperf3: 'iperf3',
  ping: 'iputils-ping',
  dnsmasq: 'dnsmasq-base',
  dhclient: 'isc-dhcp-client',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  'avahi-browse': 'avahi-utils',
};

/**
 * Finds a program as a shell would, looking in the administrator's folders too.
 *
 * @returns its path, or undefined when it is not installed
 */
export function findTool(name: string): string | undefined {
  if (isAbsolute(name)) return isExecutable(name) ? name : undefined;
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * Says which of the given programs are not installed and what to install.
 *
 * @returns one sentence a missing program; empty when nothing is missing
 */
export function missingTools(names: readonly string[]): string[] {
  return names
    .filter((name) => findTool(name) === undefined)
    .map(
      (name) =>
        `The program "${name}" is missing; install the package ${PACKAGE_OF[name] ?? name} (on Debian: apt-get install ${PACKAGE_OF[name] ?? name}).`,
    );
}

/** @throws {@link LabError} `missing-tool`, naming the package */
export function toolPath(name: string): string {
  const path = findTool(name);
  if (path === undefined) throw new LabError('missing-tool', missingTools([name])[0] ?? name);
  return path;
}

/**
 * Runs a program to its end and waits for it without letting anything else run: for short commands such as `ip`.
 *
 * @throws {@link LabError} when it fails, unless `allowFailure` is set
 */
export function runSync(name: string, args: readonly string[], options: RunOptions = {}): CommandResult {
  const child = spawnSync(toolPath(name), [...args], {
    encoding: 'utf8',
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
    env: { ...process.env, ...options.environment },
  });
  const result = { status: child.status ?? 137, stdout: child.stdout, stderr: child.stderr };
  return accept([name, ...args], result, options);
}

/**
 * Runs a program to its end; other work goes on meanwhile.
 *
 * @throws {@link LabError} `command-failed` or `deadline`, unless `allowFailure` is set
 */
export async function run(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const child = start(name, args, options);
  const stdout = collect(child, 'stdout');
  const stderr = collect(child, 'stderr');
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const deadline = { passed: false };
  const timer = setTimeout(() => {
    deadline.passed = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const status = await exitStatus(child);
  clearTimeout(timer);
  const result = { status, stdout: stdout(), stderr: stderr() };
  if (deadline.passed && options.allowFailure !== true) {
    throw new LabError(
      'deadline',
      `${describeCommand([name, ...args])}: still running after ${timeoutMs} ms\n${result.stdout}${result.stderr}`,
    );
  }
  return accept([name, ...args], result, options);
}

/**
 * Starts a program that goes on in the background. It is killed when this process ends.
 *
 * @returns the child, with stdout and stderr as pipes unless a log file was given
 */
export function start(name: string, args: readonly string[], options: StartOptions = {}): ChildProcess {
  const env = { ...process.env, ...options.environment };
  if (options.logFile === undefined) return startWithPipes(toolPath(name), args, env);
  const log = openSync(options.logFile, 'a');
  const child = spawn(toolPath(name), [...args], { stdio: ['ignore', log, log], env, detached: true });
  closeSync(log);
  // A test that failed before it stopped its daemon must not wait for it; killWithUs ends it with this process.
  child.unref();
  killWithUs(child);
  return child;
}

function startWithPipes(path: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(path, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  killWithUs(child);
  return child;
}

/** Makes sure that a child dies no later than this process. */
export function killWithUs(child: ChildProcess): void {
  const forget = undoAtExit(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  child.once('exit', forget);
}

/** Waits for a child's end; 128 + signal number when a signal ended it, 127 when it could not be started. */
export function exitStatus(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(statusOf(child.exitCode, child.signalCode));
  }
  return new Promise((resolve) => {
    child.once('error', () => {
      resolve(127);
    });
    child.once('close', (code, signal) => {
      resolve(statusOf(code, signal));
    });
  });
}

function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** Gathers what a child writes; the returned function gives it so far. */
export function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  const chunks: string[] = [];
  child[stream]?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  return () => chunks.join('');
}

function accept(commandLine: readonly string[], result: CommandResult, options: RunOptions): CommandResult {
  if (result.status === 0 || options.allowFailure === true) return result;
  const said = (result.stderr || result.stdout).trim();
  const code = /permitted|denied/i.test(said) ? 'not-permitted' : 'command-failed';
  throw new LabError(code, `${describeCommand(commandLine)}: exit status ${result.status}: ${said}`);
}

/** A command line for a message: a probe's request may hold whole frames. */
function describeCommand(commandLine: readonly string[]): string {
  return commandLine
    .map((word) => (word.length <= SHOWN_WORD_LENGTH ? word : `${word.slice(0, SHOWN_WORD_LENGTH)}…`))
    .join(' ');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, fileConstants.X_OK);
    return true;
  } catch {
    return false;
  }
}
