/**
 * What a node is made of, as far as the node itself uses it: the surface of each part that control/node.ts and
 * control/node-report.ts touch. The parts themselves are made by control/daemon.ts.
 *
 * Main thread; types only.
 */
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import type { Dataplane } from './dataplane-link/dataplane.ts';
import type { VlanRequest } from './dataplane-link/dataplane-options.ts';
import type { VlanHost } from './dataplane-link/vlan-host.ts';
import type { VlanSet } from './dataplane-link/vlan-set.ts';
import type { EngineChoice } from './engine-choice.ts';
import type { NodeIdentity } from './identity/node-identity.ts';
import type { Libp2pNetwork } from './network/libp2p-network.ts';
import type { TrunkNetwork } from './trunk/network-port.ts';
import type { VlanRegistry } from './vlan/vlan-registry.ts';

/** What is reported of a VLAN at work. */
export type VlanAtWork = Pick<VlanHost, 'interfaceName' | 'members' | 'stations' | 'counters'>;

/** The VLANs that the data plane takes part in. */
export interface VlansAtWork extends Pick<VlanSet, 'leave' | 'change' | 'sharedWith'> {
  join(request: VlanRequest): Promise<VlanAtWork>;
  find(id: string): VlanAtWork | undefined;
  all(): readonly VlanAtWork[];
}

/** The data plane as a node drives it. */
export interface DataplaneAtWork
  extends Pick<
    Dataplane,
    | 'trunkDataplane'
    | 'sockets'
    | 'totals'
    | 'trunkBytes'
    | 'trunkNotice'
    | 'setClockCorrection'
    | 'setOwnAddresses'
    | 'crashWorker'
    | 'leaveVlans'
  > {
  readonly vlans: VlansAtWork;
}

/** libp2p as a node drives it. */
export type NetworkAtWork = TrunkNetwork & Pick<Libp2pNetwork, 'listen' | 'listenAddresses'>;

/** What a node is made of. */
export interface NodeParts {
  readonly config: Config;
  readonly identity: Pick<NodeIdentity, 'peerId'>;
  readonly registry: VlanRegistry;
  readonly dataplane: DataplaneAtWork;
  readonly network: NetworkAtWork;
  readonly engine: EngineChoice;
  readonly logger: Logger;
}
