/**
 * What the link of a VLAN to the shared tables is made of.
 *
 * Types only.
 */
import type { MovingHosts, VlanKind } from '../membership/membership-port.ts';
import type { FabricOutlet } from './fabric-link.ts';
import type { Injector } from './injector.ts';
import type { TrunkWay } from './neighbours.ts';
import type { TokenDeriver } from './station-tokens.ts';
import type { TableWriters } from './table-writers.ts';

/** What a VLAN's link works on. */
export interface VlanLinkParts {
  readonly kind: VlanKind;
  readonly writers: TableWriters;
  readonly injector: Injector;
  readonly workerCount: number;
  readonly cipher: number;
  readonly tokenPeriodSeconds: number;
  readonly movingHosts: MovingHosts;
  readonly deriveTokens: TokenDeriver | undefined;
  /** Where neighbours are told what is received, and which ways there are. */
  readonly fabric: FabricOutlet;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  /** A peer's own trunk, if there is one. */
  trunkOf(peer: string): TrunkWay | undefined;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  unixMs(): number;
  /** A worker that runs, to seal on its lanes. */
  anyWorker(): number;
}
