/**
 * Owns an SSH server and its clients (ssh, and rsync over it) in namespaces of the lab: OpenSSH as it is, with keys and files
 * in the folder of a test.
 *
 * Programs in namespaces share the machine's files; what the server wants in /run it gets in a mount namespace of its own.
 * Runs on the main thread of a test process.
 */

import type { ChildProcess } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { runSync, toolPath } from './command.ts';
import { waitFor } from './deadline.ts';
import type { Namespace } from './namespace.ts';

/** A test without one of these is skipped. */
export const SSH_TOOLS = ['ssh', 'sshd', 'ssh-keygen', 'rsync'] as const;

const LISTEN_TIMEOUT_MS = 10_000;

/** A server, and how to reach it. */
export class SshServer {
  readonly #directory: string;
  readonly #address: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, address: string, child: ChildProcess) {
    this.#directory = directory;
    this.#address = address;
    this.#child = child;
  }

  /** Starts a server and waits until it listens. @param directory - empty; keys and the log go there */
  static async start(on: Namespace, address: string, directory: string): Promise<SshServer> {
    for (const name of ['host', 'client'])
      runSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)]);
    copyFileSync(join(directory, 'client.pub'), join(directory, 'authorized'));
    writeFileSync(join(directory, 'sshd_config'), configOf(directory, address));
    // `sshd` starts itself anew for each connection and therefore wants its whole path.
    const script = `mount -t tmpfs none /run && mkdir /run/sshd && exec "$0" -D -e -f "$1"`;
    const logFile = join(directory, 'sshd.log');
    const args = ['-c', script, toolPath('sshd'), join(directory, 'sshd_config')];
    const server = new SshServer(directory, address, on.start('sh', args, { logFile }));
    await waitFor(
      'sshd to listen',
      () => on.runSync('ss', ['-Hltn', 'sport = :22']).stdout.includes(address),
      {
        timeoutMs: LISTEN_TIMEOUT_MS,
        explain: () => runSync('cat', [logFile]).stdout,
      },
    );
    return server;
  }

  /** Runs a command at the server. @returns its stdout, trimmed */
  async run(from: Namespace, command: string): Promise<string> {
    const [program, ...args] = this.#client;
    const { stdout } = await from.run(program, [...args, `root@${this.#address}`, command]);
    return stdout.trim();
  }

  /** Copies a file to the server by rsync. @param timeoutMs - bound on the whole copy */
  async copy(from: Namespace, source: string, target: string, timeoutMs: number): Promise<void> {
    const shell = ['-e', this.#client.join(' '), '--rsync-path', toolPath('rsync')];
    await from.run('rsync', ['--whole-file', ...shell, source, `root@${this.#address}:${target}`], {
      timeoutMs,
    });
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  get #client(): [string, ...string[]] {
    const options = [
      'BatchMode=yes',
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=ERROR',
    ];
    const key = join(this.#directory, 'client');
    return ['ssh', '-F', '/dev/null', '-i', key, ...options.flatMap((option) => ['-o', option])];
  }
}

function configOf(directory: string, address: string): string {
  return [
    `ListenAddress ${address}`,
    `HostKey ${join(directory, 'host')}`,
    `AuthorizedKeysFile ${join(directory, 'authorized')}`,
    'PermitRootLogin prohibit-password',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    '',
  ].join('\n');
}
