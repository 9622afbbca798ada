/**
 * A peer's row in `peertap status`, from the machine's state.
 *
 * Main thread, pure, read-only.
 */
import { BASE_MTU_BYTES } from './messages/trunk-messages.ts';
import type { Peer } from './peer.ts';
import { currentLanes, trunkAddress } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { TrunkState, TrunkStatus } from './trunk-port.ts';

export function peerStatus(context: TrunkContext, peer: Peer): TrunkStatus {
  const { trunk } = peer;
  const carrier = trunk?.told.carrier;
  const lanes = trunk === undefined || carrier === undefined ? [] : currentLanes(trunk, carrier);
  const measured = lanes.find((lane) => lane.path.rttMs !== undefined)?.path;
  return {
    peer: peer.id,
    trunk: trunk?.id,
    state: stateOf(context, peer),
    carrier,
    rttMs: measured?.rttMs,
    lossRatio: measured?.lossRatio ?? 0,
    datagramMtuBytes: trunk?.told.datagramMtuBytes ?? BASE_MTU_BYTES,
    address: trunk === undefined ? undefined : trunkAddress(trunk),
    lanes: lanes.length,
    generation: trunk?.generation ?? 0,
    configured: peer.configured,
    lastError: peer.lastError,
  };
}

function stateOf(context: TrunkContext, peer: Peer): TrunkState {
  const { trunk } = peer;
  if (trunk?.isUp === true) {
    return trunk.isLive ? 'up' : 'degraded';
  }
  if (peer.stream !== undefined) {
    return 'handshaking';
  }
  const isTrying = peer.dialling || peer.opening !== undefined || peer.retryAtMs <= context.nowMs;
  return isTrying ? 'connecting' : 'down';
}
