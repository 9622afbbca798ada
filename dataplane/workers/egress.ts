/**
 * One batch from a TAP to the network, run to completion. The worker's thread.
 *
 *   1. readTap       frames with their virtio headers
 *   2. classify      destination, keys, token
 *   3. reportSeen    new stations, to the main thread
 *   4. segment       datagrams, as many as the buffer takes; the rest in a further round
 *   5. seal          frames, by AEAD
 *   6. train         neighbours for one lane
 *   7. dispatch      closeLink and send, train by train (trains.ts)
 */
import { invariant } from '../base/invariant.ts';
import { ArenaHeader } from '../shm/layout.ts';
import { reportSeen } from './punts.ts';
import { dispatchTrains } from './trains.ts';
import { headerWord, type WorkerContext } from './worker-context.ts';

/**
 * Carries one batch of a TAP queue.
 *
 * @param queue - TapQueue index
 * @returns frames read
 */
export function egress(context: WorkerContext, queue: number): number {
  const { engine } = context;
  const frames = engine.readTap(queue);
  if (frames === 0) return 0;
  engine.classify(frames);
  reportSeen(context);
  for (let from = 0; from < frames; ) {
    const next = engine.segment(from, frames);
    invariant(next > from, 'a frame does not fit an empty buffer');
    const datagrams = headerWord(context.arena, ArenaHeader.at.txDatagramCount);
    if (datagrams > 0) {
      engine.seal(datagrams);
      dispatchTrains(context, engine.train(datagrams), true);
    }
    from = next;
  }
  return frames;
}
