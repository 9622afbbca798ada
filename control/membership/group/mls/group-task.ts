/**
 * What a thread of the group pool runs: one job after the other, each to its end without another in between.
 *
 * A thread that destroys states tells the others, which may have them in memory. Must never be imported by the main
 * thread: it would start listening there.
 */
import { BroadcastChannel, workerData } from 'node:worker_threads';
import type { StateId } from '../group-port.ts';
import { forgetState } from './files/state-files.ts';
import type { JobContext, NodeSigner } from './group-context.ts';
import { doJob, restoreStates } from './group-jobs.ts';
import type { GroupTask, GroupTaskAnswer } from './group-task-types.ts';

interface Destroyed {
  readonly directory: string;
  readonly states: readonly StateId[];
}

const signer = workerData as NodeSigner;
const destroyed = new BroadcastChannel('peertap destroyed group states');
destroyed.onmessage = (event): void => {
  const { directory, states } = (event as { readonly data: Destroyed }).data;
  for (const id of states) forgetState(directory, id);
};
destroyed.unref();

/** The pool's entry: does a task. @throws the system's error, from `restore` alone */
export async function runGroupTask({ group, work }: GroupTask): Promise<GroupTaskAnswer> {
  const context: JobContext = { ...group, signer, nowMs: Date.now() };
  if (work.op === 'restore') return restoreStates(context, work.states);
  const result = await doJob(context, work);
  if (work.op === 'drop') {
    destroyed.postMessage({ directory: group.directory, states: work.states } satisfies Destroyed);
  }
  return result;
}
