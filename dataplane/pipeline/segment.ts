/**
 * Egress, second stage: lays each frame's datagrams end to end into the transmit buffer, plaintext only. Worker threads.
 *
 *   parse → plan (segment-plan.ts) → room → sender counters → whole │ cut (cut.ts) │ fragments (fragment.ts)
 *
 * Datagrams of one frame lie together and, but for the last, have one size: seal, train and closeLink rely on it for
 * speed only.
 */
import { DROP } from '../base/drop-code.ts';
import {
  ArenaHeader,
  BATCH,
  FLAG_CHECKSUM_LEFT,
  FRAME_DROPPED,
  FrameDescriptor,
  FrameKey,
  KIND_FRAME,
  NONE,
  Salt,
} from '../shm/layout.ts';
import { ARENA, TABLE, TX_BUFFER_BYTES } from '../shm/memory-map.ts';
import { parseFrame } from '../wire/frame-view.ts';
import { completeVirtioChecksum } from './complete-checksum.ts';
import { cutFrame } from './cut.ts';
import { fragmentBytes } from './fragment.ts';
import { layDatagram, plaintextAt } from './lay-datagram.ts';
import { LE } from './memory.ts';
import {
  CHECKSUM_COMPLETED,
  CHECKSUM_KEPT,
  CHECKSUM_LEFT,
  checksumOffset,
  PLAN_CUT_TCP,
  PLAN_CUT_UDP,
  PLAN_FRAGMENT,
  PLAN_INVALID,
  PLAN_OVERSIZE,
  planFrame,
} from './segment-plan.ts';
import { dropFrame, frameAt, isStable, type StageContext } from './stage-context.ts';

/** A salt's last counter (protocol section 4); its successor is announced before that. */
const SALT_COUNTERS = 0xffff_ffff;

/** Lays datagrams for frames `from` …; see Engine.segment. */
export function segment(context: StageContext, from: number, frameCount: number): number {
  const { plan } = context;
  plan.laid = 0;
  plan.cursor = ARENA.txBuffer;
  let index = from;
  while (index < frameCount && segmentFrame(context, frameAt(index))) index++;
  context.memory.setUint32(ARENA.header + ArenaHeader.at.txDatagramCount, plan.laid, LE);
  context.memory.setUint32(ARENA.header + ArenaHeader.at.txBytes, plan.cursor - ARENA.txBuffer, LE);
  return index;
}

/** @returns false when there is no room for it after what was laid before */
function segmentFrame(context: StageContext, at: number): boolean {
  const { memory, frame, plan } = context;
  if (memory.getUint32(at + FrameDescriptor.at.verdict, LE) === FRAME_DROPPED) return true;
  const offset = memory.getUint32(at + FrameDescriptor.at.offset, LE);
  parseFrame(memory, offset, memory.getUint32(at + FrameDescriptor.at.length, LE), frame);
  planFrame(memory, at, frame, plan);
  const refused = refusal(context);
  if (refused !== 0) dropFrame(context, at, refused);
  else if (!fits(context)) return false;
  else if (takeCounters(context, at)) layFrame(context, at);
  return true;
}

/** Why the plan cannot be carried out at all; 0 when it can. */
function refusal(context: StageContext): number {
  const { plan } = context;
  if (plan.method === PLAN_OVERSIZE) return DROP['frame-oversize'];
  // A super-frame of a few bytes a segment would be more datagrams than a batch holds.
  const isTooMany = plan.datagrams > BATCH.txDatagrams || plan.bytes > TX_BUFFER_BYTES;
  return plan.method === PLAN_INVALID || isTooMany ? DROP['frame-offload-invalid'] : 0;
}

function fits(context: StageContext): boolean {
  const { plan } = context;
  const hasDescriptors = plan.laid + plan.datagrams <= BATCH.txDatagrams;
  return hasDescriptors && plan.cursor + plan.bytes <= ARENA.txBuffer + TX_BUFFER_BYTES;
}

/**
 * Draws the frame's counters from its key's salt, all or none: a counter is never used twice, whatever happens to the
 * datagrams afterwards.
 */
function takeCounters(context: StageContext, at: number): boolean {
  const { memory, table, plan } = context;
  const keyAt = TABLE.frameKeys + memory.getUint32(at + FrameDescriptor.at.frameKey, LE) * FrameKey.size;
  const salt = table.getUint32(keyAt + FrameKey.at.salt, LE);
  const isUsable =
    isStable(context, keyAt) && table.getUint32(keyAt + FrameKey.at.state, LE) === 1 && salt !== NONE;
  const saltAt = TABLE.salts + salt * Salt.size;
  if (
    !isUsable ||
    !isStable(context, saltAt) ||
    table.getUint32(saltAt + Salt.at.worker, LE) !== context.worker
  ) {
    dropFrame(context, at, DROP['no-key']);
    return false;
  }
  const counter = table.getUint32(saltAt + Salt.at.counter, LE);
  if (counter + plan.datagrams > SALT_COUNTERS) {
    dropFrame(context, at, DROP['salt-exhausted']);
    return false;
  }
  table.setUint32(saltAt + Salt.at.counter, counter + plan.datagrams, LE);
  plan.leafLane = table.getUint32(saltAt + Salt.at.leafLane, LE);
  plan.saltLow = table.getUint32(saltAt + Salt.at.saltLow, LE);
  plan.saltHigh = table.getUint32(saltAt + Salt.at.saltHigh, LE);
  plan.counter = counter;
  return true;
}

function layFrame(context: StageContext, at: number): void {
  const { memory, frame, plan } = context;
  if (plan.method === PLAN_CUT_TCP || plan.method === PLAN_CUT_UDP) return cutFrame(context, at);
  const length = frame.end - frame.offset;
  if (plan.method === PLAN_FRAGMENT) {
    if (plan.checksum !== CHECKSUM_KEPT) completeVirtioChecksum(memory, at);
    return fragmentBytes(context, at, frame.offset, length);
  }
  if (plan.checksum === CHECKSUM_COMPLETED) completeVirtioChecksum(memory, at);
  const target = plaintextAt(context);
  context.arena.bytes.copyWithin(target, frame.offset, frame.end);
  const isLeft = plan.checksum === CHECKSUM_LEFT;
  if (isLeft) memory.setUint16(target + frame.transport - frame.offset + checksumOffset(frame), 0);
  layDatagram(context, at, length, KIND_FRAME, isLeft ? FLAG_CHECKSUM_LEFT : 0);
}
