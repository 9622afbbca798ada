/**
 * Owns iperf3: a server in one namespace, runs of its client in another, and reading of its JSON.
 *
 * Runs on the main thread of a test process.
 */

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

import { collect } from './command.ts';
import { waitFor } from './deadline.ts';
import type { Namespace } from './namespace.ts';

/** What a TCP run moved. */
export interface TcpResult {
  readonly bitsPerSecond: number;
  readonly receivedBytes: number;
  /** TCP segments sent again in each second of the run; of the client, so empty in reverse. */
  readonly retransmitsEachSecond: readonly number[];
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
  /** Sends no faster than this. */
  readonly bitrate?: number;
  /** Replaces the bound that follows from the length; for runs by size. */
  readonly timeoutMs?: number;
}

/** What a TCP run in both directions at once moved, each direction apart. */
export interface BothWaysResult {
  readonly bitsPerSecond: number;
  readonly reverseBitsPerSecond: number;
}

/** A UDP run at a set rate. */
export interface UdpOptions {
  readonly payloadBytes: number;
  readonly datagramsPerSecond: number;
  /** The run ends when so many are sent, however long that takes a sender that does not reach the rate. */
  readonly datagramCount: number;
  /** Of both sockets; the system's default unless given, which holds a few ms of small datagrams. */
  readonly socketBufferBytes?: number;
}

/** What the server and the client take longer than asked for, at most. */
const SLACK_MS = 15_000;
const UNREAD_END_SECONDS = 0.01;
const BUSY = /busy|control (message|socket)|Connection reset/;
const BUSY_ATTEMPTS = 10;
const BUSY_PAUSE_MS = 50;

const tcpReport = v.object({
  intervals: v.array(v.object({ sum: v.object({ retransmits: v.optional(v.number()) }) })),
  end: v.object({ sum_received: v.object({ bits_per_second: v.number(), bytes: v.number() }) }),
});

const rate = v.object({ bits_per_second: v.number() });
const bothWaysReport = v.object({
  end: v.object({ sum_received: rate, sum_received_bidir_reverse: rate }),
});

const udpReport = v.object({
  end: v.object({
    sum_sent: v.object({ seconds: v.number(), packets: v.number() }),
    sum_received: v.object({ bytes: v.number(), lost_packets: v.number() }),
  }),
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
  const args = ['--client', to, '--json', '--connect-timeout', '5000', ...lengthOf(options)];
  if (options.reverse === true) args.push('--reverse');
  if (options.streams !== undefined) args.push('--parallel', String(options.streams));
  if (options.bitrate !== undefined) args.push('--bitrate', String(options.bitrate));
  const timeoutMs = options.timeoutMs ?? (options.seconds ?? 1) * 1000 + SLACK_MS;
  const { end, intervals } = v.parse(tcpReport, await runClient(from, args, timeoutMs));
  return {
    bitsPerSecond: end.sum_received.bits_per_second,
    receivedBytes: end.sum_received.bytes,
    retransmitsEachSecond: intervals.flatMap(({ sum }) => sum.retransmits ?? []),
  };
}

/** Sends one TCP stream each way at once. */
export async function runTcpBothWays(
  from: Namespace,
  to: string,
  options: Pick<TcpOptions, 'seconds' | 'bytes'>,
): Promise<BothWaysResult> {
  const args = ['--client', to, '--json', '--connect-timeout', '5000', '--bidir', ...lengthOf(options)];
  const timeoutMs = (options.seconds ?? 1) * 1000 + SLACK_MS;
  const { end } = v.parse(bothWaysReport, await runClient(from, args, timeoutMs));
  return {
    bitsPerSecond: end.sum_received.bits_per_second,
    reverseBitsPerSecond: end.sum_received_bidir_reverse.bits_per_second,
  };
}

/**
 * Starts one TCP stream that goes on until it is stopped.
 *
 * @param bitrate - 0: as fast as it goes
 * @returns ends it; rejects when it had ended by itself, since what was measured beside it was then not under load
 */
export function startTcp(from: Namespace, to: string, bitrate = 0): () => Promise<void> {
  const args = ['--client', to, '--connect-timeout', '5000', '--time', '0', '--bitrate', String(bitrate)];
  const child = from.start('iperf3', args);
  const complaints = collect(child, 'stderr');
  child.stdout?.resume();
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the TCP stream has ended by itself: ${complaints().trim()}`);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
}

/**
 * Works while one TCP stream runs.
 *
 * @throws what the work throws; an Error when the stream has ended by itself
 */
export async function underTcp(
  from: Namespace,
  to: string,
  bitrate: number,
  work: () => Promise<void>,
): Promise<void> {
  const stop = startTcp(from, to, bitrate);
  try {
    await work();
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  await stop();
}

/** Sends UDP datagrams of one size at a rate. */
export async function runUdp(from: Namespace, to: string, options: UdpOptions): Promise<UdpResult> {
  const bitsPerSecond = Math.round(options.datagramsPerSecond * options.payloadBytes * 8);
  const size = ['--length', String(options.payloadBytes), '--bitrate', String(bitsPerSecond)];
  const args = ['--client', to, '--json', '--connect-timeout', '5000', '--udp', ...size];
  args.push('--blockcount', String(Math.round(options.datagramCount)));
  if (options.socketBufferBytes !== undefined) args.push('--window', String(options.socketBufferBytes));
  // A sender that waits for its tunnel may take several times as long as asked.
  const timeoutMs = (options.datagramCount / options.datagramsPerSecond) * 20_000 + SLACK_MS;
  return readUdpReport(await runClient(from, args, timeoutMs), options.payloadBytes);
}

/**
 * Reads the report of a UDP run. iperf3 counts only the gaps between what arrived as lost; what still waited in a queue
 * when the sender had ended counts as well here, since a queue that grows during the whole run is no throughput. A server
 * always leaves the last few ms unread, however slow the sender was; these are neither.
 */
export function readUdpReport(report: unknown, payloadBytes: number): UdpResult {
  const { sum_sent: sent, sum_received: received } = v.parse(udpReport, report).end;
  const sentPerSecond = sent.packets / sent.seconds;
  const unreadCount = sent.packets - received.bytes / payloadBytes - received.lost_packets;
  const waitingCount = Math.max(0, unreadCount - sentPerSecond * UNREAD_END_SECONDS);
  const lossRatio =
    sent.packets === 0 ? 1 : Math.min(1, (received.lost_packets + waitingCount) / sent.packets);
  return { lossRatio, sentPerSecond, deliveredPerSecond: sentPerSecond * (1 - lossRatio) };
}

function lengthOf({ bytes, seconds }: Pick<TcpOptions, 'seconds' | 'bytes'>): string[] {
  return bytes === undefined ? ['--time', String(seconds ?? 1)] : ['--bytes', String(bytes)];
}

/** A server may still be at the end of its last run when the next client comes: it then refuses it, or loses it. */
async function runClient(from: Namespace, args: readonly string[], timeoutMs: number): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const { stdout, stderr, status } = await from.run('iperf3', args, { timeoutMs, allowFailure: true });
    const reason = /"error":\s*"([^"]+)"/.exec(stdout)?.[1];
    if (status === 0 && reason === undefined) return JSON.parse(stdout) as unknown;
    if (attempt === BUSY_ATTEMPTS || !BUSY.test(reason ?? ''))
      throw new Error(`iperf3 ${args.join(' ')}: ${reason ?? (stderr.trim() || `status ${status}`)}`);
    await sleep(BUSY_PAUSE_MS);
  }
}
