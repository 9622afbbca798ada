/**
 * What is carried for others, between the books of control/relay and the data plane: who may, how much, how much it was;
 * and the guard against a neighbour that sends the same frames again and again.
 *
 *   config ─▶ RelayLedger ◀─mayCarry─ FabricMachine        workers' counts ─▶ ledger (once a second)
 *          └▶ credits of trunks, given ten times a second  copies ─▶ `block`
 *
 * Main thread only.
 */

import type { RelayReport } from '../admin/inspection.ts';
import type { Config } from '../config/config.ts';
import { RelayLedger } from '../relay/relay-ledger.ts';
import type { FabricLink } from './fabric-link.ts';
import type { RelayRate } from './relay-credits.ts';
import type { TableWriters } from './table-writers.ts';

const READ_MS = 1_000;
/** Copies in a second beyond which a neighbour is in a loop, or makes one: a change of the tree leaves a few. */
const COPIES_A_SECOND = 500;
/** Long enough for a loop to show that it lasts, short enough for one that was mended. */
const BLOCK_MS = 10_000;

/** What the link works on. */
export interface RelayLinkParts {
  readonly config: Config['relay'];
  readonly writers: Pick<TableWriters, 'trunks' | 'segments'>;
  /** Peers with a trunk, each with its slot. */
  trunks(): ReadonlyMap<string, number>;
  log(peer: string, message: string): void;
  /** Who asks to have what carried, and the answer, for the log at its most talkative. */
  debug(answer: {
    readonly kind: 'may-carry';
    readonly peer: string;
    readonly segment: string;
    readonly answer: string;
  }): void;
}

/** Of a root's name: enough to tell roots apart, as the topology shows it. */
const ROOT_DIGITS = 8;

/** See the file's head. */
export class RelayLink {
  readonly #parts: RelayLinkParts;
  #ledger: RelayLedger;
  #refilledMs = 0;
  #readMs = 0;
  /** Copies seen by slot, when last read. */
  #copies = new Map<string, number>();

  constructor(parts: RelayLinkParts) {
    this.#parts = parts;
    this.#ledger = new RelayLedger(parts.config);
    const { total, enabled } = parts.config;
    if (enabled) parts.writers.trunks.limitAllRelay(rateOf(total));
  }

  mayCarry(peer: string, segment: string): boolean {
    const answer = this.#ledger.mayCarry(peer, segment);
    this.#parts.debug({ kind: 'may-carry', peer, segment, answer });
    return answer === 'allow';
  }

  release(peer: string, segment: string): void {
    this.#ledger.release(peer, segment);
  }

  /** A trunk has come. */
  trunkAdded(slot: number): void {
    const { enabled, perPeer } = this.#parts.config;
    if (enabled) this.#parts.writers.trunks.limitRelay(slot, rateOf(perPeer));
  }

  /** Gives credits, and looks at what was relayed; call it ten times a second. */
  poll(nowMs: number, fabric: FabricLink): void {
    this.#parts.writers.trunks.refillRelay(this.#refilledMs === 0 ? 0 : nowMs - this.#refilledMs);
    this.#refilledMs = nowMs;
    if (nowMs - this.#readMs < READ_MS) return;
    this.#readMs = nowMs;
    this.#read(nowMs, fabric);
  }

  report(fabric: FabricLink): RelayReport {
    const segments = new Map(fabric.segments().map((row) => [row.segment, row]));
    const neighbours = new Map(
      fabric.machine.routes.status().neighbours.map((row) => [row.peer, row.tokens]),
    );
    return this.#ledger.report({
      segment: (segment) => {
        const row = segments.get(segment);
        const ports = row?.ports.filter(({ isForwarding }) => isForwarding).length ?? 0;
        return { root: row?.root?.priority.slice(0, ROOT_DIGITS) ?? null, ports, tokens: row?.tokens ?? 0 };
      },
      tokensOf: (peer) => neighbours.get(peer) ?? 0,
    });
  }

  #read(nowMs: number, fabric: FabricLink): void {
    const { trunks, segments } = this.#parts.writers;
    const peers = [...this.#parts.trunks()].map(([peer, slot]) => [peer, trunks.totals(slot)] as const);
    const carried = fabric.foreignSlots().map(([segment, slot]) => [segment, segments.totals(slot)] as const);
    this.#ledger.read({ peers, segments: carried }, nowMs);
    this.#guard(new Map(peers.map(([peer, { copies }]) => [peer, copies])), nowMs, fabric);
  }

  /** Who sends copies without end closes a loop that the tree does not have. */
  #guard(copies: Map<string, number>, nowMs: number, fabric: FabricLink): void {
    for (const [peer, count] of copies) {
      if (count - (this.#copies.get(peer) ?? count) <= COPIES_A_SECOND) continue;
      fabric.input({ kind: 'block', peer, untilMs: nowMs + BLOCK_MS });
      this.#parts.log(peer, `sends the same frames again and again; not forwarded for ${BLOCK_MS / 1_000} s`);
    }
    this.#copies = copies;
  }
}

function rateOf(quota: Config['relay']['perPeer']): RelayRate | undefined {
  const limit = (value: number | 'unlimited'): number | undefined =>
    value === 'unlimited' ? undefined : value;
  const rate = {
    datagramsPerSecond: limit(quota.datagramsPerSecond),
    bytesPerSecond: limit(quota.bytesPerSecond),
  };
  return rate.datagramsPerSecond === undefined && rate.bytesPerSecond === undefined ? undefined : rate;
}
