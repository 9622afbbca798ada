/**
 * What the stages of one worker share: views of the tables and of the worker's arena, the crypto ports, and records
 * that are used again for every frame. Worker threads; made once at start.
 *
 * A stage is a function of a context and counts. Its data lies in the arena as descriptors (shm/layout.ts); a
 * variable `at` or `…At` is a descriptor's or slot's byte offset in its buffer, and `context.memory.getUint32(at +
 * TxDatagram.at.length, LE)` is a field. What a stage will not carry is marked dropped and counted, never thrown.
 */
import type { CryptoPorts } from '../crypto/crypto-port.ts';
import { type Arena, countDrop } from '../shm/arena.ts';
import {
  ArenaHeader,
  FRAME_DROPPED,
  FrameDescriptor,
  NONE,
  RX_DROPPED,
  RxDatagram,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { BLOCKS_AT_ONCE } from '../shm/scratch.ts';
import type { Tables } from '../shm/tables.ts';
import { createFrameView, type FrameView } from '../wire/frame-view.ts';
import { FairShares } from './fair-shares.ts';
import { createFlows, type Flows } from './flows.ts';
import { KeyCache } from './key-cache.ts';
import { LE } from './memory.ts';
import { createSegmentPlan, type SegmentPlan } from './segment-plan.ts';
import { TokenCache } from './token-cache.ts';

/** The last answer to "is this trunk a port of that segment", for a batch (forward). */
export interface LastPort {
  /** Its slot; NONE: nothing was asked. */
  segment: number;
  trunk: number;
  isPort: boolean;
}

/** What relay has passed on and not yet added to the totals of its trunk and segment. */
export interface RelayedRun {
  trunk: number;
  segment: number;
  datagrams: number;
  bytes: number;
}

/** One worker's stages' common ground. */
export interface StageContext {
  readonly tables: Tables;
  readonly arena: Arena;
  /** The tables by byte offset. */
  readonly table: DataView;
  /** The arena by byte offset. */
  readonly memory: DataView;
  readonly crypto: CryptoPorts;
  readonly keys: KeyCache;
  readonly tokens: TokenCache;
  readonly worker: number;
  /** Headers of the frame in hand. */
  readonly frame: FrameView;
  /** Headers of a frame that is written while another is in hand (coalesce). */
  readonly written: FrameView;
  /** How the frame in hand is cut (segment). */
  readonly plan: SegmentPlan;
  /** Open TCP flows (coalesce). */
  readonly flows: Flows;
  /** Offsets of the descriptors whose blocks go through AES together. */
  readonly group: Uint32Array;
  readonly port: LastPort;
  readonly shares: FairShares;
  readonly relayed: RelayedRun;
}

/** Makes the context of one worker. */
export function createStageContext(tables: Tables, arena: Arena, crypto: CryptoPorts): StageContext {
  const memory = new DataView(arena.buffer);
  return {
    tables,
    arena,
    table: new DataView(tables.buffer),
    memory,
    crypto,
    keys: new KeyCache(tables, crypto),
    tokens: new TokenCache(tables, crypto.tokens),
    worker: memory.getUint32(ARENA.header + ArenaHeader.at.worker, LE),
    frame: createFrameView(),
    written: createFrameView(),
    plan: createSegmentPlan(),
    flows: createFlows(),
    group: new Uint32Array(BLOCKS_AT_ONCE),
    port: { segment: NONE, trunk: NONE, isPort: false },
    shares: new FairShares(),
    relayed: { trunk: 0, segment: 0, datagrams: 0, bytes: 0 },
  };
}

/** The worker's clock as of its last wait: milliseconds modulo 2^32, as 32 signed bits. */
export function nowMs(context: StageContext): number {
  return context.memory.getInt32(ARENA.header + ArenaHeader.at.nowMs, LE);
}

/** Whether a moment on that clock has passed; moments lie less than 2^31 ms apart. */
export function hasPassed(momentMs: number, now: number): boolean {
  return ((momentMs - now) | 0) < 0;
}

/** Whether a table slot is not being written; its version is its first word. */
export function isStable(context: StageContext, slotAt: number): boolean {
  return (Atomics.load(context.tables.u32, slotAt >> 2) & 1) === 0;
}

/** Offset of frame descriptor `index`. */
export function frameAt(index: number): number {
  return ARENA.frames + index * FrameDescriptor.size;
}

/** Offset of the descriptor of the datagram `index` to be sent. */
export function txAt(index: number): number {
  return ARENA.txDatagrams + index * TxDatagram.size;
}

/** Offset of the descriptor of the received datagram `index`. */
export function rxAt(index: number): number {
  return ARENA.rxDatagrams + index * RxDatagram.size;
}

/** Marks a frame from the TAP dropped. */
export function dropFrame(context: StageContext, at: number, code: number): void {
  context.memory.setUint32(at + FrameDescriptor.at.verdict, FRAME_DROPPED, LE);
  countDrop(context.arena, code);
}

/** Marks a datagram to be sent dropped. */
export function dropTx(context: StageContext, at: number, code: number): void {
  context.memory.setUint32(at + TxDatagram.at.verdict, FRAME_DROPPED, LE);
  countDrop(context.arena, code);
}

/** Marks a received datagram dropped. */
export function dropRx(context: StageContext, at: number, code: number): void {
  context.memory.setUint32(at + RxDatagram.at.verdict, RX_DROPPED, LE);
  countDrop(context.arena, code);
}
