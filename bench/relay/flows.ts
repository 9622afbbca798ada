/**
 * Owns the tables of a generator, a relay and a sink over any number of flows: each flow has a trunk to the relay, a trunk
 * from it, and tokens that name the latter. Pure; any thread, and the same in each of the three processes.
 *
 *   generator ── trunk f ──▶ relay ── trunk OUT + f ──▶ sink          tokens of flow f: set {OUT + f}, ports {f}
 *
 * Flow 0 is the one whose tokens may be many.
 */
import {
  ArenaHeader,
  LANE_WINDOW_WORDS,
  Lane,
  NONE,
  RELAY_LIMITED,
  SEGMENT_FOREIGN,
  TablesHeader,
  TOKEN_LOCAL,
  TOKEN_SEVERAL,
  Trunk,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { bytesOf, createPair, type FixtureNode } from '../../test/harness/dataplane-fixture.ts';
import { addTrunk } from '../../test/harness/relay-fixture.ts';
import { getField, insertToken, setFields, writeSegment, writeSet } from '../../test/harness/table-writer.ts';

/**
 * By what rule the relay passes a flow on: for members, for members by a token with several ways (each datagram is looked
 * for in the cache of recent frames), or for others under quotas that are never used up.
 */
export type Passage = 'plain' | 'several' | 'foreign';

/** How many flows there are, and how many tokens the first one has; the others have one each. */
export interface FlowPlan {
  readonly flowCount: number;
  readonly tokenCount: number;
}

/** Trunks from the relay to the sink are numbered from here on. */
const OUT = 256;
/** Sets of a flow: where it goes, and its ports. */
const FIRST_SET = 16;
const SETS_A_FLOW = 2;
/** Largest link datagram on a wire with an MTU of 1,500. */
const DATAGRAM_MTU_BYTES = 1472;
/** The fixture's own; a table of more tokens is at most half full. */
const LEAST_CAPACITY = 1024;
/** Quotas far above what comes between two refills. */
const CREDITS = 1 << 30;

/** A token of a flow. */
export function tokenOf(flow: number, number = 0): Uint8Array {
  return bytesOf(`flow ${flow} token ${number}`, 16);
}

/** Where the data of a role's lanes lie. */
export interface FlowNode {
  readonly node: FixtureNode;
  /** Lane slots by flow: those that send, else those that receive. */
  readonly lanes: readonly number[];
  /** Trunk slots by flow, likewise. */
  readonly trunks: readonly number[];
}

/** The generator's side. */
export function makeGeneratorNode({ flowCount }: FlowPlan): FlowNode {
  const node = createPair().left;
  return link(node, node, flowCount, 0);
}

/** The relay's: it receives on its first trunks and sends on the others. */
export function makeRelayNode(plan: FlowPlan, passage: Passage): FlowNode {
  const { flowCount } = plan;
  const node = createPair({ tokenCapacity: capacityFor(plan) }).right;
  link(node, node, flowCount, 0);
  const out = link(node, createPair().left, flowCount, OUT);
  for (let flow = 0; flow < flowCount; flow++) {
    const set = FIRST_SET + SETS_A_FLOW * flow;
    const isSeveral = passage === 'several';
    // As in the middle of a line: whoever sends is behind one of the ways, and gets no copy.
    writeSet(node.tables, set, isSeveral ? [OUT + flow, flow] : [OUT + flow]);
    writeSet(node.tables, set + 1, isSeveral ? [OUT + flow, flow] : [flow]);
    writeSegment(node.tables, set, { ports: set + 1, flags: passage === 'foreign' ? SEGMENT_FOREIGN : 0 });
    const fields = { epoch: NONE, flags: isSeveral ? TOKEN_SEVERAL : 0, set, segment: set };
    for (const token of tokensOf(plan, flow)) insertToken(node.tables, token, fields);
  }
  if (passage === 'foreign') limit(node, flowCount);
  return out;
}

/** The sink's: its tokens are its own. */
export function makeSinkNode(plan: FlowPlan): FlowNode {
  const node = createPair({ tokenCapacity: capacityFor(plan) }).right;
  for (let flow = 0; flow < plan.flowCount; flow++) {
    for (const token of tokensOf(plan, flow))
      insertToken(node.tables, token, { epoch: 0, flags: TOKEN_LOCAL });
  }
  return link(node, node, plan.flowCount, OUT);
}

/** All tokens of a flow. */
export function tokensOf({ tokenCount }: FlowPlan, flow: number): Uint8Array[] {
  return Array.from({ length: flow === 0 ? tokenCount : 1 }, (_, number) => tokenOf(flow, number));
}

/** Gives the relay's trunks, and all of them together, new credits. */
export function refill({ tables }: FixtureNode, flowCount: number): void {
  const give = (at: number): void => {
    Atomics.store(tables.i32, at >> 2, CREDITS);
    Atomics.store(tables.i32, (at >> 2) + 1, CREDITS);
  };
  give(TABLE.header + TablesHeader.at.relayDatagramCredits);
  for (let flow = 0; flow < flowCount; flow++)
    give(TABLE.trunks + flow * Trunk.size + Trunk.at.relayDatagramCredits);
}

/** Datagrams of a flow that the relay has passed on. */
export function relayedOf({ tables }: FixtureNode, flow: number): number {
  return getField(tables.buffer, Trunk, TABLE.trunks + flow * Trunk.size, 'relayedDatagrams');
}

function capacityFor({ tokenCount }: FlowPlan): number {
  let capacity = LEAST_CAPACITY;
  while (capacity < 2 * tokenCount) capacity *= 2;
  return capacity;
}

function limit(node: FixtureNode, flowCount: number): void {
  const { buffer } = node.tables;
  setFields(buffer, TablesHeader, TABLE.header, { relayFlags: RELAY_LIMITED });
  for (let flow = 0; flow < flowCount; flow++)
    setFields(buffer, Trunk, TABLE.trunks + flow * Trunk.size, { relayFlags: RELAY_LIMITED });
  refill(node, flowCount);
}

/** Both ends number a lane alike, so the peer's index is one's own. */
function link(node: FixtureNode, like: FixtureNode, flowCount: number, first: number): FlowNode {
  const trunks = Array.from({ length: flowCount }, (_, flow) => first + flow);
  const lanes = trunks.map((trunk) => {
    const lane = addTrunk(node, { trunk, like, datagramMtuBytes: DATAGRAM_MTU_BYTES });
    const at = TABLE.lanes + lane * Lane.size;
    setFields(node.tables.buffer, Lane, at, {
      peerIndex: getField(node.tables.buffer, Lane, at, 'localIndex'),
    });
    return lane;
  });
  return { node, lanes, trunks };
}

/** Lets the lanes live on from a moment on the workers' clock, all of them that the node has. */
export function prolong(node: FixtureNode, nowMs: number): void {
  setFields(node.arena.buffer, ArenaHeader, ARENA.header, { nowMs });
  for (let lane = 0; lane < LANES_IN_USE; lane++) {
    const at = TABLE.lanes + lane * Lane.size;
    if (getField(node.tables.buffer, Lane, at, 'state') === 0) continue;
    setFields(node.tables.buffer, Lane, at, { notAfterMs: nowMs + LANE_LIFE_MS });
  }
}

/** Above every lane slot that is written here. */
const LANES_IN_USE = 1024;
const LANE_LIFE_MS = 600_000;

/** Opens the windows of some lanes anew: what comes has counters from 0 on. */
export function forgetCounters(node: FixtureNode, lanes: readonly number[]): void {
  for (const lane of lanes) {
    const at = TABLE.lanes + lane * Lane.size;
    const window = TABLE.laneWindows + lane * LANE_WINDOW_WORDS * 4;
    node.tables.bytes.fill(0, window, window + LANE_WINDOW_WORDS * 4);
    setFields(node.tables.buffer, Lane, at, { rxHighestLow: 0, rxHighestHigh: 0 });
  }
}
