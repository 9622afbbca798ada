import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPeerId } from '../../../identity/peer-id.ts';
import { chooseHead } from './branch-choice.ts';
import { CommitBook, type Verdict } from './commit-book.ts';
import type { CommitItem } from './item.ts';

/** A tree of commits, and who stands where. */
class Branches {
  readonly book = new CommitBook();
  readonly heads = new Map<string, string>();
  readonly voters = new Set<string>();

  commit(base: string, digest: string, by = 'nobody', verdict: Verdict = 'valid'): void {
    const changes = { admissions: [], admitted: [], keyPackages: [], removed: [], leaves: [] };
    const flags = { isExternal: false, isReturning: false, welcome: undefined };
    const item: CommitItem = {
      type: 'commit',
      peer: by,
      bytes: new Uint8Array(0),
      base,
      digest,
      epoch: 1,
      ...flags,
      ...changes,
    };
    this.book.add(item, 0).verdict = verdict;
  }

  stand(head: string, ...peers: readonly string[]): void {
    for (const peer of peers) {
      this.heads.set(peer, head);
      this.voters.add(peer);
    }
  }

  choice(root: string): string {
    const { book, heads, voters } = this;
    return chooseHead(root, { book, heads, votersAt: () => voters, isAdmin: (peer) => peer === 'admin' });
  }
}

test('the branch on which most members stand counts', () => {
  const branches = new Branches();
  branches.commit('root', 'a');
  branches.commit('root', 'b', 'admin');
  branches.commit('a', 'a2');
  branches.stand('a2', 'one', 'two');
  branches.stand('a', 'three');
  branches.stand('b', 'four', 'five');
  assert.equal(branches.choice('root'), 'a2');
});

test('whoever was put out, or was no member at the fork, does not count', () => {
  const branches = new Branches();
  branches.commit('root', 'a');
  branches.commit('root', 'b');
  branches.stand('a', 'one', 'two');
  branches.stand('b', 'three', 'four', 'five');
  branches.voters.delete('four');
  branches.voters.delete('five');
  assert.equal(branches.choice('root'), 'a');
});

test('among equals an admin’s commit counts, then the lower digest', () => {
  const branches = new Branches();
  branches.commit('root', 'b', 'admin');
  branches.commit('root', 'a');
  branches.stand('a', 'one');
  branches.stand('b', 'two');
  assert.equal(branches.choice('root'), 'b');

  const plain = new Branches();
  plain.commit('root', 'b');
  plain.commit('root', 'a');
  plain.stand('a', 'one');
  plain.stand('b', 'two');
  assert.equal(plain.choice('root'), 'a');
});

test('whoever stands behind counts for no branch, and nobody waits for it', () => {
  const branches = new Branches();
  branches.commit('root', 'a');
  branches.stand('root', 'one', 'two', 'three');
  branches.stand('a', 'four');
  assert.equal(branches.choice('root'), 'a');
});

test('one member’s commit that cannot be followed leads nobody out; that of most does', () => {
  const branches = new Branches();
  branches.commit('root', 'a', 'liar', 'closed');
  branches.stand('a', 'liar');
  branches.stand('root', 'one', 'two');
  assert.equal(branches.choice('root'), 'root');
  branches.stand('a', 'one');
  assert.equal(branches.choice('root'), 'a');
});

test('an invalid commit is no branch, whoever stands on it', () => {
  const branches = new Branches();
  branches.commit('root', 'a', 'liar', 'invalid');
  branches.stand('a', 'one', 'two', 'three');
  assert.equal(branches.choice('root'), 'root');
});

test('commits that go round in a circle end', () => {
  const branches = new Branches();
  branches.commit('root', 'a');
  branches.commit('b', 'root');
  branches.commit('a', 'b');
  branches.stand('b', 'one');
  assert.equal(typeof branches.choice('root'), 'string');
});

test('who was a member at a state of another branch follows from the commits between', () => {
  const peer = (number: number): string => formatPeerId(new Uint8Array(32).fill(number));
  const { book } = new Branches();
  const flags = { isExternal: false, isReturning: false, welcome: undefined, epoch: 1 };
  const item = (base: string, digest: string, admitted: string[], removed: string[]): CommitItem => ({
    type: 'commit',
    peer: peer(1),
    bytes: new Uint8Array(0),
    base,
    digest,
    ...flags,
    admissions: [],
    admitted,
    keyPackages: [],
    removed,
    leaves: [],
  });
  book.add(item('root', 'a', [peer(3)], []), 0);
  book.add(item('root', 'b', [peer(4)], [peer(2)]), 0);
  const roster = book.rosterAt('b', { id: 'a', members: [peer(1), peer(2), peer(3)] });
  assert.deepEqual([...(roster ?? [])].sort(), [peer(1), peer(4)].sort());
  assert.equal(book.rosterAt('elsewhere', { id: 'a', members: [] }), undefined);
});
