/**
 * This node's heartbeats: signed, with the settled head and a sequence that rises over restarts, now and then and soon
 * after each change.
 *
 * Main thread and simulation; no I/O.
 */
import type { Gossip } from './gossip.ts';
import type { Intake } from './intake.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_TIMING } from './order-port.ts';
import type { Settler } from './settler.ts';

/** See the file's head. */
export class Heart {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #intake: Intake;
  readonly #settler: Settler;
  /** The last one, as an item. */
  last: Uint8Array | undefined;
  #lastMs = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(context: OrderContext, parts: { gossip: Gossip; intake: Intake; settler: Settler }) {
    this.#context = context;
    this.#gossip = parts.gossip;
    this.#intake = parts.intake;
    this.#settler = parts.settler;
  }

  nextTimeoutMs(): number {
    return this.#nextMs;
  }

  /** Another head may be spoken of. */
  hurry(): void {
    this.#nextMs = Math.min(this.#nextMs, this.#lastMs + ORDER_TIMING.heartbeatGapMs);
  }

  tick(): void {
    const { nowMs } = this.#context;
    const { published } = this.#settler;
    if (this.#nextMs > nowMs) return;
    const [jitter = 0] = this.#context.ports.randomBytes(1);
    this.#nextMs = nowMs + ORDER_TIMING.heartbeatMs + ((jitter - 128) / 128) * ORDER_TIMING.heartbeatJitterMs;
    if (published === undefined || this.#context.isLeaving) return;
    this.#lastMs = nowMs;
    const unixMs = Math.floor(nowMs + this.#context.unixOffsetMs);
    this.#settler.sequence = Math.max(this.#settler.sequence + 1, unixMs);
    this.last = this.#context.sign({
      type: 'heartbeat',
      sequence: this.#settler.sequence,
      epoch: published.state.epoch,
      head: published.state.id,
      tag: published.state.tag,
      rebuildTag: this.#context.rebuildTagOf(published),
    });
    this.#intake.own(this.last);
    this.#gossip.spread(this.last);
  }
}
