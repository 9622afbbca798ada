/**
 * What the stages of one worker's graph share: its engine, its memory, its ends of the rings. The worker's thread;
 * made once at its start.
 *
 *   events ──▶ main      injections ◀── main      handoffs in ◀── other workers      handoffs out ──▶ other workers
 */
import { invariant } from '../base/invariant.ts';
import type { Engine } from '../contract/engine.ts';
import type { Arena } from '../shm/arena.ts';
import { ArenaHeader, NONE } from '../shm/layout.ts';
import { ARENA, HANDOFF_STRIDE_BYTES } from '../shm/memory-map.ts';
import { emptyMessage, type PeekedMessage, RingConsumer, RingProducer } from '../shm/ring.ts';
import type { Tables } from '../shm/tables.ts';
import { EventLimiter } from './event-limiter.ts';
import { AFTER_NOTHING, SpinGovernor } from './spin.ts';

/** This worker's way to another one. */
export interface HandoffPort {
  readonly ring: RingProducer;
  readonly wakeFd: number;
  /** Something was put and its owner not yet woken. */
  pending: boolean;
}

/** What injections laid in the buffers and is not yet flushed. */
export interface LaidBatch {
  sealed: number;
  sealedBytes: number;
  carrier: number;
  carrierBytes: number;
}

/** One worker's graph. */
export interface WorkerContext {
  readonly engine: Engine;
  readonly tables: Tables;
  readonly arena: Arena;
  readonly worker: number;
  readonly events: RingProducer;
  readonly injections: RingConsumer;
  /** By producer; undefined at the own number. */
  readonly handoffsIn: readonly (RingConsumer | undefined)[];
  /** By owner; undefined at the own number. */
  readonly handoffsOut: readonly (HandoffPort | undefined)[];
  readonly limiter: EventLimiter;
  /** The message being put. */
  readonly outgoing: PeekedMessage;
  /** The message being taken. */
  readonly incoming: PeekedMessage;
  /** Writes an eventfd. */
  readonly wake: (fd: number) => void;
  /** Events were put in this turn: the main thread is to be woken. */
  eventsPut: boolean;
  /** Turns in the millisecond `turnsMs` and in the one before it, see turn.ts. */
  turnsInMs: number;
  turnsInMsBefore: number;
  turnsMs: number;
  /** A ring held more than its budget: the next turn must not sleep. */
  backlog: boolean;
  readonly laid: LaidBatch;
  readonly spin: SpinGovernor;
  /** AFTER_*: what the last turn did. */
  turnBefore: number;
}

/** What a context is made of. */
export interface WorkerParts {
  readonly engine: Engine;
  readonly tables: Tables;
  /** Of all workers, by number. */
  readonly arenas: readonly Arena[];
  readonly worker: number;
  readonly wake: (fd: number) => void;
}

/** Makes the context of one worker. */
export function createWorkerContext(parts: WorkerParts): WorkerContext {
  const arena = parts.arenas[parts.worker];
  invariant(arena !== undefined, 'a worker without an arena');
  const others = parts.arenas.map((other, number) => (number === parts.worker ? undefined : other));
  const handoffsIn = others.map((other, producer) => {
    return other && new RingConsumer(arena.buffer, ARENA.handoffs + producer * HANDOFF_STRIDE_BYTES);
  });
  const ownRing = ARENA.handoffs + parts.worker * HANDOFF_STRIDE_BYTES;
  const handoffsOut = others.map((other) => {
    const wakeFd = other?.i32[ArenaHeader.at.wakeFd >> 2] ?? -1;
    return other && { ring: new RingProducer(other.buffer, ownRing), wakeFd, pending: false };
  });
  return {
    engine: parts.engine,
    tables: parts.tables,
    arena,
    worker: parts.worker,
    events: new RingProducer(arena.buffer, ARENA.events),
    injections: new RingConsumer(arena.buffer, ARENA.injections),
    handoffsIn,
    handoffsOut,
    limiter: new EventLimiter(),
    outgoing: emptyMessage(),
    incoming: emptyMessage(),
    wake: parts.wake,
    eventsPut: false,
    turnsInMs: 0,
    turnsInMsBefore: 0,
    turnsMs: 0,
    backlog: false,
    spin: new SpinGovernor(headerWord(arena, ArenaHeader.at.spinLimitUs)),
    turnBefore: AFTER_NOTHING,
    laid: { sealed: 0, sealedBytes: 0, carrier: 0, carrierBytes: 0 },
  };
}

/** A word of the arena's header, by its field's offset. */
export function headerWord(arena: Arena, field: number): number {
  return arena.u32[field >> 2] ?? NONE;
}
