/**
 * What a change of a trunk means in each segment, done in a few segments a turn: a neighbour with which a thousand segments
 * are spoken of must not keep the main thread busy at once. In each segment all is done in the order in which it came.
 *
 *   gone      the trunk went, though it may be back by now       refresh  who is a partner may be others
 *   feed      something for the tree, if the neighbour is a partner then
 *
 * Main thread and simulation.
 */
import type { TreeInput } from '../tree/tree-port.ts';
import type { CarriedSegment } from './carried-segment.ts';

/** What a tree is told of a neighbour. */
export type NeighbourInput = TreeInput & { readonly peer: string };

export type SegmentChore =
  | { readonly kind: 'gone'; readonly peer: string }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'feed'; readonly input: NeighbourInput };

/** See the file's head. */
export class SegmentChores {
  readonly #chores = new Map<CarriedSegment, SegmentChore[]>();

  get isEmpty(): boolean {
    return this.#chores.size === 0;
  }

  /** For these segments; the first ones come first. */
  add(segments: Iterable<CarriedSegment>, chore: SegmentChore): void {
    for (const segment of segments) {
      const chores = this.#chores.get(segment) ?? [];
      this.#chores.set(segment, chores);
      const last = chores.at(-1);
      if (last !== undefined && replaces(chore, last)) chores.pop();
      chores.push(chore);
    }
  }

  /** The segment whose turn it is. */
  next(): CarriedSegment | undefined {
    const [first] = this.#chores.keys();
    return first;
  }

  /** What is to be done in a segment, which is then done. */
  take(segment: CarriedSegment): readonly SegmentChore[] {
    const chores = this.#chores.get(segment) ?? [];
    this.#chores.delete(segment);
    return chores;
  }
}

/** A cost that changes again and again is told once. */
function replaces(chore: SegmentChore, before: SegmentChore): boolean {
  if (chore.kind !== 'feed' || before.kind !== 'feed')
    return chore.kind === 'refresh' && before.kind === 'refresh';
  return chore.input.kind === before.input.kind && chore.input.peer === before.input.peer;
}
