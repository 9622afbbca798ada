/** The jobs of the group port by MLS: what members see of each other, and what they refuse. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertSame, groupOf, TestNode, temporaryFolder } from './group.fixture.ts';
import { doJob } from './group-jobs.ts';
import { stateIdOf } from './messages.ts';

const folder = temporaryFolder();
after(() => folder.remove());

function nodes(count: number): readonly TestNode[] {
  return Array.from({ length: count }, () => new TestNode(folder.path));
}

function three(): readonly [TestNode, TestNode, TestNode] {
  return [new TestNode(folder.path), new TestNode(folder.path), new TestNode(folder.path)];
}

describe('a group', () => {
  it('begins with its maker alone, another one each time', async () => {
    const [ann] = three();
    const state = await ann.create(Uint8Array.of(5, 6));
    assert.deepEqual(state.members, [{ leaf: 0, peer: ann.peer }]);
    assert.deepEqual(state.policy, Uint8Array.of(5, 6));
    assert.equal(state.epoch, 0);
    assert.equal(state.secret.length, 32);
    assert.equal(state.tag.length, 16);
    const again = await ann.create(Uint8Array.of(5, 6));
    assert.notEqual(again.id, state.id);
    assert.notDeepEqual(again.secret, state.secret);
  });

  it('takes others in, who see the same, under the name of the commit', async () => {
    const [ann, bob, cid] = three();
    const created = await ann.create();
    const made = await ann.commit(created.id, { add: [bob, cid] });
    assert.equal(made.state.id, stateIdOf(made.commit));
    assert.deepEqual(made.facts, {
      committer: ann.peer,
      added: [bob.peer, cid.peer],
      removed: [],
      isExternal: false,
    });
    for (const joiner of [bob, cid]) assertSame(await joiner.join(made.welcome), made.state);
    const next = await bob.commit(made.state.id);
    assert.equal(next.welcome, undefined);
    for (const other of [ann, cid]) assertSame(await other.process(made.state.id, next.commit), next.state);
    assert.notDeepEqual(next.state.secret, made.state.secret);
  });

  it('works with the hybrid suite as with the plain one', async () => {
    const [ann, bob, cid] = [0, 1, 2].map(() => new TestNode(folder.path, { suite: 'x-wing' }));
    assert.ok(ann && bob && cid);
    const state = await groupOf([ann, bob, cid]);
    const removal = await bob.commit(state.id, { remove: [ann], policy: Uint8Array.of(2) });
    assertSame(await cid.process(state.id, removal.commit), removal.state);
  });

  it('replaces its policy, alone or with anything else', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob]);
    const alone = await ann.commit(state.id, { policy: Uint8Array.of(9) });
    assertSame(await bob.process(state.id, alone.commit), alone.state);
    assert.deepEqual(alone.state.policy, Uint8Array.of(9));
    const both = await bob.commit(alone.state.id, { add: [cid], remove: [ann], policy: Uint8Array.of(10) });
    assertSame(await cid.join(both.welcome), both.state);
    assert.deepEqual(both.state.policy, Uint8Array.of(10));
    assert.deepEqual(both.facts.removed, [ann.peer]);
    const gone = await ann.ok({ op: 'process', base: alone.state.id, commit: both.commit });
    assert.deepEqual(gone, { state: undefined, facts: both.facts });
  });

  it('gives a member that is removed and added at once a new leaf', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob, cid]);
    const made = await ann.commit(state.id, { remove: [bob], add: [bob] });
    assertSame(await cid.process(state.id, made.commit), made.state);
    const { state: own, facts } = await bob.ok({ op: 'process', base: state.id, commit: made.commit });
    assert.equal(own, undefined);
    assert.deepEqual([facts.added, facts.removed], [[bob.peer], [bob.peer]]);
    assertSame(await bob.join(made.welcome), made.state);
  });

  it('keeps whoever was removed out of what follows', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob, cid]);
    const removal = await ann.commit(state.id, { remove: [cid] });
    const gone = await cid.ok({ op: 'process', base: state.id, commit: removal.commit });
    assert.equal(gone.state, undefined);
    const later = await ann.commit(removal.state.id);
    await cid.fails({ op: 'process', base: state.id, commit: later.commit }, 'invalid', /another epoch/);
    await cid.fails({ op: 'process', base: removal.state.id, commit: later.commit }, 'unknown-state', /./);
    assertSame(await bob.process(state.id, removal.commit), removal.state);
    assertSame(await bob.process(removal.state.id, later.commit), later.state);
  });

  it('follows two forks from one state', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob, cid]);
    const left = await ann.commit(state.id);
    const right = await bob.commit(state.id, { policy: Uint8Array.of(3) });
    assertSame(await cid.process(state.id, right.commit), right.state);
    assertSame(await cid.process(state.id, left.commit), left.state);
    assertSame(await ann.process(state.id, right.commit), right.state);
    assert.equal(left.state.epoch, right.state.epoch);
    assert.notDeepEqual(left.state.secret, right.state.secret);
    await ann.fails({ op: 'process', base: left.state.id, commit: right.commit }, 'invalid', /another epoch/);
  });
});

describe('an external commit', () => {
  it('brings a newcomer in', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob]);
    const { groupInfo } = await ann.ok({ op: 'group-info', base: state.id });
    const made = await cid.ok({ op: 'external-commit', groupInfo });
    assert.deepEqual(made.facts, { committer: cid.peer, added: [cid.peer], removed: [], isExternal: true });
    for (const other of [ann, bob]) {
      const { state: seen, facts } = await other.ok({ op: 'process', base: state.id, commit: made.commit });
      assert.deepEqual(facts, made.facts);
      assert.ok(seen !== undefined);
      assertSame(seen, made.state);
    }
    const next = await cid.commit(made.state.id);
    assertSame(await bob.process(made.state.id, next.commit), next.state);
  });

  it('brings a member in again that has lost its state, in place of its older leaf', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob, cid]);
    const { groupInfo } = await ann.ok({ op: 'group-info', base: state.id });
    const again = new TestNode(folder.path, { signer: bob.context.signer });
    const made = await again.ok({ op: 'external-commit', groupInfo });
    assert.deepEqual(made.facts.removed, [bob.peer]);
    assert.equal(made.state.members.length, 3);
    assertSame(await cid.process(state.id, made.commit), made.state);
    const own = await bob.ok({ op: 'process', base: state.id, commit: made.commit });
    assert.equal(own.state, undefined);
  });
});

describe('what does not hold', () => {
  it('is a key package of another peer, of another suite, or of nobody', async () => {
    const [ann, bob, cid] = three();
    const { id: base } = await ann.create();
    const keyPackage = await cid.keyPackage();
    const add = (
      bytes: Uint8Array,
    ): { op: 'commit'; base: string; add: [{ peer: string; keyPackage: Uint8Array }]; remove: [] } => ({
      op: 'commit',
      base,
      add: [{ peer: bob.peer, keyPackage: bytes }],
      remove: [],
    });
    await ann.fails(add(keyPackage), 'invalid', /key package for 12D3.*: it is one of 12D3/);
    const hybrid = new TestNode(folder.path, { suite: 'x-wing', signer: bob.context.signer });
    await ann.fails(add(await hybrid.keyPackage()), 'invalid', /cipher suite/);
    await ann.fails(add(Uint8Array.of(1, 2, 3)), 'invalid', /the key package for/);
    const longer = Uint8Array.from([...(await bob.keyPackage()), 0]);
    await ann.fails(add(longer), 'invalid', /no MLS message/);
    const forged = { ...bob.context.signer, publicKey: cid.context.signer.publicKey };
    const thief = new TestNode(folder.path, { signer: forged });
    const stolen = { peer: cid.peer, keyPackage: await thief.keyPackage() };
    await ann.fails({ op: 'commit', base, add: [stolen], remove: [] }, 'invalid', /signature/);
    const old = { ...bob.context, nowMs: bob.context.nowMs - 40 * 86_400_000 };
    const made = await doJob(old, { op: 'key-package' });
    assert.ok(made.ok && made.op === 'key-package' && 'keyPackage' in made.value);
    await ann.fails(add(made.value.keyPackage), 'invalid', /out of date/);
  });

  it('is somebody who is in already, or a removal of somebody who is not', async () => {
    const [ann, bob, cid] = three();
    const { id: base } = await groupOf([ann, bob]);
    const again = { peer: bob.peer, keyPackage: await bob.keyPackage() };
    await ann.fails({ op: 'commit', base, add: [again], remove: [] }, 'invalid', /already in the group/);
    await ann.fails({ op: 'commit', base, add: [], remove: [cid.peer] }, 'invalid', /is not in the group/);
    await ann.fails({ op: 'commit', base, add: [], remove: [ann.peer] }, 'invalid', /removing committer/);
  });

  it('is a commit that was changed anywhere, or comes from outside', async () => {
    const [ann, bob, cid] = three();
    const state = await groupOf([ann, bob]);
    const { commit } = await ann.commit(state.id, { policy: Uint8Array.of(4) });
    for (let at = 0; at < commit.length; at += 13) {
      const broken = commit.map((byte, index) => (index === at ? byte ^ 0x20 : byte));
      await bob.fails({ op: 'process', base: state.id, commit: broken }, 'invalid', /./);
    }
    const others = await groupOf([cid]);
    const foreign = await cid.commit(others.id);
    await bob.fails(
      { op: 'process', base: state.id, commit: foreign.commit },
      'invalid',
      /another (group|epoch)/,
    );
    assertSame(await bob.process(state.id, commit), (await ann.restore([stateIdOf(commit)]))[0] ?? state);
  });

  it('is a Welcome for others, of another VLAN, or damaged', async () => {
    const [ann, bob, cid] = three();
    const state = await ann.create();
    const { welcome } = await ann.commit(state.id, { add: [bob] });
    assert.ok(welcome !== undefined);
    await cid.fails({ op: 'join', welcome }, 'not-for-us', /none of the key packages/);
    const broken = welcome.map((byte, index) => (index === welcome.length - 20 ? byte ^ 1 : byte));
    await bob.fails({ op: 'join', welcome: broken }, 'invalid', /the Welcome/);
    await bob.fails({ op: 'join', welcome: welcome.subarray(0, 100) }, 'invalid', /the Welcome/);
    const elsewhere = new TestNode(folder.path, { vlanId: new Uint8Array(16) });
    const other = await elsewhere.create();
    const strange = await elsewhere.commit(other.id, { add: [bob] });
    assert.ok(strange.welcome !== undefined);
    await bob.fails({ op: 'join', welcome: strange.welcome }, 'invalid', /another VLAN/);
    assert.equal((await bob.join(welcome)).members.length, 2);
  });

  it('is a policy above its limit, and a message above its own', async () => {
    const [ann] = nodes(1);
    assert.ok(ann !== undefined);
    await ann.fails({ op: 'create', policy: new Uint8Array(65_537) }, 'limit', /65536/);
    const { id: base } = await ann.create();
    const commit = new Uint8Array(16 * 1024 * 1024 + 1);
    await ann.fails({ op: 'process', base, commit }, 'invalid', /more than/);
  });
});
