/**
 * Owns the figures of the section `tunnel` and how each is measured.
 *
 * One measurement may yield several figures, since CPU seconds per gigabyte mean something only for the run that moved
 * the gigabytes. Runs on the main thread of the bench; every measurement is bounded in time.
 */

import { IperfServer, runTcp, runUdp } from '../../test/lab/iperf.ts';
import { ping } from '../../test/lab/ping.ts';
import { cpuSecondsOf, residentBytesOf } from '../../test/lab/usage.ts';
import { mean, percentile } from '../arithmetic.ts';
import { highestRate } from './bisect.ts';
import type { Subject } from './subject.ts';

/** Names of figures in results. */
export type FigureKey =
  | 'tcpGbit'
  | 'cpuSecondsPerGigabyte'
  | 'udpSmallKpps'
  | 'pingIdleUs'
  | 'pingLoadedP99Ms'
  | 'startMs'
  | 'residentBeforeMiB'
  | 'residentHalfMiB'
  | 'residentAfterMiB';

/** How a figure is shown. */
export interface FigureDescription {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
}

/** One thing to do with a subject, and the figures that come of it. */
export interface Measurement {
  readonly title: string;
  /** Done once a bench, not once a repeat. */
  readonly once?: boolean;
  readonly appliesTo: (subject: Subject) => boolean;
  readonly run: (
    subject: Subject,
    settings: MeasurementSettings,
  ) => Promise<Partial<Record<FigureKey, number>>>;
}

/** What the command line sets. */
export interface MeasurementSettings {
  readonly seconds: number;
  readonly memoryGigabytes: number;
}

/** Every figure, in the order of the table. */
export const FIGURES: Readonly<Record<FigureKey, FigureDescription>> = {
  tcpGbit: { title: 'TCP, 1 stream', unit: 'Gbit/s', digits: 2 },
  cpuSecondsPerGigabyte: { title: "CPU per GB, both daemons'", unit: 's/GB', digits: 2 },
  udpSmallKpps: { title: 'UDP 64 B at ≤ 1 % loss', unit: 'kpps', digits: 1 },
  pingIdleUs: { title: 'ping, idle, average', unit: 'µs', digits: 0 },
  pingLoadedP99Ms: { title: 'ping under 1 TCP stream, p99', unit: 'ms', digits: 2 },
  startMs: { title: 'start to first ping', unit: 'ms', digits: 0 },
  residentBeforeMiB: { title: 'resident memory before the bulk', unit: 'MiB', digits: 0 },
  residentHalfMiB: { title: 'resident memory after half of it', unit: 'MiB', digits: 0 },
  residentAfterMiB: { title: 'resident memory after all of it', unit: 'MiB', digits: 0 },
};

const SMALL_PAYLOAD_BYTES = 64;
const MAX_LOSS_RATIO = 0.01;
const BISECTION_STEPS = 7;
/** Above what one iperf3 sender reaches on a fast core. */
const CEILING_PER_SECOND = 1_000_000;
/** One iperf3 client at 1 Gbit/s needs 80 s for 10 GB; a slower path than 0.3 Gbit/s is not waited for. */
const BULK_TIMEOUT_MS = 300_000;
const PING_INTERVAL_SECONDS = 0.01;

const always = (): boolean => true;
const hasDaemons = (subject: Subject): boolean => subject.startToFirstPing !== undefined;

/** Every measurement, in the order in which a repeat takes them. */
export const MEASUREMENTS: readonly Measurement[] = [
  { title: 'start to first ping', appliesTo: hasDaemons, run: measureStart },
  { title: 'TCP, 1 stream', appliesTo: always, run: measureTcp },
  { title: 'UDP 64 B', appliesTo: always, run: measureSmallUdp },
  { title: 'ping, idle', appliesTo: always, run: measureIdlePing },
  { title: 'ping under load', appliesTo: always, run: measureLoadedPing },
  { title: 'resident memory', once: true, appliesTo: hasDaemons, run: measureMemory },
];

async function measureStart(subject: Subject): Promise<Partial<Record<FigureKey, number>>> {
  const startMs = await subject.startToFirstPing?.();
  return startMs === undefined ? {} : { startMs };
}

async function measureTcp(subject: Subject, { seconds }: MeasurementSettings) {
  return withServer(subject, async () => {
    const before = cpuSeconds(subject);
    const { bitsPerSecond, receivedBytes } = await runTcp(subject.client, subject.serverAddress, { seconds });
    const spent = cpuSeconds(subject) - before;
    const tcpGbit = bitsPerSecond / 1e9;
    return hasDaemons(subject)
      ? { tcpGbit, cpuSecondsPerGigabyte: spent / (receivedBytes / 1e9) }
      : { tcpGbit };
  });
}

async function measureSmallUdp(subject: Subject, { seconds }: MeasurementSettings) {
  return withServer(subject, async () => {
    const trialSeconds = Math.max(1, Math.round(seconds / 3));
    const measure = (datagramsPerSecond: number) =>
      runUdp(subject.client, subject.serverAddress, {
        seconds: trialSeconds,
        payloadBytes: SMALL_PAYLOAD_BYTES,
        datagramsPerSecond,
      });
    const limits = {
      ceilingPerSecond: CEILING_PER_SECOND,
      maxLossRatio: MAX_LOSS_RATIO,
      steps: BISECTION_STEPS,
      triesPerRate: 2,
    };
    return { udpSmallKpps: (await highestRate(measure, limits)) / 1000 };
  });
}

async function measureIdlePing(subject: Subject, { seconds }: MeasurementSettings) {
  return { pingIdleUs: mean(await pingTimesMs(subject, seconds)) * 1000 };
}

async function measureLoadedPing(subject: Subject, { seconds }: MeasurementSettings) {
  return withServer(subject, async () => {
    // The stream starts before the first ping and ends after the last.
    const stream = runTcp(subject.client, subject.serverAddress, { seconds: seconds + 2 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const timesMs = await pingTimesMs(subject, seconds);
    await stream;
    return { pingLoadedP99Ms: percentile(timesMs, 0.99) };
  });
}

async function measureMemory(subject: Subject, { memoryGigabytes }: MeasurementSettings) {
  if (memoryGigabytes === 0) return {};
  return withServer(subject, async () => {
    const bytes = Math.round((memoryGigabytes * 1e9) / 2);
    const residentBeforeMiB = largestResidentMiB(subject);
    await runTcp(subject.client, subject.serverAddress, { bytes, timeoutMs: BULK_TIMEOUT_MS });
    const residentHalfMiB = largestResidentMiB(subject);
    await runTcp(subject.client, subject.serverAddress, { bytes, timeoutMs: BULK_TIMEOUT_MS });
    return { residentBeforeMiB, residentHalfMiB, residentAfterMiB: largestResidentMiB(subject) };
  });
}

async function pingTimesMs(subject: Subject, seconds: number): Promise<readonly number[]> {
  const count = Math.round(seconds / PING_INTERVAL_SECONDS);
  const options = { count, intervalSeconds: PING_INTERVAL_SECONDS };
  const { timesMs } = await ping(subject.client, subject.serverAddress, options);
  if (timesMs.length === 0) throw new Error(`${subject.name}: no ping came back`);
  return timesMs;
}

async function withServer<T>(subject: Subject, work: () => Promise<T>): Promise<T> {
  const server = await IperfServer.start(subject.server);
  try {
    return await work();
  } finally {
    await server.stop();
  }
}

function cpuSeconds(subject: Subject): number {
  return subject.processIds().reduce((sum, processId) => sum + cpuSecondsOf(processId), 0);
}

function largestResidentMiB(subject: Subject): number {
  return Math.max(...subject.processIds().map(residentBytesOf)) / 2 ** 20;
}
