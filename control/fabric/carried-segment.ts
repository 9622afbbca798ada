/**
 * A segment as one node carries it: its tree, and the neighbours with whom it is spoken of.
 *
 *   own      an epoch of one of our VLANs: partners are neighbours in the VLAN, and relays
 *   foreign  carried for others: partners are neighbours that have spoken of it, and other relays
 *
 * Main thread; no clock of its own. Who is a partner, fabric-machine.ts decides.
 */
import type { RouteNow } from '../token/route-announcer.ts';
import { keyOf } from '../token/route-message.ts';
import { TreeMachine } from '../tree/tree-machine.ts';
import type { TreeEffect, TreeInput, TreeOptions, TreePorts } from '../tree/tree-port.ts';
import type { FabricSegmentStatus } from './fabric-port.ts';

/** What a segment is carried by. */
export interface CarriedOptions {
  readonly id: Uint8Array;
  readonly tree: TreeOptions;
  readonly isForeign: boolean;
  /** The tree of the epoch before. */
  readonly previous: TreeMachine | undefined;
}

/** See the file's head. */
export class CarriedSegment {
  readonly id: Uint8Array;
  /** The id in hexadecimal. */
  readonly key: string;
  readonly isForeign: boolean;
  /** Ours in the choice of a root; undefined: we are no member. */
  readonly rank: number | undefined;
  readonly tree: TreeMachine;
  /** Own: the neighbours in the VLAN. Foreign: those that have spoken of it. */
  candidates = new Set<string>();
  /** Foreign: neighbours for whom the policy refused it; they are not asked about again. */
  readonly refused = new Set<string>();
  /** With whom it is spoken of. */
  partners = new Set<string>();
  /** Forwarding neighbours. */
  ports: readonly string[] = [];
  /** Since when there is no way to a root; infinite: there is one. */
  rootlessSinceMs: number;

  constructor(ports: TreePorts, options: CarriedOptions, nowMs: number) {
    this.id = options.id;
    this.key = keyOf(options.id);
    this.isForeign = options.isForeign;
    this.rank = options.tree.member?.rank;
    this.tree = new TreeMachine(options.tree, ports, options.previous);
    this.rootlessSinceMs = nowMs;
  }

  /** Hands something to the tree, and keeps what it says of its ports. */
  feed(input: TreeInput, now: RouteNow): TreeEffect[] {
    const effects = this.tree.handle(input, now);
    for (const effect of effects) {
      if (effect.kind === 'ports') this.ports = effect.ports;
    }
    if (this.tree.hasRoot) this.rootlessSinceMs = Number.POSITIVE_INFINITY;
    else this.rootlessSinceMs = Math.min(this.rootlessSinceMs, now.nowMs);
    return effects;
  }

  status(tokens: number): FabricSegmentStatus {
    return { ...this.tree.status(), isForeign: this.isForeign, tokens };
  }
}
