/**
 * Tells discovery what the fabric has found: members to whom a trunk may be had, and trunks that frames go by.
 *
 * Main thread only. Looked at now and then; discovery is told of changes only.
 */
import type { DiscoveryDriver } from './discovery-driver.ts';

/** A VLAN of ours, and who is live in it. */
export interface VlanMembers {
  readonly vlanId: Uint8Array;
  readonly members: readonly { readonly peer: string }[];
}

/** See the file's head. */
export class FabricNews {
  readonly #discovery: Pick<DiscoveryDriver, 'setMembers' | 'setTreePeers'>;
  /** What was told, by VLAN. */
  #told = new Map<string, string>();
  #toldTree = '';

  constructor(discovery: Pick<DiscoveryDriver, 'setMembers' | 'setTreePeers'>) {
    this.#discovery = discovery;
  }

  /** @param treePeers - peers by whose trunks the fabric forwards */
  look(vlans: readonly VlanMembers[], treePeers: ReadonlySet<string>): void {
    const told = new Map<string, string>();
    for (const { vlanId, members } of vlans) {
      const key = Buffer.from(vlanId).toString('hex');
      const peers = members.map(({ peer }) => peer).toSorted();
      told.set(key, peers.join(' '));
      if (this.#told.get(key) !== told.get(key)) this.#discovery.setMembers(vlanId, peers);
    }
    for (const key of this.#told.keys()) {
      if (!told.has(key)) this.#discovery.setMembers(new Uint8Array(Buffer.from(key, 'hex')), []);
    }
    this.#told = told;
    const tree = [...treePeers].toSorted();
    if (tree.join(' ') !== this.#toldTree) this.#discovery.setTreePeers(tree);
    this.#toldTree = tree.join(' ');
  }
}
