/**
 * What the trunk link remembers of a lane and of a trunk beside what the tables hold.
 *
 * Main thread only.
 */
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import type {
  Carrier,
  DatagramAddress,
  InstallLane,
  LaneHandle,
  LaneStats,
  PeerIdText,
  TrunkId,
} from '../trunk/trunk-port.ts';
import { addressText, SourceMemory } from './endpoint.ts';
import type { LaneTotals } from './lane-table.ts';

const NO_SOURCE = new Uint8Array(0);

/** A lane between allocation and removal. */
export interface LaneEntry {
  readonly handle: LaneHandle;
  readonly slot: number;
  readonly worker: number;
  readonly receiverIndex: number;
  installed: InstallLane | undefined;
  accepted: boolean;
  used: boolean;
  /** Probes that came in; they are no traffic. */
  probes: number;
  reported: LaneTotals | undefined;
  readonly sources: SourceMemory;
  /** Where its frames go, and from which local address; undefined: none yet. */
  address: DatagramAddress | undefined;
  source: Uint8Array;
}

/** A trunk as the tables have it. */
export interface TrunkEntry {
  readonly id: TrunkId;
  readonly peer: PeerIdText;
  readonly slot: number;
  carrier: Carrier | undefined;
  readonly lanes: Set<LaneEntry>;
}

export function createLaneEntry(
  origin: Pick<LaneEntry, 'handle' | 'slot' | 'worker' | 'receiverIndex'>,
): LaneEntry {
  return {
    ...origin,
    installed: undefined,
    accepted: false,
    used: false,
    probes: 0,
    reported: undefined,
    sources: new SourceMemory(),
    address: undefined,
    source: NO_SOURCE,
  };
}

/** Whether the lane should send from another local address than it was told. */
export function hasNewSource({ address, source, sources }: LaneEntry): boolean {
  return address !== undefined && !sameBytes(sources.find(addressText(address)), source);
}

/** @returns what the machine should know of a lane's totals; undefined when they are those of the last time */
export function newStats(entry: LaneEntry, totals: LaneTotals): LaneStats | undefined {
  const { handle, probes, reported } = entry;
  if (
    reported?.txDatagrams === totals.txDatagrams &&
    reported.rxAccepted === totals.rxAccepted &&
    reported.highestCounter === totals.highestCounter
  ) {
    return undefined;
  }
  entry.reported = totals;
  return {
    handle,
    txDatagrams: totals.txDatagrams,
    rxDatagrams: Math.max(0, totals.rxAccepted - probes),
    highestCounter: totals.highestCounter,
  };
}
