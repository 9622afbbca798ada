/** `peertap trace PEER|MAC`: the nodes on the way to a station, and the trunks between them. */
import { AdminClient } from '../admin/admin-client.ts';
import type { TraceHop, TraceSummary } from '../admin/inspection.ts';
import { InspectionClient } from '../admin/inspection-client.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError, EXIT_DONE, EXIT_FAILED } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { findStation } from './station-target.ts';
import { cell } from './table.ts';

const HEADER = ['HOP', 'NODE', 'TIME', 'CARRIER', 'ROUND TRIP', 'DATAGRAM'] as const;
/** Hops are shown as they come, so columns are as wide as they may get. */
const WIDTHS = [3, 52, 10, 7, 10, 8] as const;

/** What was given on the command line. */
export interface TraceOptions extends QueryOptions {
  readonly vlan?: string;
  readonly timeout: number;
}

/** Traces. @returns the exit code: 1 when the station was not reached */
export async function runTrace(text: string, options: TraceOptions, io: CommandIo): Promise<number> {
  const station = await findStation(new AdminClient(options.socket), text, options.vlan);
  const request = { vlan: station.vlan, target: station.target, timeoutMs: options.timeout };
  const isJson = options.json === true;
  const hops: TraceHop[] = [];
  if (!isJson) {
    const whose = station.target === station.peer ? station.peer : `${station.target} of ${station.peer}`;
    io.out(`trace to ${whose} in ${station.vlanName}`);
    io.out(columns(HEADER));
  }
  const ends = new AbortController();
  const release = io.onInterrupt(() => ends.abort());
  let done: TraceSummary | undefined;
  try {
    for await (const line of new InspectionClient(options.socket).trace(request, ends.signal)) {
      if ('done' in line) done = line.done;
      else hops.push(line.hop);
      if ('hop' in line && !isJson) io.out(columns(row(line.hop)));
    }
  } finally {
    release();
  }
  if (done === undefined) {
    if (ends.signal.aborted) return EXIT_FAILED;
    throw new CommandError('the daemon went away while it traced');
  }
  if (isJson) io.out(JSON.stringify({ hops, done }, undefined, 2));
  else io.out(lastLine(hops, done));
  return done.outcome === 'reached' ? EXIT_DONE : EXIT_FAILED;
}

function row({ hop, peer, elapsedMs, next }: TraceHop): string[] {
  const rttMs = next?.rttMs ?? null;
  return [
    String(hop),
    peer ?? '(hidden)',
    cell(elapsedMs === null ? null : elapsedMs.toFixed(2), ' ms'),
    cell(next?.carrier ?? null),
    cell(rttMs === null ? null : rttMs.toFixed(2), ' ms'),
    cell(next?.datagramMtuBytes ?? null, ' B'),
  ];
}

function columns(cells: readonly string[]): string {
  return cells
    .map((text, column) => text.padEnd(WIDTHS[column] ?? 0))
    .join('  ')
    .trimEnd();
}

function lastLine(hops: readonly TraceHop[], { outcome, pathMtuBytes }: TraceSummary): string {
  const last = hops.at(-1)?.hop ?? 0;
  switch (outcome) {
    case 'reached': {
      const size = pathMtuBytes === null ? '' : `; path MTU ${pathMtuBytes} bytes`;
      return `reached after ${last} ${last === 1 ? 'hop' : 'hops'}${size}`;
    }
    case 'silent':
      return `hop ${last} passed it on, and the next one does not answer: it does not carry the VLAN, or says nothing`;
    case 'no-route':
      return last === 0
        ? 'there is no way to it from here; `peertap topology` shows the trees of this node'
        : `hop ${last} knows no way to it`;
    case 'hop-limit':
      return `not reached within ${last} hops: frames do not go farther`;
  }
}
