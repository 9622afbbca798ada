/**
 * Frames between simulated members: what a worker would seal with what the machine gave it, and whether the others'
 * workers could open it.
 *
 * Tests only.
 */
import assert from 'node:assert/strict';
import type { EpochId } from './epoch.ts';
import { hex } from './membership-fixture.ts';
import type { SimMember } from './sim-member.fixture.ts';

/** One sealed frame: all that it takes to open it. */
export interface SealedFrame {
  readonly from: string;
  /** Tag of the epoch whose tokens it goes under. */
  readonly tag: string;
  readonly leaf: number;
  readonly lane: number;
  readonly salt: string;
  readonly key: string;
  readonly counter: number;
  readonly pairwise: boolean;
}

/** Under which keys and counters anybody ever sealed; a pair must not come twice. */
export class UsedCounters {
  readonly #used = new Set<string>();

  note(frame: SealedFrame): void {
    const use = `${frame.key}/${frame.counter}`;
    assert.ok(!this.#used.has(use), `${frame.from} repeats a counter under one key`);
    this.#used.add(use);
  }
}

/** What each worker would seal to one member alone; none while there are no keys. */
export function sealTo(from: SimMember, member: number): readonly SealedFrame[] {
  return seal(from, from.epochTo(member), (salt) => from.pairKeys.get(`${salt}/${member}`), true);
}

/** What each worker would seal for all. */
export function sealToAll(from: SimMember): readonly SealedFrame[] {
  return seal(from, from.sealing, (salt) => from.groupKeys.get(salt), false);
}

/** Whether a member's workers open a frame. */
export function opens(to: SimMember, frame: SealedFrame): boolean {
  const epoch = [...to.epochs.values()].find(({ tag }) => hex(tag) === frame.tag);
  return [...to.senders.values()].some(
    (sender) =>
      sender.epoch === epoch?.id &&
      sender.leaf === frame.leaf &&
      sender.lane === frame.lane &&
      hex(sender.salt) === frame.salt &&
      hex(frame.pairwise ? sender.pairKey : sender.groupKey) === frame.key,
  );
}

/** How `from` numbers the member of this PeerId, if it knows it. */
export function memberOf(from: SimMember, peer: string): number | undefined {
  return [...from.peers].find(([, each]) => each === peer)?.[0];
}

function seal(
  from: SimMember,
  id: EpochId,
  keyOf: (salt: number) => Uint8Array | undefined,
  pairwise: boolean,
): readonly SealedFrame[] {
  const epoch = from.epochs.get(id);
  return [...from.inUse].flatMap(([place, saltId]) => {
    const salt = from.salts.get(saltId);
    const key = keyOf(saltId);
    if (epoch === undefined || salt === undefined || key === undefined || !place.startsWith(`${id}/`)) {
      return [];
    }
    const counter = from.counters.get(saltId) ?? 0;
    from.counters.set(saltId, counter + 1);
    const { leaf, worker: lane } = salt;
    return [
      {
        from: from.name,
        tag: hex(epoch.tag),
        leaf,
        lane,
        salt: hex(salt.value),
        key: hex(key),
        counter,
        pairwise,
      },
    ];
  });
}
