/**
 * Owns two nodes of one VLAN on one thread without a kernel: a TAP that always has the same frames, and a cable between
 * their arenas in the place of the sockets.
 *
 *   tap ─▶ left: classify … closeLink ─▶ tx buffer ═ cable ═▶ rx buffer ─▶ right: openLink … coalesce
 *
 * The tap copies a batch of frames into the left one's TAP buffer, the cable a batch of datagrams into the right one's
 * receive buffer, and both describe them, as the kernel and the stages of I/O would. Nothing here allocates once it is
 * made, since it runs while allocation is measured.
 */
import type { Engine } from '../../dataplane/contract/engine.ts';
import { chooseCrypto } from '../../dataplane/crypto/choose-crypto.ts';
import { createNativeEngine } from '../../dataplane/native/load.ts';
import {
  ArenaHeader,
  FrameDescriptor,
  RxDatagram,
  TapWrite,
  TxDatagram,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TX_BUFFER_BYTES } from '../../dataplane/shm/memory-map.ts';
import { withBatches } from '../../dataplane/workers/batches.ts';
import { composeEngine } from '../../dataplane/workers/typescript-engine.ts';
import {
  createPair,
  type FixtureNode,
  putFrames,
  type TapFrame,
} from '../../test/harness/dataplane-fixture.ts';
import { NO_IO } from '../../test/harness/no-io.ts';
import type { BenchEngine } from '../section.ts';
import type { Workload } from './workload.ts';

/** The engine's methods that make system calls, as functions of no object. */
interface MemoryIo {
  readonly wait: (timeoutMs: number, spin: number) => void;
  readonly readTap: (vlan: number) => number;
  readonly receive: () => number;
  readonly send: (train: number) => void;
  readonly writeTap: (count: number) => void;
  readonly sendTo: () => void;
  readonly close: () => void;
}

/** A node with its engine. */
export interface CabledNode {
  readonly node: FixtureNode;
  readonly engine: Engine;
}

/** What reached the right TAP so far. */
export interface Delivered {
  datagrams: number;
  frames: number;
  bytes: number;
}

/** Two nodes and what lies between them. */
export interface CabledPair {
  readonly left: CabledNode;
  readonly right: CabledNode;
  /** Carries what the left one closed last into the right one's receive buffer. @returns datagrams */
  readonly carry: () => number;
  readonly delivered: Delivered;
  readonly close: () => void;
}

/** Makes both, with the workload's frames in the left one's TAP. */
export function cablePair(engine: BenchEngine, workload: Pick<Workload, 'frames' | 'options'>): CabledPair {
  const { left, right } = createPair(workload.options);
  const delivered = { datagrams: 0, frames: 0, bytes: 0 };
  const carry = makeCable(left, right);
  const leftEngine = createEngine(engine, left, tapOf(left, workload.frames));
  const rightEngine = createEngine(engine, right, socketOf(right, carry, delivered));
  return {
    left: { node: left, engine: leftEngine },
    right: { node: right, engine: rightEngine },
    carry,
    delivered,
    close: () => {
      leftEngine.close();
      rightEngine.close();
    },
  };
}

/** A node's engine with its system calls replaced. */
export function createEngine(name: BenchEngine, { tables, arena }: FixtureNode, io: MemoryIo): Engine {
  if (name === 'typescript') return composeEngine(tables, arena, io, chooseCrypto(tables, arena));
  const { wait, readTap, receive, send, writeTap } = io;
  const stages = { ...createNativeEngine(tables, arena), wait, readTap, receive, send, writeTap };
  return withBatches(stages, tables, arena);
}

/** Frames are copied anew for each batch, since segment and seal use them up. */
function tapOf(node: FixtureNode, frames: readonly TapFrame[]): MemoryIo {
  const { arena } = node;
  const frameCount = putFrames(node, frames);
  const last = (ARENA.frames + (frameCount - 1) * FrameDescriptor.size) >> 2;
  const end = (arena.u32[last] ?? 0) + (arena.u32[last + 1] ?? 0);
  const laid = arena.bytes.slice(ARENA.tapBuffer, end);
  const descriptors = arena.bytes.slice(ARENA.frames, ARENA.frames + frameCount * FrameDescriptor.size);
  return {
    ...NO_IO,
    readTap: () => {
      arena.bytes.set(laid, ARENA.tapBuffer);
      arena.bytes.set(descriptors, ARENA.frames);
      return frameCount;
    },
  };
}

function socketOf(node: FixtureNode, carry: () => number, delivered: Delivered): MemoryIo {
  const { u32 } = node.arena;
  return {
    ...NO_IO,
    receive: carry,
    writeTap: (count) => {
      for (let write = 0; write < count; write++) {
        const word = (ARENA.writes + write * TapWrite.size) >> 2;
        delivered.frames += 1;
        delivered.datagrams += u32[word + (TapWrite.at.datagrams >> 2)] ?? 0;
        delivered.bytes += u32[word + (TapWrite.at.length >> 2)] ?? 0;
      }
    },
  };
}

function makeCable(left: FixtureNode, right: FixtureNode): () => number {
  const from = left.arena.u32;
  const to = right.arena.u32;
  const laid = left.arena.bytes.subarray(ARENA.txBuffer, ARENA.txBuffer + TX_BUFFER_BYTES);
  /** The bytes of one batch, whose number is the same from batch to batch: a view is not made for each. */
  let batch = laid.subarray(0, 0);
  return () => {
    const count = from[ArenaHeader.at.txDatagramCount >> 2] ?? 0;
    const bytes = from[ArenaHeader.at.txBytes >> 2] ?? 0;
    if (batch.length !== bytes) batch = laid.subarray(0, bytes);
    right.arena.bytes.set(batch, ARENA.rxBuffer);
    for (let index = 0; index < count; index++) {
      const source = (ARENA.txDatagrams + index * TxDatagram.size) >> 2;
      const target = (ARENA.rxDatagrams + index * RxDatagram.size) >> 2;
      const offset = from[source + (TxDatagram.at.offset >> 2)] ?? 0;
      to[target + (RxDatagram.at.offset >> 2)] = offset - ARENA.txBuffer + ARENA.rxBuffer;
      to[target + (RxDatagram.at.length >> 2)] = from[source + (TxDatagram.at.length >> 2)] ?? 0;
      to[target + (RxDatagram.at.message >> 2)] = 0;
    }
    return count;
  };
}
