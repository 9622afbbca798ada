/** Behaviour of a private VLAN's link: changes of epoch in the tables, and to whom nothing is sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Epoch, ForwardSet, NONE, Station, Vlan } from '../../dataplane/shm/layout.ts';
import { NOON_UNIX_MS, SeededRandom } from '../membership/membership-fixture.ts';
import { epochTag } from '../vlan/epoch-keys.ts';
import { assertBothWays, assertReaches, MAC, type Node, Pair } from './vlan-link.fixture.ts';

const STRANGER = 'stranger';

class PrivatePair extends Pair {
  constructor() {
    super(NOON_UNIX_MS, 'private');
  }

  adopt(node: Node, epoch: number, options: { removedAtOnce?: boolean; alone?: boolean } = {}): void {
    const peers = options.alone === true ? [node.peer] : [this.a.peer, this.b.peer];
    const secret = new SeededRandom(`secret ${epoch}`).bytes(32);
    node.input({
      kind: 'group-epoch',
      removedAtOnce: options.removedAtOnce ?? false,
      epoch: {
        id: String(epoch),
        epoch,
        secret,
        tag: epochTag(secret),
        ownLeaf: node === this.a ? 0 : 1,
        members: peers.map((peer) => ({ peer, leaf: peer === this.a.peer ? 0 : 1 })),
        policy: new Uint8Array(0),
      },
    });
  }

  meet(): this {
    this.adopt(this.a, 1);
    this.adopt(this.b, 1);
    this.run(1_000);
    return this;
  }
}

function txEpoch(node: Node): number {
  return node.u32('vlans', Vlan, node.link.slot, Vlan.at.txEpoch);
}

function floodedTo(node: Node): readonly number[] {
  const set = node.u32('vlans', Vlan, node.link.slot, Vlan.at.floodSet);
  const count = set === NONE ? 0 : node.u32('sets', ForwardSet, set, ForwardSet.at.count);
  const trunks =
    set === NONE ? [] : node.bytes('sets', ForwardSet, set, { at: ForwardSet.at.trunks, length: 2 * count });
  return Array.from(
    { length: count },
    (_, index) => (trunks[2 * index] ?? 0) + 256 * (trunks[2 * index + 1] ?? 0),
  );
}

test('before its first epoch a private VLAN sends and accepts nothing, although a trunk shares it', () => {
  const pair = new PrivatePair();
  pair.run(20_000);

  assert.equal(txEpoch(pair.a), NONE);
  assert.deepEqual(floodedTo(pair.a), []);
  assert.equal(pair.a.writers.tokens.live, 0);
  assert.equal(pair.a.machine.counters.announcesSent, 0);
});

test('members of a private VLAN reach each other, in each token period', () => {
  const pair = new PrivatePair().meet();
  assertBothWays(pair);
  for (let hour = 0; hour < 2; hour++) {
    pair.run(60 * 60_000);
    assertBothWays(pair);
  }
  assert.equal(pair.a.writers.tokens.live, 3 * 3, 'three periods of one epoch');
});

test('a change of epoch is carried to the tables member by member, and leaves them as they were', () => {
  const pair = new PrivatePair().meet();
  const before = [pair.a.writers.senders.live, pair.a.writers.stations.live, pair.a.writers.tokens.live];
  for (let epoch = 2; epoch < 12; epoch++) {
    const old = txEpoch(pair.a);
    pair.adopt(pair.a, epoch);
    assertBothWays(pair);
    pair.run(2_000);
    assert.equal(txEpoch(pair.a), old, 'the other one cannot open the new epoch yet');
    assertBothWays(pair);
    pair.adopt(pair.b, epoch);
    assertBothWays(pair);
    pair.run(2_000);
    assert.notEqual(txEpoch(pair.a), old);
    assertBothWays(pair);
  }
  pair.run(40_000);

  assert.deepEqual(
    [pair.a.writers.senders.live, pair.a.writers.stations.live, pair.a.writers.tokens.live],
    before,
  );
});

test('after a settled Remove the stations are sealed to under the new epoch in the same turn', () => {
  const pair = new PrivatePair().meet();
  const old = txEpoch(pair.a);
  pair.adopt(pair.a, 2, { removedAtOnce: true });

  assert.notEqual(txEpoch(pair.a), old);
  const station = pair.a.station(MAC.b);
  assert.notEqual(station, NONE, 'the member that stays keeps its station');
  assert.equal(pair.a.u32('stations', Station, station, Station.at.route) >>> 16, txEpoch(pair.a));
  pair.adopt(pair.b, 2, { removedAtOnce: true });
  pair.run(1_100);
  assertBothWays(pair);
  assert.equal(pair.a.u32('epochs', Epoch, old, Epoch.at.state), 0, 'the old epoch is gone');
});

test('a member that is removed gets nothing any more, and nothing of it is opened', () => {
  const pair = new PrivatePair().meet();
  assert.deepEqual(floodedTo(pair.a), [7]);
  pair.adopt(pair.a, 2, { removedAtOnce: true, alone: true });

  assert.deepEqual(floodedTo(pair.a), []);
  assert.equal(pair.a.station(MAC.b), NONE);
  assert.equal(pair.a.writers.senders.live, 0);
  pair.run(60_000);
  assert.deepEqual(floodedTo(pair.a), []);
  assert.equal(pair.a.station(MAC.b), NONE);
});

test('a neighbour that has the id but is not in the group is never flooded to', () => {
  const pair = new PrivatePair().meet();
  pair.a.connect(STRANGER, 9);
  pair.a.link.setNeighbours([pair.b.peer, STRANGER]);
  pair.run(20_000);

  assert.deepEqual(floodedTo(pair.a), [7]);
  assertReaches(pair.a, pair.b, MAC.b);
  assert.equal(pair.a.u32('stations', Station, pair.a.station(MAC.b), Station.at.trunk), 7);
});
