/** `peertap ping PEER|MAC`: whether a station answers, how fast, and in which sizes. */
import { AdminClient } from '../admin/admin-client.ts';
import type { PingReply, PingRequest, PingSummary } from '../admin/inspection.ts';
import { InspectionClient } from '../admin/inspection-client.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError, EXIT_DONE, EXIT_FAILED } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { findStation, type StationTarget } from './station-target.ts';

/** Headers, seal and tag around a frame. */
const FRAME_OVERHEAD_BYTES = 64;
const ETHERNET_HEADER_BYTES = 14;

/** What was given on the command line. */
export interface PingOptions extends QueryOptions {
  readonly vlan?: string;
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
  readonly size: number;
  readonly mtu?: boolean;
}

/** Pings. @returns the exit code: 1 when nothing was answered */
export async function runPing(text: string, options: PingOptions, io: CommandIo): Promise<number> {
  const station = await findStation(new AdminClient(options.socket), text, options.vlan);
  const request: PingRequest = {
    vlan: station.vlan,
    target: station.target,
    count: options.count,
    intervalMs: options.interval,
    sizeBytes: options.size,
    timeoutMs: options.timeout,
    findMtu: options.mtu === true,
  };
  const isJson = options.json === true;
  const replies: PingReply[] = [];
  const say = isJson ? () => undefined : (reply: PingReply) => sayReply(reply, station, request, io);
  if (!isJson) io.out(headLine(station, request));
  const done = await ask(options.socket, request, io, (reply) => {
    replies.push(reply);
    say(reply);
  });
  const summary = done ?? summarise(replies, station);
  if (isJson) io.out(JSON.stringify({ replies, done: summary }, undefined, 2));
  else for (const line of summaryLines(summary, request)) io.out(line);
  return summary.received === 0 ? EXIT_FAILED : EXIT_DONE;
}

/** @returns undefined when Ctrl-C ended it */
async function ask(
  socket: string,
  request: PingRequest,
  io: CommandIo,
  onReply: (reply: PingReply) => void,
): Promise<PingSummary | undefined> {
  const ends = new AbortController();
  const release = io.onInterrupt(() => ends.abort());
  try {
    for await (const line of new InspectionClient(socket).ping(request, ends.signal)) {
      if ('done' in line) return line.done;
      onReply(line.reply);
    }
  } finally {
    release();
  }
  if (ends.signal.aborted) return undefined;
  throw new CommandError('the daemon went away while it pinged');
}

function headLine({ target, peer, vlanName }: StationTarget, { findMtu, sizeBytes }: PingRequest): string {
  const whose = target === peer ? peer : `${target} of ${peer}`;
  const what = findMtu ? 'looking for the largest datagram that arrives' : `datagrams of ${sizeBytes} bytes`;
  return `ping ${whose} in ${vlanName}: ${what}`;
}

function sayReply(reply: PingReply, station: StationTarget, { findMtu }: PingRequest, io: CommandIo): void {
  if (findMtu) return;
  const { sequence, sizeBytes, rttMs, unsent } = reply;
  if (rttMs !== null) io.out(`${sizeBytes} bytes from ${station.target}: ${sequence}, ${formatMs(rttMs)}`);
  else if (unsent) io.out(`${sequence}: not sent, there is no way to it now`);
  else io.out(`${sequence}: no answer`);
}

function summaryLines(summary: PingSummary, { findMtu }: PingRequest): string[] {
  const { sent, received, minMs, avgMs, maxMs, pathMtuBytes } = summary;
  if (findMtu) return [mtuLine(pathMtuBytes)];
  const lost = sent === 0 ? 0 : Math.round(((sent - received) / sent) * 1000) / 10;
  const counts = `${sent} sent, ${received} answered, ${lost} % lost`;
  if (minMs === null || avgMs === null || maxMs === null) return [counts];
  const times = [minMs, avgMs, maxMs].map((value) => value.toFixed(2)).join(' / ');
  return [`${counts}; least, mean, most: ${times} ms`];
}

function mtuLine(pathMtuBytes: number | null): string {
  if (pathMtuBytes === null) return 'nothing was answered';
  const frame = pathMtuBytes - FRAME_OVERHEAD_BYTES;
  const packet = frame - ETHERNET_HEADER_BYTES;
  return `path MTU ${pathMtuBytes} bytes: frames of ${frame} bytes, packets of ${packet}, go in one piece`;
}

/** As the daemon does it, for what was seen here. */
function summarise(replies: readonly PingReply[], { peer, target }: StationTarget): PingSummary {
  const times = replies.flatMap(({ rttMs }) => rttMs ?? []);
  const isAnswered = times.length > 0;
  return {
    peer,
    mac: target === peer ? '' : target,
    sent: replies.length,
    received: times.length,
    minMs: isAnswered ? times.reduce((least, each) => Math.min(least, each)) : null,
    avgMs: isAnswered ? times.reduce((sum, each) => sum + each) / times.length : null,
    maxMs: isAnswered ? times.reduce((most, each) => Math.max(most, each)) : null,
    pathMtuBytes: null,
  };
}

function formatMs(value: number): string {
  return `${value.toFixed(2)} ms`;
}
