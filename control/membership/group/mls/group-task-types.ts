/** What passes between the main thread and the threads of the group pool. Types only. */
import type { GroupJob, GroupResult, GroupState, StateId } from '../group-port.ts';
import type { VlanGroup } from './group-context.ts';

/** Reads the states that are on disk. */
export interface RestoreWork {
  readonly op: 'restore';
  readonly states: readonly StateId[];
}

/** One piece of work, with whose group it is for. */
export interface GroupTask {
  readonly group: VlanGroup;
  readonly work: GroupJob | RestoreWork;
}

/** States for `restore`, a result for a job. */
export type GroupTaskAnswer = GroupResult | readonly GroupState[];
