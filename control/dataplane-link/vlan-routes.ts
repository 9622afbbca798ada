/**
 * What the fabric is told of one VLAN: its epochs in which anything is received, each with what this node receives in it,
 * and with the neighbours that are in the VLAN.
 *
 * Main thread only.
 */
import { rootPriority } from '../fabric/root-priority.ts';
import { DEFAULT_TREE_RANK } from '../fabric/tree-rank.ts';
import type { EpochId } from '../membership/epoch.ts';
import { routeNonce } from '../token/token.ts';
import type { EpochTokens } from './epoch-tokens.ts';
import type { FabricOutlet } from './fabric-link.ts';
import type { VlanFlood } from './vlan-flood.ts';

/** What is told, and asked in return. */
type RouteOutlet = Pick<FabricOutlet, 'announce' | 'forget' | 'announcers'>;

/** This node, as members know it. */
export interface RouteSelf {
  /** PeerId, text form. */
  readonly peer: string;
  /** Our X25519 key of this start. */
  readonly agreementKey: Uint8Array;
}

/** See the file's head. */
export class VlanRoutes {
  readonly #outlet: RouteOutlet;
  readonly #tokens: EpochTokens;
  readonly #flood: VlanFlood;
  /** Segment ids of what was announced. */
  readonly #announced = new Map<EpochId, Uint8Array>();
  #self: RouteSelf | undefined;
  #rank = DEFAULT_TREE_RANK;
  #toldChanges = -1;

  constructor(outlet: RouteOutlet, tokens: EpochTokens, flood: VlanFlood) {
    this.#outlet = outlet;
    this.#tokens = tokens;
    this.#flood = flood;
  }

  /** Says who we are; nothing is told before. */
  identify(self: RouteSelf): void {
    this.#self = self;
  }

  /** This node's rank in the choice of a root. */
  setRank(rank: number): void {
    if (rank !== this.#rank) {
      this.#rank = rank;
      this.#toldChanges = -1;
    }
  }

  /** Whether a segment is one of these. @param segment - in hexadecimal */
  has(segment: string): boolean {
    return [...this.#announced.values()].some((id) => Buffer.from(id).toString('hex') === segment);
  }

  /** Who else announces in these segments. */
  announcers(): ReadonlySet<string> {
    return new Set([...this.#announced.values()].flatMap((id) => this.#outlet.announcers(id)));
  }

  /** Whether somebody announces whom no live member's key explains. */
  hasStrangers(): boolean {
    return this.#flood.hasStrangers();
  }

  /** Tells what is new; to be called when a turn's changes are all made, so that it is told once. */
  tell(): void {
    const changes = this.#tokens.changes + this.#flood.changes;
    const self = this.#self;
    if (changes === this.#toldChanges || self === undefined) return;
    this.#toldChanges = changes;
    const received = this.#tokens.received().filter(({ routes }) => routes.length > 0);
    for (const [id, segmentId] of [...this.#announced]) {
      if (!received.some((epoch) => epoch.id === id)) {
        this.#announced.delete(id);
        this.#outlet.forget(segmentId);
      }
    }
    for (const { id, secrets, routes } of received.toSorted((a, b) => a.id - b.id)) {
      const previous = this.#before(id);
      this.#announced.set(id, secrets.segment.id);
      this.#outlet.announce({
        segment: secrets.segment,
        previous,
        nonce: routeNonce(secrets.controlKey, self.agreementKey),
        priority: rootPriority(secrets.controlKey, self.peer),
        rank: this.#rank,
        routes,
        members: this.#flood.neighbours,
      });
    }
  }

  /** The segment of the newest epoch before one. */
  #before(id: EpochId): Uint8Array | undefined {
    const earlier = [...this.#announced.keys()].filter((known) => known < id);
    return earlier.length === 0 ? undefined : this.#announced.get(Math.max(...earlier));
  }
}
