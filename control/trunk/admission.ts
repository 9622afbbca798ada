/**
 * Who gets one of the `trunksMax` places (protocol.md section 9).
 *
 * Main thread, pure. Anyone may form a trunk, so places must not go to whoever comes first:
 *
 *   configured peer     always: a place is kept for each, and if there is none, somebody else leaves
 *   member (shares a    keeps its place against strangers; as a newcomer it looks like one of them, so when all
 *   VLAN with us)       places are taken, one of a settled stranger is given to any newcomer
 *   stranger            what is left, and only while nobody else needs it
 */
import { endTrunk, failPeer, type Peer, type PeerTable } from './peer.ts';
import type { Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';

/** From a trunk's first message to the meet tags of a slow peer; a stranger older than this has shown none. */
const SETTLED_MS = 10_000;

/** @returns whether the peer may have a new trunk; a stranger's may have ended for it */
export function makeRoom(context: TrunkContext, table: PeerTable, peer: Peer): boolean {
  const kept = peer.configured ? 0 : missingConfigured(table);
  const free = context.config.trunksMax - table.trunkCount() - kept;
  if (free > 0) {
    return true;
  }
  // What configured peers still wait for goes to no stranger, whoever would leave for it.
  const victim = free < 0 && !peer.configured ? undefined : leastWorthy(context, table, peer);
  if (victim === undefined) {
    return false;
  }
  context.count('trunksDisplaced');
  failPeer(context, victim, 'too-many-trunks', 'the place is needed for another peer');
  endTrunk(context, table, victim, 'too-many-trunks');
  // Its next look is not when its lanes would have asked, but now.
  victim.nextAtMs = context.nowMs;
  return true;
}

function missingConfigured(table: PeerTable): number {
  return [...table.peers.values()].filter((peer) => peer.configured && peer.trunk === undefined).length;
}

/** The one of whom least is lost: no shared VLAN before members, then the longest without traffic. */
function leastWorthy(context: TrunkContext, table: PeerTable, newcomer: Peer): Peer | undefined {
  let least: Candidate | undefined;
  for (const peer of table.peers.values()) {
    const { trunk } = peer;
    if (trunk === undefined || peer.configured || peer === newcomer) {
      continue;
    }
    const candidate = { peer, isMember: sharesVlan(trunk), trafficAtMs: lastTrafficMs(trunk) };
    const isSettled = context.nowMs - trunk.createdAtMs >= SETTLED_MS;
    const mayLeave = newcomer.configured || (isSettled && !candidate.isMember);
    if (mayLeave && (least === undefined || isLess(candidate, least))) {
      least = candidate;
    }
  }
  return least?.peer;
}

interface Candidate {
  readonly peer: Peer;
  readonly isMember: boolean;
  readonly trafficAtMs: number;
}

function isLess(one: Candidate, other: Candidate): boolean {
  return one.isMember === other.isMember ? one.trafficAtMs < other.trafficAtMs : !one.isMember;
}

function sharesVlan(trunk: Trunk): boolean {
  return trunk.untoldVlans === undefined ? trunk.sharedVlans !== '' : trunk.untoldVlans.length > 0;
}

function lastTrafficMs(trunk: Trunk): number {
  const lanes = [...trunk.slots.udp, ...trunk.slots.stream].flatMap(({ current }) => current ?? []);
  return Math.max(trunk.createdAtMs, ...lanes.map((lane) => lane.trafficAtMs));
}
