/** Behaviour of the admission desk under floods, over time, and with a damaged book. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOW_MS, nodeOf } from '../vlan/record.fixture.ts';
import { ADMIN, answerIn, codeOf, GUEST, join, Office, SECRET } from './admission-desk.fixture.ts';
import { DESK_LIMIT } from './desk-book.ts';

test('of thousands that ask 256 wait, the others are told to come later, and a guest with an invite gets in', () => {
  const office = new Office();
  office.issue();
  for (let value = 10; value < 10 + DESK_LIMIT.requests + 50; value++) {
    office.nowMs += 100;
    office.hear(nodeOf(value).id, join());
  }

  assert.equal(office.desk.requests().length, DESK_LIMIT.requests);
  assert.equal(answerIn(office.hear(nodeOf(5_000).id, join())).state, 'later');
  assert.equal(office.desk.counters.get('turned-away'), 51);
  assert.equal(answerIn(office.hear(GUEST, join({ secret: SECRET }))).state, 'admitted');
  assert.ok((office.disk?.length ?? 0) < 100_000, 'key packages are not on disk');
});

test('a peer that floods is dropped and counted, and others are still heard', () => {
  const office = new Office();
  for (let index = 0; index < 500; index++) office.hear(GUEST, { type: 'who' });

  assert.equal(office.desk.counters.get('over-budget'), 492);
  assert.equal(answerIn(office.hear(nodeOf(3).id, join())).state, 'waiting');
});

test('requests expire after a week without a word', () => {
  const office = new Office();
  office.hear(GUEST, join());
  office.nowMs += DESK_LIMIT.requestLifeMs + 1;
  office.take(office.desk.handle({ kind: 'tick' }, office.nowMs));

  assert.deepEqual(office.desk.requests(), []);
  office.restart();
  assert.deepEqual(office.desk.requests(), []);
});

test('someone whom another admin let in waits here no longer', () => {
  const office = new Office();
  office.hear(GUEST, join());
  office.situate({ members: new Set([ADMIN.id, GUEST]) });

  assert.deepEqual(office.desk.requests(), []);
});

test('invites have a limit, and spent ones make room', () => {
  const office = new Office();
  const issue = (value: number, expiresAtMs: number | null): void => {
    const secret = new Uint8Array(16);
    new DataView(secret.buffer).setUint32(0, value);
    office.take(office.desk.issue({ secret, uses: 1, expiresAtMs }, office.nowMs));
  };
  for (let value = 0; value < DESK_LIMIT.invites; value++) issue(value, value === 3 ? NOW_MS + 10 : null);
  assert.equal(
    codeOf(() => issue(999, null)),
    'too-many-invites',
  );
  office.nowMs += 20;
  issue(999, null);
  assert.equal(
    codeOf(() => office.desk.issue({ secret: SECRET, uses: 0, expiresAtMs: null }, NOW_MS)),
    'invalid-invite',
  );
});

test('a damaged book is said to be so, and the desk works on', () => {
  const office = new Office();
  for (const damaged of ['{"version":1', '{"version":1,"invites":[{}],"requests":[]}', '[]', '\u0000']) {
    office.disk = new TextEncoder().encode(damaged);
    office.restart();
    const effects = office.hear(GUEST, join());
    assert.ok(effects.some((effect) => effect.kind === 'notice' && /damaged/.test(effect.message)));
    assert.equal(answerIn(effects).state, 'waiting');
  }
});
