/** `peertap status`: what the daemon is doing, for a person or as JSON. */
import { AdminClient } from '../admin/admin-client.ts';
import type { DaemonStatus, TrunkReport } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { checkPeerClocks } from './doctor-checks.ts';
import { cell, formatBytes, formatDuration, formatTable, printable } from './table.ts';
import { vlanTable } from './vlan-list.ts';

/** Prints the status. */
export async function runStatus(options: QueryOptions, io: CommandIo): Promise<void> {
  const status = await new AdminClient(options.socket).status();
  if (options.json === true) {
    io.out(JSON.stringify(status, undefined, 2));
    return;
  }
  for (const line of describeStatus(status)) io.out(line);
}

/** The status in lines for a terminal. */
export function describeStatus(status: DaemonStatus): string[] {
  const engine =
    status.engineReason === null ? status.engine : `${status.engine} (${printable(status.engineReason)})`;
  return [
    `PeerTap ${status.version}, up ${formatDuration(status.uptimeSeconds)}, ${formatBytes(status.residentBytes)} resident`,
    `peer id    ${status.peerId}`,
    `engine     ${engine}, ${status.workers} worker${status.workers === 1 ? '' : 's'}`,
    ...clockLine(status.clockOffsetMs),
    `listening  ${cell([...status.listen.libp2p, ...status.listen.datagram].join('  '))}`,
    '',
    ...section('trunks', status.trunks.length, trunkTable(status.trunks)),
    ...section('vlans', status.vlans.length, vlanTable(status.vlans)),
    ...countSection('counters', status.counters),
    ...countSection('drops', status.drops),
  ];
}

/** Only worth a line when somebody has to do something. */
function clockLine(offsetMs: number | null): string[] {
  const finding = checkPeerClocks(offsetMs);
  return finding?.result === 'warn' ? [`clock      ${finding.found}: ${finding.advice}`] : [];
}

function section(title: string, count: number, lines: readonly string[]): string[] {
  return count === 0
    ? [`${title}: none`, '']
    : [`${title}: ${count}`, ...lines.map((line) => `  ${line}`), ''];
}

function trunkTable(trunks: readonly TrunkReport[]): string[] {
  const rows = trunks.map((trunk) => [
    trunk.peer,
    trunk.state,
    cell(trunk.carrier),
    cell(trunk.rttMs === null ? null : trunk.rttMs.toFixed(2), ' ms'),
    cell(trunk.datagramMtuBytes, ' B'),
    cell(trunk.lossRatio === null ? null : (trunk.lossRatio * 100).toFixed(1), ' %'),
    formatBytes(trunk.bytesSent),
    formatBytes(trunk.bytesReceived),
    cell(trunk.address),
  ]);
  return formatTable(
    ['PEER', 'STATE', 'CARRIER', 'RTT', 'DATAGRAM', 'LOSS', 'SENT', 'RECEIVED', 'ADDRESS'],
    rows,
  );
}

/** Zeros are left out here; --json has them all. */
function countSection(title: string, counts: Readonly<Record<string, number>>): string[] {
  const counted = Object.entries(counts).filter(([, value]) => value !== 0);
  const width = Math.max(0, ...counted.map(([name]) => name.length));
  return section(
    title,
    counted.length,
    counted.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
  );
}
