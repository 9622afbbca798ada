/** Behaviour of the admission desk: who gets in by what, and what is on disk before it counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOW_MS, nodeOf } from '../vlan/record.fixture.ts';
import {
  ADMIN,
  answerIn,
  codeOf,
  GUEST,
  join,
  kinds,
  Office,
  PACKAGE,
  SECRET,
  situationOf,
} from './admission-desk.fixture.ts';
import { decodeAdmissionMessage, requestOf } from './admission-message.ts';
import { verifyCredential } from './credentials.ts';
import { DESK_LIMIT, decodeBook } from './desk-book.ts';

test('a valid invite admits at once: its use is on disk first, then the group is asked, then the guest is told', () => {
  const office = new Office();
  office.issue();

  const effects = office.hear(GUEST, join({ secret: SECRET }));

  assert.deepEqual(kinds(effects), ['save', 'admit', 'send']);
  assert.ok(office.disk);
  assert.deepEqual([...(decodeBook(office.disk)?.invites.values() ?? [])][0]?.usedBy, [GUEST]);
  const { state, admission } = answerIn(effects);
  assert.equal(state, 'admitted');
  const context = { vlanId: office.situation.record.idBytes, admins: new Set([ADMIN.id]) };
  const checked = verifyCredential('admission', admission ?? new Uint8Array(0), context);
  assert.deepEqual(checked.ok && [checked.credential.peer, checked.credential.role], [GUEST, 'member']);
});

test('no secret is ever on disk', () => {
  const office = new Office();
  office.issue(3);
  office.hear(GUEST, join({ secret: SECRET }));

  const text = Buffer.from(office.disk ?? []);
  for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
    assert.ok(!text.includes(Buffer.from(SECRET).toString(form)), form);
  }
});

test('an invite that is unknown, expired or used up is refused with its reason', () => {
  const office = new Office();
  const ask = (peer: string) => answerIn(office.hear(peer, join({ secret: SECRET }))).refusal;
  assert.equal(ask(GUEST), 'unknown-invite');

  office.issue(1, NOW_MS + 1_000);
  office.nowMs += 1_000;
  assert.equal(ask(GUEST), 'expired-invite');

  const other = new Office();
  other.issue(1);
  other.hear(GUEST, join({ secret: SECRET }));
  assert.equal(answerIn(other.hear(nodeOf(3).id, join({ secret: SECRET }))).refusal, 'used-invite');
});

test('uses are counted once a guest, and a crash gives none back', () => {
  const office = new Office();
  office.issue(2);
  office.hear(GUEST, join({ secret: SECRET }));
  office.hear(GUEST, join({ secret: SECRET, keyPackage: Uint8Array.of(1) }));
  office.restart();
  office.hear(GUEST, join({ secret: SECRET, keyPackage: Uint8Array.of(2) }));

  assert.equal(answerIn(office.hear(nodeOf(3).id, join({ secret: SECRET }))).state, 'admitted');
  assert.equal(answerIn(office.hear(nodeOf(4).id, join({ secret: SECRET }))).refusal, 'used-invite');
});

test('whoever came in by an invite and left does not come in by it again, also when it has uses left', () => {
  const office = new Office();
  office.issue(5);
  office.hear(GUEST, join({ secret: SECRET }));
  office.hear(GUEST, { type: 'joined', request: requestOf(PACKAGE) });

  assert.equal(answerIn(office.hear(GUEST, join({ secret: SECRET }))).refusal, 'used-invite');
});

test('a use is given back when the group did not take the guest', () => {
  const office = new Office();
  office.issue(1);
  office.hear(GUEST, join({ secret: SECRET }));
  const failed = { kind: 'add-failed', peer: GUEST, refusal: 'bad-key-package' } as const;
  office.take(office.desk.handle(failed, office.nowMs));

  const again = join({ secret: SECRET, keyPackage: Uint8Array.of(8) });
  assert.equal(answerIn(office.hear(GUEST, again)).state, 'admitted');
});

test('who has no invite waits until an admin approves, through restarts of the admin', () => {
  const office = new Office();
  assert.equal(answerIn(office.hear(GUEST, join())).state, 'waiting');
  assert.deepEqual(office.desk.requests(), [
    { peer: GUEST, askedAtMs: NOW_MS, invited: false, note: 'laptop' },
  ]);
  office.restart();
  assert.equal(office.desk.requests().length, 1);

  const approved = office.take(office.desk.approve(GUEST, office.nowMs));
  assert.deepEqual(kinds(approved), ['save']);
  office.restart();
  assert.equal(office.desk.requests().length, 0);
  assert.equal(
    answerIn(office.hear(GUEST, { type: 'poll', request: requestOf(PACKAGE) })).state,
    'unknown-request',
  );
  const effects = office.hear(GUEST, join());

  assert.deepEqual(kinds(effects), ['save', 'admit', 'send']);
  assert.equal(answerIn(effects).state, 'admitted');
});

test('an approval with the key package at hand admits at once and tells the guest', () => {
  const office = new Office();
  office.hear(GUEST, join());

  const effects = office.take(office.desk.approve(GUEST, office.nowMs));

  assert.deepEqual(kinds(effects), ['save', 'admit', 'send']);
  assert.equal(
    codeOf(() => office.desk.approve(GUEST, office.nowMs)),
    'no-request',
  );
});

test('who is refused is told, also when it asks again, until a day has passed', () => {
  const office = new Office();
  office.hear(GUEST, join());
  assert.equal(answerIn(office.take(office.desk.refuse(GUEST, office.nowMs))).refusal, 'refused-by-admin');

  office.nowMs += 60_000;
  const again = join({ keyPackage: Uint8Array.of(9) });
  assert.equal(answerIn(office.hear(GUEST, again)).refusal, 'refused-by-admin');
  office.nowMs += DESK_LIMIT.refusalLifeMs;
  assert.equal(answerIn(office.hear(GUEST, again)).state, 'waiting');
});

test('a valid invite outdoes an earlier refusal', () => {
  const office = new Office();
  office.hear(GUEST, join());
  office.take(office.desk.refuse(GUEST, office.nowMs));
  office.issue();

  assert.equal(answerIn(office.hear(GUEST, join({ secret: SECRET }))).state, 'admitted');
});

test('the Welcome is announced by its digest until the guest says that it is in', () => {
  const office = new Office();
  office.issue();
  office.hear(GUEST, join({ secret: SECRET }));
  const digest = new Uint8Array(16).fill(5);
  const request = requestOf(PACKAGE);

  const told = answerIn(
    office.take(office.desk.handle({ kind: 'welcome', peer: GUEST, digest }, office.nowMs)),
  );
  assert.deepEqual([told.state, told.digest], ['welcomed', digest]);
  office.situate({ members: new Set([ADMIN.id, GUEST]) });
  assert.deepEqual(answerIn(office.hear(GUEST, { type: 'poll', request })).digest, digest);
  assert.deepEqual(answerIn(office.hear(GUEST, join({ secret: SECRET }))).digest, digest);

  office.hear(GUEST, { type: 'joined', request });

  assert.equal(answerIn(office.hear(GUEST, { type: 'poll', request })).state, 'unknown-request');
});

test('a request that is repeated while it is being added is not handed over twice, and is when that takes too long', () => {
  const office = new Office();
  office.issue();
  office.hear(GUEST, join({ secret: SECRET }));

  assert.deepEqual(kinds(office.hear(GUEST, join({ secret: SECRET }))), ['send']);
  office.nowMs += 25_000;
  assert.deepEqual(kinds(office.hear(GUEST, { type: 'poll', request: requestOf(PACKAGE) })), [
    'save',
    'admit',
    'send',
  ]);
});

test('a member that lost its state comes in again by its node key alone', () => {
  const office = new Office(situationOf({}, { members: new Set([ADMIN.id, GUEST]) }));

  assert.deepEqual(kinds(office.hear(GUEST, join())), ['save', 'admit', 'send']);
});

test('who was put out does not come back by an invite of before, nor by its old admission', () => {
  const office = new Office();
  office.issue(5);
  office.hear(GUEST, join());
  office.take(office.desk.approve(GUEST, office.nowMs));
  office.nowMs += 10_000;
  office.situate({ tombstones: new Map([[GUEST, office.nowMs]]) });

  const again = join({ secret: SECRET, keyPackage: Uint8Array.of(3) });
  assert.equal(answerIn(office.hear(GUEST, again)).state, 'waiting');
  assert.deepEqual(
    office.desk.requests().map(({ peer, invited }) => [peer, invited]),
    [[GUEST, true]],
  );

  const effects = office.take(office.desk.approve(GUEST, office.nowMs));
  const { admission } = answerIn(effects);
  const context = { vlanId: office.situation.record.idBytes, admins: new Set([ADMIN.id]) };
  const checked = verifyCredential('admission', admission ?? new Uint8Array(0), context);
  assert.ok(checked.ok && checked.credential.sequence > office.nowMs, 'later than the removal');
});

test('an invite that was issued after the removal counts again', () => {
  const office = new Office();
  office.situate({ tombstones: new Map([[GUEST, NOW_MS - 5_000]]) });
  office.issue();

  assert.equal(answerIn(office.hear(GUEST, join({ secret: SECRET }))).state, 'admitted');
});

test('a full VLAN, and a key package that the group does not take, are said to be so', () => {
  const full = new Office(situationOf({ membersMax: 1 }));
  full.issue();
  assert.equal(answerIn(full.hear(GUEST, join({ secret: SECRET }))).refusal, 'full');

  const office = new Office();
  office.issue();
  office.hear(GUEST, join({ secret: SECRET }));
  const failed = { kind: 'add-failed', peer: GUEST, refusal: 'bad-key-package' } as const;
  assert.equal(answerIn(office.take(office.desk.handle(failed, office.nowMs))).refusal, 'bad-key-package');
});

test('a member that is no admin refers to those who are, and signs nothing', () => {
  const office = new Office(situationOf(), nodeOf(9).id);

  for (const message of [{ type: 'who' } as const, join({ secret: SECRET })]) {
    const [effect, ...others] = office.hear(GUEST, message);
    assert.equal(others.length, 0);
    const referral = effect?.kind === 'send' ? decodeAdmissionMessage(effect.bytes) : undefined;
    assert.deepEqual(referral, {
      type: 'referral',
      record: office.situation.record.bytes,
      admins: [{ peer: ADMIN.id, addresses: ['/ip4/192.0.2.1/tcp/7946'] }],
    });
  }
  assert.equal(
    codeOf(() => office.desk.approve(GUEST, NOW_MS)),
    'not-admin',
  );
  assert.equal(
    codeOf(() => office.desk.issue({ secret: SECRET, uses: 1, expiresAtMs: null }, NOW_MS)),
    'not-admin',
  );
});

test('a request is withdrawn, but a refusal does not go away by asking and withdrawing', () => {
  const office = new Office();
  const request = requestOf(PACKAGE);
  office.hear(GUEST, join());
  office.hear(GUEST, { type: 'withdraw', request });
  assert.deepEqual(office.desk.requests(), []);

  office.hear(GUEST, join());
  office.take(office.desk.refuse(GUEST, office.nowMs));
  office.hear(GUEST, { type: 'withdraw', request });
  assert.equal(answerIn(office.hear(GUEST, join())).refusal, 'refused-by-admin');
});

test('the newest request of a peer counts, and it keeps its place in the line', () => {
  const office = new Office();
  office.hear(GUEST, join());
  office.nowMs += 5_000;
  const newer = Uint8Array.of(4, 4);
  office.hear(GUEST, join({ keyPackage: newer }));

  assert.deepEqual(
    office.desk.requests().map(({ peer, askedAtMs }) => [peer, askedAtMs]),
    [[GUEST, NOW_MS]],
  );
  const admit = office.desk.approve(GUEST, office.nowMs).find(({ kind }) => kind === 'admit');
  assert.deepEqual(admit?.kind === 'admit' && admit.keyPackage, newer);
});
