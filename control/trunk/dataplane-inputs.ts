/**
 * What the data plane reports of lanes, and what a restarted worker costs.
 *
 * Main thread, pure. Reports of lanes that are gone are ignored: they were on their way when the lane went.
 */
import type { Lane } from './lane.ts';
import { acceptLane, handleLaneStats, handleProbe } from './lane-probing.ts';
import { type LaneName, type Peer, type PeerTable, want } from './peer.ts';
import { dropLanes, dropRetired, refreshTrunk, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { DataplaneInput, LaneHandle } from './trunk-port.ts';

/** @param touch - called for each peer whose trunk the input concerns */
export function handleDataplane(
  context: TrunkContext,
  table: PeerTable,
  input: DataplaneInput,
  touch: (peer: Peer) => void,
): void {
  const onLane = (handle: LaneHandle, act: (lane: Lane, trunk: Trunk) => void): void => {
    const lane = context.lanes.get(handle);
    const peer = lane?.trunk === undefined ? undefined : table.peers.get(lane.trunk.peer);
    if (lane?.trunk !== undefined && peer !== undefined) {
      act(lane, lane.trunk);
      touch(peer);
    }
  };
  switch (input.kind) {
    case 'probe':
      onLane(input.handle, (lane) => handleProbe(context, lane, input.source, input.body));
      return;
    case 'lane-accepted':
      onLane(input.handle, (lane, trunk) => acceptLane(context, trunk, lane));
      return;
    case 'lane-stats':
      for (const stats of input.lanes) {
        onLane(stats.handle, (lane) => handleLaneStats(context, lane, stats));
      }
      return;
    case 'worker-restarted':
      for (const peer of table.peers.values()) {
        rekeyWorker(context, peer, input.worker);
        touch(peer);
      }
  }
}

/** Its lanes' counters are lost: they are freed at once and keyed anew; the other workers' go on. */
function rekeyWorker(context: TrunkContext, peer: Peer, worker: number): void {
  const { trunk } = peer;
  if (trunk === undefined) {
    return;
  }
  const lost: LaneName[] = [];
  dropLanes(context, trunk, (lane) => {
    const isLost = lane.worker === worker;
    if (isLost) {
      lost.push({ carrier: lane.carrier, lane: lane.number });
    }
    return isLost;
  });
  dropRetired(context, trunk, worker);
  want(peer, lost);
  refreshTrunk(context, trunk);
}
