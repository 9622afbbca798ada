/**
 * Ingress, third stage: opens the sealed frame of each datagram that is for this node (protocol section 4). Worker
 * threads.
 *
 *   unmask the sender → announced sender → its first counter → key → window test → AEAD in place → window entry
 *   → a frame, or a fragment that waits for its siblings (reassemble.ts)
 *
 * Keys come from the token's epoch and the sender's announcement alone: nothing is tried. The window is entered only by
 * what opened, so a corrupted copy cannot displace a good one.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { count } from '../shm/arena.ts';
import {
  Epoch,
  FLAG_PAIRWISE,
  KIND_FRAME,
  LINK_OVERHEAD_BYTES,
  NONE,
  RX_FRAME,
  RX_LOCAL,
  RxDatagram,
  RxSender,
  TAG_BYTES,
} from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { BLOCK_BYTES, BLOCKS_AT_ONCE, SCRATCH } from '../shm/scratch.ts';
import { findRxSender } from '../shm/tables.ts';
import { ETHERNET_HEADER_BYTES } from '../wire/frame-view.ts';
import { controlFlags, controlKind, LINK } from '../wire/link-datagram.ts';
import { punt } from './forward.ts';
import { FRAME_AAD_BYTES, writeFrameNonceAndAad } from './frame-aad.ts';
import { NO_KEY } from './key-cache.ts';
import { WINDOW_ACCEPT, WINDOW_REPLAY } from './lane-window.ts';
import { copy16, LE, xor16 } from './memory.ts';
import { expireReassemblies, reassemble } from './reassemble.ts';
import { insertSenderWindow, senderWindow, testSenderWindow } from './sender-window.ts';
import { dropRx, rxAt, type StageContext } from './stage-context.ts';

/** Opens datagrams 0 … datagramCount-1; see Engine.openFrame. */
export function openFrame(context: StageContext, datagramCount: number): void {
  expireReassemblies(context);
  unmaskSenders(context, datagramCount);
  for (let index = 0; index < datagramCount; index++) {
    const at = rxAt(index);
    if (context.memory.getUint32(at + RxDatagram.at.verdict, LE) === RX_LOCAL) openOne(context, index, at);
  }
}

// ---------------------------------------------------------------- sender

/** sender = bytes 32‥47 ⊕ AES-256-ECB(K_mask, tag); neighbours of one epoch go through AES together. */
function unmaskSenders(context: StageContext, datagramCount: number): void {
  const { memory, group } = context;
  let members = 0;
  let epoch = 0;
  for (let index = 0; index < datagramCount; index++) {
    const at = rxAt(index);
    if (memory.getUint32(at + RxDatagram.at.verdict, LE) !== RX_LOCAL) continue;
    const ownEpoch = memory.getUint32(at + RxDatagram.at.epoch, LE);
    if (members === BLOCKS_AT_ONCE || (members > 0 && ownEpoch !== epoch)) {
      unmaskGroup(context, members, epoch);
      members = 0;
    }
    epoch = ownEpoch;
    group[members++] = at;
  }
  if (members > 0) unmaskGroup(context, members, epoch);
}

function unmaskGroup(context: StageContext, members: number, epoch: number): void {
  const { memory, group } = context;
  const key = context.keys.epochMask(epoch);
  const vlan = context.table.getUint32(TABLE.epochs + epoch * Epoch.size + Epoch.at.vlan, LE);
  for (let member = 0; member < members; member++) {
    const at = group[member] as number;
    if (key === NO_KEY) {
      dropRx(context, at, DROP['vlan-down']);
      continue;
    }
    const end =
      memory.getUint32(at + RxDatagram.at.offset, LE) + memory.getUint32(at + RxDatagram.at.length, LE);
    copy16(memory, end - TAG_BYTES, memory, SCRATCH.blocks + member * BLOCK_BYTES);
    memory.setUint32(at + RxDatagram.at.vlan, vlan, LE);
  }
  if (key === NO_KEY) return;
  context.crypto.block.transform(key, SCRATCH.blocks, members);
  for (let member = 0; member < members; member++) {
    const at = group[member] as number;
    const senderAt = at + RxDatagram.at.sender;
    copy16(memory, memory.getUint32(at + RxDatagram.at.offset, LE) + LINK.sender, memory, senderAt);
    xor16(memory, senderAt, SCRATCH.blocks + member * BLOCK_BYTES);
  }
}

// ---------------------------------------------------------------- frame

function openOne(context: StageContext, index: number, at: number): void {
  const { memory, table } = context;
  const senderAt = at + RxDatagram.at.sender;
  // A salt retires after 2^32 frames, so a greater counter is no genuine one.
  if (memory.getUint32(senderAt + 12, LE) > 0xffff) return dropRx(context, at, DROP['frame-forged']);
  const sender = findRxSender(
    context.tables,
    memory.getUint32(at + RxDatagram.at.epoch, LE),
    memory.getInt32(senderAt, LE),
    memory.getInt32(senderAt + 4, LE),
    memory.getUint16(senderAt + 8, LE),
  );
  if (sender === NONE) {
    dropRx(context, at, DROP['sender-unknown']);
    return punt(context, index);
  }
  const slotAt = TABLE.rxSenders + sender * RxSender.size;
  const counter = memory.getUint16(senderAt + 10, LE) | (memory.getUint32(senderAt + 12, LE) << 16);
  if (counter >>> 0 < table.getUint32(slotAt + RxSender.at.firstCounter, LE)) {
    return dropRx(context, at, DROP['frame-before-announcement']);
  }
  const isPairwise = (controlFlags(memory.getUint32(at + RxDatagram.at.control, LE)) & FLAG_PAIRWISE) !== 0;
  const keySlot = table.getUint32(slotAt + (isPairwise ? RxSender.at.pairKey : RxSender.at.groupKey), LE);
  const key = keySlot === NONE ? NO_KEY : context.keys.frameKey(keySlot);
  if (key === NO_KEY) return dropRx(context, at, DROP['no-key']);
  const window = senderWindow(sender, isPairwise);
  const seen = testSenderWindow(context.tables.u32, window, counter);
  if (seen !== WINDOW_ACCEPT) return dropRx(context, at, replayCode(seen));
  if (!openSealed(context, at, key)) return dropRx(context, at, DROP['frame-forged']);
  const entered = insertSenderWindow(context.tables.u32, window, counter);
  if (entered !== WINDOW_ACCEPT) return dropRx(context, at, replayCode(entered));
  memory.setUint32(at + RxDatagram.at.member, table.getUint32(slotAt + RxSender.at.member, LE), LE);
  count(context.arena, COUNTER.framesOpened, 1);
  accept(context, at);
}

function replayCode(window: number): number {
  return window === WINDOW_REPLAY ? DROP['frame-replay'] : DROP['frame-too-old'];
}

function openSealed(context: StageContext, at: number, key: number): boolean {
  const { memory } = context;
  const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
  const length = memory.getUint32(at + RxDatagram.at.length, LE);
  const control = memory.getUint32(at + RxDatagram.at.control, LE);
  writeFrameNonceAndAad(memory, at + RxDatagram.at.token, control, at + RxDatagram.at.sender);
  return context.crypto.aead.open(key, offset + LINK.frame, length - LINK_OVERHEAD_BYTES, FRAME_AAD_BYTES);
}

/** What opened is a member's own: a whole frame, or a part of one. */
function accept(context: StageContext, at: number): void {
  const { memory } = context;
  const plainAt = memory.getUint32(at + RxDatagram.at.offset, LE) + LINK.frame;
  const plainBytes = memory.getUint32(at + RxDatagram.at.length, LE) - LINK_OVERHEAD_BYTES;
  if (controlKind(memory.getUint32(at + RxDatagram.at.control, LE)) !== KIND_FRAME) {
    return reassemble(context, at, plainAt, plainBytes);
  }
  if (plainBytes < ETHERNET_HEADER_BYTES) return dropRx(context, at, DROP['frame-short']);
  memory.setUint32(at + RxDatagram.at.frameOffset, plainAt, LE);
  memory.setUint32(at + RxDatagram.at.frameLength, plainBytes, LE);
  memory.setUint32(at + RxDatagram.at.verdict, RX_FRAME, LE);
}
