/**
 * Owns iperf3: a server in one namespace, runs of its client in another, and reading of its JSON.
 *
 * Runs on the main thread of a test process.
 */

import { once } from 'node:events';
import * as v from 'valibot';

import { collect } from './command.ts';
import { waitFor } from './deadline.ts';
import type { Namespace } from './namespace.ts';

/** What a TCP run moved. */
export interface TcpResult {
  readonly bitsPerSecond: number;
  readonly receivedBytes: number;
}

/** What a UDP run moved. */
export interface UdpResult {
  /** Share of the datagrams sent that did not arrive, 0 to 1. */
  readonly lossRatio: number;
  readonly deliveredPerSecond: number;
  readonly sentPerSecond: number;
}

/** A TCP run: by time or by size. */
export interface TcpOptions {
  readonly seconds?: number;
  readonly bytes?: number;
  readonly reverse?: boolean;
  readonly streams?: number;
  /** Replaces the bound that follows from the length; for runs by size. */
  readonly timeoutMs?: number;
}

/** A UDP run at a set rate. */
export interface UdpOptions {
  readonly seconds: number;
  readonly payloadBytes: number;
  readonly datagramsPerSecond: number;
}

/** What the server and the client take longer than asked for, at most. */
const SLACK_MS = 15_000;

const tcpReport = v.object({
  end: v.object({ sum_received: v.object({ bits_per_second: v.number(), bytes: v.number() }) }),
});

const udpReport = v.object({
  end: v.object({ sum: v.object({ seconds: v.number(), packets: v.number(), lost_packets: v.number() }) }),
});

/** An iperf3 server; several clients may use it one after another. */
export class IperfServer {
  readonly stop: () => Promise<void>;

  private constructor(stop: () => Promise<void>) {
    this.stop = stop;
  }

  /** Starts a server and waits until it listens. */
  static async start(namespace: Namespace): Promise<IperfServer> {
    const child = namespace.start('iperf3', ['--server', '--forceflush']);
    const output = collect(child, 'stdout');
    const complaints = collect(child, 'stderr');
    await waitFor('iperf3 to listen', () => output().includes('listening'), {
      timeoutMs: 5_000,
      intervalMs: 20,
      explain: complaints,
    });
    return new IperfServer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    });
  }
}

/** Sends one or more TCP streams to a server. */
export async function runTcp(from: Namespace, to: string, options: TcpOptions): Promise<TcpResult> {
  const args = ['--client', to, '--json', '--connect-timeout', '5000'];
  if (options.bytes !== undefined) args.push('--bytes', String(options.bytes));
  else args.push('--time', String(options.seconds ?? 1));
  if (options.reverse === true) args.push('--reverse');
  if (options.streams !== undefined) args.push('--parallel', String(options.streams));
  const timeoutMs = options.timeoutMs ?? (options.seconds ?? 1) * 1000 + SLACK_MS;
  const { end } = v.parse(tcpReport, await runClient(from, args, timeoutMs));
  return { bitsPerSecond: end.sum_received.bits_per_second, receivedBytes: end.sum_received.bytes };
}

/** Sends UDP datagrams of one size at a rate. */
export async function runUdp(from: Namespace, to: string, options: UdpOptions): Promise<UdpResult> {
  const bitsPerSecond = Math.round(options.datagramsPerSecond * options.payloadBytes * 8);
  const size = ['--length', String(options.payloadBytes), '--bitrate', String(bitsPerSecond)];
  const args = [
    '--client',
    to,
    '--json',
    '--connect-timeout',
    '5000',
    '--udp',
    '--time',
    String(options.seconds),
    ...size,
  ];
  const { sum } = v.parse(udpReport, await runClient(from, args, options.seconds * 1000 + SLACK_MS)).end;
  const sentPerSecond = sum.packets / sum.seconds;
  const lossRatio = sum.packets === 0 ? 1 : sum.lost_packets / sum.packets;
  return { lossRatio, sentPerSecond, deliveredPerSecond: sentPerSecond * (1 - lossRatio) };
}

async function runClient(from: Namespace, args: readonly string[], timeoutMs: number): Promise<unknown> {
  const result = await from.run('iperf3', args, { timeoutMs, allowFailure: true });
  if (result.status !== 0) {
    const said =
      /"error":\s*"([^"]+)"/.exec(result.stdout)?.[1] ?? (result.stderr.trim() || `status ${result.status}`);
    throw new Error(`iperf3 ${args.join(' ')}: ${said}`);
  }
  return JSON.parse(result.stdout) as unknown;
}
