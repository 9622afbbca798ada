/**
 * What other threads put into a worker's rings (contract/ring-message.ts). The worker's thread.
 *
 *   1. drain        messages of one ring, within a budget a turn
 *   2. link         a probe: sealed and sent at once
 *   3. sealed       members' control datagrams and hand-offs: laid end to end in the transmit buffer
 *   4. carrier      datagrams of a stream: laid in the receive buffer
 *   5. tapFrame     a frame of this node's own: written to a TAP at once
 *   6. flush        what was laid goes through train and dispatch, or through the ingress stages
 *
 * A message is checked against the tables' limits, since what it names may have gone meanwhile.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { ENDPOINT_BYTES, INJECTION } from '../contract/ring-message.ts';
import { count, countDrop } from '../shm/arena.ts';
import {
  ArenaHeader,
  BATCH,
  CARRIER_STREAM,
  FRAME_FLOOD,
  FRAME_UNICAST,
  Iovec,
  Lane,
  LIMIT,
  LINK_OVERHEAD_BYTES,
  NONE,
  RxDatagram,
  RxMessage,
  TapWrite,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE, TX_BUFFER_BYTES } from '../shm/memory-map.ts';
import type { RingConsumer } from '../shm/ring.ts';
import { ETHERNET_HEADER_BYTES } from '../wire/frame-view.ts';
import { carryIn } from './ingress.ts';
import { ringOut } from './punts.ts';
import { takeHeld } from './trains.ts';
import type { WorkerContext } from './worker-context.ts';

/** Messages that one ring may bring in a turn, so that no thread starves the TAP and the socket. */
export const INJECTION_BUDGET = 128;
/** Bytes laid before a flush; the receive buffer is larger still. */
const LAID_BYTES = TX_BUFFER_BYTES - 66_000;
const DATAGRAM_LIMIT_BYTES = 65_507;
/** A flooded datagram becomes a train for each trunk of its set, and the trains of a flush are bounded. */
const LAID_FLOODS = Math.floor(BATCH.trains / LIMIT.setTrunks);
const TOKEN_AT = 16;
const RX_ALIGNMENT = 16;

/**
 * Carries what other threads asked for, within the budget of each ring.
 *
 * @returns messages taken
 */
export function drainInjections(context: WorkerContext): number {
  context.backlog = false;
  let taken = drainRing(context, context.injections, true);
  for (const ring of context.handoffsIn) {
    if (ring !== undefined) taken += drainRing(context, ring, false);
  }
  return taken;
}

/** Stage 1. A message is released before what it asks for can fail, so that it cannot be met again after a restart. */
function drainRing(context: WorkerContext, ring: RingConsumer, mayHandOff: boolean): number {
  const { incoming: message, laid } = context;
  let taken = 0;
  while (taken < INJECTION_BUDGET && ring.peek(message)) {
    taken++;
    if (message.type === INJECTION.sealed) laySealed(context, ring);
    else if (message.type === INJECTION.carrier) layCarrier(context, ring);
    else if (message.type === INJECTION.link) {
      flushSealed(context, mayHandOff);
      link(context, ring);
    } else if (message.type === INJECTION.tap) {
      flushSealed(context, mayHandOff);
      tapFrame(context, ring);
    } else invalid(context, ring);
    if (laid.sealedBytes > LAID_BYTES || laid.sealed >= LAID_FLOODS) flushSealed(context, mayHandOff);
    if (laid.carrierBytes > LAID_BYTES) {
      flushSealed(context, mayHandOff); // relay lays descriptors of its own
      flushCarrier(context);
    }
  }
  flushSealed(context, mayHandOff);
  flushCarrier(context);
  if (taken === INJECTION_BUDGET) context.backlog = true;
  return taken;
}

/** Stage 2. */
function link(context: WorkerContext, ring: RingConsumer): void {
  const { arena, tables } = context;
  const { a: lane, payloadBytes, payloadOffset } = context.incoming;
  if (lane >= LIMIT.lanes || payloadBytes < ENDPOINT_BYTES || payloadBytes > DATAGRAM_LIMIT_BYTES) {
    return invalid(context, ring);
  }
  arena.bytes.set(ring.memory.subarray(payloadOffset, payloadOffset + payloadBytes), ARENA.scratch);
  ring.release();
  const left = context.engine.sendLink(lane, payloadBytes - ENDPOINT_BYTES);
  if (left === 0) return;
  const trunk = tables.u32[(TABLE.lanes + lane * Lane.size + Lane.at.trunk) >> 2] ?? NONE;
  ringOut(context, lane, trunk, ARENA.txBuffer, left);
}

/** Stage 3. The payload starts at the token, which closeLink replaces by its block. */
function laySealed(context: WorkerContext, ring: RingConsumer): void {
  const { laid } = context;
  const { bytes, u32 } = context.arena;
  const {
    a: verdict,
    b: destination,
    c: control,
    d: flowHash,
    payloadBytes,
    payloadOffset,
  } = context.incoming;
  const limit = verdict === FRAME_UNICAST ? LIMIT.trunks : verdict === FRAME_FLOOD ? LIMIT.sets : 0;
  const length = payloadBytes + TOKEN_AT;
  if (destination >= limit || length < LINK_OVERHEAD_BYTES || length > DATAGRAM_LIMIT_BYTES) {
    return invalid(context, ring);
  }
  const offset = ARENA.txBuffer + laid.sealedBytes;
  bytes.set(ring.memory.subarray(payloadOffset, payloadOffset + payloadBytes), offset + TOKEN_AT);
  ring.release();
  const at = ARENA.txDatagrams + laid.sealed * TxDatagram.size;
  bytes.fill(0, at, at + TxDatagram.size);
  bytes.copyWithin(at + TxDatagram.at.token, offset + TOKEN_AT, offset + TOKEN_AT + 16);
  u32[(at + TxDatagram.at.offset) >> 2] = offset;
  u32[(at + TxDatagram.at.length) >> 2] = length;
  u32[(at + TxDatagram.at.frameKey) >> 2] = NONE;
  u32[(at + TxDatagram.at.epoch) >> 2] = NONE;
  u32[(at + TxDatagram.at.control) >> 2] = control;
  u32[(at + TxDatagram.at.verdict) >> 2] = verdict;
  u32[(at + TxDatagram.at.destination) >> 2] = destination;
  u32[(at + TxDatagram.at.flowHash) >> 2] = flowHash;
  laid.sealed++;
  laid.sealedBytes += length;
}

/** Stage 4. They share message 0, which has no address. */
function layCarrier(context: WorkerContext, ring: RingConsumer): void {
  const { laid } = context;
  const { bytes, u32 } = context.arena;
  const { a: lane, payloadBytes, payloadOffset } = context.incoming;
  if (lane >= LIMIT.lanes || payloadBytes > DATAGRAM_LIMIT_BYTES) return invalid(context, ring);
  const offset = ARENA.rxBuffer + laid.carrierBytes;
  bytes.set(ring.memory.subarray(payloadOffset, payloadOffset + payloadBytes), offset);
  ring.release();
  if (laid.carrier === 0) bytes.fill(0, ARENA.messages, ARENA.messages + RxMessage.size);
  const at = ARENA.rxDatagrams + laid.carrier * RxDatagram.size;
  u32[(at + RxDatagram.at.offset) >> 2] = offset;
  u32[(at + RxDatagram.at.length) >> 2] = payloadBytes;
  u32[(at + RxDatagram.at.message) >> 2] = 0;
  laid.carrier++;
  laid.carrierBytes += (payloadBytes + RX_ALIGNMENT - 1) & -RX_ALIGNMENT;
  count(context.arena, COUNTER.carrierDatagramsReceived, 1);
}

/** Stage 5. It lies in the transmit buffer while it is written. */
function tapFrame(context: WorkerContext, ring: RingConsumer): void {
  const { bytes, u32 } = context.arena;
  const { a: vlan, payloadBytes, payloadOffset } = context.incoming;
  if (vlan >= LIMIT.vlans || payloadBytes < ETHERNET_HEADER_BYTES) return invalid(context, ring);
  bytes.set(ring.memory.subarray(payloadOffset, payloadOffset + payloadBytes), ARENA.txBuffer);
  ring.release();
  bytes.fill(0, ARENA.writes, ARENA.writes + TapWrite.size);
  u32[(ARENA.writes + TapWrite.at.vlan) >> 2] = vlan;
  u32[(ARENA.writes + TapWrite.at.iovecCount) >> 2] = 1;
  u32[(ARENA.writes + TapWrite.at.length) >> 2] = payloadBytes;
  u32[(ARENA.writes + TapWrite.at.datagrams) >> 2] = 1;
  u32[(ARENA.iovecs + Iovec.at.offset) >> 2] = ARENA.txBuffer;
  u32[(ARENA.iovecs + Iovec.at.length) >> 2] = payloadBytes;
  context.engine.writeTap(1);
}

/** Stage 6. */
function flushSealed(context: WorkerContext, mayHandOff: boolean): void {
  const { laid } = context;
  const datagrams = laid.sealed;
  if (datagrams === 0) return;
  context.arena.u32[ArenaHeader.at.txDatagramCount >> 2] = datagrams;
  context.arena.u32[ArenaHeader.at.txBytes >> 2] = laid.sealedBytes;
  laid.sealed = 0;
  laid.sealedBytes = 0;
  const trains = context.engine.train(datagrams);
  if (context.engine.sendTrains(trains) > 0) takeHeld(context, trains, mayHandOff);
}

function flushCarrier(context: WorkerContext): void {
  const { laid } = context;
  const datagrams = laid.carrier;
  if (datagrams === 0) return;
  laid.carrier = 0;
  laid.carrierBytes = 0;
  carryIn(context, datagrams, CARRIER_STREAM);
}

function invalid(context: WorkerContext, ring: RingConsumer): void {
  ring.release();
  countDrop(context.arena, DROP['injection-invalid']);
}
