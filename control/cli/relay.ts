/** `peertap relay status`: what this node carries for others. */
import type { CarriedTraffic, RelayReport } from '../admin/inspection.ts';
import { InspectionClient } from '../admin/inspection-client.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { cell, formatBytes, formatTable } from './table.ts';

/** Enough to see that two segments or two nodes have another one. */
const ROOT_DIGITS = 8;

/** Prints the status. */
export async function runRelayStatus(options: QueryOptions, io: CommandIo): Promise<void> {
  const report = await new InspectionClient(options.socket).relay();
  if (options.json === true) {
    io.out(JSON.stringify(report, undefined, 2));
    return;
  }
  for (const line of describeRelay(report)) io.out(line);
}

function describeRelay(report: RelayReport): string[] {
  const refused = Object.entries(report.refusals).filter(([, count]) => count > 0);
  return [
    report.enabled
      ? 'this node relays for others'
      : 'this node relays for nobody; "relay": {"enabled": true, "allow": ["*"]} in the config changes that',
    `carried    ${amount(report.total)}; ${rate(report.total)} now; ${report.total.refusedDatagrams} refused by quota`,
    `not given  ${refused.length === 0 ? 'nothing' : refused.map(([why, count]) => `${why} ${count}`).join(', ')}`,
    '',
    ...section('segments', segmentTable(report)),
    ...section('peers', peerTable(report)),
  ];
}

function segmentTable({ segments }: RelayReport): string[] {
  const rows = segments.map((segment) => [
    segment.segment,
    cell(segment.root?.slice(0, ROOT_DIGITS) ?? null),
    String(segment.ports),
    String(segment.tokens),
    amount(segment),
    rate(segment),
  ]);
  return formatTable(['SEGMENT', 'ROOT', 'PORTS', 'TOKENS', 'CARRIED', 'NOW'], rows);
}

function peerTable({ peers }: RelayReport): string[] {
  const rows = peers.map((peer) => [
    peer.peer,
    String(peer.segments),
    String(peer.tokens),
    amount(peer),
    rate(peer),
    String(peer.refusedDatagrams),
  ]);
  return formatTable(['PEER', 'SEGMENTS', 'TOKENS', 'CARRIED', 'NOW', 'REFUSED'], rows);
}

function section(title: string, table: readonly string[]): string[] {
  const count = table.length - 1;
  return count === 0 ? [`${title}: none`] : [`${title}: ${count}`, ...table.map((line) => `  ${line}`)];
}

function amount({ datagrams, bytes }: CarriedTraffic): string {
  return `${datagrams} datagrams, ${formatBytes(bytes)}`;
}

function rate({ datagramsPerSecond, bytesPerSecond }: CarriedTraffic): string {
  return `${Math.round(datagramsPerSecond)}/s, ${formatBytes(bytesPerSecond)}/s`;
}
