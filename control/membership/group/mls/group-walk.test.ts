/**
 * Groups that wander: members commit at random, everybody follows, newcomers come in both ways, and all see the same.
 *
 * The trees get blanks, unmerged leaves and paths of every age, which is where implementations of MLS go wrong. More
 * seeds: PEERTAP_GROUP_WALKS=200 node --test control/membership/group/mls/group-walk.test.ts
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { GroupState } from '../group-port.ts';
import { assertSame, TestNode, temporaryFolder } from './group.fixture.ts';
import { type Chance, chanceFrom } from './tree/random-tree.fixture.ts';

const WALKS = Number(process.env['PEERTAP_GROUP_WALKS'] ?? 2);
const STEPS = 12;
const MEMBERS_MAX = 9;

const folder = temporaryFolder();
after(() => folder.remove());

class Walk {
  readonly #chance: Chance;
  readonly #members = new Map<string, TestNode>();
  #state: GroupState;

  private constructor(chance: Chance, first: TestNode, state: GroupState) {
    this.#chance = chance;
    this.#members.set(first.peer, first);
    this.#state = state;
  }

  static async start(chance: Chance): Promise<Walk> {
    const first = new TestNode(folder.path);
    return new Walk(chance, first, await first.create());
  }

  async step(): Promise<void> {
    if (this.#members.size > 1 && this.#chance(6) === 0) await this.#enter();
    else await this.#commit();
    const peers = this.#state.members.map(({ peer }) => peer).sort();
    assert.deepEqual(peers, [...this.#members.keys()].sort());
  }

  /** Somebody comes in from outside: a newcomer, or a member that has lost its state. */
  async #enter(): Promise<void> {
    const helper = this.#any();
    const { groupInfo } = await helper.ok({ op: 'group-info', base: this.#state.id });
    const lost = this.#any();
    const isRejoin = lost !== helper && this.#chance(2) === 0;
    const newcomer = new TestNode(folder.path, isRejoin ? { signer: lost.context.signer } : {});
    const made = await newcomer.ok({ op: 'external-commit', groupInfo });
    this.#members.delete(newcomer.peer);
    for (const other of this.#members.values()) {
      assertSame(await other.process(this.#state.id, made.commit), made.state);
    }
    this.#members.set(newcomer.peer, newcomer);
    this.#state = made.state;
  }

  async #commit(): Promise<void> {
    const committer = this.#any();
    const others = [...this.#members.values()].filter((one) => one !== committer);
    const remove = others.filter(() => this.#chance(8) === 0);
    const room = MEMBERS_MAX - this.#members.size;
    const add = Array.from({ length: Math.min(room, this.#chance(4)) }, () => new TestNode(folder.path));
    const again = remove.filter(() => this.#chance(3) === 0);
    const policy = this.#chance(3) === 0 ? { policy: Uint8Array.of(this.#chance(256)) } : {};
    const base = this.#state.id;
    const made = await committer.commit(base, { add: [...add, ...again], remove, ...policy });
    for (const other of others) {
      const { state } = await other.ok({ op: 'process', base, commit: made.commit });
      if (remove.includes(other)) assert.equal(state, undefined);
      else assertSame(state ?? this.#state, made.state);
    }
    for (const { peer } of remove) this.#members.delete(peer);
    for (const newcomer of [...add, ...again]) {
      assertSame(await newcomer.join(made.welcome), made.state);
      this.#members.set(newcomer.peer, newcomer);
    }
    this.#state = made.state;
  }

  #any(): TestNode {
    const all = [...this.#members.values()];
    const one = all[this.#chance(all.length)];
    assert.ok(one !== undefined);
    return one;
  }
}

describe('a group that wanders', () => {
  for (let seed = 1; seed <= WALKS; seed++) {
    it(`is seen alike by all, seed ${seed}`, async () => {
      const walk = await Walk.start(chanceFrom(seed));
      for (let step = 0; step < STEPS; step++) await walk.step();
    });
  }
});
