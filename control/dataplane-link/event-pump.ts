/**
 * Takes what workers have to say out of their event rings and hands it on.
 *
 *   wake word (Atomics.waitAsync) ─▶ all rings, for a bounded time ─▶ the rest in the next turn
 *
 * Main thread only: the one consumer of each worker's event ring. Must never starve the rest of the thread.
 */
import { EVENT } from '../../dataplane/contract/ring-message.ts';
import type { Arena } from '../../dataplane/shm/arena.ts';
import { TablesHeader } from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { emptyMessage, type PeekedMessage, RingConsumer } from '../../dataplane/shm/ring.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';

const EVENTS_A_TURN = 512;
/** A member's announcement costs some tenths of a millisecond, and hundreds come together at a change of epoch. */
const TURN_MS = 4;

/** A payload in a worker's ring; valid during the call only. */
export interface EventPayload {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** Who takes events, by kind; see contract/ring-message.ts for the numbers. */
export interface EventSink {
  link(lane: number, payload: EventPayload): void;
  control(epoch: number, trunk: number, control: number, payload: EventPayload): void;
  stationSeen(vlan: number, macLow: number, macHigh: number): void;
  senderUnknown(epoch: number, leafLane: number): void;
  carrier(lane: number, trunk: number, payload: EventPayload): void;
  /** An IGMP, MLD or PIM frame from a TAP. */
  snooped(vlan: number, frame: EventPayload): void;
  /** Multicast to a group that has no entry; it was flooded. */
  groupSeen(vlan: number, macLow: number, macHigh: number): void;
}

/** The consumer of all event rings. */
export class EventPump {
  readonly #tables: Tables;
  readonly #rings: readonly RingConsumer[];
  readonly #sink: EventSink;
  readonly #message: PeekedMessage = emptyMessage();
  #turn = 0;
  #running = false;
  #scheduled = false;

  constructor(tables: Tables, arenas: readonly Arena[], sink: EventSink) {
    this.#tables = tables;
    this.#rings = arenas.map((arena) => new RingConsumer(arena.buffer, ARENA.events));
    this.#sink = sink;
  }

  /** Waits for events until `stop`. */
  start(): void {
    this.#running = true;
    this.#await();
  }

  stop(): void {
    this.#running = false;
    Atomics.notify(this.#tables.i32, wakeWord());
  }

  /** Takes what is there now. @returns whether something may be left */
  drain(): boolean {
    const endMs = performance.now() + TURN_MS;
    let left = EVENTS_A_TURN;
    // A worker that has much to say must not keep the others from saying anything.
    this.#turn += 1;
    for (let index = 0; index < this.#rings.length; index++) {
      const ring = this.#rings[(this.#turn + index) % this.#rings.length];
      while (ring !== undefined && left > 0 && ring.peek(this.#message)) {
        this.#dispatch(ring);
        ring.release();
        left = performance.now() < endMs ? left - 1 : 0;
      }
    }
    return left === 0;
  }

  #await(): void {
    const seen = Atomics.load(this.#tables.i32, wakeWord());
    if (!this.#running) {
      return;
    }
    if (this.drain()) {
      this.#again();
      return;
    }
    const waiting = Atomics.waitAsync(this.#tables.i32, wakeWord(), seen);
    if (waiting.async) {
      void waiting.value.then(() => {
        this.#await();
      });
    } else {
      this.#again();
    }
  }

  /** Events keep coming: let timers and sockets have their turn. */
  #again(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#await();
      });
    }
  }

  #dispatch(ring: RingConsumer): void {
    const { type, a, b, c, payloadOffset, payloadBytes } = this.#message;
    const payload = { bytes: ring.memory, offset: payloadOffset, length: payloadBytes };
    switch (type) {
      case EVENT.link:
        return this.#sink.link(a, payload);
      case EVENT.control:
        return this.#sink.control(a, b, c, payload);
      case EVENT.stationSeen:
        return this.#sink.stationSeen(a, b, c);
      case EVENT.senderUnknown:
        return this.#sink.senderUnknown(a, b);
      case EVENT.carrier:
        return this.#sink.carrier(a, b, payload);
      case EVENT.snooped:
        return this.#sink.snooped(a, payload);
      case EVENT.groupSeen:
        return this.#sink.groupSeen(a, b, c);
      default:
        return;
    }
  }
}

function wakeWord(): number {
  return (TABLE.header + TablesHeader.at.mainWake) >> 2;
}
