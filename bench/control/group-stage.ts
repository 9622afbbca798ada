/**
 * Owns one group of a given size for measuring: an admin, a member and those who only fill the tree, each job done as a
 * daemon does it, by the pool's threads and with the state on disk.
 *
 *   admin makes the group ─▶ adds all others but one in one commit ─▶ renews its keys, so that the tree has parents
 *
 * A state can be used again and again, so each repeat starts from the same one. Main thread of the bench.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import type { GroupJob, GroupResults, StateId } from '../../control/membership/group/group-port.ts';
import { GroupPool } from '../../control/membership/group/mls/group-pool.ts';
import { MlsGroup } from '../../control/membership/group/mls/mls-group.ts';
import type { GroupSuite } from '../../control/membership/group/mls/suites.ts';
import { freshSigner, makeFiller } from './filler.ts';

/** One who has the group. */
interface Participant {
  readonly peer: string;
  readonly group: MlsGroup;
  readonly pool: GroupPool;
}

/** A group, and where it stands. */
export class GroupStage {
  readonly #folder = mkdtempSync(join(tmpdir(), 'peertap-bench-group-'));
  readonly #vlanId = new Uint8Array(randomBytes(16));
  readonly #suite: GroupSuite;
  readonly #participants: Participant[] = [];
  readonly admin: Participant;
  readonly member: Participant;
  readonly newcomer: Participant;
  #base: StateId = '';
  #filler = '';

  constructor(suite: GroupSuite) {
    this.#suite = suite;
    this.admin = this.#participant();
    this.member = this.#participant();
    this.newcomer = this.#participant();
  }

  /** The state from which the measured commits are made. */
  get base(): StateId {
    return this.#base;
  }

  /** One of those who only fill the tree. */
  get filler(): string {
    return this.#filler;
  }

  /** Makes the group. @param memberCount - at least 3 */
  async fill(memberCount: number): Promise<void> {
    const created = await done(this.admin, { op: 'create', policy: new Uint8Array(64) });
    const { keyPackage } = await done(this.member, { op: 'key-package' });
    const add = [{ peer: this.member.peer, keyPackage }];
    while (add.length < memberCount - 1) add.push(await makeFiller(this.#suite));
    this.#filler = add.at(-1)?.peer ?? '';
    const base = created.state.id;
    const filled = await done(this.admin, { op: 'commit', base, add, remove: [] });
    const welcome = filled.welcome ?? new Uint8Array(0);
    const joined = await done(this.member, { op: 'join', welcome });
    const renewal = { op: 'commit', base: filled.state.id, add: [], remove: [] } as const;
    const renewed = await done(this.admin, renewal);
    await done(this.member, { op: 'process', base: joined.state.id, commit: renewed.commit });
    this.#base = renewed.state.id;
    // The first key package starts the newcomer's thread.
    await done(this.newcomer, { op: 'key-package' });
  }

  /** Ends the threads, and takes the files away. */
  async close(): Promise<void> {
    await Promise.all(this.#participants.map(({ pool }) => pool.close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #participant(): Participant {
    const signer = freshSigner();
    const pool = new GroupPool(signer);
    const directory = mkdtempSync(join(this.#folder, 'node-'));
    const group = new MlsGroup(pool, { vlanId: this.#vlanId, directory, suite: this.#suite });
    const participant = { peer: formatPeerId(signer.publicKey), group, pool };
    this.#participants.push(participant);
    return participant;
  }
}

/** Has a job done that must succeed. @throws Error with the reason when it does not */
export async function done<Job extends GroupJob>(
  { group }: Pick<Participant, 'group'>,
  job: Job,
): Promise<GroupResults[Job['op']]> {
  const result = await group.run(job);
  if (!result.ok) throw new Error(`${job.op}: ${result.code}: ${result.reason}`);
  return result.value;
}
