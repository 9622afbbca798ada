/** Behaviour of the limit on trunks: configured peers always find a place, members keep theirs, strangers give way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transcriptHash } from './link-keys.ts';
import { meetKeyOf, meetTag } from './meet-tags.ts';
import { encodeTrunkMessage } from './messages/trunk-messages.ts';
import { byes, Harness } from './trunk-machine.fixture.ts';
import type { TrunkEffect } from './trunk-port.ts';

/** All lower than our own id: they say Hello. */
const [ONE, TWO, THREE, CONFIGURED] = ['12D3KooW1', '12D3KooW2', '12D3KooW3', '12D3KooW4'] as const;

function hello(harness: Harness, peer: string): TrunkEffect[] {
  const { stream } = harness.open(peer);
  return harness.send({ kind: 'message', stream, message: encodeTrunkMessage(harness.hello()) });
}

function configure(harness: Harness, peer: string): void {
  harness.send({ kind: 'set-peers', peers: [{ peer, addresses: [] }] });
}

function trunks(harness: Harness): string[] {
  const rows = harness.machine.status().filter(({ trunk }) => trunk !== undefined);
  return rows.map(({ peer }) => peer).sort();
}

test('a place is kept for a configured peer that is not there yet', () => {
  const harness = new Harness({ trunksMax: 2 });
  configure(harness, CONFIGURED);
  assert.deepEqual(byes(hello(harness, ONE)), []);
  assert.deepEqual(byes(hello(harness, TWO)), ['too-many-trunks']);
  assert.deepEqual(byes(hello(harness, CONFIGURED)), []);
  assert.deepEqual(trunks(harness), [ONE, CONFIGURED]);
});

test('a peer that is configured later displaces the stranger that has been silent longest', () => {
  const harness = new Harness({ trunksMax: 2 });
  hello(harness, ONE);
  harness.nowMs += 100;
  hello(harness, TWO);
  configure(harness, CONFIGURED);
  const effects = hello(harness, CONFIGURED);
  assert.deepEqual(byes(effects), ['too-many-trunks']);
  assert.deepEqual(trunks(harness), [TWO, CONFIGURED]);
  assert.equal(harness.machine.sizes().lanes, 4);
  assert.equal(harness.machine.counters().get('trunksDisplaced'), 1);
});

test('a settled stranger gives way to any newcomer, a fresh one to none', () => {
  const harness = new Harness({ trunksMax: 2, trunkDeadMs: 60_000 });
  hello(harness, ONE);
  harness.pass(9_000);
  hello(harness, TWO);
  assert.deepEqual(byes(hello(harness, THREE)), ['too-many-trunks']);
  harness.pass(5_000);
  assert.deepEqual(byes(hello(harness, '12D3KooW5')), ['too-many-trunks'], 'said to the one that leaves');
  assert.deepEqual(trunks(harness), [TWO, '12D3KooW5']);
});

test('a member keeps its place against strangers', () => {
  const harness = new Harness({ trunksMax: 1, trunkDeadMs: 60_000 });
  const vlan = new Uint8Array(16).fill(9);
  harness.send({ kind: 'set-vlans', vlans: [vlan] });
  const { stream } = harness.open(ONE);
  const said = encodeTrunkMessage(harness.hello());
  const reply = harness
    .send({ kind: 'message', stream, message: said })
    .find((effect) => effect.kind === 'send-message');
  assert.ok(reply?.kind === 'send-message');
  const tags = [meetTag(meetKeyOf(vlan), 'from-initiator', transcriptHash(said, reply.message))];
  harness.send({ kind: 'message', stream, message: encodeTrunkMessage({ kind: 'meet', tags }) });
  harness.pass(20_000);
  assert.deepEqual(byes(hello(harness, TWO)), ['too-many-trunks']);
  assert.deepEqual(trunks(harness), [ONE]);
});

test('a peer that is no longer authorised is told, and loses its trunk and its connection; the others keep theirs', () => {
  const harness = new Harness();
  configure(harness, TWO);
  hello(harness, ONE);
  hello(harness, TWO);
  const { connection } = harness.open(THREE);
  const effects = harness.send({ kind: 'authorised', peers: [ONE] });
  assert.deepEqual(byes(effects), ['not-authorised', 'not-authorised']);
  assert.deepEqual(trunks(harness), [ONE]);
  const ended = effects.flatMap((effect) => (effect.kind === 'disconnect' ? [effect.connection] : []));
  assert.ok(ended.length === 2 && ended.includes(connection));
  assert.equal(effects.filter(({ kind }) => kind === 'remove-trunk').length, 1);
  assert.match(harness.machine.status().find(({ peer }) => peer === TWO)?.lastError ?? '', /private swarm/);
});

test('the network is told whose connections always find a place', () => {
  const harness = new Harness();
  const effects = harness.send({
    kind: 'set-peers',
    peers: [
      { peer: ONE, addresses: [] },
      { peer: TWO, addresses: [] },
    ],
  });
  assert.deepEqual(
    effects.filter(({ kind }) => kind === 'want-peers'),
    [{ kind: 'want-peers', peers: [ONE, TWO] }],
  );
});
