/**
 * What a node is made of, as far as the node itself uses it: the surface of each part that control/node.ts and
 * control/node-report.ts touch. The parts themselves are made by control/daemon.ts.
 *
 * Main thread; types only.
 */
import type { Config } from './config/config.ts';
import type { Dataplane } from './dataplane-link/dataplane.ts';
import type { DiscoveryNetwork } from './discovery/discovery-network.ts';
import type { EngineChoice } from './engine-choice.ts';
import type { NodeIdentity } from './identity/node-identity.ts';
import type { SubsystemLog } from './inspection/subsystem-log.ts';
import type { DhtServices } from './network/dht-services.ts';
import type { Libp2pNetwork } from './network/libp2p-network.ts';
import type { Swarm } from './swarm/swarm.ts';
import type { TrunkNetwork } from './trunk/network-port.ts';
import type { VlanRegistry } from './vlan/vlan-registry.ts';
import type { VlanServiceParts, VlansAtWork } from './vlan-service/vlan-parts.ts';

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
  readonly fabric: Pick<Dataplane['fabric'], 'forwardingPeers'>;
}

/** libp2p as a node drives it. */
export type NetworkAtWork = TrunkNetwork & Pick<Libp2pNetwork, 'listen' | 'listenAddresses' | 'streams'>;

/** What a node is made of. */
export interface NodeParts {
  readonly config: Config;
  readonly identity: Pick<NodeIdentity, 'peerId' | 'publicKey' | 'privateKey'>;
  readonly registry: VlanRegistry;
  readonly dataplane: DataplaneAtWork;
  readonly network: NetworkAtWork;
  readonly swarm: Swarm;
  /** DHT and LAN. */
  readonly finder: DiscoveryNetwork & Pick<DhtServices, 'putValue' | 'getValue'>;
  /** The group of a private VLAN; its work is done on other threads. */
  readonly openGroup: VlanServiceParts['openGroup'];
  readonly engine: EngineChoice;
  readonly log: SubsystemLog;
}
