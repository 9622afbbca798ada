/**
 * A peer's row in `peertap status`, from the machine's state.
 *
 * Main thread, pure, read-only.
 */
import { BASE_MTU_BYTES } from './messages/trunk-messages.ts';
import type { Peer } from './peer.ts';
import { currentLanes, measuredPath, trunkAddress } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { Carrier, DatagramAddress, PeerIdText, TrunkId } from './trunk-port.ts';

export type TrunkState = 'connecting' | 'handshaking' | 'up' | 'degraded' | 'down';

/** A row of `peertap status` and `peertap peers`. */
export interface TrunkStatus {
  readonly peer: PeerIdText;
  readonly trunk: TrunkId | undefined;
  /** `degraded`: the trunk's keys live but no carrier gets through. `down`: waits for the next attempt. */
  readonly state: TrunkState;
  readonly carrier: Carrier | undefined;
  readonly rttMs: number | undefined;
  /** Of the last probes, 0‥1. */
  readonly lossRatio: number;
  readonly datagramMtuBytes: number;
  /** Where datagrams go, as proven; undefined on `stream`. */
  readonly address: DatagramAddress | undefined;
  readonly lanes: number;
  readonly generation: number;
  /** As last told by `trunk-cost`. */
  readonly cost: number | undefined;
  readonly isRelayed: boolean;
  /** The peer's, of its Hello. */
  readonly roles: readonly string[];
  readonly configured: boolean;
  readonly lastError: string | undefined;
}

export function peerStatus(context: TrunkContext, peer: Peer): TrunkStatus {
  const { trunk } = peer;
  const carrier = trunk?.told.carrier;
  const lanes = trunk === undefined || carrier === undefined ? [] : currentLanes(trunk, carrier);
  const measured = trunk === undefined || carrier === undefined ? undefined : measuredPath(trunk, carrier);
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
    cost: trunk?.cost.told,
    isRelayed: carrier === 'stream' && trunk?.isCarrierRelayed === true,
    roles: trunk?.party.roles ?? [],
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
