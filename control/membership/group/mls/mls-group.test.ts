/** The port as the daemon has it: jobs through the pool's threads, which forget what another one destroyed. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { formatPeerId } from '../../../identity/peer-id.ts';
import type { Group, GroupJob, GroupResults } from '../group-port.ts';
import { assertSame, freshSigner, temporaryFolder } from './group.fixture.ts';
import { GroupPool } from './group-pool.ts';
import { MlsGroup } from './mls-group.ts';

const folder = temporaryFolder();
const signers = [freshSigner(), freshSigner()] as const;
const pools = [new GroupPool(signers[0]), new GroupPool(signers[1])] as const;
after(async () => {
  for (const pool of pools) await pool.close();
  folder.remove();
});

const peers = [formatPeerId(signers[0].publicKey), formatPeerId(signers[1].publicKey)] as const;

function groupAt(node: 0 | 1, directory = mkdtempSync(join(folder.path, 'node-'))): Group {
  return new MlsGroup(pools[node], { vlanId: new Uint8Array(16), directory, suite: 'x-wing' });
}

async function ok<Job extends GroupJob>(group: Group, job: Job): Promise<GroupResults[Job['op']]> {
  const result = await group.run(job);
  assert.ok(result.ok, result.ok ? '' : result.reason);
  return result.value;
}

describe('a group through the pool', () => {
  it('takes a member in, is found again by another object, and forgets what is dropped', async () => {
    const directory = mkdtempSync(join(folder.path, 'node-'));
    const [ann, bob] = [groupAt(0, directory), groupAt(1)];
    // Views of larger buffers, as the network gives them: only they may go to the thread.
    const policy = new Uint8Array(4_096).subarray(100, 104);
    const { state } = await ok(ann, { op: 'create', policy });
    const { keyPackage } = await ok(bob, { op: 'key-package' });
    const add = [{ peer: peers[1], keyPackage }];
    const made = await ok(ann, { op: 'commit', base: state.id, add, remove: [] });
    assert.deepEqual([policy.length, policy.buffer.byteLength], [4, 4_096], 'the caller keeps its bytes');
    assert.ok(made.welcome !== undefined);
    const joined = await ok(bob, { op: 'join', welcome: made.welcome });
    assertSame(joined.state, made.state);
    assert.equal(joined.state.policy.buffer.byteLength, 4);
    const [restored] = await groupAt(0, directory).restore([made.state.id]);
    assert.ok(restored !== undefined);
    assertSame(restored, made.state);
    await ok(ann, { op: 'drop', states: [made.state.id] });
    const gone = await Promise.all(
      [1, 2, 3, 4].map(() => ann.run({ op: 'group-info', base: made.state.id })),
    );
    for (const result of gone) assert.equal(result.ok ? '' : result.code, 'unknown-state');
  });

  it('says so when the pool is closed', async () => {
    const pool = new GroupPool(signers[0]);
    const group = new MlsGroup(pool, { vlanId: new Uint8Array(16), directory: folder.path, suite: 'x25519' });
    await pool.close();
    await pool.close();
    const result = await group.run({ op: 'key-package' });
    assert.ok(!result.ok);
    assert.deepEqual([result.code, result.reason], ['failed', 'the pool for group work is closed']);
  });
});
