/**
 * Owns how each figure of the section `tunnel` is measured.
 *
 * One measurement may yield several figures, since CPU seconds per gigabyte mean something only for the run that moved
 * the gigabytes. Runs on the main thread of the bench; every measurement is bounded in time.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { IperfServer, runTcp, runTcpBothWays, runUdp, startTcp } from '../../test/lab/iperf.ts';
import { ping } from '../../test/lab/ping.ts';
import { roundTrips, watchPacketSizes } from '../../test/lab/probes.ts';
import { cpuSecondsOf, residentBytesOf } from '../../test/lab/usage.ts';
import { mean, median, percentile } from '../arithmetic.ts';
import type { SectionSettings } from '../section.ts';
import type { FigureKey, Readings } from './figures.ts';
import { highestRate, type RateTrial } from './rate-search.ts';
import type { Occasion, Schedule } from './schedule.ts';
import { SUBJECT_NAMES, type Subject, UNDERLAY_INTERFACE } from './subject.ts';

/** One thing to do with a subject, and the figures that come of it. */
export interface Measurement {
  readonly title: string;
  /** When it is taken of a subject in the full form. */
  readonly occasion: (subject: Subject, settings: SectionSettings, wireIndex: number) => Occasion;
  /** The same in the short form of a run of all sections, which has little more than a minute for everything. */
  readonly shortOccasion: (subject: Subject) => Occasion;
  readonly run: (subject: Subject, context: MeasurementContext) => Promise<Readings>;
}

/** What a measurement may need besides its subject. */
export interface MeasurementContext {
  readonly settings: SectionSettings;
  readonly schedule: Schedule;
  /** Earlier readings of a figure of the same subject on the same wire. */
  readonly earlier: (key: FigureKey) => readonly number[];
}

const SMALL_PAYLOAD_BYTES = 64;
const LARGE_PAYLOAD_BYTES = 1200;
const MAX_LOSS_RATIO = 0.01;
const FLOOD_LOSS_RATIO = 0.1;
const SETTLE_MS = 100;
const STREAM_COUNT = 4;
/** A path slower than 0.3 Gbit/s is not waited for. */
const BULK_TIMEOUT_MS = 300_000;
const PING_INTERVAL_SECONDS = 0.01;
/** Enough pings for the hundredth of them that is slowest to be several. */
const LOADED_PING_INTERVAL_SECONDS = 0.004;
const LARGEST_SOCKET_BUFFER_BYTES = 4 << 20;

const isOurs = ({ kind }: Subject): boolean => kind === 'peertap';
const hasDaemons = (subject: Subject): boolean => subject.processIds().length > 0;
const isBare = ({ name }: Subject): boolean => name === SUBJECT_NAMES.bare;

const everyRepeat = (): Occasion => 'every repeat';
const once = (): Occasion => 'first repeat';
const never = (): Occasion => 'never';
const ofDaemonsAtTheEnd = (subject: Subject): Occasion => (hasDaemons(subject) ? 'last repeat' : 'never');
/** Of peers only what targets and the comparison of the design need. */
const ofAllButPeers = ({ kind }: Subject): Occasion => (kind === 'peer' ? 'never' : 'every repeat');
/** Of the bare link in the short form only what targets need. */
const onceOfAllButBare = (subject: Subject): Occasion => (isBare(subject) ? 'never' : 'first repeat');

const onceOfVxlanAndEngines = (subject: Subject): Occasion =>
  subject.name === SUBJECT_NAMES.null ? 'never' : onceOfAllButBare(subject);

/** Every measurement, in the order in which a repeat takes them. */
export const MEASUREMENTS: readonly Measurement[] = [
  {
    title: 'start to first ping',
    occasion: (subject, { smoke }) => (isOurs(subject) && !smoke ? 'every repeat' : 'never'),
    shortOccasion: never,
    run: measureStart,
  },
  {
    title: 'warm-up',
    // Our daemons were just started anew, and a JavaScript engine takes seconds of traffic to reach its speed.
    occasion: (subject, { smoke }) => (isOurs(subject) && !smoke ? 'every repeat' : 'first repeat'),
    shortOccasion: once,
    run: measureWire,
  },
  {
    title: 'TCP, 1 stream',
    occasion: everyRepeat,
    shortOccasion: (subject) => (isBare(subject) ? 'first repeat' : 'every repeat'),
    run: measureTcp,
  },
  {
    title: 'TCP, 4 streams',
    occasion: ofAllButPeers,
    shortOccasion: onceOfAllButBare,
    run: measureTcpFour,
  },
  {
    title: 'TCP, both ways',
    occasion: ofAllButPeers,
    shortOccasion: onceOfAllButBare,
    run: measureTcpBothWays,
  },
  { title: 'UDP 64 B', occasion: everyRepeat, shortOccasion: once, run: measureSmallUdp },
  {
    title: 'UDP 1,200 B',
    occasion: ofAllButPeers,
    shortOccasion: onceOfVxlanAndEngines,
    run: measureLargeUdp,
  },
  { title: 'latency, idle', occasion: everyRepeat, shortOccasion: once, run: measureIdleLatency },
  {
    title: 'latency, loaded',
    occasion: everyRepeat,
    shortOccasion: onceOfAllButBare,
    run: measureLoadedLatency,
  },
  {
    title: 'resident memory over a bulk',
    occasion: (subject, { memoryGigabytes }, wireIndex) =>
      isOurs(subject) && memoryGigabytes > 0 && wireIndex === 0 ? 'last repeat' : 'never',
    shortOccasion: never,
    run: measureBulkMemory,
  },
  {
    title: 'resident memory',
    occasion: ofDaemonsAtTheEnd,
    shortOccasion: ofDaemonsAtTheEnd,
    run: measureMemory,
  },
];

/** What iperf3's sockets may hold of small datagrams: enough to sleep through some ms of a busy machine. */
export function udpSocketBufferBytes(): number {
  const limits = ['rmem_max', 'wmem_max'].map((name) =>
    Number(readFileSync(`/proc/sys/net/core/${name}`, 'utf8')),
  );
  return Math.min(LARGEST_SOCKET_BUFFER_BYTES, ...limits);
}

/** CPU that the daemons of several subjects use without traffic, in % of a core, one a subject; all at the same time. */
export async function idleCpuPercent(subjects: readonly Subject[], seconds: number): Promise<number[]> {
  const before = subjects.map(cpuSeconds);
  await sleep(seconds * 1000);
  return subjects.map((subject, at) => ((cpuSeconds(subject) - (before[at] ?? 0)) / seconds) * 100);
}

async function measureStart(subject: Subject): Promise<Readings> {
  const start = await subject.startToFirstPing?.();
  return start === undefined ? {} : { start };
}

async function measureWire(subject: Subject, { schedule }: MeasurementContext): Promise<Readings> {
  return withServer(subject, async () => {
    const watched = { interfaceName: UNDERLAY_INTERFACE, seconds: schedule.watchSeconds };
    const { largestBytes } = await watchPacketSizes(subject.client, watched, () =>
      runTcp(subject.client, subject.serverAddress, schedule.warmUp),
    );
    return { largestPacket: largestBytes };
  });
}

async function measureTcp(subject: Subject, { schedule }: MeasurementContext): Promise<Readings> {
  return withServer(subject, async () => {
    const before = cpuSeconds(subject);
    const { bitsPerSecond, receivedBytes } = await runTcp(
      subject.client,
      subject.serverAddress,
      schedule.stream,
    );
    const cpuPerGigabyte = (cpuSeconds(subject) - before) / (receivedBytes / 1e9);
    const tcpOne = bitsPerSecond / 1e9;
    return hasDaemons(subject) ? { tcpOne, cpuPerGigabyte } : { tcpOne };
  });
}

async function measureTcpFour(subject: Subject, { schedule }: MeasurementContext): Promise<Readings> {
  return withServer(subject, async () => {
    const options = { ...schedule.stream, streams: STREAM_COUNT };
    const { bitsPerSecond } = await runTcp(subject.client, subject.serverAddress, options);
    return { tcpFour: bitsPerSecond / 1e9 };
  });
}

async function measureTcpBothWays(subject: Subject, { schedule }: MeasurementContext): Promise<Readings> {
  return withServer(subject, async () => {
    const { bitsPerSecond, reverseBitsPerSecond } = await runTcpBothWays(
      subject.client,
      subject.serverAddress,
      schedule.stream,
    );
    return { tcpBothWays: (bitsPerSecond + reverseBitsPerSecond) / 1e9 };
  });
}

async function measureSmallUdp(subject: Subject, context: MeasurementContext): Promise<Readings> {
  const rate = await searchRate(subject, SMALL_PAYLOAD_BYTES, { context, key: 'udpSmall' });
  return { udpSmall: rate / 1000 };
}

async function measureLargeUdp(subject: Subject, context: MeasurementContext): Promise<Readings> {
  const rate = await searchRate(subject, LARGE_PAYLOAD_BYTES, { context, key: 'udpLarge' });
  return { udpLarge: rate / 1000 };
}

/** A later repeat starts its search from what the earlier ones found. */
async function searchRate(
  subject: Subject,
  payloadBytes: number,
  { context, key }: { context: MeasurementContext; key: FigureKey },
): Promise<number> {
  const { schedule, earlier, settings } = context;
  const found = earlier(key).filter((kpps) => kpps > 0);
  const limits = {
    ceilingPerSecond: schedule.floodPerSecond,
    // The few datagrams of the smoke form say nothing about a share of them.
    maxLossRatio: settings.smoke ? 1 : MAX_LOSS_RATIO,
    maxTrials: schedule.maxTrials,
    ...(found.length === 0 ? {} : { nearPerSecond: median(found) * 1000 }),
  };
  const socketBufferBytes = udpSocketBufferBytes();
  const rate = await withServer(subject, () => {
    const trial: RateTrial = async (datagramsPerSecond, length) => {
      // No sender reaches the flood's rate, so that the flood lasts several times as long as is asked of it.
      const share = datagramsPerSecond === schedule.floodPerSecond ? 0.5 : 1;
      const seconds = schedule.trialSeconds * (length === 'long' ? 2 : 1) * share;
      const datagramCount = Math.max(1, datagramsPerSecond * seconds);
      const run = { payloadBytes, datagramsPerSecond, datagramCount, socketBufferBytes };
      const result = await runUdp(subject.client, subject.serverAddress, run);
      // What a flood has left in a slow tunnel's queues must not count against the next trial.
      if (result.lossRatio > FLOOD_LOSS_RATIO) await sleep(SETTLE_MS);
      return result;
    };
    return highestRate(trial, limits);
  });
  if (rate === 0) throw new Error('no rate was carried with so little loss');
  return rate;
}

async function measureIdleLatency(subject: Subject, context: MeasurementContext): Promise<Readings> {
  const pingTimesMs = await pingTimes(subject, context, PING_INTERVAL_SECONDS);
  const requestTimesMs = await requestTimes(subject, context);
  return {
    pingIdle: mean(pingTimesMs) * 1000,
    requestIdleP50: median(requestTimesMs) * 1000,
    requestIdleP99: percentile(requestTimesMs, 0.99) * 1000,
  };
}

async function measureLoadedLatency(subject: Subject, context: MeasurementContext): Promise<Readings> {
  return withServer(subject, async () => {
    const stopStream = startTcp(subject.client, subject.serverAddress);
    await sleep(context.schedule.loadLeadMs);
    const pingTimesMs = await pingTimes(subject, context, LOADED_PING_INTERVAL_SECONDS);
    const requestTimesMs = await requestTimes(subject, context);
    await stopStream();
    return {
      pingLoadedP99: percentile(pingTimesMs, 0.99),
      requestLoadedP50: median(requestTimesMs),
      requestLoadedP99: percentile(requestTimesMs, 0.99),
    };
  });
}

async function measureBulkMemory(subject: Subject, { settings }: MeasurementContext): Promise<Readings> {
  return withServer(subject, async () => {
    const half = { bytes: Math.round((settings.memoryGigabytes * 1e9) / 2), timeoutMs: BULK_TIMEOUT_MS };
    const residentBefore = largestResidentMiB(subject);
    await runTcp(subject.client, subject.serverAddress, half);
    const residentHalf = largestResidentMiB(subject);
    await runTcp(subject.client, subject.serverAddress, half);
    return { residentBefore, residentHalf, residentAfter: largestResidentMiB(subject) };
  });
}

function measureMemory(subject: Subject): Promise<Readings> {
  return Promise.resolve({ residentEnd: largestResidentMiB(subject) });
}

async function pingTimes(
  subject: Subject,
  { schedule }: MeasurementContext,
  intervalSeconds: number,
): Promise<readonly number[]> {
  const count = Math.ceil(schedule.latencySeconds / intervalSeconds);
  const { timesMs } = await ping(subject.client, subject.serverAddress, { count, intervalSeconds });
  if (timesMs.length === 0) throw new Error('no ping came back');
  return timesMs;
}

function requestTimes(subject: Subject, { schedule }: MeasurementContext): Promise<readonly number[]> {
  const ends = { from: subject.client, to: subject.server, address: subject.serverAddress };
  return roundTrips(ends, schedule.latencySeconds);
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
