/**
 * Drives an engine's stages in the order of a worker's graph, over a fixture's memory: frames in, datagrams out, and
 * back. Works with either engine; system calls are left out.
 */
import { DROP_CODES, type DropName } from '../../dataplane/base/drop-code.ts';
import type { Engine } from '../../dataplane/contract/engine.ts';
import { chooseCrypto } from '../../dataplane/crypto/choose-crypto.ts';
import type { CryptoPorts } from '../../dataplane/crypto/crypto-port.ts';
import { ArenaHeader, CARRIER_UDP, RxDatagram, Train } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { composeEngine } from '../../dataplane/workers/typescript-engine.ts';
import {
  createPair,
  type FixtureNode,
  type FixtureOptions,
  putDatagrams,
  putFrames,
  type TapFrame,
  takeTrain,
  takeWrites,
  type WrittenFrame,
} from './dataplane-fixture.ts';
import { NO_IO } from './no-io.ts';
import { getField, setFields } from './table-writer.ts';

/** A node with an engine. */
export interface DrivenNode extends FixtureNode {
  readonly engine: Engine;
}

/** Both sides of a fixture, with engines. */
export interface DrivenPair {
  readonly left: DrivenNode;
  readonly right: DrivenNode;
}

/** Both sides over the TypeScript engine. */
export function createDrivenPair(options: FixtureOptions = {}): DrivenPair {
  const { left, right } = createPair(options);
  return { left: withTypescript(left), right: withTypescript(right) };
}

/** A node over the TypeScript engine, with the cryptography that this Node offers or another. */
export function withTypescript(
  node: FixtureNode,
  crypto: CryptoPorts = chooseCrypto(node.tables, node.arena),
): DrivenNode {
  return { ...node, engine: composeEngine(node.tables, node.arena, NO_IO, crypto) };
}

/** Runs frames through the egress stages. @returns the closed datagrams, in the order of their trains */
export function egress(node: DrivenNode, frames: readonly TapFrame[]): Uint8Array[] {
  const { engine } = node;
  const count = putFrames(node, frames);
  engine.classify(count);
  const out: Uint8Array[] = [];
  for (let from = 0; from < count; ) {
    from = engine.segment(from, count);
    const datagrams = header(node, 'txDatagramCount');
    engine.seal(datagrams);
    const trains = engine.train(datagrams);
    for (let train = 0; train < trains; train++) {
      const code = engine.closeLink(train);
      if (code === 0) out.push(...takeTrain(node, train));
      else node.arena.counters[code] = (node.arena.counters[code] ?? 0) + 1;
    }
  }
  return out;
}

/** Runs datagrams through the ingress stages. @returns what would be written to the TAPs */
export function ingress(
  node: DrivenNode,
  datagrams: readonly Uint8Array[],
  carrier: number = CARRIER_UDP,
): WrittenFrame[] {
  const { engine } = node;
  const count = putDatagrams(node, datagrams);
  engine.openLink(count, carrier);
  engine.forward(count);
  engine.openFrame(count);
  engine.learn(count);
  return takeWrites(node, engine.coalesce(count));
}

/** Datagrams that were passed on to one trunk. */
export interface PassedOn {
  readonly trunk: number;
  readonly datagrams: readonly Uint8Array[];
}

/**
 * Runs datagrams through openLink, forward and relay, and closes what leaves again.
 * @returns a train each, in order
 */
export function passOn(node: DrivenNode, datagrams: readonly Uint8Array[]): PassedOn[] {
  const { engine, arena } = node;
  const count = putDatagrams(node, datagrams);
  engine.openLink(count, CARRIER_UDP);
  const trains = engine.forward(count) > 0 ? engine.relay(count) : 0;
  return Array.from({ length: trains }, (_, train) => {
    const code = engine.closeLink(train);
    arena.counters[code] = (arena.counters[code] ?? 0) + (code === 0 ? 0 : 1);
    const trunk = getField(arena.buffer, Train, ARENA.trains + train * Train.size, 'trunk');
    return { trunk, datagrams: code === 0 ? takeTrain(node, train) : [] };
  });
}

/** Verdict (RX_*) of received datagram `index`. */
export function verdict(node: FixtureNode, index: number): number {
  return getField(node.arena.buffer, RxDatagram, ARENA.rxDatagrams + index * RxDatagram.size, 'verdict');
}

/** The drop codes that a node counted since {@link clearDrops}. */
export function drops(node: FixtureNode): Partial<Record<DropName, number>> {
  const entries = DROP_CODES.map((name, code) => [name, node.arena.counters[code] ?? 0] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

/** Forgets all counts. */
export function clearDrops(node: FixtureNode): void {
  node.arena.counters.fill(0);
}

/** Reads a word of the arena's header. */
export function header(node: FixtureNode, field: keyof typeof ArenaHeader.at): number {
  return getField(node.arena.buffer, ArenaHeader, ARENA.header, field);
}

/** Moves a node's clock. */
export function setClock(node: FixtureNode, nowMs: number): void {
  setFields(node.arena.buffer, ArenaHeader, ARENA.header, { nowMs });
}
