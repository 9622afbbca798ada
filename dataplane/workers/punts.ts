/**
 * What a worker tells the main thread (contract/ring-message.ts). The worker's thread.
 *
 *   1. reportSeen     MACs on a TAP that are no station yet, groups that are not known, frames that speak of groups
 *   2. reportPunts    probes, members' control datagrams, echoes and unknown senders, after openFrame
 *   3. ringOut        closed datagrams for a stream carrier
 *
 * The events ring is shared by all of them; a stream carrier that is slower than its traffic may fill it only down to
 * a reserve, so that what control needs still gets through. A refused event is counted, never waited for.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { ENDPOINT_BYTES, EVENT } from '../contract/ring-message.ts';
import { count, countDrop } from '../shm/arena.ts';
import {
  ArenaHeader,
  KIND_LINK,
  RX_PUNTED,
  RxDatagram,
  RxMessage,
  SEEN_GROUP,
  Seen,
  Snooped,
  TAG_BYTES,
} from '../shm/layout.ts';
import { ARENA, RING_BYTES } from '../shm/memory-map.ts';
import { headerWord, type WorkerContext } from './worker-context.ts';

/** Of the events ring; carriers leave this much to the others. */
const CARRIER_RESERVE_BYTES = RING_BYTES.events / 8;
/** Where the token is put before the masked sender, so that both go out as one piece. */
const TOKEN_AT = 16;
/** Where a link datagram's body begins (protocol section 3). */
const LINK_BODY_AT = 32;
const subject = new Uint32Array(4);
const probe = new Uint8Array(ENDPOINT_BYTES + 65_536);

/** Stage 1. */
export function reportSeen(context: WorkerContext): void {
  const { arena } = context;
  const seen = headerWord(arena, ArenaHeader.at.seenCount);
  for (let i = 0; i < seen; i++) {
    const word = (ARENA.seen + i * Seen.size) >> 2;
    subject[0] = arena.u32[word + (Seen.at.vlan >> 2)] ?? 0;
    subject[1] = arena.u32[word + (Seen.at.macLow >> 2)] ?? 0;
    subject[2] = arena.u32[word + (Seen.at.macHigh >> 2)] ?? 0;
    subject[3] = 0;
    const isGroup = arena.u32[word + (Seen.at.kind >> 2)] === SEEN_GROUP;
    reportSubject(context, isGroup ? EVENT.groupSeen : EVENT.stationSeen);
  }
  const snooped = headerWord(arena, ArenaHeader.at.snoopedCount);
  for (let i = 0; i < snooped; i++) reportSnooped(context, ARENA.snooped + i * Snooped.size);
}

/** Stage 2. */
export function reportPunts(context: WorkerContext): void {
  const { arena } = context;
  const punts = headerWord(arena, ArenaHeader.at.puntCount);
  if (punts === 0) return;
  for (let i = 0; i < punts; i++) {
    const index = arena.u32[(ARENA.punts >> 2) + i] ?? 0;
    const at = ARENA.rxDatagrams + index * RxDatagram.size;
    const punted = arena.u32[(at + RxDatagram.at.verdict) >> 2] === RX_PUNTED;
    const kind = (arena.u32[(at + RxDatagram.at.control) >> 2] ?? 0) & 0xf;
    if (!punted) reportSender(context, at);
    else if (kind === KIND_LINK) reportProbe(context, at);
    else reportControl(context, at);
  }
  arena.u32[ArenaHeader.at.puntCount >> 2] = 0;
}

/**
 * Stage 3: copies a closed datagram to the main thread, which sends it on its trunk's stream.
 *
 * @param offset - of the datagram, in the arena
 */
export function ringOut(
  context: WorkerContext,
  lane: number,
  trunk: number,
  offset: number,
  length: number,
): void {
  if (context.events.freeBytes() < CARRIER_RESERVE_BYTES + length) {
    countDrop(context.arena, DROP['carrier-queue-full']);
    return;
  }
  const message = context.outgoing;
  message.a = lane;
  message.b = trunk;
  message.c = 0;
  message.d = 0;
  if (put(context, EVENT.carrier, offset, length)) count(context.arena, COUNTER.carrierDatagramsSent, 1);
}

function reportSnooped(context: WorkerContext, at: number): void {
  const { arena } = context;
  if (!context.limiter.admitFrame(headerWord(arena, ArenaHeader.at.nowMs))) {
    countDrop(arena, DROP['ring-full']);
    return;
  }
  const message = context.outgoing;
  message.a = headerWord(arena, at + Snooped.at.vlan);
  message.b = 0;
  message.c = 0;
  message.d = 0;
  put(
    context,
    EVENT.snooped,
    headerWord(arena, at + Snooped.at.offset),
    headerWord(arena, at + Snooped.at.length),
  );
}

function reportSender(context: WorkerContext, at: number): void {
  const { u32 } = context.arena;
  const sender = (at + RxDatagram.at.sender) >> 2;
  subject[0] = u32[(at + RxDatagram.at.epoch) >> 2] ?? 0;
  subject[1] = u32[sender] ?? 0;
  subject[2] = u32[sender + 1] ?? 0;
  subject[3] = (u32[sender + 2] ?? 0) & 0xffff;
  reportSubject(context, EVENT.senderUnknown);
}

function reportControl(context: WorkerContext, at: number): void {
  const { arena } = context;
  const offset = arena.u32[(at + RxDatagram.at.offset) >> 2] ?? 0;
  const length = arena.u32[(at + RxDatagram.at.length) >> 2] ?? 0;
  // The enciphered token block is of no more use: the token that it held takes its place.
  arena.bytes.copyWithin(offset + TOKEN_AT, at + RxDatagram.at.token, at + RxDatagram.at.token + 16);
  const message = context.outgoing;
  message.a = arena.u32[(at + RxDatagram.at.epoch) >> 2] ?? 0;
  message.b = arena.u32[(at + RxDatagram.at.trunk) >> 2] ?? 0;
  message.c = arena.u32[(at + RxDatagram.at.control) >> 2] ?? 0;
  message.d = 0;
  put(context, EVENT.control, offset + TOKEN_AT, length - TOKEN_AT);
}

/** The endpoint is as RxMessage has it: address, its length, and the local address. */
function reportProbe(context: WorkerContext, at: number): void {
  const { arena } = context;
  const offset = arena.u32[(at + RxDatagram.at.offset) >> 2] ?? 0;
  const length = arena.u32[(at + RxDatagram.at.length) >> 2] ?? 0;
  const source = ARENA.messages + (arena.u32[(at + RxDatagram.at.message) >> 2] ?? 0) * RxMessage.size;
  const bodyBytes = length - LINK_BODY_AT - TAG_BYTES;
  probe.set(arena.bytes.subarray(source + RxMessage.at.address, source + RxMessage.at.address + 28), 0);
  probe.set(
    arena.bytes.subarray(source + RxMessage.at.addressBytes, source + RxMessage.at.addressBytes + 4),
    28,
  );
  probe.set(
    arena.bytes.subarray(source + RxMessage.at.localAddress, source + RxMessage.at.localAddress + 16),
    32,
  );
  probe.set(arena.bytes.subarray(offset + LINK_BODY_AT, offset + LINK_BODY_AT + bodyBytes), ENDPOINT_BYTES);
  const message = context.outgoing;
  message.type = EVENT.link;
  message.a = arena.u32[(at + RxDatagram.at.lane) >> 2] ?? 0;
  message.b = length;
  message.c = 0;
  message.d = 0;
  noteEvent(context, context.events.put(message, probe, 0, ENDPOINT_BYTES + bodyBytes));
}

/** Puts an event that `subject` describes, unless it was said a moment ago. */
function reportSubject(context: WorkerContext, type: number): void {
  if (!context.limiter.admit(type, subject, headerWord(context.arena, ArenaHeader.at.nowMs))) return;
  const message = context.outgoing;
  message.a = subject[0] ?? 0;
  message.b = subject[1] ?? 0;
  message.c = subject[2] ?? 0;
  message.d = subject[3] ?? 0;
  put(context, type, 0, 0);
}

function put(context: WorkerContext, type: number, offset: number, length: number): boolean {
  context.outgoing.type = type;
  const accepted = context.events.put(context.outgoing, context.arena.bytes, offset, length);
  noteEvent(context, accepted);
  return accepted;
}

function noteEvent(context: WorkerContext, accepted: boolean): void {
  if (accepted) {
    context.eventsPut = true;
    count(context.arena, COUNTER.punts, 1);
  } else {
    countDrop(context.arena, DROP['ring-full']);
  }
}
