/**
 * Whole batches by one call, composed of an engine's stages. A worker's thread. The native engine has these of its own
 * (rust-accel/src/carry.rs), which do the same in the same order: a crossing into the addon for each stage costs a small
 * batch more than its work.
 *
 *   carryOut   readTap → classify → { segment → seal → train → sendTrains } until all frames are laid
 *   carryIn    openLink → forward → relay → sendTrains → openFrame → learn → coalesce → writeTap
 *
 * Both stop where sendTrains holds a train back, and carryOn goes on once the graph has taken it (trains.ts).
 */
import { invariant } from '../base/invariant.ts';
import type { Engine, Stages } from '../contract/engine.ts';
import type { Arena } from '../shm/arena.ts';
import { ArenaHeader, CARRIER_STREAM, Lane, NONE, Train } from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import type { Tables } from '../shm/tables.ts';

/** Where a batch stopped: frames `next` … of `frames` are still to be laid, or `datagrams` to be delivered. */
interface Rest {
  next: number;
  frames: number;
  datagrams: number;
}

/** An engine out of stages. */
export function withBatches(stages: Stages, tables: Tables, arena: Arena): Engine {
  const rest: Rest = { next: 0, frames: 0, datagrams: 0 };
  const sendAll = (trains: number): boolean => {
    const held = sendTrains(stages, tables, arena, trains);
    arena.u32[ArenaHeader.at.heldTrains >> 2] = held === 0 ? 0 : trains;
    return held === 0;
  };
  const carryOn = (): void => {
    arena.u32[ArenaHeader.at.heldTrains >> 2] = 0;
    layRest(stages, arena, rest, sendAll);
    deliverRest(stages, arena, rest);
  };
  return {
    ...stages,
    sendTrains: (trains) => sendTrains(stages, tables, arena, trains),
    carryOut: (queue) => {
      rest.next = 0;
      rest.datagrams = 0;
      rest.frames = stages.readTap(queue);
      const { frames } = rest;
      if (frames > 0) stages.classify(frames);
      carryOn();
      return frames;
    },
    carryIn: (datagrams, carrier) => {
      rest.frames = 0;
      rest.datagrams = datagrams;
      stages.openLink(datagrams, carrier);
      const isWhole = stages.forward(datagrams) === 0 || sendAll(stages.relay(datagrams));
      if (isWhole) carryOn();
    },
    carryOn,
  };
}

/** Lays and sends what a batch of a TAP still has, up to a train that is held. */
function layRest(stages: Stages, arena: Arena, rest: Rest, sendAll: (trains: number) => boolean): void {
  let goesOn = true;
  while (goesOn && rest.next < rest.frames) {
    const next = stages.segment(rest.next, rest.frames);
    invariant(next > rest.next, 'a frame does not fit an empty buffer');
    rest.next = next;
    const datagrams = arena.u32[ArenaHeader.at.txDatagramCount >> 2] ?? 0;
    if (datagrams === 0) continue;
    stages.seal(datagrams);
    goesOn = sendAll(stages.train(datagrams));
  }
}

/** Delivers what a batch of datagrams has for this node. */
function deliverRest(stages: Stages, arena: Arena, rest: Rest): void {
  const { datagrams } = rest;
  rest.datagrams = 0;
  if (datagrams === 0 || arena.u32[ArenaHeader.at.localCount >> 2] === 0) return;
  stages.openFrame(datagrams);
  stages.learn(datagrams);
  const writes = stages.coalesce(datagrams);
  if (writes > 0) stages.writeTap(writes);
}

/** See Engine.sendTrains. */
function sendTrains(stages: Stages, tables: Tables, arena: Arena, trains: number): number {
  const { u32, counters } = arena;
  let held = 0;
  for (let train = 0; train < trains; train++) {
    const word = (ARENA.trains + train * Train.size) >> 2;
    const lane = u32[word + (Train.at.lane >> 2)] ?? NONE;
    if (
      lane === NONE ||
      tables.u32[(TABLE.lanes + lane * Lane.size + Lane.at.carrier) >> 2] === CARRIER_STREAM
    ) {
      held++;
      continue;
    }
    const code = stages.closeLink(train);
    if (code === 0) stages.send(train);
    else counters[code] = (counters[code] ?? 0) + (u32[word + (Train.at.count >> 2)] ?? 0);
    u32[word + (Train.at.count >> 2)] = 0;
  }
  return held;
}
