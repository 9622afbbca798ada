/**
 * Owns running of the lab's probe programs (probe/) in namespaces, and reading what they say.
 *
 * Runs on the main thread of a test process; every run is bounded in time.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as v from 'valibot';

import { collect, exitStatus } from './command.ts';
import { waitFor } from './deadline.ts';
import type { Namespace } from './namespace.ts';
import { probePath } from './paths.ts';

/** A probe that has said `ready`. */
export interface RunningProbe {
  /** Waits for its end and gives its line of JSON. */
  readonly result: (timeoutMs: number) => Promise<unknown>;
  /** Asks it to end, and gives its line of JSON; for probes that say that they take SIGTERM. */
  readonly finish: () => Promise<unknown>;
  readonly stop: () => Promise<void>;
}

const READY_TIMEOUT_MS = 10_000;

/** Starts a probe that listens, and waits until it does. */
export async function startProbe(namespace: Namespace, name: string, request: object): Promise<RunningProbe> {
  const child = namespace.start(process.execPath, [probePath(name), JSON.stringify(request)]);
  const output = collect(child, 'stdout');
  const complaints = collect(child, 'stderr');
  const isReady = (): boolean => {
    if (child.exitCode !== null && !output().startsWith('ready')) throw new Error(complaints());
    return output().startsWith('ready');
  };
  const options = { timeoutMs: READY_TIMEOUT_MS, intervalMs: 10, explain: complaints };
  await waitFor(`the probe ${name} to listen`, isReady, options);
  const result = async (timeoutMs: number): Promise<unknown> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await exitStatus(child);
    clearTimeout(timer);
    const line = output().split('\n')[1] ?? '';
    if (line === '')
      throw new Error(`the probe ${name} said nothing within ${timeoutMs} ms: ${complaints()}`);
    return JSON.parse(line) as unknown;
  };
  return {
    stop: () => stopChild(child),
    result,
    finish: () => {
      child.kill('SIGTERM');
      return result(READY_TIMEOUT_MS);
    },
  };
}

/** Runs a probe to its end. @returns its line of JSON; undefined when it writes none */
export async function runProbe(
  namespace: Namespace,
  name: string,
  request: object,
  timeoutMs: number,
): Promise<unknown> {
  const result = await namespace.run(process.execPath, [probePath(name), JSON.stringify(request)], {
    timeoutMs,
  });
  return result.stdout === '' ? undefined : (JSON.parse(result.stdout) as unknown);
}

/** Two ends of something, by namespace. */
export interface Ends {
  readonly from: Namespace;
  readonly to: Namespace;
  /** Of `to`. */
  readonly address: string;
}

/** How much to transfer, and how long that may take. */
export interface TransferOptions {
  readonly bytes?: number;
  readonly seconds?: number;
  readonly checksum?: boolean;
  readonly timeoutMs: number;
}

/** What arrived. */
export interface TransferResult {
  readonly bytes: number;
  readonly bitsPerSecond: number;
  /** Of what was sent and of what arrived, when asked for. */
  readonly sentSha256: string | undefined;
  readonly receivedSha256: string | undefined;
}

const bulkOutcome = v.object({ bytes: v.number(), seconds: v.number(), sha256: v.optional(v.string()) });
const BULK_PORT = 5300;

/** Sends one TCP stream; needs no other program. */
export async function transfer(
  { from, to, address }: Ends,
  options: TransferOptions,
): Promise<TransferResult> {
  const { timeoutMs, ...amount } = options;
  const checksum = options.checksum ?? false;
  const receiver = await startProbe(to, 'bulk', { mode: 'receive', address, port: BULK_PORT, checksum });
  try {
    const sent = v.parse(
      bulkOutcome,
      await runProbe(from, 'bulk', { mode: 'send', address, port: BULK_PORT, ...amount }, timeoutMs),
    );
    const received = v.parse(bulkOutcome, await receiver.result(READY_TIMEOUT_MS));
    return {
      bytes: received.bytes,
      bitsPerSecond: (received.bytes * 8) / received.seconds,
      sentSha256: sent.sha256,
      receivedSha256: received.sha256,
    };
  } finally {
    await receiver.stop();
  }
}

/** Round trips of UDP datagrams. */
export interface EchoResult {
  readonly sentCount: number;
  readonly timesMs: readonly number[];
}

const echoOutcome = v.object({ sentCount: v.number(), timesMs: v.array(v.number()) });
const ECHO_PORT = 5301;

/** Sends datagrams there and back; needs no other program. */
export async function echo(
  { from, to, address }: Ends,
  options: { count: number; intervalMs: number; payloadBytes?: number },
): Promise<EchoResult> {
  const server = await startProbe(to, 'echo', { mode: 'serve', address, port: ECHO_PORT });
  try {
    const timeoutMs = options.count * (options.intervalMs + 5) + READY_TIMEOUT_MS;
    const asked = { mode: 'ask', address, port: ECHO_PORT, ...options };
    return v.parse(echoOutcome, await runProbe(from, 'echo', asked, timeoutMs));
  } finally {
    await server.stop();
  }
}

const roundTripOutcome = v.object({ timesMs: v.array(v.number()) });
const ROUND_TRIP_PORT = 5303;
const ROUND_TRIP_BYTES = 64;

/** Sends requests of 64 bytes over one TCP connection, each when the last was answered. @returns ms, in order */
export async function roundTrips({ from, to, address }: Ends, seconds: number): Promise<readonly number[]> {
  const endpoint = { address, port: ROUND_TRIP_PORT, bytes: ROUND_TRIP_BYTES };
  const server = await startProbe(to, 'round-trips', { mode: 'serve', ...endpoint });
  try {
    const timeoutMs = seconds * 1000 + READY_TIMEOUT_MS;
    const asked = { mode: 'ask', ...endpoint, seconds };
    return v.parse(roundTripOutcome, await runProbe(from, 'round-trips', asked, timeoutMs)).timesMs;
  } finally {
    await server.stop();
  }
}

/** What {@link watchPacketSizes} saw. */
export interface PacketSizes {
  readonly seenCount: number;
  /** With the Ethernet header; 0 when nothing left. */
  readonly largestBytes: number;
}

const packetSizes = v.object({ seenCount: v.number(), largestBytes: v.number() });

/** Looks at what an interface hands to its wire while `work` goes on, for that long. */
export async function watchPacketSizes(
  on: Namespace,
  { interfaceName, seconds }: { interfaceName: string; seconds: number },
  work: () => Promise<unknown>,
): Promise<PacketSizes> {
  const probe = await startProbe(on, 'packet-sizes', { interfaceName, seconds });
  try {
    await work();
    return v.parse(packetSizes, await probe.result(seconds * 1000 + READY_TIMEOUT_MS));
  } finally {
    await probe.stop();
  }
}

/** What {@link watchStalls} saw. */
export interface Stalls {
  readonly receivedBytes: number;
  /** 0 when it never stood still. */
  readonly longestMs: number;
}

const stallsOutcome = v.object({
  receivedBytes: v.number(),
  stalls: v.array(v.object({ fromUnixMs: v.number(), lastedMs: v.number() })),
});

/** Looks for that long when a stream that arrives on an interface stands still. @returns waits for the outcome */
export async function watchStalls(
  on: Namespace,
  options: { interfaceName: string; seconds: number },
): Promise<() => Promise<Stalls>> {
  const probe = await startProbe(on, 'stalls', options);
  return async () => {
    const outcome = await probe.result(options.seconds * 1000 + READY_TIMEOUT_MS);
    const { receivedBytes, stalls } = v.parse(stallsOutcome, outcome);
    return { receivedBytes, longestMs: Math.max(0, ...stalls.map(({ lastedMs }) => lastedMs)) };
  };
}

/** Sends raw frames on an interface. */
export async function sendFrames(
  from: Namespace,
  interfaceName: string,
  frames: readonly Uint8Array[],
): Promise<void> {
  const texts = frames.map((frame) => Buffer.from(frame).toString('hex'));
  await runProbe(from, 'frames', { mode: 'send', interfaceName, frames: texts }, READY_TIMEOUT_MS);
}

/** Starts to gather raw frames that hold a marker; the result is theirs, in hexadecimal. */
export async function gatherFrames(
  on: Namespace,
  options: { interfaceName: string; marker: string; count: number; timeoutMs: number; lingerMs?: number },
): Promise<() => Promise<readonly string[]>> {
  const probe = await startProbe(on, 'frames', { mode: 'receive', ...options });
  return async () => v.parse(v.array(v.string()), await probe.result(options.timeoutMs + READY_TIMEOUT_MS));
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
