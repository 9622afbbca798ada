/**
 * Puts fragments together (protocol section 10). Worker threads; a frame's fragments come over one lane, hence to one
 * worker.
 *
 *   slot n        Reassembly record: whose fragments they are, when the first came, bytes so far
 *   ranges n      128 × { start u32, end u32 }, in order of arrival
 *   buffer n      64 KiB
 *
 * A slot is free, in use, or done: its frame is on the way to the TAP in this batch, and is free in the next. Fragments
 * never overlap: one that does shows that somebody lies, and its whole reassembly goes. What belongs together is told by
 * epoch, sender, kind and flags (so pairwise from group), token and frame id.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { count, countDrop } from '../shm/arena.ts';
import { BATCH, FRAGMENT_PREFIX_BYTES, Reassembly, RX_FRAME, RX_HELD, RxDatagram } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { ETHERNET_HEADER_BYTES } from '../wire/frame-view.ts';
import { copy16, equal16, LE } from './memory.ts';
import { dropRx, hasPassed, nowMs, type StageContext } from './stage-context.ts';

const TIMEOUT_MS = 500;
const RANGES = 128;
const RANGE_BYTES = 8;

const FREE = 0;
const IN_USE = 1;
const DONE = 2;

const NO_SLOT = -1;

/** At each batch's start: slots that are done become free, and those that waited too long are given up. */
export function expireReassemblies(context: StageContext): void {
  const { memory } = context;
  for (let slot = 0; slot < BATCH.reassemblies; slot++) {
    const at = slotAt(slot);
    const state = memory.getUint32(at + Reassembly.at.state, LE);
    if (state === FREE) continue;
    if (state === IN_USE) {
      if (!hasPassed(memory.getUint32(at + Reassembly.at.startedMs, LE) + TIMEOUT_MS, nowMs(context)))
        continue;
      countDrop(context.arena, DROP['fragment-timeout']);
    }
    memory.setUint32(at + Reassembly.at.state, FREE, LE);
  }
}

/**
 * Takes one fragment, opened.
 *
 * @param at - its RxDatagram; becomes RX_FRAME with the whole frame, RX_HELD, or dropped
 * @param plainAt - where its plaintext lies, prefix first
 * @param plainBytes - with the prefix
 */
export function reassemble(context: StageContext, at: number, plainAt: number, plainBytes: number): void {
  const { memory } = context;
  const bytes = plainBytes - FRAGMENT_PREFIX_BYTES;
  if (bytes < 1) return dropRx(context, at, DROP['fragment-invalid']);
  const start = memory.getUint16(plainAt + 4, LE);
  const total = memory.getUint16(plainAt + 6, LE);
  if (total < ETHERNET_HEADER_BYTES || start + bytes > total)
    return dropRx(context, at, DROP['fragment-invalid']);
  let slot = findSlot(context, at, memory.getUint32(plainAt, LE));
  if (slot === NO_SLOT) slot = takeSlot(context, at, memory.getUint32(plainAt, LE), total);
  if (slot === NO_SLOT) return dropRx(context, at, DROP['fragment-limit']);
  if (!addRange(context, slot, start, start + bytes, total)) {
    memory.setUint32(slotAt(slot) + Reassembly.at.state, FREE, LE);
    return dropRx(context, at, DROP['fragment-invalid']);
  }
  const from = plainAt + FRAGMENT_PREFIX_BYTES;
  context.arena.bytes.copyWithin(bufferAt(slot) + start, from, from + bytes);
  finish(context, at, slot, total);
}

function finish(context: StageContext, at: number, slot: number, total: number): void {
  const { memory } = context;
  if (memory.getUint32(slotAt(slot) + Reassembly.at.receivedBytes, LE) < total) {
    memory.setUint32(at + RxDatagram.at.verdict, RX_HELD, LE);
    return;
  }
  memory.setUint32(slotAt(slot) + Reassembly.at.state, DONE, LE);
  memory.setUint32(at + RxDatagram.at.frameOffset, bufferAt(slot), LE);
  memory.setUint32(at + RxDatagram.at.frameLength, total, LE);
  memory.setUint32(at + RxDatagram.at.verdict, RX_FRAME, LE);
  count(context.arena, COUNTER.framesReassembled, 1);
}

/** The slot in use for this datagram's frame, or NO_SLOT. */
function findSlot(context: StageContext, rx: number, frameId: number): number {
  const { memory } = context;
  for (let slot = 0; slot < BATCH.reassemblies; slot++) {
    const at = slotAt(slot);
    const isSame =
      memory.getUint32(at + Reassembly.at.state, LE) === IN_USE &&
      memory.getUint32(at + Reassembly.at.frameId, LE) === frameId &&
      memory.getUint32(at + Reassembly.at.control, LE) === kindAndFlags(memory, rx) &&
      isSameSender(memory, at, rx) &&
      equal16(memory, at + Reassembly.at.token, memory, rx + RxDatagram.at.token);
    if (isSame) return slot;
  }
  return NO_SLOT;
}

function isSameSender(memory: DataView, at: number, rx: number): boolean {
  const senderAt = rx + RxDatagram.at.sender;
  return (
    memory.getUint32(at + Reassembly.at.epoch, LE) === memory.getUint32(rx + RxDatagram.at.epoch, LE) &&
    memory.getUint32(at + Reassembly.at.sender0, LE) === memory.getUint32(senderAt, LE) &&
    memory.getUint32(at + Reassembly.at.sender1, LE) === memory.getUint32(senderAt + 4, LE) &&
    memory.getUint32(at + Reassembly.at.sender2, LE) === memory.getUint16(senderAt + 8, LE)
  );
}

function kindAndFlags(memory: DataView, rx: number): number {
  return memory.getUint32(rx + RxDatagram.at.control, LE) & 0xff;
}

/** A fresh slot, or NO_SLOT when there is none or the sender has its share. */
function takeSlot(context: StageContext, rx: number, frameId: number, total: number): number {
  const { memory } = context;
  let free = NO_SLOT;
  let ofSender = 0;
  for (let slot = 0; slot < BATCH.reassemblies; slot++) {
    const at = slotAt(slot);
    const state = memory.getUint32(at + Reassembly.at.state, LE);
    if (state === FREE && free === NO_SLOT) free = slot;
    if (state === IN_USE && isSameSender(memory, at, rx)) ofSender++;
  }
  if (free === NO_SLOT || ofSender >= BATCH.reassembliesPerSender) return NO_SLOT;
  const at = slotAt(free);
  const senderAt = rx + RxDatagram.at.sender;
  memory.setUint32(at + Reassembly.at.state, IN_USE, LE);
  memory.setUint32(at + Reassembly.at.startedMs, nowMs(context), LE);
  memory.setUint32(at + Reassembly.at.epoch, memory.getUint32(rx + RxDatagram.at.epoch, LE), LE);
  memory.setUint32(at + Reassembly.at.frameId, frameId, LE);
  memory.setUint32(at + Reassembly.at.sender0, memory.getUint32(senderAt, LE), LE);
  memory.setUint32(at + Reassembly.at.sender1, memory.getUint32(senderAt + 4, LE), LE);
  memory.setUint32(at + Reassembly.at.sender2, memory.getUint16(senderAt + 8, LE), LE);
  memory.setUint32(at + Reassembly.at.control, kindAndFlags(memory, rx), LE);
  copy16(memory, rx + RxDatagram.at.token, memory, at + Reassembly.at.token);
  memory.setUint32(at + Reassembly.at.totalBytes, total, LE);
  memory.setUint32(at + Reassembly.at.receivedBytes, 0, LE);
  memory.setUint32(at + Reassembly.at.fragments, 0, LE);
  return free;
}

/** @returns false when it overlaps a sibling, contradicts the total, or is one too many */
function addRange(context: StageContext, slot: number, start: number, end: number, total: number): boolean {
  const { memory } = context;
  const at = slotAt(slot);
  const fragments = memory.getUint32(at + Reassembly.at.fragments, LE);
  if (memory.getUint32(at + Reassembly.at.totalBytes, LE) !== total || fragments === RANGES) return false;
  const rangesAt = ARENA.reassemblyRanges + slot * RANGES * RANGE_BYTES;
  for (let index = 0; index < fragments; index++) {
    const rangeAt = rangesAt + index * RANGE_BYTES;
    if (start < memory.getUint32(rangeAt + 4, LE) && memory.getUint32(rangeAt, LE) < end) return false;
  }
  memory.setUint32(rangesAt + fragments * RANGE_BYTES, start, LE);
  memory.setUint32(rangesAt + fragments * RANGE_BYTES + 4, end, LE);
  memory.setUint32(at + Reassembly.at.fragments, fragments + 1, LE);
  const received = memory.getUint32(at + Reassembly.at.receivedBytes, LE) + end - start;
  memory.setUint32(at + Reassembly.at.receivedBytes, received, LE);
  return true;
}

function slotAt(slot: number): number {
  return ARENA.reassemblies + slot * Reassembly.size;
}

function bufferAt(slot: number): number {
  return ARENA.reassemblyBuffer + slot * BATCH.reassemblyBytes;
}
