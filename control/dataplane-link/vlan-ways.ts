/**
 * By which trunk each member of one VLAN is reached.
 *
 *   its own trunk by `udp`  ─▶  the neighbour behind whom it announces tokens  ─▶  its own trunk by `stream`
 *   `redundant`: by its own trunk and that neighbour at once, where these are two; the copy falls to its window
 *
 * A member announces under a name (nonce) that all members can derive from its key of this start; so its way is found
 * once for all its stations.
 *
 * Main thread only; no I/O.
 */
import { NONE } from '../../dataplane/shm/layout.ts';
import type { Epoch, EpochId } from '../membership/epoch.ts';
import type { MemberId, MemberUp } from '../membership/membership-port.ts';
import { keyOf } from '../token/route-message.ts';
import { routeNonce } from '../token/token.ts';
import type { PathPolicy } from '../vlan/path-policy.ts';
import type { FabricOutlet, TokenWay } from './fabric-link.ts';
import type { TrunkWay } from './neighbours.ts';
import { PathPairs } from './path-pairs.ts';
import type { SetTable } from './set-table.ts';

/** Nothing but the trunk limits it. */
export const PATH_ANY = 65_535;
/** The way to a member. */
export interface MemberWay extends TokenWay {
  /** Slot of a set of trunks, in place of the trunk: a copy goes by each. */
  readonly set?: number;
}

/** No way at all. */
const NO_WAY: MemberWay = { trunk: NONE, pathMtuBytes: PATH_ANY };

/** What ways are found by. */
export interface VlanWaysParts {
  readonly fabric: Pick<FabricOutlet, 'pathTo'>;
  readonly writers: { readonly sets: Pick<SetTable, 'intern' | 'release'> };
  /** A peer's own trunk, if there is one. */
  trunkOf(peer: string): TrunkWay | undefined;
}

interface Known {
  readonly peer: string;
  readonly agreementKey: Uint8Array;
  readonly nonces: Map<EpochId, Uint8Array>;
}

/** See the file's head. */
export class VlanWays {
  readonly #parts: VlanWaysParts;
  readonly #members = new Map<MemberId, Known>();
  readonly #pairs: PathPairs;
  #policy: PathPolicy = 'failover';

  constructor(parts: VlanWaysParts) {
    this.#parts = parts;
    this.#pairs = new PathPairs(parts.writers.sets);
  }

  /** @returns whether that is another one */
  setPolicy(policy: PathPolicy): boolean {
    const isOther = policy !== this.#policy;
    this.#policy = policy;
    return isOther;
  }

  /** Gives back the sets that no station's way has any more. @param used - slots */
  keepSets(used: ReadonlySet<number>): void {
    this.#pairs.keepOnly(used);
  }

  add({ member, peer, agreementKey }: MemberUp): void {
    this.#members.set(member, { peer, agreementKey, nonces: new Map() });
  }

  remove(member: MemberId): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#pairs.keepOnly(new Set());
  }

  /** PeerId of a live member. */
  peerOf(member: MemberId): string | undefined {
    return this.#members.get(member)?.peer;
  }

  /** An epoch is gone. */
  forget(epoch: EpochId): void {
    for (const { nonces } of this.#members.values()) nonces.delete(epoch);
  }

  /** Live members by PeerId, each with the name under which it announces in an epoch, in hexadecimal. */
  announcers(epoch: Epoch): ReadonlyMap<string, string> {
    return new Map([...this.#members.values()].map((known) => [known.peer, keyOf(nonceIn(known, epoch))]));
  }

  /** The way to a member under an epoch; its trunk is NONE when there is none. */
  to(member: MemberId, epoch: Epoch): MemberWay {
    const known = this.#members.get(member);
    if (known === undefined) return NO_WAY;
    const trunk = this.#parts.trunkOf(known.peer);
    const own = trunk === undefined ? NO_WAY : { trunk: trunk.slot, pathMtuBytes: PATH_ANY };
    if (this.#policy === 'redundant' && trunk?.carrier !== undefined) {
      return this.#byBoth(own, this.#pathTo(known, epoch));
    }
    return trunk?.carrier === 'udp' ? own : (this.#pathTo(known, epoch) ?? own);
  }

  #pathTo(known: Known, epoch: Epoch): TokenWay | undefined {
    return this.#parts.fabric.pathTo(epoch.segment.id, nonceIn(known, epoch));
  }

  /** Where the tree leads by the member's own trunk, too, there is one way only. */
  #byBoth(own: TokenWay, path: TokenWay | undefined): MemberWay {
    if (path === undefined || path.trunk === own.trunk) return own;
    const set = this.#pairs.of(own.trunk, path.trunk);
    return set === undefined ? own : { ...path, set };
  }
}

function nonceIn({ agreementKey, nonces }: Known, epoch: Epoch): Uint8Array {
  const nonce = nonces.get(epoch.id) ?? routeNonce(epoch.controlKey, agreementKey);
  nonces.set(epoch.id, nonce);
  return nonce;
}
