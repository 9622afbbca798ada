/**
 * Owns ping: runs it in a namespace and reads its times.
 *
 * Runs on the main thread of a test process.
 */

import type { Namespace } from './namespace.ts';

/** What to send. */
export interface PingOptions {
  readonly count: number;
  /** 0.2 unless given, in seconds; root may go below it. */
  readonly intervalSeconds?: number;
  readonly payloadBytes?: number;
  /** Set the don't-fragment bit (`-M do`). */
  readonly dontFragment?: boolean;
  /** Leave by this interface; needed with link-local addresses. */
  readonly interfaceName?: string;
  /** How long to wait for the last reply, in seconds; 1 unless given. */
  readonly waitSeconds?: number;
}

/** What came back. */
export interface PingResult {
  readonly sentCount: number;
  readonly receivedCount: number;
  readonly duplicateCount: number;
  /** One a reply, in order of arrival. */
  readonly timesMs: readonly number[];
  readonly output: string;
}

/** Sends echo requests and waits for the replies; losing all of them is a result, not an error. */
export async function ping(from: Namespace, to: string, options: PingOptions): Promise<PingResult> {
  const intervalSeconds = options.intervalSeconds ?? 0.2;
  const waitSeconds = options.waitSeconds ?? 1;
  const timeoutMs = (options.count * intervalSeconds + waitSeconds + 5) * 1000;
  const result = await from.run('ping', argumentsOf(to, { ...options, intervalSeconds, waitSeconds }), {
    allowFailure: true,
    timeoutMs,
  });
  return parsePing(result.stdout + result.stderr);
}

function argumentsOf(to: string, options: PingOptions): string[] {
  const args = [
    '-n',
    '-c',
    String(options.count),
    '-i',
    String(options.intervalSeconds),
    '-W',
    String(options.waitSeconds),
  ];
  if (options.payloadBytes !== undefined) args.push('-s', String(options.payloadBytes));
  if (options.dontFragment === true) args.push('-M', 'do');
  if (options.interfaceName !== undefined) args.push('-I', options.interfaceName);
  return [...args, to];
}

/** Reads the output of ping (iputils). */
export function parsePing(output: string): PingResult {
  const summary = /(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?/.exec(output);
  const times = [...output.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]));
  return {
    sentCount: Number(summary?.[1] ?? 0),
    receivedCount: Number(summary?.[2] ?? 0),
    duplicateCount: Number(summary?.[3] ?? 0),
    timesMs: times,
    output,
  };
}

/** The longest run of echo requests without a reply, the last ones included, from ping's output. */
export function longestGap(output: string): number {
  const numbers = [...output.matchAll(/icmp_seq=(\d+) .*time=/g)].map((match) => Number(match[1]));
  const bounded = [0, ...numbers.sort((left, right) => left - right), parsePing(output).sentCount + 1];
  return Math.max(0, ...bounded.slice(1).map((number, index) => number - (bounded[index] ?? 0) - 1));
}
