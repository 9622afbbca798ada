/**
 * What the VLANs of a node are made of, as far as control/vlan-service uses it. The parts are made by control/daemon.ts
 * and control/node.ts. Main thread; types only.
 */
import type { VlanRequest } from '../dataplane-link/dataplane-options.ts';
import type { VlanHost } from '../dataplane-link/vlan-host.ts';
import type { VlanSet } from '../dataplane-link/vlan-set.ts';
import type { FoundPeer } from '../discovery/discovery-port.ts';
import type { ExchangeHub } from '../exchange/exchange-hub.ts';
import type { Group } from '../membership/group/group-port.ts';
import type { VlanRegistry } from '../vlan/vlan-registry.ts';
import type { NodeSelf } from './private-vlan.ts';

/** A VLAN at work in the data plane. */
export type VlanAtWork = Pick<
  VlanHost,
  'vlanId' | 'interfaceName' | 'members' | 'stations' | 'multicast' | 'counters' | 'setGroupEpoch'
>;

/** The VLANs that the data plane takes part in. */
export interface VlansAtWork extends Pick<VlanSet, 'leave' | 'change' | 'sharedWith'> {
  join(request: VlanRequest): Promise<VlanAtWork>;
  find(id: string): VlanAtWork | undefined;
  all(): readonly VlanAtWork[];
}

/** What is known of a peer by its trunk. */
export interface PeerFacts {
  readonly isUp: boolean;
  readonly rttMs: number | undefined;
  /** Multiaddrs at which it can be dialled. */
  readonly addresses: readonly string[];
}

/** What the service tells the rest of the node. */
export interface VlanServiceEvents {
  /** The list of VLANs, a roster or an epoch has changed: trunks and discovery look anew. */
  changed(): void;
  /** Have trunks to these peers, for the sake of a VLAN. */
  seek(vlanId: Uint8Array, peers: readonly FoundPeer[]): void;
  log(level: 'info' | 'warn' | 'error', code: string, message: string, vlan: string): void;
  /** What a machine does, for the log at its most talkative. */
  debug?(subsystem: 'group', effect: { readonly kind: string }): void;
}

/** What the service is made of. */
export interface VlanServiceParts {
  readonly registry: VlanRegistry;
  readonly vlans: VlansAtWork;
  readonly hub: Pick<ExchangeHub, 'add' | 'remove'>;
  readonly self: NodeSelf;
  readonly stateDirectory: string;
  /** The group of a private VLAN; `directory` is its alone. */
  openGroup(vlanId: Uint8Array, directory: string): Group;
  peer(peer: string): PeerFacts | undefined;
  /** Multiaddrs of this node. */
  ownAddresses(): readonly string[];
  nowMs(): number;
  /** Corrected by the peers' clocks. */
  unixMs(): number;
  readonly events: VlanServiceEvents;
}
