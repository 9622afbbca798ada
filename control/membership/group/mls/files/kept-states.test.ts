/** What lies on disk: found again after a start, destroyed when dropped, refused when damaged, no secret of the node. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { assertSame, groupOf, TestNode, temporaryFolder } from '../group.fixture.ts';
import { stateIdOf } from '../messages.ts';
import { forgetState } from './state-files.ts';

const folder = temporaryFolder();
after(() => folder.remove());

function two(): readonly [TestNode, TestNode] {
  return [new TestNode(folder.path), new TestNode(folder.path)];
}

function files({ context }: TestNode): readonly string[] {
  return readdirSync(context.directory).sort();
}

/** What a start of the daemon does to the memory of a thread. */
function forgetAll(node: TestNode): void {
  for (const file of files(node)) forgetState(node.context.directory, file.replace('.state', ''));
}

describe('states on disk', () => {
  it('are there after a start, and go on', async () => {
    const [ann, bob] = two();
    const state = await groupOf([ann, bob]);
    forgetAll(ann);
    forgetAll(bob);
    const [restored] = await ann.restore([state.id]);
    assert.ok(restored !== undefined);
    assertSame(restored, state);
    const made = await ann.commit(state.id);
    assertSame(await bob.process(state.id, made.commit), made.state);
  });

  it('are for their owner alone, without the key of the node', async () => {
    const [ann] = two();
    await ann.create();
    await ann.keyPackage();
    assert.equal(files(ann).length, 2);
    const seed = Buffer.from(ann.context.signer.seed);
    for (const file of files(ann)) {
      const path = join(ann.context.directory, file);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(readFileSync(path).indexOf(seed), -1, file);
    }
  });

  it('are destroyed when dropped, and when a start does not name them', async () => {
    const [ann, bob] = two();
    const state = await groupOf([ann, bob]);
    const left = await ann.commit(state.id);
    const right = await ann.commit(state.id);
    await ann.ok({ op: 'drop', states: [left.state.id, 'f'.repeat(32), '../../etc/passwd'] });
    await ann.fails({ op: 'commit', base: left.state.id, add: [], remove: [] }, 'unknown-state', /not kept/);
    writeFileSync(join(ann.context.directory, `${'0'.repeat(32)}.state.7.tmp`), 'half');
    assert.deepEqual(
      (await ann.restore([right.state.id])).map(({ id }) => id),
      [right.state.id],
    );
    assert.deepEqual(files(ann), [`${right.state.id}.state`]);
    await ann.fails({ op: 'group-info', base: state.id }, 'unknown-state', /not kept/);
  });

  it('are left out when damaged, cut off or renamed', async () => {
    const [ann] = two();
    const damages: ((path: string) => void)[] = [
      (path) => truncateSync(path, 200),
      (path) => truncateSync(path, 10),
      (path) => truncateSync(path, 0),
      (path) =>
        writeFileSync(
          path,
          readFileSync(path).map((byte, at) => (at === 300 ? byte ^ 4 : byte)),
        ),
      (path) =>
        writeFileSync(
          path,
          readFileSync(path).map((byte, at) => (at === 8 ? byte ^ 4 : byte)),
        ),
    ];
    for (const damage of damages) {
      const state = await ann.create();
      damage(join(ann.context.directory, `${state.id}.state`));
      forgetAll(ann);
      await ann.fails({ op: 'group-info', base: state.id }, 'unknown-state', /damaged/);
      assert.deepEqual(await ann.restore([state.id]), []);
    }
  });

  it('cannot be used by a name that leads elsewhere', async () => {
    const [ann] = two();
    await ann.create();
    for (const base of ['../secret', '', 'F'.repeat(32), `${'0'.repeat(32)}/..`]) {
      await ann.fails({ op: 'group-info', base }, 'unknown-state', /./);
    }
  });
});

describe('key packages on disk', () => {
  it('lead to the same state when a Welcome is tried again after a crash, without their private keys', async () => {
    const [ann, bob] = two();
    const created = await ann.create();
    const made = await ann.commit(created.id, { add: [bob] });
    const joined = await bob.join(made.welcome);
    const [keys] = files(bob).filter((file) => file.endsWith('.keys'));
    assert.ok(keys !== undefined && statSync(join(bob.context.directory, keys)).size < 200);
    forgetAll(bob);
    assert.deepEqual(await bob.restore([]), []);
    assertSame(await bob.join(made.welcome), joined);
    await bob.ok({ op: 'drop', states: [joined.id] });
    await bob.fails({ op: 'join', welcome: made.welcome ?? new Uint8Array(0) }, 'not-for-us', /./);
    assert.deepEqual(files(bob), []);
  });

  it('are kept in a limited number, and dropped by the hash of their bytes', async () => {
    const [ann, bob] = two();
    for (let count = 0; count < 20; count++) await bob.keyPackage();
    assert.equal(files(bob).length, 16);
    const last = await bob.keyPackage();
    await bob.ok({ op: 'drop', states: [stateIdOf(last)] });
    const { id: base } = await ann.create();
    const add = [{ peer: bob.peer, keyPackage: last }];
    const { welcome } = await ann.ok({ op: 'commit', base, add, remove: [] });
    await bob.fails({ op: 'join', welcome: welcome ?? new Uint8Array(0) }, 'not-for-us', /./);
  });
});
