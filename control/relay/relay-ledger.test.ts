/** A relay's books: quotas of segments, what was carried, what was refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RelayFacts, RelayLedger, type RelayTerms } from './relay-ledger.ts';
import type { RelayReading } from './relay-meter.ts';

const FACTS: RelayFacts = {
  segment: () => ({ root: 'ab12', ports: 2, tokens: 5 }),
  tokensOf: () => 7,
};

function ledgerOf(terms: Partial<RelayTerms> = {}): RelayLedger {
  const quotas = { perPeer: { segments: 2 }, total: { segments: 3 } };
  return new RelayLedger({ enabled: true, allow: ['*'], deny: [], ...quotas, ...terms });
}

function segment(index: number): string {
  return index.toString(16).padStart(32, '0');
}

function reading(datagrams: number, bytes: number, refused = 0): RelayReading {
  return { datagrams, bytes, refused };
}

test('a neighbour with too many segments is held to its quota, and takes nothing from others', () => {
  const ledger = ledgerOf();
  const answers = Array.from({ length: 100_000 }, (_, index) => ledger.mayCarry('a', segment(index)));

  assert.equal(answers.filter((answer) => answer === 'allow').length, 2);
  assert.equal(ledger.mayCarry('b', segment(7)), 'allow');
  assert.equal(ledger.mayCarry('b', segment(8)), 'total-segments');
  assert.equal(ledger.mayCarry('b', segment(0)), 'allow', 'it is carried already');
  const { refusals, peers } = ledger.report(FACTS);
  assert.equal(refusals['peer-segments'], 99_998);
  assert.equal(refusals['total-segments'], 1);
  assert.deepEqual(
    peers.map(({ peer, segments, tokens }) => ({ peer, segments, tokens })),
    [
      { peer: 'a', segments: 2, tokens: 7 },
      { peer: 'b', segments: 2, tokens: 7 },
    ],
  );
});

test('what is granted stays granted, and is booked once', () => {
  const ledger = ledgerOf();
  for (let asked = 0; asked < 5; asked++) {
    assert.equal(ledger.mayCarry('a', segment(1)), 'allow');
  }
  assert.equal(ledger.mayCarry('a', segment(2)), 'allow');
});

test('a segment is carried until the last neighbour that has it is gone', () => {
  const ledger = ledgerOf();
  ledger.mayCarry('a', segment(1));
  ledger.mayCarry('a', segment(2));
  ledger.mayCarry('b', segment(1));

  assert.deepEqual([...ledger.peersOf(segment(1))], ['a', 'b']);
  assert.deepEqual(ledger.releasePeer('a'), [segment(2)]);
  assert.equal(ledger.release('b', segment(1)), true);
  assert.deepEqual(ledger.report(FACTS).segments, []);
  assert.equal(ledger.mayCarry('c', segment(9)), 'allow');
});

test('refusals are counted by their reason, all reasons shown', () => {
  const ledger = ledgerOf({ deny: [`segment:${segment(1)}`] });
  ledger.mayCarry('a', segment(1));
  assert.deepEqual(ledger.report(FACTS).refusals, {
    disabled: 0,
    denied: 1,
    'no-rule': 0,
    'peer-segments': 0,
    'total-segments': 0,
  });
  const off = ledgerOf({ enabled: false });
  assert.equal(off.mayCarry('a', segment(1)), 'disabled');
  assert.equal(off.report(FACTS).enabled, false);
});

test('what was relayed is added up, over a trunk that came anew and a segment that went', () => {
  const ledger = ledgerOf();
  ledger.mayCarry('a', segment(1));
  ledger.mayCarry('b', segment(2));
  const read = (atMs: number, now: RelayReading, others: RelayReading): void => {
    const segments = [[segment(1), now] as const, [segment(2), others] as const];
    ledger.read({ peers: [['a', now]], segments }, atMs);
  };
  for (let second = 0; second <= 30; second++) {
    read(second * 1_000, reading(100 * second, 150_000 * second, second), reading(10, 1_000));
  }
  const { segments, peers, total } = ledger.report(FACTS);
  const rates = { datagramsPerSecond: 100, bytesPerSecond: 149_993 };
  const traffic = { datagrams: 3_000, bytes: 4_500_000, ...rates };
  assert.deepEqual(total, { datagrams: 3_010, bytes: 4_501_000, ...rates, refusedDatagrams: 30 });
  assert.deepEqual(peers[0], { peer: 'a', segments: 1, tokens: 7, refusedDatagrams: 30, ...traffic });
  assert.deepEqual(segments[0], { segment: segment(1), root: 'ab12', ports: 2, tokens: 5, ...traffic });

  ledger.release('b', segment(2));
  read(31_000, reading(40, 60_000, 2), reading(11, 1_100));
  const after = ledger.report(FACTS);
  assert.deepEqual(
    [after.total.datagrams, after.total.bytes, after.total.refusedDatagrams],
    [3_050, 4_561_000, 32],
  );
  assert.equal(after.segments.length, 1);
});

test('rates fall to nothing when nothing is carried any more', () => {
  const ledger = ledgerOf();
  ledger.mayCarry('a', segment(1));
  const at = (nowMs: number, datagrams: number): void => {
    ledger.read({ peers: [], segments: [[segment(1), reading(datagrams, 0)]] }, nowMs);
  };
  at(0, 0);
  at(1_000, 5_000);
  assert.ok(ledger.report(FACTS).total.datagramsPerSecond > 1_000);
  for (let second = 2; second <= 40; second++) {
    at(second * 1_000, 5_000);
  }
  assert.equal(ledger.report(FACTS).total.datagramsPerSecond, 0);
});
