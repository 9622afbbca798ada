/**
 * What this node says of each of its edges, and which it has open.
 *
 * An edge is open here towards the parent, and towards each neighbour that this node is the parent of. Both ends as parents of
 * each other, by joins that both have taken back, must not be: so a join counts only from a neighbour that has heard all that
 * was said since this node's own last join there. When it had not yet, it is asked to say it again.
 *
 * Main thread; no clock of its own.
 */
import { isBetter } from './feasible-distances.ts';
import type { Neighbour, SentWord } from './neighbour.ts';
import type { OwnWay } from './own-way.ts';
import type { ParentChooser } from './parent-chooser.ts';
import type { TreePortStatus, TreeRole } from './tree-port.ts';

/** See the file's head. */
export class TreeEdges {
  readonly #chooser: ParentChooser;
  readonly #ownWay: OwnWay;

  constructor(chooser: ParentChooser, ownWay: OwnWay) {
    this.#chooser = chooser;
    this.#ownWay = ownWay;
  }

  isOpen(neighbour: Neighbour): boolean {
    return neighbour === this.#chooser.parent || this.#accepts(neighbour);
  }

  /** What the neighbour is to be told. */
  wordFor(neighbour: Neighbour): SentWord {
    const { way } = this.#ownWay;
    if (this.#isAskedToBeParent(neighbour)) {
      return { way, port: 'join', joinNumber: neighbour.joinNumber };
    }
    if (!neighbour.isOpen) {
      return { way, port: 'closed', joinNumber: 0 };
    }
    if (!this.#accepts(neighbour)) {
      if (this.#isChild(neighbour)) neighbour.askForJoin();
      return { way, port: 'nothing', joinNumber: 0 };
    }
    return { way, port: 'accept', joinNumber: neighbour.word.joinNumber };
  }

  status(neighbour: Neighbour): TreePortStatus {
    const { peer, cost, way } = neighbour;
    const role = this.#roleOf(neighbour);
    const isForwarding = this.isOpen(neighbour);
    return { peer, role, isForwarding, cost, distance: way?.distance, hops: way?.hops };
  }

  #roleOf(neighbour: Neighbour): TreeRole {
    if (!neighbour.isOpen) return 'blocked';
    if (this.#isAskedToBeParent(neighbour)) return 'root';
    if (this.#accepts(neighbour)) return 'designated';
    return this.#chooser.isAlternate(neighbour) ? 'alternate' : 'none';
  }

  #isAskedToBeParent(neighbour: Neighbour): boolean {
    return neighbour === this.#chooser.parent || neighbour === this.#chooser.next;
  }

  #accepts(neighbour: Neighbour): boolean {
    return this.#isChild(neighbour) && neighbour.word.heard > neighbour.lastJoinWord;
  }

  /** Whether it joined under the root that is followed here, and stands behind. */
  #isChild(neighbour: Neighbour): boolean {
    const { way } = this.#ownWay;
    const { port, root, metric } = neighbour.word;
    return (
      port === 'join' &&
      metric !== undefined &&
      way !== undefined &&
      root === way.claim.root &&
      isBetter(way, metric) &&
      neighbour.isOpen &&
      !this.#isAskedToBeParent(neighbour)
    );
  }
}
