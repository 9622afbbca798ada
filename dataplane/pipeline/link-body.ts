/**
 * The bodies of link datagrams (kind 5: probes), sealed under the lane's fourth key (protocol section 3). Worker
 * threads.
 *
 *   0 … 15 header, the AAD, control unmasked │ 16 … 31 token block │ 32 … body │ tag 16
 *   nonce 0⁴ ‖ counter
 */

import { DROP } from '../base/drop-code.ts';
import { KIND_LINK, Lane, RxDatagram, Train, TxDatagram } from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { SCRATCH } from '../shm/scratch.ts';
import {
  controlWord,
  LINK,
  LINK_BODY_OFFSET,
  LINK_BODY_OVERHEAD_BYTES,
  LINK_MAX_BYTES,
  LINK_MIN_BYTES,
  LINK_VERSION_TYPE,
} from '../wire/link-datagram.ts';
import { closeLink } from './close-link.ts';
import { NO_KEY } from './key-cache.ts';
import { copy16, LE } from './memory.ts';
import { type StageContext, txAt } from './stage-context.ts';

const AAD_BYTES = 16;
/** A probe ends at the trunk's other side. */
const PROBE_CONTROL = controlWord(KIND_LINK, 0, 1, 0);

/**
 * Opens the body of a received link datagram in place, and notes where it lies.
 * @returns false when it does not open
 */
export function openLinkBody(context: StageContext, at: number): boolean {
  const { memory } = context;
  const key = context.keys.laneAead(memory.getUint32(at + RxDatagram.at.lane, LE), false);
  if (key === NO_KEY) return false;
  const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
  const bodyBytes = memory.getUint32(at + RxDatagram.at.length, LE) - LINK_BODY_OVERHEAD_BYTES;
  copy16(memory, offset, memory, SCRATCH.aad);
  writeNonce(
    memory,
    memory.getUint32(offset + LINK.counter, LE),
    memory.getUint32(offset + LINK.counter + 4, LE),
  );
  memory.setUint32(at + RxDatagram.at.frameOffset, offset + LINK_BODY_OFFSET, LE);
  memory.setUint32(at + RxDatagram.at.frameLength, bodyBytes, LE);
  return context.crypto.aead.open(key, offset + LINK_BODY_OFFSET, bodyBytes, AAD_BYTES);
}

/**
 * Lays the body at SCRATCH.body as the one datagram of train 0, at the transmit buffer's start, sealed and closed. It
 * must not be called between segment and the last send of a batch.
 *
 * @param lane - slot
 * @param bodyBytes - plaintext bytes, at least 16
 * @returns 0, or the drop code
 */
export function closeLinkBody(context: StageContext, lane: number, bodyBytes: number): number {
  const { memory, table } = context;
  const length = bodyBytes + LINK_BODY_OVERHEAD_BYTES;
  if (length < LINK_MIN_BYTES || length > LINK_MAX_BYTES) return DROP['injection-invalid'];
  const key = context.keys.laneAead(lane, true);
  if (key === NO_KEY) return DROP['lane-down'];
  const laneAt = TABLE.lanes + lane * Lane.size;
  const offset = ARENA.txBuffer;
  const bodyAt = offset + LINK_BODY_OFFSET;
  context.arena.bytes.copyWithin(bodyAt, SCRATCH.body, SCRATCH.body + bodyBytes);
  const low = table.getUint32(laneAt + Lane.at.txCounterLow, LE);
  const high = table.getUint32(laneAt + Lane.at.txCounterHigh, LE);
  memory.setUint32(SCRATCH.aad, LINK_VERSION_TYPE | (PROBE_CONTROL << 8), LE);
  memory.setUint32(SCRATCH.aad + LINK.receiver, table.getUint32(laneAt + Lane.at.peerIndex, LE), LE);
  memory.setUint32(SCRATCH.aad + LINK.counter, low, LE);
  memory.setUint32(SCRATCH.aad + LINK.counter + 4, high, LE);
  writeNonce(memory, low, high);
  // closeLink takes this very counter; when it refuses, nothing leaves and the counter's next use is its first.
  context.crypto.aead.seal(key, bodyAt, bodyBytes, AAD_BYTES);
  describeProbe(context, lane, offset, length);
  return closeLink(context, 0);
}

function describeProbe(context: StageContext, lane: number, offset: number, length: number): void {
  const { memory, table } = context;
  const laneAt = TABLE.lanes + lane * Lane.size;
  const at = txAt(0);
  memory.setUint32(at + TxDatagram.at.offset, offset, LE);
  memory.setUint32(at + TxDatagram.at.length, length, LE);
  memory.setUint32(at + TxDatagram.at.control, PROBE_CONTROL, LE);
  copy16(table, laneAt + Lane.at.txLinkToken, memory, at + TxDatagram.at.token);
  memory.setUint32(ARENA.trains + Train.at.first, 0, LE);
  memory.setUint32(ARENA.trains + Train.at.count, 1, LE);
  memory.setUint32(ARENA.trains + Train.at.trunk, table.getUint32(laneAt + Lane.at.trunk, LE), LE);
  memory.setUint32(ARENA.trains + Train.at.lane, lane, LE);
  memory.setUint32(ARENA.trains + Train.at.owner, context.worker, LE);
  memory.setUint32(ARENA.trains + Train.at.bytes, length, LE);
}

function writeNonce(memory: DataView, counterLow: number, counterHigh: number): void {
  memory.setUint32(SCRATCH.nonce, 0, LE);
  memory.setUint32(SCRATCH.nonce + 4, counterLow, LE);
  memory.setUint32(SCRATCH.nonce + 8, counterHigh, LE);
}
