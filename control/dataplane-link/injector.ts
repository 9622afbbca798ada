/**
 * Gives work to workers: probes to seal, sealed control datagrams to send, datagrams of stream carriers to open, frames to
 * write to a TAP.
 *
 * Main thread only: the one producer of each worker's injection ring. A full ring refuses, and that is counted;
 * a worker is woken once for all that was put in one go.
 */
import { DROP } from '../../dataplane/base/drop-code.ts';
import { ENDPOINT_BYTES, INJECTION } from '../../dataplane/contract/ring-message.ts';
import type { Arena } from '../../dataplane/shm/arena.ts';
import { FRAME_FLOOD, FRAME_UNICAST } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { emptyMessage, RingProducer } from '../../dataplane/shm/ring.ts';

/** Where a sealed datagram goes. */
export type SealedDestination = { readonly set: number } | { readonly trunk: number };

/** Every worker has a queue of every TAP. */
const TAP_WORKER = 0;

/** The producer of all injection rings. */
export class Injector {
  readonly #rings: readonly RingProducer[];
  readonly #signal: (worker: number) => void;
  /** Drops on the main thread, by code; shown beside the workers'. */
  readonly #drops: Float64Array;
  readonly #pendingWakes = new Set<number>();

  /**
   * @param signal - wakes a worker
   * @param drops - f64 by drop code; counted into
   */
  constructor(arenas: readonly Arena[], signal: (worker: number) => void, drops: Float64Array) {
    this.#rings = arenas.map((arena) => new RingProducer(arena.buffer, ARENA.injections));
    this.#signal = signal;
    this.#drops = drops;
  }

  /**
   * Seal and send a probe on a lane.
   *
   * @param endpoint - 48 bytes; address length 0: the lane's own
   */
  probe(worker: number, lane: number, endpoint: Uint8Array, body: Uint8Array): boolean {
    const payload = new Uint8Array(ENDPOINT_BYTES + body.length);
    payload.set(endpoint);
    payload.set(body, ENDPOINT_BYTES);
    const message = { ...emptyMessage(), type: INJECTION.link, a: lane };
    return this.#put(worker, message, { bytes: payload, offset: 0, length: payload.length });
  }

  /** Send a sealed control datagram: token ‖ masked sender ‖ sealed body ‖ tag. */
  sealed(worker: number, destination: SealedDestination, control: number, payload: Uint8Array): boolean {
    const flood = 'set' in destination;
    const message = {
      ...emptyMessage(),
      type: INJECTION.sealed,
      a: flood ? FRAME_FLOOD : FRAME_UNICAST,
      b: flood ? destination.set : destination.trunk,
      c: control,
    };
    return this.#put(worker, message, { bytes: payload, offset: 0, length: payload.length });
  }

  /** Open a link datagram that came on a stream carrier. */
  carrier(
    worker: number,
    lane: number,
    datagram: { readonly bytes: Uint8Array; readonly offset: number; readonly length: number },
  ): boolean {
    return this.#put(worker, { ...emptyMessage(), type: INJECTION.carrier, a: lane }, datagram);
  }

  /**
   * Write a frame to a VLAN's TAP, as if a member had sent it.
   *
   * @param vlan - its slot
   * @param frame - from the destination address on, checksums and all
   */
  tapFrame(vlan: number, frame: Uint8Array): boolean {
    const message = { ...emptyMessage(), type: INJECTION.tap, a: vlan };
    return this.#put(TAP_WORKER, message, { bytes: frame, offset: 0, length: frame.length });
  }

  #put(
    worker: number,
    message: Parameters<RingProducer['put']>[0],
    payload: { readonly bytes: Uint8Array; readonly offset: number; readonly length: number },
  ): boolean {
    const ring = this.#rings[worker];
    if (ring?.put(message, payload.bytes, payload.offset, payload.length) !== true) {
      const code = DROP['ring-full'];
      this.#drops[code] = (this.#drops[code] ?? 0) + 1;
      return false;
    }
    this.#wakeSoon(worker);
    return true;
  }

  #wakeSoon(worker: number): void {
    if (this.#pendingWakes.size === 0) {
      queueMicrotask(() => {
        const workers = [...this.#pendingWakes];
        this.#pendingWakes.clear();
        for (const each of workers) {
          this.#signal(each);
        }
      });
    }
    this.#pendingWakes.add(worker);
  }
}
