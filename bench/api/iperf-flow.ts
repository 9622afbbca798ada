/**
 * Owns TCP traffic that goes on until it is stopped, as the load beside which something else is measured.
 *
 *   client namespace ── iperf3 ═══ tunnel ═══ iperf3 --server ── server namespace
 *
 * Runs on the main thread of the bench; nothing is left running when it is stopped or the bench ends.
 */

import type { ChildProcess } from 'node:child_process';

import { collect, exitStatus, LabError } from '../../test/lab/command.ts';
import { IperfServer } from '../../test/lab/iperf.ts';
import type { Namespace } from '../../test/lab/namespace.ts';

/** Longer than any section runs. */
const FLOW_SECONDS = 3_600;

/** One client of iperf3 with its server. */
export class IperfFlow {
  readonly #server: IperfServer;
  readonly #client: ChildProcess;
  readonly #complaints: () => string;

  private constructor(server: IperfServer, client: ChildProcess) {
    this.#server = server;
    this.#client = client;
    this.#complaints = collect(client, 'stdout');
    client.stderr?.resume();
  }

  /** Starts a server in `to` and one stream towards it. @param options - what else to tell the client */
  static async start(
    from: Namespace,
    to: Namespace,
    address: string,
    options: readonly string[] = [],
  ): Promise<IperfFlow> {
    const server = await IperfServer.start(to);
    const time = ['--time', String(FLOW_SECONDS), '--interval', '0'];
    const client = from.start('iperf3', ['--client', address, ...time, ...options]);
    return new IperfFlow(server, client);
  }

  /** @throws LabError `command-failed` when the stream has ended by itself */
  assertRunning(): void {
    if (this.#client.exitCode === null && this.#client.signalCode === null) return;
    throw new LabError('command-failed', `iperf3 has ended before it was to: ${this.#complaints().trim()}`);
  }

  async stop(): Promise<void> {
    this.#client.kill('SIGKILL');
    await exitStatus(this.#client);
    await this.#server.stop();
  }
}
