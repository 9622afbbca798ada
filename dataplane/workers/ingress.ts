/**
 * One batch from the network to the TAPs, run to completion. The worker's thread.
 *
 *   1. receive       datagrams of GRO trains (or laid by injections.ts, from a stream carrier)
 *   2. carryIn       openLink, forward; what goes on: relay, closed and sent where it lies; what is for this node:
 *                    openFrame, learn, coalesce, writeTap (batches.ts)
 *   3. takeHeld      passed-on trains for another worker or a stream carrier (trains.ts); then the rest of the batch
 *   4. reportPunts   probes, control datagrams and unknown senders, to the main thread
 */
import { CARRIER_UDP } from '../shm/layout.ts';
import { reportPunts } from './punts.ts';
import { heldTrains, takeHeld } from './trains.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * Carries what one receive returns.
 *
 * @returns datagrams received
 */
export function ingress(context: WorkerContext): number {
  const datagrams = context.engine.receive();
  if (datagrams > 0) carryIn(context, datagrams, CARRIER_UDP);
  return datagrams;
}

/**
 * Carries RxDatagrams 0 … datagrams-1 to the TAPs, and onwards.
 *
 * @param carrier - CARRIER_*: by which they came
 */
export function carryIn(context: WorkerContext, datagrams: number, carrier: number): void {
  const { engine } = context;
  engine.carryIn(datagrams, carrier);
  const held = heldTrains(context);
  if (held > 0) {
    takeHeld(context, held, true);
    engine.carryOn();
  }
  reportPunts(context);
}
