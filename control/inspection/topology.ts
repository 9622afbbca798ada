/** What `peertap topology` draws, from trunks, trees and VLANs. Main thread; pure. */
import type {
  TopologyPort,
  TopologyReport,
  TopologySegment,
  TopologyTrunk,
  TraceLink,
} from '../admin/inspection.ts';
import type { FabricSegmentStatus } from '../fabric/fabric-port.ts';
import type { AnnouncerReport } from '../token/route-port.ts';
import type { TrunkStatus } from '../trunk/trunk-status.ts';

const SHORT_DIGITS = 8;

/** One epoch of a VLAN of ours, as the fabric sees it. */
export interface OwnSegment {
  /** Segment id in hexadecimal. */
  readonly segment: string;
  /** What the VLAN is called here. */
  readonly name: string;
  /** Number of the epoch. */
  readonly epoch: number;
  /** Live members by PeerId, each with the name (nonce) under which it announces, in hexadecimal. */
  readonly announcers: ReadonlyMap<string, string>;
}

/** What a topology is made from. */
export interface TopologySources {
  readonly self: string;
  readonly roles: readonly string[];
  readonly trunks: readonly TrunkStatus[];
  readonly segments: readonly FabricSegmentStatus[];
  readonly own: readonly OwnSegment[];
  announcers(segment: string): readonly AnnouncerReport[];
}

/** Puts it together. */
export function topologyReport(sources: TopologySources): TopologyReport {
  const own = new Map(sources.own.map((segment) => [segment.segment, segment]));
  return {
    peer: sources.self,
    roles: sources.roles,
    trunks: sources.trunks.map(trunkRow),
    segments: sources.segments.map((segment) =>
      segmentRow(segment, own.get(segment.segment), sources.announcers(segment.segment)),
    ),
  };
}

/** A trunk as a link of a path. */
export function linkOf(trunk: TrunkStatus): TraceLink {
  const { carrier, rttMs, datagramMtuBytes } = trunk;
  return {
    carrier: carrierOf(trunk),
    rttMs: rttMs === undefined ? null : roundMs(rttMs),
    datagramMtuBytes: carrier === undefined ? null : datagramMtuBytes,
  };
}

function trunkRow(trunk: TrunkStatus): TopologyTrunk {
  const { peer, state, address, lossRatio, cost, roles, carrier } = trunk;
  return {
    peer,
    state,
    ...linkOf(trunk),
    address: address === undefined ? null : addressText(address),
    lossRatio: carrier === undefined ? null : lossRatio,
    cost: carrier === undefined ? null : (cost ?? null),
    roles,
  };
}

function segmentRow(
  status: FabricSegmentStatus,
  own: OwnSegment | undefined,
  announcers: readonly AnnouncerReport[],
): TopologySegment {
  const short = status.segment.slice(0, SHORT_DIGITS);
  const names = new Map([...(own?.announcers ?? [])].map(([peer, nonce]) => [nonce, peer]));
  const { root } = status;
  return {
    name: own?.name ?? `segment ${short}`,
    segment: status.segment,
    own: own !== undefined,
    epoch: own?.epoch ?? null,
    root: root === undefined ? null : root.isSelf ? 'self' : root.priority.slice(0, SHORT_DIGITS),
    distance: status.distance ?? null,
    ports: status.ports.map(({ peer, role, isForwarding, cost }): TopologyPort => {
      const behind = announcers.filter((announcer) => announcer.peer === peer);
      const peersBehind = behind.flatMap(({ nonce }) => names.get(nonce) ?? []);
      return {
        peer,
        role,
        forwarding: isForwarding,
        cost,
        membersBehind: behind.length,
        peersBehind: own === undefined ? null : peersBehind,
      };
    }),
  };
}

function carrierOf({ carrier, isRelayed }: TrunkStatus): TraceLink['carrier'] {
  if (carrier === undefined) return null;
  return carrier === 'stream' && isRelayed ? 'circuit' : carrier;
}

function addressText({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** To a microsecond. */
function roundMs(value: number): number {
  return Math.round(value * 1000) / 1000;
}
