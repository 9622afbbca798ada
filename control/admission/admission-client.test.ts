/** Behaviour of the admission client: whom it asks, what it shows to whom, how long it waits, and how it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReadInvite } from '../vlan/invite.ts';
import { NOW_MS, nodeOf, signedOf, type TestNode } from '../vlan/record.fixture.ts';
import type { SignedRecord } from '../vlan/vlan-record.ts';
import { AdmissionClient } from './admission-client.ts';
import {
  type AdmissionMessage,
  type AnswerMessage,
  decodeAdmissionMessage,
  encodeAdmissionMessage,
  requestOf,
} from './admission-message.ts';
import type { ClientEffect, ClientInput } from './client-port.ts';
import { encodeCredential } from './credentials.ts';

const ADMIN = nodeOf(1);
const SECOND = nodeOf(2);
const SELF = nodeOf(3).id;
const MEMBER = nodeOf(4).id;
const RECORD = signedOf(1, { admins: [ADMIN.id, SECOND.id] });
const ADDRESS = '/ip4/192.0.2.1/tcp/7946';

const INVITE: ReadInvite = {
  kind: 'private',
  publicKey: RECORD.record.publicKey,
  idBytes: RECORD.idBytes,
  id: RECORD.id,
  name: 'office',
  secret: new Uint8Array(16).fill(7),
  admins: [{ peer: ADMIN.id, addresses: [ADDRESS] }],
};

/** A client with a clock and a group that makes key packages at once. */
class Guest {
  nowMs = NOW_MS;
  packages = 0;
  readonly effects: ClientEffect[] = [];
  readonly client: AdmissionClient;

  constructor(known: { invite?: ReadInvite; record?: SignedRecord }) {
    this.client = new AdmissionClient({
      self: SELF,
      vlanId: RECORD.idBytes,
      invite: known.invite,
      record: known.record,
      note: 'laptop',
      random: () => 0.5,
    });
    this.input({ kind: 'start' });
  }

  get request(): Uint8Array {
    return requestOf(this.keyPackage);
  }

  get keyPackage(): Uint8Array {
    return new Uint8Array(50).fill(this.packages);
  }

  input(input: ClientInput): void {
    for (const effect of this.client.handle(input, this.nowMs)) {
      this.effects.push(effect);
      if (effect.kind === 'make-key-package') {
        this.packages += 1;
        this.input({ kind: 'key-package', keyPackage: this.keyPackage });
      }
    }
  }

  up(...peers: string[]): void {
    for (const peer of peers) this.input({ kind: 'peer-up', peer });
    this.input({ kind: 'tick' });
  }

  hear(peer: string, message: AdmissionMessage): void {
    this.input({ kind: 'message', peer, bytes: encodeAdmissionMessage(message) });
  }

  answer(peer: string, answer: Partial<AnswerMessage>): void {
    this.hear(peer, { type: 'answer', request: this.request, state: 'waiting', refusal: 'none', ...answer });
  }

  /** Time passes, with a tick whenever one is due. */
  wait(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.client.nextTimeoutMs() <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.client.nextTimeoutMs());
      this.input({ kind: 'tick' });
    }
    this.nowMs = endMs;
  }

  /** What was said since the last call. */
  said(): { readonly to: string; readonly message: AdmissionMessage }[] {
    const said = this.effects.flatMap((effect) => {
      const message = effect.kind === 'send' ? decodeAdmissionMessage(effect.bytes) : undefined;
      return effect.kind === 'send' && message !== undefined ? [{ to: effect.peer, message }] : [];
    });
    this.effects.length = 0;
    return said;
  }

  kinds(): readonly string[] {
    return this.effects.map(({ kind }) => kind);
  }
}

function admissionBy(admin: TestNode, peer = SELF): Uint8Array {
  const facts = { kind: 'admission', peer, sequence: NOW_MS, admin: admin.id, role: 'member' } as const;
  return encodeCredential(facts, RECORD.idBytes, admin.sign);
}

test('by an invite it dials the admin, shows it the secret, and is in by the Welcome', () => {
  const guest = new Guest({ invite: INVITE });
  assert.deepEqual(
    guest.effects.filter(({ kind }) => kind === 'dial'),
    [{ kind: 'dial', peer: ADMIN.id, addresses: [ADDRESS] }],
  );
  guest.up(ADMIN.id);
  assert.deepEqual(guest.said(), [
    {
      to: ADMIN.id,
      message: { type: 'join', note: 'laptop', keyPackage: guest.keyPackage, secret: INVITE.secret },
    },
  ]);

  const admission = admissionBy(ADMIN);
  guest.answer(ADMIN.id, { state: 'admitted', admission });
  assert.equal(guest.client.phase, 'admitted');
  const digest = new Uint8Array(16).fill(5);
  guest.answer(ADMIN.id, { state: 'welcomed', admission, digest });
  guest.answer(ADMIN.id, { state: 'welcomed', admission, digest });
  assert.deepEqual(guest.effects, [
    { kind: 'membership', state: 'waiting', reason: null, admission },
    { kind: 'welcome', digest, from: ADMIN.id, admission },
  ]);
  guest.effects.length = 0;
  guest.input({ kind: 'joined' });

  assert.deepEqual(guest.effects[0], { kind: 'membership', state: 'member', reason: null, admission });
  assert.deepEqual(guest.said(), [{ to: ADMIN.id, message: { type: 'joined', request: guest.request } }]);
  assert.equal(guest.client.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test('by its id alone it asks a neighbour, believes the signed record, and asks the admins in it', () => {
  const guest = new Guest({});
  guest.up(MEMBER);
  assert.deepEqual(guest.said(), [{ to: MEMBER, message: { type: 'who' } }]);

  const admins = [
    { peer: ADMIN.id, addresses: [ADDRESS] },
    { peer: nodeOf(66).id, addresses: ['/ip4/198.51.100.66/tcp/1'] },
  ];
  guest.hear(MEMBER, { type: 'referral', record: RECORD.bytes, admins });

  assert.deepEqual(
    guest.effects.filter(({ kind }) => kind !== 'send'),
    [
      { kind: 'record', record: RECORD },
      { kind: 'dial', peer: ADMIN.id, addresses: [ADDRESS] },
      { kind: 'dial', peer: SECOND.id, addresses: [] },
    ],
  );
  guest.up(ADMIN.id, SECOND.id);
  assert.deepEqual(
    guest.said().map(({ to, message }) => [to, message.type]),
    [
      [ADMIN.id, 'join'],
      [SECOND.id, 'join'],
    ],
  );
});

test('a referral without a record that holds leads nowhere', () => {
  const guest = new Guest({});
  guest.up(MEMBER);
  const admins = [{ peer: nodeOf(66).id, addresses: ['/ip4/198.51.100.66/tcp/1'] }];
  const forged = Uint8Array.from(RECORD.bytes);
  forged[70] = (forged[70] ?? 0) ^ 1;

  for (const record of [new Uint8Array(0), signedOf(2).bytes, forged, Uint8Array.of(1, 2)]) {
    guest.hear(MEMBER, { type: 'referral', record, admins });
  }
  guest.up(nodeOf(66).id);

  assert.ok(!guest.kinds().includes('dial'));
  assert.ok(guest.said().every(({ message }) => message.type === 'who'));
  assert.equal((guest.client.counters.get('forged') ?? 0) + (guest.client.counters.get('malformed') ?? 0), 3);
});

test('the secret is for its issuer alone; others are asked without it when that one is away for long', () => {
  const guest = new Guest({ invite: INVITE, record: RECORD });
  guest.up(SECOND.id, MEMBER);
  guest.wait(25_000);
  assert.ok(!guest.said().some(({ message }) => message.type === 'join'));

  guest.wait(10_000);

  const joins = guest.said().filter(({ message }) => message.type === 'join');
  assert.deepEqual(joins, [
    { to: SECOND.id, message: { type: 'join', note: 'laptop', keyPackage: guest.keyPackage } },
  ]);
});

test('whoever approves first ends the waiting at the others', () => {
  const guest = new Guest({ record: RECORD });
  guest.up(ADMIN.id, SECOND.id);
  guest.answer(ADMIN.id, {});
  guest.answer(SECOND.id, {});
  assert.equal(guest.client.phase, 'waiting');
  guest.said();

  guest.answer(SECOND.id, { state: 'admitted', admission: admissionBy(SECOND) });

  assert.deepEqual(guest.said(), [{ to: ADMIN.id, message: { type: 'withdraw', request: guest.request } }]);
});

test('an admission for another peer, by no admin, or forged admits nobody', () => {
  const guest = new Guest({ record: RECORD });
  guest.up(ADMIN.id);
  guest.said();

  for (const admission of [admissionBy(ADMIN, MEMBER), admissionBy(nodeOf(66)), new Uint8Array(138)]) {
    guest.answer(ADMIN.id, { state: 'admitted', admission });
  }
  guest.answer(ADMIN.id, { state: 'admitted' });

  assert.equal(guest.client.phase, 'looking');
  assert.equal(guest.client.counters.get('forged'), 4);
  assert.deepEqual(guest.effects, []);
});

test('each refusal ends the asking with a sentence that says what to do', () => {
  for (const [refusal, sentence] of [
    ['expired-invite', /has expired; ask for a new one/],
    ['used-invite', /has been used/],
    ['unknown-invite', /does not know this invite/],
    ['refused-by-admin', /refused this node/],
    ['full', /full/],
  ] as const) {
    const guest = new Guest({ invite: INVITE });
    guest.up(ADMIN.id);
    guest.said();
    guest.answer(ADMIN.id, { state: 'refused', refusal });

    assert.equal(guest.client.phase, 'refused');
    assert.match(guest.client.reason ?? '', sentence);
    assert.deepEqual(guest.effects, [
      { kind: 'membership', state: 'refused', reason: guest.client.reason, admission: null },
    ]);
    assert.equal(guest.client.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  }
});

test('answers to another request, from another peer, or out of the blue are counted and change nothing', () => {
  const guest = new Guest({ invite: INVITE });
  guest.answer(ADMIN.id, { state: 'refused', refusal: 'full' });
  guest.up(ADMIN.id, MEMBER);
  guest.answer(ADMIN.id, { request: new Uint8Array(16), state: 'refused', refusal: 'full' });
  guest.answer(MEMBER, { state: 'refused', refusal: 'full' });
  guest.input({ kind: 'message', peer: ADMIN.id, bytes: new Uint8Array(7) });

  assert.equal(guest.client.phase, 'looking');
  assert.equal(guest.client.counters.get('unasked'), 3);
  assert.equal(guest.client.counters.get('malformed'), 1);
});

test('an admin that cannot be reached is dialled again with growing pauses, at most one every few minutes', () => {
  const guest = new Guest({ invite: INVITE });
  guest.wait(3_600_000);

  const dials = guest.kinds().filter((kind) => kind === 'dial').length;
  assert.ok(dials > 10 && dials < 40, `${dials}`);
});

test('a waiting node says next to nothing', () => {
  const guest = new Guest({ record: RECORD });
  guest.up(ADMIN.id);
  guest.answer(ADMIN.id, {});
  guest.said();
  for (let minute = 0; minute < 60; minute++) {
    guest.wait(60_000);
    guest.answer(ADMIN.id, {});
  }

  const said = guest.said().filter(({ message }) => message.type === 'poll');
  assert.ok(said.length >= 40 && said.length <= 90, `${said.length}`);
});

test('a Welcome that does not hold is answered with a fresh key package', () => {
  const guest = new Guest({ invite: INVITE });
  guest.up(ADMIN.id);
  guest.answer(ADMIN.id, {
    state: 'welcomed',
    admission: admissionBy(ADMIN),
    digest: new Uint8Array(16).fill(5),
  });
  guest.said();

  guest.input({ kind: 'join-failed', reason: 'not for us' });
  guest.wait(30_000);

  const join = guest.said().find(({ message }) => message.type === 'join');
  assert.equal(guest.packages, 2);
  assert.deepEqual(join?.message.type === 'join' && join.message.keyPackage, guest.keyPackage);
});

test('an admin that admitted and vanished is not waited for for ever', () => {
  const guest = new Guest({ record: RECORD });
  guest.up(ADMIN.id, SECOND.id);
  guest.answer(ADMIN.id, { state: 'admitted', admission: admissionBy(ADMIN) });
  guest.input({ kind: 'peer-down', peer: ADMIN.id });
  guest.said();

  guest.wait(90_000);

  assert.ok(guest.said().some(({ to, message }) => to === SECOND.id && message.type === 'join'));
});

test('an admin that was reached first is asked in the moment in which the key package is there', () => {
  const options = { self: SELF, vlanId: RECORD.idBytes, invite: INVITE, record: RECORD, note: '' };
  const client = new AdmissionClient({ ...options, random: () => 0.5 });
  client.handle({ kind: 'start' }, NOW_MS);
  client.handle({ kind: 'peer-up', peer: ADMIN.id }, NOW_MS + 1);

  const effects = client.handle({ kind: 'key-package', keyPackage: Uint8Array.of(1) }, NOW_MS + 300);

  assert.deepEqual(
    effects.map(({ kind }) => kind),
    ['send'],
  );
});

test('a key package that the group could not make is asked for again', () => {
  const options = { self: SELF, vlanId: RECORD.idBytes, invite: INVITE, record: RECORD, note: '' };
  const client = new AdmissionClient({ ...options, random: () => 0.5 });
  const kindsAt = (input: ClientInput, nowMs: number) => client.handle(input, nowMs).map(({ kind }) => kind);

  assert.ok(kindsAt({ kind: 'start' }, NOW_MS).includes('make-key-package'));
  assert.ok(!kindsAt({ kind: 'tick' }, NOW_MS + 59_000).includes('make-key-package'));
  assert.ok(kindsAt({ kind: 'tick' }, NOW_MS + 60_000).includes('make-key-package'));
  client.handle({ kind: 'key-package', keyPackage: Uint8Array.of(1) }, NOW_MS + 61_000);
  assert.ok(!kindsAt({ kind: 'tick' }, NOW_MS + 200_000).includes('make-key-package'));
});

test('who is no admin by a newer record is asked no more', () => {
  const guest = new Guest({ record: RECORD });
  guest.input({ kind: 'record', record: signedOf(1, { admins: [SECOND.id], sequence: NOW_MS + 5 }) });
  guest.up(ADMIN.id, SECOND.id);

  const joins = guest.said().filter(({ message }) => message.type === 'join');
  assert.deepEqual(
    joins.map(({ to }) => to),
    [SECOND.id],
  );
});

test('giving up withdraws the request', () => {
  const guest = new Guest({ record: RECORD });
  guest.up(ADMIN.id);
  guest.answer(ADMIN.id, {});
  guest.said();

  guest.input({ kind: 'stop' });

  assert.deepEqual(guest.said(), [{ to: ADMIN.id, message: { type: 'withdraw', request: guest.request } }]);
  guest.wait(600_000);
  assert.deepEqual(guest.effects, []);
});
