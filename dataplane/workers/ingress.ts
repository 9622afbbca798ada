/**
 * One batch from the network to the TAPs, run to completion. The worker's thread.
 *
 *   1. receive       datagrams of GRO trains (or laid by injections.ts, from a stream carrier)
 *   2. openLink      header, window, token
 *   3. forward       token table: here, to the main thread, or dropped
 *   4. openFrame     AEAD, reassembly
 *   5. learn         port rules, station ages
 *   6. coalesce      super-frames
 *   7. writeTap
 *   8. reportPunts   probes, control datagrams and unknown senders, to the main thread
 */
import { CARRIER_UDP } from '../shm/layout.ts';
import { reportPunts } from './punts.ts';
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
 * Carries RxDatagrams 0 … datagrams-1 to the TAPs.
 *
 * @param carrier - CARRIER_*: by which they came
 */
export function carryIn(context: WorkerContext, datagrams: number, carrier: number): void {
  const { engine } = context;
  engine.openLink(datagrams, carrier);
  engine.forward(datagrams);
  engine.openFrame(datagrams);
  engine.learn(datagrams);
  const writes = engine.coalesce(datagrams);
  if (writes > 0) engine.writeTap(writes);
  reportPunts(context);
}
