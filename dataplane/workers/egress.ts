/**
 * One batch from a TAP to the network, run to completion. The worker's thread.
 *
 *   1. carryOut      readTap, classify, segment, seal, train; each train closed and sent (batches.ts)
 *   2. reportSeen    new stations and groups, and what was said of groups, to the main thread
 *   3. takeHeld      trains that are for another worker or for a stream carrier (trains.ts); then the rest of the batch
 */
import { reportSeen } from './punts.ts';
import { heldTrains, takeHeld } from './trains.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * Carries one batch of a TAP queue.
 *
 * @param queue - TapQueue index
 * @returns frames read
 */
export function egress(context: WorkerContext, queue: number): number {
  const { engine } = context;
  const frames = engine.carryOut(queue);
  if (frames === 0) return 0;
  reportSeen(context);
  for (let held = heldTrains(context); held > 0; held = heldTrains(context)) {
    takeHeld(context, held, true);
    engine.carryOn();
  }
  return frames;
}
