/**
 * Owns PeerTap daemons under test: their config, identity and temporary folder, their start and their end, and what
 * they say about themselves.
 *
 * A daemon is run as a user runs it (`control/main.ts daemon --config FILE`), by the Node that runs the test, in a
 * namespace of the lab. Runs on the main thread of a test process; it must leave no process and no file behind.
 */

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { undoAtExit } from './cleanup.ts';
import { type CommandResult, exitStatus, LabError, runSync } from './command.ts';
import {
  type DaemonConfig,
  type DaemonStatus,
  parseStatus,
  type RelayConfig,
  type VlanConfig,
} from './daemon-config.ts';
import { waitFor } from './deadline.ts';
import { PEERTAP_MAIN } from './paths.ts';
import type { Machine } from './topology.ts';
import { getOverSocket } from './unix-http.ts';

/** The libp2p port that lab daemons listen on. */
export const LIBP2P_PORT = 7946;

/** The first datagram port of a lab daemon; worker i listens on the i-th after it. */
export const DATAGRAM_PORT = 7947;

/** Has a daemon take SIGUSR2 as "let a worker throw". */
export const CRASH_ENVIRONMENT = { PEERTAP_DEBUG_CRASH_WORKER: '1' } as const;

/** What a lab daemon may differ in. */
export interface LabDaemonOptions {
  readonly engine: DaemonConfig['dataplane']['engine'];
  /** Multiaddrs with a PeerId; see {@link LabDaemon.multiaddr}. */
  readonly bootstrap?: readonly string[];
  readonly vlans?: readonly VlanConfig[];
  readonly workers?: DaemonConfig['dataplane']['workers'];
  readonly logLevel?: DaemonConfig['log']['level'];
  /** Listen on every address of the machine, for tests that change it. */
  readonly anyAddress?: boolean;
  /** Whom it relays for; nobody unless given. */
  readonly relay?: RelayConfig;
  /** Added to the daemon's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

const STOP_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 20_000;

/** One daemon on one machine of a topology. */
export class LabDaemon {
  readonly machine: Machine;
  readonly directory: string;
  readonly config: DaemonConfig;
  /** The node's PeerId; made with the identity when the lab daemon is made. */
  readonly peerId: string;
  readonly #environment: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;

  /** Writes a config and an identity; starts nothing. */
  constructor(machine: Machine, options: LabDaemonOptions) {
    this.machine = machine;
    this.directory = mkdtempSync(join(tmpdir(), 'peertap-lab-'));
    undoAtExit(() => {
      rmSync(this.directory, { recursive: true, force: true });
    });
    this.#environment = options.environment ?? {};
    this.config = this.#makeConfig(options);
    this.writeConfig({});
    this.peerId = this.#madeIdentity();
  }

  /** The program that a daemon is started from. */
  readonly mainFile = PEERTAP_MAIN;

  get configFile(): string {
    return join(this.directory, 'config.json');
  }

  get logFile(): string {
    return join(this.directory, 'daemon.log');
  }

  /** Where others reach this daemon. */
  get multiaddr(): string {
    return this.multiaddrAt(this.machine.address);
  }

  /** Where those reach this daemon who have a way to one of its addresses. */
  multiaddrAt(address: string): string {
    return `/ip4/${address}/tcp/${LIBP2P_PORT}/p2p/${this.peerId}`;
  }

  /** The number of the running process. @throws Error when it does not run */
  get processId(): number {
    const processId = this.#child?.pid;
    if (processId === undefined || !this.isRunning) throw new Error('the daemon is not running');
    return processId;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @throws LabError `daemon-ended`, with the end of the log */
  assertRunning(): void {
    if (this.isRunning) return;
    throw new LabError('daemon-ended', `the daemon has ended by itself\n${this.logTail()}`);
  }

  /** Replaces parts of the config on disk; a running daemon reads it at SIGHUP. */
  writeConfig(changes: Partial<DaemonConfig>): void {
    Object.assign(this.config, changes);
    writeFileSync(this.configFile, JSON.stringify(this.config, undefined, 2));
  }

  /** Starts the process and returns at once. */
  spawn(): void {
    if (this.isRunning) throw new Error('the daemon is running already');
    const daemonArguments = [PEERTAP_MAIN, 'daemon', '--config', this.configFile];
    const options = { environment: this.#environment, logFile: this.logFile };
    const child = this.machine.namespace.start(process.execPath, daemonArguments, options);
    this.#child = child;
  }

  /** Starts the process and waits until it answers on its socket. */
  async start(): Promise<DaemonStatus> {
    this.spawn();
    return this.waitFor('the daemon to answer', (status) => status.peerId === this.peerId, READY_TIMEOUT_MS);
  }

  /** Ends the process with a signal and waits for its end. @returns the exit status; 128 + number for a signal */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return child?.exitCode ?? 0;
    const ended = exitStatus(child);
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const status = await ended;
    clearTimeout(timer);
    return status;
  }

  /**
   * Has a data worker throw, to see it replaced.
   *
   * Only a daemon that was started with {@link CRASH_ENVIRONMENT} takes the signal so.
   */
  crashWorker(): void {
    this.signal('SIGUSR2');
  }

  /** Sends a signal and goes on. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.processId, signal);
  }

  /** Waits for a daemon that ends by itself. */
  async waitForExit(): Promise<number> {
    if (this.#child === undefined) throw new Error('the daemon was never started');
    const child = this.#child;
    await waitFor('the daemon to end', () => !this.isRunning, {
      timeoutMs: READY_TIMEOUT_MS,
      explain: () => this.logTail(),
    });
    return exitStatus(child);
  }

  /** Runs `peertap ARGS --socket …` against this daemon. */
  command(...args: string[]): Promise<CommandResult> {
    const withSocket = [PEERTAP_MAIN, ...args, '--socket', this.config.controlSocket];
    return this.machine.namespace.run(process.execPath, withSocket, {
      allowFailure: true,
      timeoutMs: COMMAND_TIMEOUT_MS,
    });
  }

  /** Runs a command that has to succeed. @returns its stdout, trimmed */
  async succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.command(...args);
    if (status === 0) return stdout.trim();
    throw new LabError(
      'command-failed',
      `peertap ${args.join(' ')}: ${status}\n${stderr}\n${this.logTail()}`,
    );
  }

  /** Asks the daemon on its socket, as `peertap status --json` does; a process a look would be slow to poll with. */
  async status(): Promise<DaemonStatus> {
    return parseStatus(await this.get('/v1/status'));
  }

  /** Gets a path from the daemon's socket. */
  get(path: string): Promise<string> {
    return getOverSocket(this.config.controlSocket, path);
  }

  /** Looks at the status until it is as wanted. @throws LabError `deadline`, with the end of the log */
  waitFor(what: string, isSo: (status: DaemonStatus) => boolean, timeoutMs: number): Promise<DaemonStatus> {
    const look = async (): Promise<DaemonStatus | undefined> => {
      this.assertRunning();
      const status = await this.status();
      return isSo(status) ? status : undefined;
    };
    return waitFor(what, look, { timeoutMs, intervalMs: 100, explain: () => this.logTail() });
  }

  /** The last lines that the daemon wrote. */
  logTail(lineCount = 40): string {
    if (!existsSync(this.logFile)) return '(no log)';
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n');
    return `--- the daemon's log on ${this.machine.namespace.name}:\n${lines.slice(-lineCount).join('\n')}`;
  }

  /** Everything that the daemon wrote. */
  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  #makeConfig(options: LabDaemonOptions): DaemonConfig {
    const listenAddress = options.anyAddress === true ? '0.0.0.0' : this.machine.address;
    return {
      stateDirectory: join(this.directory, 'state'),
      controlSocket: join(this.directory, 'peertap.sock'),
      listen: {
        libp2p: [`/ip4/${listenAddress}/tcp/${LIBP2P_PORT}`],
        datagram: { address: '0.0.0.0', port: DATAGRAM_PORT },
      },
      bootstrap: options.bootstrap ?? [],
      dataplane: { engine: options.engine, workers: options.workers ?? 'auto' },
      log: { level: options.logLevel ?? 'info' },
      vlans: options.vlans ?? [],
      ...(options.relay === undefined ? {} : { relay: options.relay }),
    };
  }

  #madeIdentity(): string {
    const result = runSync(process.execPath, [PEERTAP_MAIN, 'id', '--config', this.configFile]);
    return result.stdout.trim();
  }
}
