/**
 * What may be relayed for others, run by run (protocol section 5): credits that the main thread gives to trunks, and to all of
 * them together. Worker threads.
 *
 * Only foreign segments are under quotas, and only trunks that are limited: what a node carries as a member costs one look at
 * its segment. A run takes what it needs while there is any credit at all, so a debt of a run may be left, which later credit
 * pays.
 */
import { RELAY_LIMITED, SEGMENT_FOREIGN, Segment, TablesHeader, Trunk } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { LE } from './memory.ts';
import type { StageContext } from './stage-context.ts';

/**
 * Takes the credits for a run.
 *
 * @param segment - its slot
 * @param trunk - that it came from
 * @returns false when there are none: nothing was taken
 */
export function takeCredits(
  context: StageContext,
  segment: number,
  trunk: number,
  datagrams: number,
  bytes: number,
): boolean {
  const { table } = context;
  const flags = table.getUint32(TABLE.segments + segment * Segment.size + Segment.at.flags, LE);
  if ((flags & SEGMENT_FOREIGN) === 0) return true;
  const trunkAt = TABLE.trunks + trunk * Trunk.size;
  const own = trunkAt + Trunk.at.relayDatagramCredits;
  const isLimited = (table.getUint32(trunkAt + Trunk.at.relayFlags, LE) & RELAY_LIMITED) !== 0;
  if (isLimited && !takeBoth(context, own, datagrams, bytes)) return false;
  const allFlags = table.getUint32(TABLE.header + TablesHeader.at.relayFlags, LE);
  if ((allFlags & RELAY_LIMITED) === 0) return true;
  if (takeBoth(context, TABLE.header + TablesHeader.at.relayDatagramCredits, datagrams, bytes)) return true;
  if (isLimited) giveBoth(context, own, datagrams, bytes);
  return false;
}

/** @param at - of the credits of datagrams; those of bytes follow */
function takeBoth(context: StageContext, at: number, datagrams: number, bytes: number): boolean {
  const { i32 } = context.tables;
  const word = at >> 2;
  if (Atomics.sub(i32, word, datagrams) <= 0) {
    Atomics.add(i32, word, datagrams);
    return false;
  }
  if (Atomics.sub(i32, word + 1, bytes) > 0) return true;
  giveBoth(context, at, datagrams, bytes);
  return false;
}

function giveBoth(context: StageContext, at: number, datagrams: number, bytes: number): void {
  const { i32 } = context.tables;
  Atomics.add(i32, at >> 2, datagrams);
  Atomics.add(i32, (at >> 2) + 1, bytes);
}
