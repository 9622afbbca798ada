/**
 * Owns the tables of a generator, a relay and a sink over any number of flows: each flow has a trunk to the relay, a
 * trunk from it, and a token that names the latter. Pure; any thread, and the same in each of the three processes.
 *
 *   generator ── trunk f ──▶ relay ── trunk OUT + f ──▶ sink          token of flow f: set {OUT + f}, port {f}
 */
import { ArenaHeader, LANE_WINDOW_WORDS, Lane, NONE, TOKEN_LOCAL } from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { bytesOf, createPair, type FixtureNode } from '../../test/harness/dataplane-fixture.ts';
import { addTrunk } from '../../test/harness/relay-fixture.ts';
import { getField, insertToken, setFields, writeSegment, writeSet } from '../../test/harness/table-writer.ts';

/** Trunks from the relay to the sink are numbered from here on. */
const OUT = 256;
/** Sets of a flow: where it goes, and its ports. */
const FIRST_SET = 16;
const SETS_A_FLOW = 2;
/** Largest link datagram on a wire with an MTU of 1,500. */
const DATAGRAM_MTU_BYTES = 1472;

/** The token of a flow. */
export function tokenOf(flow: number): Uint8Array {
  return bytesOf(`flow ${flow}`, 16);
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
export function makeGeneratorNode(flowCount: number): FlowNode {
  const node = createPair().left;
  return link(node, node, flowCount, 0);
}

/** The relay's: it receives on its first trunks and sends on the others. */
export function makeRelayNode(flowCount: number): FlowNode {
  const node = createPair().right;
  link(node, node, flowCount, 0);
  const out = link(node, createPair().left, flowCount, OUT);
  for (let flow = 0; flow < flowCount; flow++) {
    const set = FIRST_SET + SETS_A_FLOW * flow;
    writeSet(node.tables, set, [OUT + flow]);
    writeSet(node.tables, set + 1, [flow]);
    writeSegment(node.tables, set, { ports: set + 1 });
    insertToken(node.tables, tokenOf(flow), { epoch: NONE, flags: 0, set, segment: set });
  }
  return out;
}

/** The sink's: its tokens are its own. */
export function makeSinkNode(flowCount: number): FlowNode {
  const node = createPair().right;
  for (let flow = 0; flow < flowCount; flow++) {
    insertToken(node.tables, tokenOf(flow), { epoch: 0, flags: TOKEN_LOCAL });
  }
  return link(node, node, flowCount, OUT);
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
