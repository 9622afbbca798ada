/**
 * What `peertap status`, `peers` and `vlan list` show, from the parts of a node. Main thread; reads only.
 */
import type { DaemonStatus, PeerReport, TrunkReport, VlanReport } from './admin/daemon-control.ts';
import { readVersion } from './admin/version.ts';
import { DEFAULT_MTU_BYTES } from './config/defaults.ts';
import type { EventLoopDelay } from './event-loop-watch.ts';
import { bootstrapPeers } from './network/bootstrap-peers.ts';
import type { DataplaneAtWork, NodeParts, VlanAtWork } from './node-parts.ts';
import { clockOffset } from './trunk/peer-clocks.ts';
import type { TrunkDriver } from './trunk/trunk-driver.ts';
import type { DatagramAddress, TrunkStatus } from './trunk/trunk-port.ts';
import type { VlanEntry } from './vlan/vlan-registry.ts';

/** What a status is made from. */
export interface StatusSources
  extends Pick<NodeParts, 'identity' | 'registry' | 'dataplane' | 'network' | 'engine'> {
  readonly driver: TrunkDriver;
  readonly uptimeSeconds: number;
  readonly eventLoopDelay: EventLoopDelay;
}

/** Everything that `peertap status --json` prints. */
export function daemonStatus(sources: StatusSources): DaemonStatus {
  const { dataplane, driver, network, registry } = sources;
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
    vlans: registry.list().map((entry) => vlanReport(entry, dataplane.vlans.find(entry.id))),
    counters: {
      ...totals.counters,
      ...Object.fromEntries(driver.counters()),
      ...membershipTotals(dataplane.vlans.all()),
    },
    drops: totals.drops,
  };
}

/** Rows of `peertap peers`. */
export function peerReports(sources: {
  readonly driver: TrunkDriver;
  readonly dataplane: DataplaneAtWork;
  readonly bootstrap: readonly string[];
}): PeerReport[] {
  const configured = new Map(
    bootstrapPeers(sources.bootstrap).peers.map((peer) => [peer.peer, peer.addresses]),
  );
  return sources.driver.status().map((trunk) => ({
    ...trunkReport(trunk, sources.dataplane),
    configured: trunk.configured,
    addresses: configured.get(trunk.peer) ?? [],
    sharedVlans: sources.dataplane.vlans.sharedWith(trunk.peer),
  }));
}

/** A row of `peertap vlan list`. */
export function vlanReport(entry: VlanEntry, host: VlanAtWork | undefined): VlanReport {
  return {
    id: entry.id,
    name: entry.name ?? null,
    source: entry.source,
    owned: entry.owned,
    interface: host?.interfaceName ?? null,
    addresses: entry.attachment?.addresses ?? [],
    mtuBytes: entry.attachment?.mtuBytes ?? DEFAULT_MTU_BYTES,
    members: host?.members.length ?? 0,
    stations: host?.stations ?? 0,
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
