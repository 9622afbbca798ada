/**
 * The group port by MLS: the group of one VLAN, its jobs done by the pool's threads.
 *
 * Main thread; holds no state of the group. Never throws at a job: what goes wrong is a result.
 *
 * @see docs/protocol.md, "Membership"
 * @see RFC 9420
 */
import type { Group, GroupJob, GroupResult, GroupState, StateId } from '../group-port.ts';
import type { VlanGroup } from './group-context.ts';
import { shortReasonOf } from './group-failure.ts';
import type { GroupPool } from './group-pool.ts';
import type { GroupTaskAnswer } from './group-task-types.ts';
import { MESSAGE_BYTES_MAX } from './profile.ts';

/** The group of one VLAN on this node. */
export class MlsGroup implements Group {
  readonly #pool: GroupPool;
  readonly #group: VlanGroup;

  /**
   * @param pool - the daemon's
   * @param group - `directory` is this group's alone; made when the first file is written
   */
  constructor(pool: GroupPool, group: VlanGroup) {
    this.#pool = pool;
    this.#group = group;
  }

  /** Does a job. @returns its end; never rejects */
  async run<Job extends GroupJob>(job: Job): Promise<GroupResult<Job['op']>> {
    const copied = copyOf(job);
    const tooLong = copied.buffers.find(({ byteLength }) => byteLength > MESSAGE_BYTES_MAX);
    if (tooLong !== undefined) {
      return failure(job, 'invalid', `${tooLong.byteLength} bytes, more than ${MESSAGE_BYTES_MAX}`);
    }
    try {
      const answer = await this.#pool.run({ group: this.#group, work: copied.job }, copied.buffers);
      return isResultOf(job, answer) ? answer : failure(job, 'failed', 'the thread gave another answer');
    } catch (error) {
      return failure(job, 'failed', shortReasonOf(error));
    }
  }

  /**
   * The states that are on disk of those that a start needs. To be called once, before any job: states that are not
   * named are destroyed, but for one that a join led to and nobody noted down.
   *
   * @throws Error when the disk or the pool fails
   */
  async restore(states: readonly StateId[]): Promise<readonly GroupState[]> {
    const answer = await this.#pool.run({ group: this.#group, work: { op: 'restore', states } }, []);
    if (!isStates(answer)) throw new Error('the thread gave another answer');
    return answer;
  }
}

interface Copied {
  readonly job: GroupJob;
  readonly buffers: readonly ArrayBuffer[];
}

/** A job whose bytes are its own: a view of a larger buffer would take that one along to the thread. */
function copyOf(job: GroupJob): Copied {
  const buffers: ArrayBuffer[] = [];
  const own = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(bytes);
    buffers.push(copy.buffer);
    return copy;
  };
  switch (job.op) {
    case 'create':
      return { job: { ...job, policy: own(job.policy) }, buffers };
    case 'commit': {
      const add = job.add.map(({ peer, keyPackage }) => ({ peer, keyPackage: own(keyPackage) }));
      const policy = job.policy === undefined ? {} : { policy: own(job.policy) };
      return { job: { ...job, add, ...policy }, buffers };
    }
    case 'process':
      return { job: { ...job, commit: own(job.commit) }, buffers };
    case 'join':
      return { job: { ...job, welcome: own(job.welcome) }, buffers };
    case 'external-commit':
      return { job: { ...job, groupInfo: own(job.groupInfo) }, buffers };
    default:
      return { job, buffers };
  }
}

function isResultOf<Job extends GroupJob>(
  job: Job,
  answer: GroupTaskAnswer,
): answer is GroupResult<Job['op']> & GroupResult {
  return 'op' in answer && answer.op === job.op;
}

function isStates(answer: GroupTaskAnswer): answer is readonly GroupState[] {
  return Array.isArray(answer);
}

function failure<Job extends GroupJob>(
  job: Job,
  code: 'failed' | 'invalid',
  reason: string,
): GroupResult<Job['op']> {
  return { ok: false, op: job.op, code, reason };
}
