/**
 * What `peertap status`, `peers` and `vlan list` show, from the parts of a node. Main thread; reads only.
 */
import type { DaemonStatus, PeerReport, TrunkReport, VlanReport } from './admin/daemon-control.ts';
import { readVersion } from './admin/version.ts';
import type { DiscoveryRow } from './discovery/discovery-port.ts';
import type { EventLoopDelay } from './event-loop-watch.ts';
import type { ExchangeCounters } from './exchange/exchange-hub.ts';
import type { DataplaneAtWork, NodeParts } from './node-parts.ts';
import { clockOffset } from './trunk/peer-clocks.ts';
import type { TrunkDriver } from './trunk/trunk-driver.ts';
import type { DatagramAddress } from './trunk/trunk-port.ts';
import type { TrunkStatus } from './trunk/trunk-status.ts';
import type { VlanAtWork } from './vlan-service/vlan-parts.ts';

/** What a status is made from. */
export interface StatusSources extends Pick<NodeParts, 'identity' | 'dataplane' | 'network' | 'engine'> {
  readonly driver: TrunkDriver;
  readonly vlans: readonly VlanReport[];
  readonly exchange: ExchangeCounters;
  /** Of echoes and traces. */
  readonly inside: Readonly<Record<string, number>>;
  readonly uptimeSeconds: number;
  readonly eventLoopDelay: EventLoopDelay;
}

/** Everything that `peertap status --json` prints. */
export function daemonStatus(sources: StatusSources): DaemonStatus {
  const { dataplane, driver, network } = sources;
  const totals = dataplane.totals();
  return {
    peerId: sources.identity.peerId,
    version: readVersion(),
    engine: sources.engine.name,
    engineReason: sources.engine.reason,
    workers: dataplane.trunkDataplane.workerCount,
    uptimeSeconds: Math.round(sources.uptimeSeconds * 10) / 10,
    residentBytes: process.memoryUsage.rss(),
    eventLoopDelay: sources.eventLoopDelay,
    listen: {
      libp2p: network.listenAddresses(),
      datagram: dataplane.sockets.map((socket) => addressText(socket.address)),
    },
    clockOffsetMs: roundOrNull(clockOffset(driver.clockOffsetsMs())),
    trunks: driver.status().map((trunk) => trunkReport(trunk, dataplane)),
    vlans: sources.vlans,
    counters: {
      ...totals.counters,
      ...Object.fromEntries(driver.counters()),
      ...membershipTotals(dataplane.vlans.all()),
      ...sources.exchange,
      ...sources.inside,
    },
    drops: totals.drops,
  };
}

/** Rows of `peertap peers`: those with a trunk, or on the way to one, and those that are only known of. */
export function peerReports(sources: {
  readonly driver: TrunkDriver;
  readonly dataplane: DataplaneAtWork;
  readonly discovery: readonly DiscoveryRow[];
}): PeerReport[] {
  const known = new Map(sources.discovery.map((row) => [row.peer, row]));
  const trunks = sources.driver.status();
  const withTrunk = new Set(trunks.map(({ peer }) => peer));
  const rows = trunks.map((trunk) => ({
    ...trunkReport(trunk, sources.dataplane),
    ...knownReport(known.get(trunk.peer)),
    configured: trunk.configured,
    sharedVlans: sources.dataplane.vlans.sharedWith(trunk.peer),
  }));
  const others = sources.discovery.filter(({ peer }) => !withTrunk.has(peer));
  return [...rows, ...others.map((row) => ({ ...NO_TRUNK, peer: row.peer, ...knownReport(row) }))];
}

const NO_TRUNK = {
  state: 'down',
  carrier: null,
  rttMs: null,
  datagramMtuBytes: null,
  lossRatio: null,
  address: null,
  lanes: 0,
  bytesSent: 0,
  bytesReceived: 0,
  lastError: null,
  configured: false,
  sharedVlans: [],
} as const;

/** A peer that dialled us and was not known before has a trunk, and that is all. */
function knownReport(row: DiscoveryRow | undefined): Pick<PeerReport, 'sources' | 'standing' | 'addresses'> {
  return {
    sources: row?.sources ?? ['trunk'],
    standing: row?.standing ?? 'full',
    addresses: row?.addresses ?? [],
  };
}

function trunkReport(trunk: TrunkStatus, dataplane: DataplaneAtWork): TrunkReport {
  const bytes = trunk.trunk === undefined ? undefined : dataplane.trunkBytes(trunk.trunk);
  return {
    peer: trunk.peer,
    state: trunk.state,
    carrier: trunk.carrier ?? null,
    rttMs: trunk.rttMs === undefined ? null : Math.round(trunk.rttMs * 1000) / 1000,
    datagramMtuBytes: trunk.carrier === undefined ? null : trunk.datagramMtuBytes,
    lossRatio: trunk.lossRatio,
    address: trunk.address === undefined ? null : addressText(trunk.address),
    lanes: trunk.lanes,
    bytesSent: bytes?.sent ?? 0,
    bytesReceived: bytes?.received ?? 0,
    lastError: trunk.lastError ?? null,
  };
}

function roundOrNull(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value);
}

function addressText({ ip, port }: DatagramAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function membershipTotals(hosts: readonly VlanAtWork[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const host of hosts) {
    for (const [name, value] of Object.entries(host.counters)) totals[name] = (totals[name] ?? 0) + value;
  }
  return totals;
}
