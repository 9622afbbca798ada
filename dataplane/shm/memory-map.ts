/**
 * Where each region lies in the tables buffer and in a worker's arena. Any thread; pure. Regions start on cache
 * lines; the token table is last because its capacity is chosen at start.
 */

import { COUNTER_NAMES } from '../base/counter.ts';
import { DROP_CODES } from '../base/drop-code.ts';
import { invariant } from '../base/invariant.ts';
import {
  ArenaHeader,
  BATCH,
  Epoch,
  ForwardSet,
  FrameDescriptor,
  FrameKey,
  Iovec,
  LANE_WINDOW_WORDS,
  Lane,
  LIMIT,
  Reassembly,
  RecentFrame,
  RingHeader,
  RxDatagram,
  RxMessage,
  RxSender,
  Salt,
  Seen,
  Segment,
  SenderWindow,
  Snooped,
  Station,
  TAP_QUEUE_SLOTS,
  TablesHeader,
  TapQueue,
  TapWrite,
  Token,
  Train,
  Trunk,
  TxDatagram,
  Vlan,
  WINDOWS_PER_SENDER,
} from './layout.ts';

const LINE_BYTES = 64;

function place<const R extends Record<string, number>>(
  sizes: R,
): { at: { readonly [K in keyof R]: number }; size: number } {
  const at: Record<string, number> = {};
  let offset = 0;
  for (const [name, size] of Object.entries(sizes)) {
    at[name] = offset;
    offset += Math.ceil(size / LINE_BYTES) * LINE_BYTES;
  }
  return { at: at as { readonly [K in keyof R]: number }, size: offset };
}

const tables = place({
  header: TablesHeader.size,
  vlans: Vlan.size * LIMIT.vlans,
  epochs: Epoch.size * LIMIT.epochs,
  sets: ForwardSet.size * LIMIT.sets,
  segments: Segment.size * LIMIT.segments,
  trunks: Trunk.size * LIMIT.trunks,
  lanes: Lane.size * LIMIT.lanes,
  laneWindows: LANE_WINDOW_WORDS * 4 * LIMIT.lanes,
  frameKeys: FrameKey.size * LIMIT.frameKeys,
  salts: Salt.size * LIMIT.salts,
  rxSenders: RxSender.size * LIMIT.rxSenders,
  senderWindows: SenderWindow.size * WINDOWS_PER_SENDER * LIMIT.rxSenders,
  stations: Station.size * LIMIT.stations,
  recentFrames: RecentFrame.size * LIMIT.recentFrames,
  tokens: 0,
});

/** Byte offset of each table in the tables buffer. */
export const TABLE = tables.at;

/**
 * Size of the tables buffer.
 *
 * @param tokenCapacity - slots of the token table, a power of two
 */
export function tablesBytes(tokenCapacity: number): number {
  invariant(
    tokenCapacity > 0 && (tokenCapacity & (tokenCapacity - 1)) === 0,
    'token capacity is no power of two',
  );
  return tables.size + Token.size * tokenCapacity;
}

/** Counters a worker: drop codes first, then COUNTER_NAMES; f64 each. */
export const COUNTER_SLOTS = 128;
export const COUNTER_BASE = 64;
const dropCodeCount: number = DROP_CODES.length;
invariant(dropCodeCount <= COUNTER_BASE, 'too many drop codes');
invariant(COUNTER_NAMES.length <= COUNTER_SLOTS - COUNTER_BASE, 'too many counters');

/** Data bytes of each ring; powers of two. */
export const RING_BYTES = {
  /** Worker to main: events, and a stream carrier's datagrams. */
  events: 4 * 1024 * 1024,
  /** Main to worker: injections, and a stream carrier's datagrams. */
  injections: 4 * 1024 * 1024,
  /** One worker to another: datagrams for lanes that the other owns. */
  handoff: 512 * 1024,
} as const;

const arena = place({
  header: ArenaHeader.size,
  tapQueues: TapQueue.size * TAP_QUEUE_SLOTS,
  readyTaps: 4 * TAP_QUEUE_SLOTS,
  counters: 8 * COUNTER_SLOTS,
  frames: FrameDescriptor.size * BATCH.frames,
  txDatagrams: TxDatagram.size * BATCH.txDatagrams,
  trains: Train.size * BATCH.trains,
  messages: RxMessage.size * BATCH.messages,
  rxDatagrams: RxDatagram.size * BATCH.rxDatagrams,
  writes: TapWrite.size * BATCH.writes,
  iovecs: Iovec.size * BATCH.iovecs,
  punts: 4 * BATCH.punts,
  seen: Seen.size * BATCH.seen,
  snooped: Snooped.size * BATCH.snooped,
  reassemblies: Reassembly.size * BATCH.reassemblies,
  scratch: 131_072,
  snoopBuffer: BATCH.snoopedBytes,
  tapBuffer: BATCH.tapBudgetBytes + 70_000,
  txBuffer: 768 * 1024,
  rxBuffer: BATCH.messages * BATCH.messageBytes,
  reassemblyBuffer: BATCH.reassemblies * BATCH.reassemblyBytes,
  reassemblyRanges: BATCH.reassemblies * 1024,
  events: RingHeader.size + RING_BYTES.events,
  injections: RingHeader.size + RING_BYTES.injections,
  /** One ring from each worker, by the producer's number. */
  handoffs: LIMIT.workers * (RingHeader.size + RING_BYTES.handoff),
});

/** Byte offset of each region in a worker's arena. */
export const ARENA = arena.at;
/** Size of an arena; most of it is touched only under load. */
export const ARENA_BYTES = arena.size;
/** Bytes that segment may fill before it asks for the batch to be sent. */
export const TX_BUFFER_BYTES = 768 * 1024;
/** Bytes from TapBuffer's start that readTap may fill. */
export const TAP_BUFFER_BYTES = BATCH.tapBudgetBytes + 70_000;
export const HANDOFF_STRIDE_BYTES = RingHeader.size + RING_BYTES.handoff;
