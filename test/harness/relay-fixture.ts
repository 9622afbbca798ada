/**
 * Makes a node of a fixture one that passes on: further trunks, each with one lane, and tokens that name them. What such
 * a trunk carries, the right-hand node of another pair receives.
 *
 *   left ── trunk 0 ── relay ── trunk 1 … ── right of another pair
 */
import { CARRIER_UDP, LANE_SENDS, Lane, LIMIT, NONE, Token } from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { findToken } from '../../dataplane/shm/tables.ts';
import { type FixtureNode } from './dataplane-fixture.ts';
import { setFields, writeSegment, writeSet, writeTrunk } from './table-writer.ts';

/** A trunk to be added. */
export interface TrunkOptions {
  readonly trunk: number;
  /** Whose place the relay takes: what it sends on the trunk, that node's peer opens. */
  readonly like: FixtureNode;
  readonly datagramMtuBytes?: number;
  readonly carrier?: number;
  /** Worker of the lane. */
  readonly worker?: number;
}

/** First lane slot of the added trunks; each has one. */
const FIRST_LANE = 64;

/** Adds a trunk with one lane, whose number is the trunk's. @returns the lane's slot */
export function addTrunk(relay: FixtureNode, options: TrunkOptions): number {
  const { trunk, like } = options;
  const lane = FIRST_LANE + trunk;
  const carrier = options.carrier ?? CARRIER_UDP;
  const worker = options.worker ?? 0;
  const source = TABLE.lanes + like.lane * Lane.size;
  relay.tables.bytes.set(
    like.tables.bytes.subarray(source, source + Lane.size),
    TABLE.lanes + lane * Lane.size,
  );
  setFields(relay.tables.buffer, Lane, TABLE.lanes + lane * Lane.size, {
    state: LANE_SENDS,
    worker,
    trunk,
    carrier,
    localIndex: (trunk << LIMIT.laneBits) | lane,
    keySerial: 100 + trunk,
  });
  const lanes = new Array<number>(LIMIT.lanesPerTrunk).fill(NONE);
  lanes[worker] = lane;
  writeTrunk(relay.tables, trunk, {
    datagramMtuBytes: options.datagramMtuBytes ?? 1472,
    carrier,
    laneCount: worker + 1,
    lanes,
  });
  return lane;
}

/** Where a token's datagrams go. */
export interface Passage {
  /** Slot of the set, which is written. */
  readonly set: number;
  readonly trunks: readonly number[];
  /** Trunks from which they may come; all of `trunks` and trunk 0 unless given. */
  readonly ports?: readonly number[];
  /** TOKEN_*: delivered here as well. */
  readonly flags?: number;
}

/** Has a token that the node knows name other trunks. Its segment has the set's slot, and the ports' set the slot after. */
export function forwardToken(relay: FixtureNode, token: Uint8Array, passage: Passage): void {
  const view = new DataView(token.buffer, token.byteOffset, 16);
  const word = (index: number): number => view.getUint32(4 * index, true);
  const slot = findToken(relay.tables, word(0), word(1), word(2), word(3));
  if (slot === NONE) throw new Error('the node does not know this token');
  const ports = passage.set + 1;
  writeSet(relay.tables, passage.set, passage.trunks);
  writeSet(relay.tables, ports, passage.ports ?? [0, ...passage.trunks]);
  writeSegment(relay.tables, passage.set, { ports });
  const fields = { set: passage.set, segment: passage.set, flags: passage.flags ?? 0 };
  setFields(relay.tables.buffer, Token, TABLE.tokens + slot * Token.size, fields);
}
