/** Behaviour of the registry with records, private VLANs and invites, and with the files of an earlier release. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { formatInvite } from './invite.ts';
import { NOW_MS, nodeOf, recordOf, seedOf, signedOf } from './record.fixture.ts';
import type { WantedVlan } from './vlan-entries.ts';
import { VlanError } from './vlan-error.ts';
import { formatVlanId } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';
import { signRecord } from './vlan-record.ts';
import { VlanRegistry } from './vlan-registry.ts';
import { vlanStatePath } from './vlan-state.ts';

const OWNER = nodeOf(1).id;
const PRIVATE = { kind: 'private', subnet: '10.7.0.0/24', owner: OWNER, unixMs: NOW_MS } as const;
const theirs = signedOf(7);
const INVITE = formatInvite({
  kind: 'private',
  publicKey: theirs.record.publicKey,
  name: 'their office',
  secret: new Uint8Array(16).fill(3),
  admins: [{ peer: OWNER, addresses: [] }],
});

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'peertap-registry-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function open(configured: readonly WantedVlan[] = []): VlanRegistry {
  return VlanRegistry.open(directory, configured);
}

function wanted(id: string, more: Partial<WantedVlan> = {}): WantedVlan {
  return {
    id,
    interface: 'ptap0',
    addresses: [],
    mtuBytes: 1_500,
    multicast: 'snoop',
    paths: 'failover',
    treeRank: 128,
    ...more,
  };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof VlanError, String(error));
    return error.code;
  }
  return 'none';
}

function recordPath(id: string): string {
  return join(directory, 'directory', `${id}.record`);
}

test('a private VLAN has its record and its owner’s membership from the start, and after a restart', () => {
  const entry = open().create('office', seedOf(1), PRIVATE);

  assert.equal(entry.kind, 'private');
  assert.equal(entry.membership?.state, 'member');
  assert.deepEqual(entry.record?.record.admins, [OWNER]);
  assert.equal(entry.record.record.subnet, '10.7.0.0/24');
  assert.deepEqual(open().list(), [entry]);
});

test('the state of an earlier release is read, and its owned VLANs get their records', () => {
  const { id } = vlanKeysFromSeed(seedOf(1));
  const seed = Buffer.from(seedOf(1)).toString('base64url');
  const owned = [{ id: formatVlanId(id), name: 'old', seed, member: true }];
  const joined = [{ ...wanted(theirs.id), multicast: undefined, paths: undefined }];
  writeFileSync(vlanStatePath(directory), JSON.stringify({ version: 1, owned, joined }));

  const registry = open();
  const [signed, ...more] = registry.signMissingRecords(OWNER, NOW_MS);

  assert.equal(signed?.record.name, 'old');
  assert.equal(signed.record.kind, 'open');
  assert.equal(more.length, 0);
  assert.deepEqual(registry.signMissingRecords(OWNER, NOW_MS), []);
  assert.equal(registry.find(theirs.id)?.kind, 'open');
  assert.equal(registry.find(theirs.id)?.attachment?.multicast, 'snoop');
  assert.equal(registry.find(theirs.id)?.attachment?.paths, 'failover');
  registry.join(wanted(formatVlanId(id), { interface: 'ptap1' }));
  const stored = JSON.parse(readFileSync(vlanStatePath(directory), 'utf8')) as { version: number };
  assert.equal(stored.version, 2);
  assert.equal(open().find(formatVlanId(id))?.record?.record.name, 'old');
});

test('who joins by an invite waits, under the name in it, and is private from the first moment', () => {
  const entry = open().join(wanted(theirs.id, { invite: INVITE }));

  assert.equal(entry.kind, 'private');
  assert.equal(entry.name, 'their office');
  assert.equal(entry.membership?.state, 'waiting');
  assert.equal(entry.membership.invite, INVITE);
  assert.deepEqual(open().list(), [entry]);
});

test('an invite to another VLAN, or one that does not hold, joins nothing', () => {
  const registry = open();

  assert.equal(
    codeOf(() => registry.join(wanted(signedOf(8).id, { invite: INVITE }))),
    'invalid-invite',
  );
  assert.equal(
    codeOf(() => registry.join(wanted(theirs.id, { invite: INVITE.slice(0, -3) }))),
    'invalid-invite',
  );
  assert.deepEqual(open().list(), []);
});

test('a VLAN joined by its bare id turns private when its record says so, and never open again', () => {
  const registry = open();
  assert.equal(registry.join(wanted(theirs.id)).kind, 'open');

  assert.equal(registry.acceptRecord(theirs, NOW_MS), 'stored');

  const entry = registry.find(theirs.id);
  assert.equal(entry?.kind, 'private');
  assert.equal(entry.membership?.state, 'waiting');
  const reversed = signedOf(7, { kind: 'open', sequence: NOW_MS + 1 });
  assert.equal(registry.acceptRecord(reversed, NOW_MS), 'kind-differs');
  assert.equal(open().find(theirs.id)?.kind, 'private');
});

test('`private` in the config keeps a VLAN from counting as open before there is a record', () => {
  const registry = open([wanted(theirs.id, { private: true })]);

  assert.equal(registry.find(theirs.id)?.kind, 'private');
  assert.equal(registry.acceptRecord(signedOf(7, { kind: 'open' }), NOW_MS), 'kind-differs');
});

test('an older, an absurd and a foreign record replace nothing', () => {
  const registry = open([wanted(theirs.id)]);
  registry.acceptRecord(theirs, NOW_MS);

  assert.equal(
    registry.acceptRecord(signedOf(7, { sequence: NOW_MS - 1, name: 'old' }), NOW_MS),
    'not-newer',
  );
  assert.equal(registry.acceptRecord(theirs, NOW_MS), 'not-newer');
  assert.equal(registry.acceptRecord(signedOf(7, { sequence: NOW_MS + 3_700_000 }), NOW_MS), 'ahead-of-time');
  assert.equal(registry.acceptRecord(signedOf(8), NOW_MS), 'not-ours');
  assert.equal(registry.find(theirs.id)?.name, 'office');
});

test('only the owner changes settings, and the change is on disk', () => {
  const registry = open([wanted(theirs.id)]);
  registry.acceptRecord(theirs, NOW_MS);
  const { id } = registry.create('attic', seedOf(1), PRIVATE);

  const signed = registry.change(id, { description: 'under the roof', membersMax: '9' }, NOW_MS + 1);

  assert.equal(signed.record.membersMax, 9);
  assert.equal(open().find(id)?.record?.record.description, 'under the roof');
  assert.equal(
    codeOf(() => registry.change(theirs.id, { name: 'mine' }, NOW_MS)),
    'not-owner',
  );
  assert.equal(
    codeOf(() => registry.change(id, { membersMax: '0' }, NOW_MS)),
    'invalid-setting',
  );
  assert.equal(
    codeOf(() => registry.change(signedOf(9).id, { name: 'x' }, NOW_MS)),
    'not-a-member',
  );
});

test('a membership is noted durably, and goes when the VLAN is left', () => {
  const registry = open();
  registry.join(wanted(theirs.id, { invite: INVITE }));
  const admission = new Uint8Array(138).fill(1);
  const membership = { id: theirs.id, state: 'member', invite: null, reason: null, admission } as const;

  registry.setMembership(membership);
  registry.acceptRecord(theirs, NOW_MS);
  assert.deepEqual(open().find(theirs.id)?.membership, membership);

  registry.leave(theirs.id);
  assert.deepEqual(open().list(), []);
  assert.deepEqual(readdirSync(join(directory, 'directory')), []);
  assert.equal(
    codeOf(() => registry.setMembership(membership)),
    'not-a-member',
  );
});

test('the secret of an invite is on disk no longer than it is needed', () => {
  const registry = open();
  const { membership } = registry.join(wanted(theirs.id, { invite: INVITE }));
  assert.ok(membership);
  registry.setMembership({ ...membership, state: 'member' });

  assert.ok(!readFileSync(vlanStatePath(directory), 'utf8').includes('peertap1'));
  assert.equal(open().find(theirs.id)?.kind, 'private');
});

test('who was refused may ask again on its interface, by another invite', () => {
  const registry = open();
  const entry = registry.join(wanted(theirs.id, { invite: INVITE }));
  assert.ok(entry.membership);
  registry.setMembership({ ...entry.membership, state: 'refused', reason: 'the invite has expired' });

  const again = registry.join(wanted(theirs.id));

  assert.deepEqual([again.membership?.state, again.membership?.invite], ['waiting', null]);
  registry.setMembership({ ...entry.membership, state: 'member' });
  assert.equal(
    codeOf(() => registry.join(wanted(theirs.id))),
    'already-joined',
  );
});

test('a new invite in the config opens a door that was shut, the old one does not', () => {
  const configured = [wanted(theirs.id, { invite: INVITE })];
  const registry = open(configured);
  const standing = registry.find(theirs.id)?.membership;
  assert.ok(standing);
  registry.setMembership({ ...standing, state: 'refused', reason: 'used' });
  assert.equal(open(configured).find(theirs.id)?.membership?.state, 'refused');

  const fresh = formatInvite({
    kind: 'private',
    publicKey: theirs.record.publicKey,
    name: 'x',
    admins: [{ peer: OWNER, addresses: ['/ip4/192.0.2.1/tcp/1'] }],
  });

  assert.equal(open([wanted(theirs.id, { invite: fresh })]).find(theirs.id)?.membership?.state, 'waiting');
});

test('a join that was taken back leaves the standing as it was', () => {
  const registry = open();
  registry.join(wanted(theirs.id, { invite: INVITE }));
  registry.undoJoin(theirs.id, undefined);

  assert.deepEqual(open().list(), []);
  assert.equal(open().join(wanted(theirs.id)).kind, 'open');
});

test('a damaged record costs no key and no membership, and heals with the next one that holds', () => {
  const { id, record } = open().create('office', seedOf(1), PRIVATE);
  assert.ok(record);
  writeFileSync(recordPath(id), record.bytes.subarray(0, 100));

  const registry = open();
  const entry = registry.find(id);
  assert.equal(entry?.record, undefined);
  assert.equal(entry?.kind, 'private');
  assert.match(registry.damagedRecords()[0] ?? '', /is no record of this VLAN/);
  assert.deepEqual(registry.signMissingRecords(OWNER, NOW_MS), []);
  assert.equal(
    codeOf(() => registry.change(id, { name: 'x' }, NOW_MS)),
    'state-corrupt',
  );

  assert.equal(registry.acceptRecord(record, NOW_MS), 'stored');
  assert.deepEqual(open().find(id)?.record, record);
});

test('a record of another VLAN in the file’s place is not taken', () => {
  const { id } = open().create('office', seedOf(1), PRIVATE);
  writeFileSync(recordPath(id), theirs.bytes);

  assert.equal(open().find(id)?.record, undefined);
});

test('a rolled-back state directory can still publish: the clock lifts the sequence', () => {
  const registry = open();
  const { id } = registry.create('office', seedOf(1), PRIVATE);
  const old = readFileSync(recordPath(id));
  const published = registry.change(id, { name: 'attic' }, NOW_MS + 1_000);
  writeFileSync(recordPath(id), old);

  const next = open().change(id, { name: 'cellar' }, NOW_MS + 60_000);

  assert.ok(next.record.sequence > published.record.sequence);
});

test('when the record cannot be written no VLAN is made, and the change did not happen', () => {
  const registry = open();
  const { id } = registry.create('office', seedOf(1), PRIVATE);
  mkdirSync(`${recordPath(id)}.tmp/full`, { recursive: true });

  assert.equal(
    codeOf(() => registry.change(id, { name: 'attic' }, NOW_MS + 1)),
    'state-unwritable',
  );
  assert.equal(registry.find(id)?.name, 'office');
  const other = signRecord(recordOf(seedOf(2)), seedOf(2)).id;
  mkdirSync(`${recordPath(other)}.tmp/full`, { recursive: true });
  assert.equal(
    codeOf(() => registry.create('second', seedOf(2), PRIVATE)),
    'state-unwritable',
  );
  assert.equal(open().list().length, 1);
});
