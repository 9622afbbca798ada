/**
 * Where trains go that an engine holds back for the graph. The worker's thread.
 *
 *   train ─▶ stream carrier ─▶ closeLink ─▶ each datagram to the main thread
 *         └▶ has an owner ─▶ hand-off: each datagram, sealed but not closed, to the worker whose lane takes it
 *
 * A handed-off datagram is never handed off again: when its owner has lost the lane meanwhile, it is dropped.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { INJECTION } from '../contract/ring-message.ts';
import { count, countDrop } from '../shm/arena.ts';
import { ArenaHeader, FRAME_UNICAST, NONE, Train, TxDatagram } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { ringOut } from './punts.ts';
import { type HandoffPort, headerWord, type WorkerContext } from './worker-context.ts';

/** Where the token is put before the masked sender, so that both go out as one piece. */
const TOKEN_AT = 16;

/** How many trains were laid where the last batch stopped; 0 when it did not. */
export function heldTrains(context: WorkerContext): number {
  return headerWord(context.arena, ArenaHeader.at.heldTrains);
}

/**
 * Takes those of the trains 0 … trains-1 that Engine.sendTrains held.
 *
 * @param mayHandOff - false for datagrams that came from another worker
 */
export function takeHeld(context: WorkerContext, trains: number, mayHandOff: boolean): void {
  const { u32 } = context.arena;
  for (let train = 0; train < trains; train++) {
    const at = ARENA.trains + train * Train.size;
    if (u32[(at + Train.at.count) >> 2] === 0) continue;
    const lane = u32[(at + Train.at.lane) >> 2] ?? NONE;
    if (lane === NONE) {
      passOn(context, at, mayHandOff);
      continue;
    }
    const code = context.engine.closeLink(train);
    if (code === 0) ringOutTrain(context, at, lane);
    else dropTrain(context, at, code);
  }
  wakeOwners(context);
}

function ringOutTrain(context: WorkerContext, train: number, lane: number): void {
  const { arena } = context;
  const first = headerWord(arena, train + Train.at.first);
  const end = first + headerWord(arena, train + Train.at.count);
  const trunk = headerWord(arena, train + Train.at.trunk);
  for (let index = first; index < end; index++) {
    const at = ARENA.txDatagrams + index * TxDatagram.size;
    const offset = headerWord(arena, at + TxDatagram.at.offset);
    ringOut(context, lane, trunk, offset, headerWord(arena, at + TxDatagram.at.length));
  }
}

/** A train without an owner was counted when it was laid. */
function passOn(context: WorkerContext, train: number, mayHandOff: boolean): void {
  const { arena } = context;
  const owner = headerWord(arena, train + Train.at.owner);
  if (owner === NONE) return;
  const datagrams = headerWord(arena, train + Train.at.count);
  const port = context.handoffsOut[owner];
  if (!mayHandOff || port === undefined) return dropTrain(context, train, DROP['lane-down']);
  const first = headerWord(arena, train + Train.at.first);
  const trunk = headerWord(arena, train + Train.at.trunk);
  for (let index = first; index < first + datagrams; index++) {
    handOff(context, port, ARENA.txDatagrams + index * TxDatagram.size, trunk);
  }
}

/** Always as unicast to one trunk: the train is already one copy of a flooded frame. */
function handOff(context: WorkerContext, port: HandoffPort, datagram: number, trunk: number): void {
  const { arena } = context;
  const offset = headerWord(arena, datagram + TxDatagram.at.offset);
  const token = datagram + TxDatagram.at.token;
  arena.bytes.copyWithin(offset + TOKEN_AT, token, token + 16);
  const message = context.outgoing;
  message.type = INJECTION.sealed;
  message.a = FRAME_UNICAST;
  message.b = trunk;
  message.c = headerWord(arena, datagram + TxDatagram.at.control);
  message.d = headerWord(arena, datagram + TxDatagram.at.flowHash);
  const length = headerWord(arena, datagram + TxDatagram.at.length) - TOKEN_AT;
  if (port.ring.put(message, arena.bytes, offset + TOKEN_AT, length)) {
    port.pending = true;
    count(arena, COUNTER.handoffs, 1);
  } else {
    countDrop(arena, DROP['ring-full']);
  }
}

/** Every datagram of it counts. */
function dropTrain(context: WorkerContext, train: number, code: number): void {
  const { counters, u32 } = context.arena;
  counters[code] = (counters[code] ?? 0) + (u32[(train + Train.at.count) >> 2] ?? 0);
}

function wakeOwners(context: WorkerContext): void {
  for (const port of context.handoffsOut) {
    if (port === undefined || !port.pending) continue;
    port.pending = false;
    context.wake(port.wakeFd);
  }
}
