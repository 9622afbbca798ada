/**
 * One batch from the network to the TAPs, run to completion. The worker's thread.
 *
 *   1. receive       datagrams of GRO trains (or laid by injections.ts, from a stream carrier)
 *   2. openLink      header, window, token
 *   3. forward       token table: here, onwards, to the main thread, or dropped
 *   4. relay         what goes on: trains, closed and sent where they lie (trains.ts)
 *   5. openFrame     AEAD, reassembly; this and the next three only when something is for this node
 *   6. learn         port rules, station ages
 *   7. coalesce      super-frames
 *   8. writeTap
 *   9. reportPunts   probes, control datagrams and unknown senders, to the main thread
 */
import { ArenaHeader, CARRIER_UDP } from '../shm/layout.ts';
import { reportPunts } from './punts.ts';
import { dispatchTrains } from './trains.ts';
import { headerWord, type WorkerContext } from './worker-context.ts';

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
  engine.openLink(datagrams, carrier);
  if (engine.forward(datagrams) > 0) dispatchTrains(context, engine.relay(datagrams), true);
  if (headerWord(context.arena, ArenaHeader.at.localCount) > 0) deliver(context, datagrams);
  reportPunts(context);
}

function deliver({ engine }: WorkerContext, datagrams: number): void {
  engine.openFrame(datagrams);
  engine.learn(datagrams);
  const writes = engine.coalesce(datagrams);
  if (writes > 0) engine.writeTap(writes);
}
