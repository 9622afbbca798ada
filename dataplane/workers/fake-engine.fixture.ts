/**
 * An engine whose stages note their names and do what a test tells them, and a graph of two workers around it. One
 * thread; for the tests of the graph.
 */
import type { Engine, Stages as EngineStages } from '../contract/engine.ts';
import { type Arena, createArena } from '../shm/arena.ts';
import { ArenaHeader } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { createTables, type Tables } from '../shm/tables.ts';
import { withBatches } from './batches.ts';
import { createWorkerContext, type WorkerContext } from './worker-context.ts';

/** What a test may replace; the rest does nothing and returns 0. */
export type Stages = Partial<Omit<EngineStages, 'name'>>;

/** Worker 0's graph over a fake engine; worker 1 exists as an arena. */
export interface FakeGraph {
  readonly context: WorkerContext;
  readonly tables: Tables;
  readonly arena: Arena;
  readonly other: Arena;
  /** Stages in the order of their calls, as `name(arguments)`. */
  readonly calls: string[];
  /** Eventfds that were written. */
  readonly woken: number[];
}

/** Makes it. */
export function fakeGraph(stages: Stages): FakeGraph {
  const tables = createTables({ workerCount: 2, tokenCapacity: 16, hashKey: { key0: 1, key1: 2 } });
  const arenas = [createArena(0), createArena(1)] as const;
  arenas.forEach((arena, worker) => {
    arena.i32[ArenaHeader.at.wakeFd >> 2] = 1000 + worker;
  });
  const calls: string[] = [];
  const woken: number[] = [];
  const engine: Engine = withBatches(fakeStages(stages, calls), tables, arenas[0]);
  const context = createWorkerContext({ engine, tables, arenas, worker: 0, wake: (fd) => woken.push(fd) });
  return { context, tables, arena: arenas[0], other: arenas[1], calls, woken };
}

/** Writes a structure's fields by their offsets. */
export function setFields(arena: Arena, at: number, fields: Readonly<Record<number, number>>): void {
  for (const [offset, value] of Object.entries(fields)) arena.u32[(at + Number(offset)) >> 2] = value;
}

/** What wait() reports from now on. */
export function setReady(arena: Arena, ready: number, taps: readonly number[]): void {
  setFields(arena, ARENA.header, {
    [ArenaHeader.at.ready]: ready,
    [ArenaHeader.at.readyTapCount]: taps.length,
  });
  taps.forEach((vlan, i) => {
    arena.u32[(ARENA.readyTaps >> 2) + i] = vlan;
  });
}

/** A forward stage that leaves so many datagrams for this node, and so many for others. */
export function forwardTo(graph: () => { arena: Arena }, local: number, others: number): () => number {
  return () => {
    setFields(graph().arena, ARENA.header, { [ArenaHeader.at.localCount]: local });
    return others;
  };
}

function fakeStages(stages: Stages, calls: string[]): EngineStages {
  const stage = (name: keyof Stages): ((...parameters: number[]) => number) => {
    return (...parameters) => {
      calls.push(`${name}(${parameters.join(',')})`);
      const told = stages[name] as ((...parameters: number[]) => number) | undefined;
      return told?.(...parameters) ?? 0;
    };
  };
  return {
    name: 'typescript',
    wait: stage('wait'),
    readTap: stage('readTap'),
    classify: stage('classify'),
    segment: stage('segment'),
    seal: stage('seal'),
    train: stage('train'),
    closeLink: stage('closeLink'),
    send: stage('send'),
    receive: stage('receive'),
    openLink: stage('openLink'),
    forward: stage('forward'),
    relay: stage('relay'),
    openFrame: stage('openFrame'),
    learn: stage('learn'),
    coalesce: stage('coalesce'),
    writeTap: stage('writeTap'),
    sendLink: stage('sendLink'),
    close: stage('close'),
  };
}
