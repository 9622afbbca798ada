import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ADMISSION_BYTES, encodeCredential } from '../../../admission/credentials.ts';
import { formatPeerId } from '../../../identity/peer-id.ts';
import { decodeMessage } from './gossip.ts';
import { decodeHead, encodeHead, statesOfHead } from './head.ts';
import { decodeItem, type ItemFields, type ItemSigner, itemSignature, signItem } from './item.ts';
import { ORDER_LIMIT } from './order-port.ts';
import { decodePolicy, encodePolicy } from './policy-extension.ts';
import { Standings, standingOf } from './standings.ts';

const VLAN_ID = new Uint8Array(16).fill(3);
const ID = 'ab'.repeat(16);
const TAG = new Uint8Array(16).fill(9);
const sign = (bytes: Uint8Array): Uint8Array => new Uint8Array(64).fill(bytes.length & 0xff);
const SIGNER: ItemSigner = { self: peerOf(1), vlanId: VLAN_ID, sign };

function peerOf(number: number): string {
  return formatPeerId(new Uint8Array(32).fill(number));
}

function credential(kind: 'admission' | 'tombstone', peer: number, sequence: number): Uint8Array {
  const facts = { peer: peerOf(peer), sequence, admin: peerOf(1) };
  const whole = kind === 'admission' ? { kind, ...facts, role: 'member' as const } : { kind, ...facts };
  return encodeCredential(whole, VLAN_ID, sign).slice();
}

function standings(...credentials: readonly Uint8Array[]): Standings {
  const all = credentials.map((bytes) => standingOf(bytes) ?? assert.fail('no credential'));
  return all.reduce((table, standing) => table.with(standing), Standings.none);
}

const ITEMS: readonly ItemFields[] = [
  { type: 'heartbeat', sequence: 2 ** 50, epoch: 7, head: ID, tag: TAG, rebuildTag: TAG },
  { type: 'ack', base: ID, digest: ID, tag: TAG },
  { type: 'leave', base: ID, tag: TAG },
  { type: 'rebuild', generation: 3, rebuildTag: TAG },
  {
    type: 'add',
    base: ID,
    admission: credential('admission', 5, 1),
    joiner: peerOf(5),
    keyPackage: Uint8Array.of(1, 2, 3),
  },
  {
    type: 'commit',
    base: ID,
    digest: 'cd'.repeat(16),
    epoch: 8,
    isExternal: false,
    isReturning: false,
    welcome: ID,
    admissions: [credential('admission', 5, 1)],
    admitted: [peerOf(5)],
    keyPackages: [ID],
    removed: [peerOf(6), peerOf(7)],
    leaves: [signItem({ type: 'leave', base: ID, tag: TAG }, { ...SIGNER, self: peerOf(7) })],
  },
];

test('items read as they were written, and name what their signature is over', () => {
  for (const fields of ITEMS) {
    const bytes = signItem(fields, SIGNER);
    const item = decodeItem(bytes);
    assert.deepEqual(item, { ...fields, peer: SIGNER.self, bytes });
    assert.ok('peer' in item);
    const { signed, signature, key } = itemSignature(item, VLAN_ID);
    assert.deepEqual(sign(signed), signature);
    assert.deepEqual(key, new Uint8Array(32).fill(1));
  }
});

test('an item that is too short, or has a byte too many, is none', () => {
  for (const fields of ITEMS) {
    const bytes = signItem(fields, SIGNER);
    for (let size = 0; size < bytes.length; size++) {
      const item = decodeItem(bytes.slice(0, size));
      // An add ends in a key package of any size.
      assert.ok(item === undefined || item.type === 'add', `${fields.type} of ${size} bytes`);
    }
    if (fields.type !== 'add') assert.equal(decodeItem(new Uint8Array([...bytes, 0])), undefined);
  }
});

test('the largest commit fits a message', () => {
  const most = ORDER_LIMIT.changesPerCommit;
  const fill = <T>(value: T): T[] => Array.from({ length: most }, () => value);
  const commit = ITEMS.find((fields) => fields.type === 'commit') ?? assert.fail('none');
  const admissions = Array.from({ length: most }, (_, index) => credential('admission', index + 10, 1));
  const bytes = signItem(
    {
      ...commit,
      admissions,
      keyPackages: fill(ID),
      removed: fill(peerOf(6)),
      leaves: fill(commit.leaves[0] ?? TAG),
    },
    SIGNER,
  );
  assert.ok(bytes.length + 4 <= ORDER_LIMIT.messageBytes, `${bytes.length} bytes`);
  const item = decodeItem(bytes);
  assert.equal(item?.type === 'commit' ? item.admitted.length : 0, most);
});

test('no bytes make a decoder throw', () => {
  const seeds = ITEMS.map((fields) => signItem(fields, SIGNER));
  const garbled = fc.tuple(fc.constantFrom(...seeds), fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
    const copy = bytes.slice();
    copy[at % copy.length] = value;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), garbled), (bytes) => {
      decodeItem(bytes);
      decodePolicy(bytes);
      decodeHead(bytes);
      for (const entry of decodeMessage(bytes) ?? []) decodeItem(entry.bytes);
    }),
    { numRuns: 3_000 },
  );
});

test('a policy reads as it was written, the same for the same standings in any order', () => {
  const [one, other] = [credential('tombstone', 8, 4), credential('tombstone', 9, 5)];
  const record = Uint8Array.of(1, 2, 3);
  const bytes = encodePolicy({ record, rebuild: undefined, standings: standings(one, other) });
  assert.deepEqual(bytes, encodePolicy({ record, rebuild: undefined, standings: standings(other, one) }));
  const policy = decodePolicy(bytes);
  assert.deepEqual(policy?.record, record);
  assert.equal(policy.standings.isOut(peerOf(8)), true);
  assert.equal(policy.standings.isOut(peerOf(7)), false);
  assert.equal(decodePolicy(bytes.slice(0, -1)), undefined);
});

test('the largest policy fits its extension of 64 KiB', () => {
  const many = Array.from({ length: ORDER_LIMIT.standings }, (_, index) => {
    const key = new Uint8Array(32).fill(index & 0xff);
    key[0] = index >>> 8;
    const facts = {
      kind: 'admission',
      peer: formatPeerId(key),
      sequence: index,
      admin: peerOf(1),
      role: 'member',
    } as const;
    const bytes = encodeCredential(facts, VLAN_ID, sign).slice();
    return [facts.peer, { credential: facts, bytes }] as const;
  });
  const rebuild = decodeItem(signItem({ type: 'rebuild', generation: 1, rebuildTag: TAG }, SIGNER));
  assert.ok(rebuild?.type === 'rebuild');
  const record = new Uint8Array(ORDER_LIMIT.recordBytes);
  const bytes = encodePolicy({ record, rebuild, standings: new Standings(new Map(many)) });
  assert.ok(bytes.length <= 65_536, `${bytes.length} bytes`);
});

test('a later credential holds, of equal ones the tombstone', () => {
  const table = standings(credential('tombstone', 8, 4));
  const admission = (sequence: number) =>
    standingOf(credential('admission', 8, sequence)) ?? assert.fail('none');
  assert.equal(table.allows(admission(4).credential), false);
  assert.equal(table.allows(admission(5).credential), true);
  assert.equal(table.with(admission(4)).isOut(peerOf(8)), true);
  assert.equal(table.with(admission(5)).isOut(peerOf(8)), false);
  assert.equal(standings(credential('admission', 8, 5)).entries.size, 0, 'nobody was put out');
});

test('when the table is full its oldest go, and admissions as old with them', () => {
  let table = Standings.none;
  for (let index = 0; index <= ORDER_LIMIT.standings; index++) {
    const key = new Uint8Array(32).fill(index & 0xff);
    key[0] = index >>> 8;
    const facts = {
      kind: 'tombstone',
      peer: formatPeerId(key),
      sequence: 100 + index,
      admin: peerOf(1),
    } as const;
    table = table.with({ credential: facts, bytes: new Uint8Array(ADMISSION_BYTES) });
  }
  assert.equal(table.entries.size, ORDER_LIMIT.standings);
  const first = formatPeerId(new Uint8Array(32));
  assert.equal(table.entries.has(first), false);
  const old = standingOf(
    encodeCredential(
      { kind: 'admission', peer: first, sequence: 50, admin: peerOf(1), role: 'member' },
      VLAN_ID,
      sign,
    ).slice(),
  );
  assert.equal(old !== undefined && table.allows(old.credential), false);
});

test('a head reads as it was written; a damaged one is none', () => {
  const commit = decodeItem(
    signItem(ITEMS.find(({ type }) => type === 'commit') ?? assert.fail('none'), SIGNER),
  );
  assert.ok(commit?.type === 'commit');
  const head = {
    isLeaving: true,
    sequence: 2 ** 45,
    admission: credential('admission', 1, 1),
    states: [ID, 'cd'.repeat(16)],
    known: {
      record: Uint8Array.of(5),
      rebuild: undefined,
      standings: standings(credential('tombstone', 8, 4)),
    },
    chain: [commit],
    familiar: [peerOf(1), peerOf(2)],
  };
  const bytes = encodeHead(head);
  assert.deepEqual(statesOfHead(bytes), head.states);
  const read = decodeHead(bytes);
  assert.deepEqual({ ...read, known: undefined }, { ...head, known: undefined });
  for (let at = 0; at < bytes.length; at += 7) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    assert.equal(decodeHead(damaged), undefined, `byte ${at}`);
  }
});
