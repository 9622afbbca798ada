/**
 * Owns the workers' graph (workers/egress.ts, workers/ingress.ts) around a cabled pair, as it runs in two daemons, but
 * without their system calls. The calling thread.
 */
import { egress } from '../../dataplane/workers/egress.ts';
import { ingress } from '../../dataplane/workers/ingress.ts';
import { createWorkerContext, type WorkerContext } from '../../dataplane/workers/worker-context.ts';
import type { CabledNode, CabledPair } from './cable.ts';

const VLAN = 0;

/** Carries the workload's frames from TAP to TAP so many times. */
export type Rounds = (count: number) => void;

/** The graph of both nodes. */
export function graphRounds(pair: CabledPair): Rounds {
  const left = contextOf(pair.left);
  const right = contextOf(pair.right);
  return (count) => {
    for (let round = 0; round < count; round++) {
      egress(left, VLAN);
      ingress(right);
    }
  };
}

function contextOf({ node, engine }: CabledNode): WorkerContext {
  return createWorkerContext({
    engine,
    tables: node.tables,
    arenas: [node.arena],
    worker: 0,
    wake: () => undefined,
  });
}
