/**
 * Egress, third stage: seals the plaintext of each datagram in place, end to end (protocol section 4). Worker threads.
 *
 *   48 … plaintext → ciphertext ‖ tag      AEAD under the frame key; AAD = token ‖ kind, flags ‖ class ‖ sender
 *   32 … 47        → sender ⊕ AES-256-ECB(K_mask, tag)
 *
 * The masks of neighbours of one epoch go through AES together.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { count } from '../shm/arena.ts';
import { FRAME_DROPPED, LINK_OVERHEAD_BYTES, TAG_BYTES, TxDatagram } from '../shm/layout.ts';
import { BLOCK_BYTES, BLOCKS_AT_ONCE, SCRATCH } from '../shm/scratch.ts';
import { LINK } from '../wire/link-datagram.ts';
import { FRAME_AAD_BYTES, writeFrameNonceAndAad } from './frame-aad.ts';
import { NO_KEY } from './key-cache.ts';
import { copy16, LE, xor16 } from './memory.ts';
import { dropTx, type StageContext, txAt } from './stage-context.ts';

/** Seals datagrams 0 … datagramCount-1; see Engine.seal. */
export function seal(context: StageContext, datagramCount: number): void {
  for (let index = 0; index < datagramCount; index++) sealDatagram(context, txAt(index));
  maskSenders(context, datagramCount);
}

function sealDatagram(context: StageContext, at: number): void {
  const { memory } = context;
  if (memory.getUint32(at + TxDatagram.at.verdict, LE) === FRAME_DROPPED) return;
  const key = context.keys.frameKey(memory.getUint32(at + TxDatagram.at.frameKey, LE));
  if (key === NO_KEY) return dropTx(context, at, DROP['no-key']);
  const offset = memory.getUint32(at + TxDatagram.at.offset, LE);
  const length = memory.getUint32(at + TxDatagram.at.length, LE);
  const control = memory.getUint32(at + TxDatagram.at.control, LE);
  writeFrameNonceAndAad(memory, at + TxDatagram.at.token, control, at + TxDatagram.at.sender);
  context.crypto.aead.seal(key, offset + LINK.frame, length - LINK_OVERHEAD_BYTES, FRAME_AAD_BYTES);
  count(context.arena, COUNTER.framesSealed, 1);
}

/** Gathers the tags of neighbours of one epoch, and masks their senders by one call. */
function maskSenders(context: StageContext, datagramCount: number): void {
  const { memory, group } = context;
  let members = 0;
  let epoch = 0;
  for (let index = 0; index < datagramCount; index++) {
    const at = txAt(index);
    if (memory.getUint32(at + TxDatagram.at.verdict, LE) === FRAME_DROPPED) continue;
    const ownEpoch = memory.getUint32(at + TxDatagram.at.epoch, LE);
    if (members === BLOCKS_AT_ONCE || (members > 0 && ownEpoch !== epoch)) {
      maskGroup(context, members, epoch);
      members = 0;
    }
    epoch = ownEpoch;
    group[members++] = at;
  }
  if (members > 0) maskGroup(context, members, epoch);
}

function maskGroup(context: StageContext, members: number, epoch: number): void {
  const { memory, group } = context;
  const key = context.keys.epochMask(epoch);
  for (let member = 0; member < members; member++) {
    const at = group[member] as number;
    if (key === NO_KEY) {
      dropTx(context, at, DROP['no-key']);
      continue;
    }
    const end =
      memory.getUint32(at + TxDatagram.at.offset, LE) + memory.getUint32(at + TxDatagram.at.length, LE);
    copy16(memory, end - TAG_BYTES, memory, SCRATCH.blocks + member * BLOCK_BYTES);
  }
  if (key === NO_KEY) return;
  context.crypto.block.transform(key, SCRATCH.blocks, members);
  for (let member = 0; member < members; member++) {
    const at = group[member] as number;
    const senderAt = memory.getUint32(at + TxDatagram.at.offset, LE) + LINK.sender;
    copy16(memory, at + TxDatagram.at.sender, memory, senderAt);
    xor16(memory, senderAt, SCRATCH.blocks + member * BLOCK_BYTES);
  }
}
