/** Fresh tables with their writers, and workers that end a turn when they are told. Tests only. */
import { type Arena, createArena } from '../../dataplane/shm/arena.ts';
import { ArenaHeader } from '../../dataplane/shm/layout.ts';
import { createTables, findToken, type Tables } from '../../dataplane/shm/tables.ts';
import { Quiescence } from './quiescence.ts';
import { createTableWriters, type TableWriters } from './table-writers.ts';

/** What a test of the writers works on. */
export interface Bench {
  readonly tables: Tables;
  readonly arenas: readonly Arena[];
  readonly quiescence: Quiescence;
  readonly writers: TableWriters;
  readonly woken: number[];
  /** Every running worker ends a turn. */
  pass(): void;
}

/** Makes it. */
export function bench(tokenCapacity = 1_024): Bench {
  const tables = createTables({ workerCount: 2, tokenCapacity, hashKey: { key0: 1, key1: 2 } });
  const arenas = [createArena(0), createArena(1)];
  const woken: number[] = [];
  const quiescence = new Quiescence(arenas, (worker) => woken.push(worker));
  for (const arena of arenas) {
    arena.u32[ArenaHeader.at.running >> 2] = 1;
  }
  const pass = (): void => {
    for (const arena of arenas) {
      Atomics.add(arena.u32, ArenaHeader.at.turns >> 2, 1);
    }
    quiescence.poll();
  };
  const writers = createTableWriters(tables, quiescence, () => 0xdead_beef);
  return { tables, arenas, quiescence, writers, woken, pass };
}

/** A token that a number names. */
export function tokenOf(number: number): Uint8Array {
  const token = new Uint8Array(16).fill(number & 255);
  new DataView(token.buffer).setUint32(0, number, true);
  return token;
}

/** The slot that a worker finds for a token, or NONE. */
export function lookUpToken({ tables }: Bench, token: Uint8Array): number {
  const view = new DataView(token.buffer);
  return findToken(
    tables,
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
    view.getUint32(12, true),
  );
}

/** A MAC address that a number names. */
export const mac = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, last >> 8, last & 255);
