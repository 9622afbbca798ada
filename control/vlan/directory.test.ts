/** Behaviour of the directory: who learns what from whom, and what is refused; several directories on one virtual wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Directory } from './directory.ts';
import {
  type DirectoryMessage,
  decodeDirectoryMessage,
  encodeDirectoryMessage,
} from './directory-message.ts';
import type { DirectoryEffect, DirectoryInput } from './directory-port.ts';
import { directoryKey, sealEnvelope } from './envelope.ts';
import { PUBLIC_LIMIT } from './public-records.ts';
import { NOW_MS, signedOf } from './record.fixture.ts';
import { isNewer, type SignedRecord, type VlanRecord } from './vlan-record.ts';

/** Nodes whose messages arrive at once, in order; what a node's registry would store goes back to its directory. */
class Wire {
  readonly nodes = new Map<string, Directory>();
  readonly stored = new Map<string, SignedRecord[]>();
  readonly dht: Extract<DirectoryEffect, { key: Uint8Array }>[] = [];
  readonly sent: { readonly from: string; readonly to: string; readonly message: DirectoryMessage }[] = [];
  nowMs = NOW_MS;

  add(name: string): void {
    this.nodes.set(name, new Directory({ random: () => 0.5 }));
    this.stored.set(name, []);
  }

  input(name: string, input: DirectoryInput): void {
    const queue: [name: string, input: DirectoryInput][] = [[name, input]];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [at, what] = next;
      for (const effect of this.nodes.get(at)?.handle(what, this.nowMs) ?? []) {
        if (effect.kind === 'send') {
          const message = decodeDirectoryMessage(effect.bytes);
          assert.ok(message);
          this.sent.push({ from: at, to: effect.peer, message });
          const { vlan, bytes } = effect;
          queue.push([effect.peer, { kind: 'message', peer: at, vlan, bytes }]);
        } else if (effect.kind === 'record') {
          this.stored.get(at)?.push(effect.record);
          queue.push([at, vlanOf(effect.record)]);
        } else this.dht.push(effect);
      }
    }
  }

  join(left: string, right: string, vlan: string | null): void {
    this.input(left, { kind: 'peer-up', peer: right, vlan });
    this.input(right, { kind: 'peer-up', peer: left, vlan });
  }

  names(node: string): readonly string[] {
    return (this.nodes.get(node)?.browse(this.nowMs) ?? []).map(({ signed }) => signed.record.name);
  }

  count(node: string, counter: 'forged' | 'ahead-of-time' | 'unasked' | 'misplaced' | 'malformed'): number {
    return this.nodes.get(node)?.counters.get(counter) ?? 0;
  }
}

function vlanOf(record: SignedRecord, withRecord = true): DirectoryInput {
  const { id, idBytes } = record;
  return { kind: 'vlan', id, idBytes, record: withRecord ? record : undefined };
}

function wireOf(...names: string[]): Wire {
  const wire = new Wire();
  for (const name of names) wire.add(name);
  return wire;
}

const SECRET = signedOf(1);
const NEWER = signedOf(1, { sequence: NOW_MS + 1, name: 'attic' });

function publicOf(value: number, changes: Partial<VlanRecord> = {}): SignedRecord {
  return signedOf(value, { public: true, name: `v${value}`, ...changes });
}

function message(peer: string, vlan: string | null, what: DirectoryMessage): DirectoryInput {
  return { kind: 'message', peer, vlan, bytes: encodeDirectoryMessage(what) };
}

test('who joins a VLAN gets its record from the first peer, and the newer of two goes to the other', () => {
  const wire = wireOf('owner', 'guest');
  wire.input('owner', vlanOf(NEWER));
  wire.input('guest', vlanOf(SECRET, false));
  wire.join('guest', 'owner', SECRET.id);
  assert.deepEqual(wire.stored.get('guest'), [NEWER]);

  const old = wireOf('old', 'new');
  old.input('old', vlanOf(SECRET));
  old.input('new', vlanOf(NEWER));
  old.join('old', 'new', SECRET.id);
  assert.deepEqual(old.stored.get('old'), [NEWER]);
  assert.deepEqual(old.stored.get('new'), []);
});

test('a change reaches all members of a ring, by each of its edges once at most', () => {
  const wire = wireOf('a', 'b', 'c', 'd');
  for (const name of ['a', 'b', 'c', 'd']) wire.input(name, vlanOf(SECRET));
  for (const [left, right] of [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'd'],
    ['d', 'a'],
  ] as const) {
    wire.join(left, right, SECRET.id);
  }
  wire.sent.length = 0;

  wire.input('a', vlanOf(NEWER));

  for (const name of ['b', 'c', 'd']) assert.deepEqual(wire.stored.get(name)?.at(-1), NEWER, name);
  assert.ok(wire.sent.filter(({ message: { type } }) => type === 'give').length <= 4);
});

test('a forged record, one of another VLAN and an absurdly late one are counted and not stored', () => {
  const wire = wireOf('a');
  wire.input('a', vlanOf(SECRET));
  const forged = sealEnvelope(NEWER);
  forged[90] = (forged[90] ?? 0) ^ 1;
  const give = (envelope: Uint8Array) =>
    wire.input('a', message('x', SECRET.id, { type: 'give', ageSeconds: 0, envelope }));

  give(forged);
  give(sealEnvelope(signedOf(2)));
  give(sealEnvelope(signedOf(1, { sequence: NOW_MS + 4_000_000 })));
  wire.input('a', { kind: 'message', peer: 'x', vlan: SECRET.id, bytes: new Uint8Array(9) });

  assert.deepEqual(wire.stored.get('a'), []);
  assert.equal(wire.count('a', 'forged'), 2);
  assert.equal(wire.count('a', 'ahead-of-time'), 1);
  assert.equal(wire.count('a', 'malformed'), 1);
});

test('outside a VLAN nobody learns that a node is in it', () => {
  const wire = wireOf('member', 'stranger');
  wire.input('member', vlanOf(SECRET));
  wire.join('stranger', 'member', null);
  wire.sent.length = 0;

  wire.input('member', message('stranger', null, { type: 'ask', key: directoryKey(SECRET.idBytes) }));
  wire.input('member', message('stranger', null, { type: 'list', after: new Uint8Array(16) }));
  wire.input('member', vlanOf(NEWER));

  const told = wire.sent.filter(({ from }) => from === 'member').map(({ message: what }) => what);
  assert.deepEqual(
    told.map(({ type }) => type),
    ['none', 'page'],
  );
  assert.deepEqual(told[1], { type: 'page', hasMore: false, records: [] });
});

test('browsing follows all pages, also those of what others told', () => {
  const wire = wireOf('me', 'a', 'b');
  const records = Array.from({ length: 60 }, (_, index) => publicOf(index + 10));
  for (const record of records) wire.input('a', vlanOf(record));
  wire.join('b', 'a', null);
  wire.input('b', { kind: 'browse' });
  wire.join('me', 'b', null);

  wire.input('me', { kind: 'browse' });

  assert.deepEqual([...wire.names('me')].sort(), records.map(({ record }) => record.name).sort());
  assert.equal(wire.sent.filter(({ to, message: { type } }) => to === 'me' && type === 'page').length, 3);
});

test('records with large icons are paged by their size', () => {
  const icon = new Uint8Array(8_192);
  icon.set([0xff, 0xd8, 0xff]);
  const wire = wireOf('me', 'a');
  for (let value = 10; value < 20; value++) wire.input('a', vlanOf(publicOf(value, { icon })));
  wire.join('me', 'a', null);

  wire.input('me', { kind: 'browse' });

  assert.equal(wire.names('me').length, 10);
});

test('what no member vouches for any more is gone after a day, however often others repeat it', () => {
  const wire = wireOf('a', 'b', 'c');
  wire.input('a', vlanOf(publicOf(10)));
  wire.join('b', 'a', null);
  wire.join('b', 'c', null);
  wire.input('b', { kind: 'browse' });
  for (let hour = 1; hour <= 24; hour++) {
    wire.nowMs += 3_600_000;
    if (hour === 1) wire.input('a', { kind: 'drop-vlan', id: publicOf(10).id });
    wire.input('b', { kind: 'browse' });
    wire.input('c', { kind: 'browse' });
  }
  assert.deepEqual(wire.names('b'), ['v10']);

  wire.nowMs += 2_000;

  assert.deepEqual(wire.names('b'), []);
  assert.deepEqual(wire.names('c'), []);
});

test('pages that nobody asked for, and listings within a VLAN, are counted and dropped', () => {
  const wire = wireOf('a');
  wire.input('a', vlanOf(SECRET));
  const envelope = sealEnvelope(publicOf(10));
  const page: DirectoryMessage = { type: 'page', hasMore: false, records: [{ ageSeconds: 0, envelope }] };

  wire.input('a', message('x', null, page));
  wire.input('a', message('x', SECRET.id, page));
  wire.input('a', message('x', SECRET.id, { type: 'list', after: new Uint8Array(16) }));

  assert.equal(wire.count('a', 'unasked'), 1);
  assert.equal(wire.count('a', 'misplaced'), 2);
  assert.deepEqual(wire.names('a'), []);
});

test('a source that tells of thousands keeps to its share, and leaves room for others', () => {
  const wire = wireOf('a');
  let value = 1_000;
  const flood = (source: string, count: number): void => {
    for (let index = 0; index < count; index++) {
      wire.nowMs += 1_000;
      const envelope = sealEnvelope(publicOf(value++));
      wire.input('a', message(source, null, { type: 'give', ageSeconds: 0, envelope }));
    }
  };

  flood('greedy', PUBLIC_LIMIT.perSource + 40);
  assert.equal(wire.names('a').length, PUBLIC_LIMIT.perSource);
  for (const source of ['s2', 's3', 's4']) flood(source, PUBLIC_LIMIT.perSource);
  flood('modest', 20);

  assert.equal(wire.names('a').length, PUBLIC_LIMIT.records);
  assert.ok(wire.names('a').includes(`v${value - 1}`), 'the modest one is heard');
});

test('a flood costs a bounded number of signature checks', () => {
  const wire = wireOf('a');
  const envelope = sealEnvelope(publicOf(10));
  for (let index = 0; index < 500; index++) {
    wire.input('a', message('x', null, { type: 'give', ageSeconds: 0, envelope }));
  }

  assert.equal(wire.nodes.get('a')?.counters.get('over-budget'), 500 - 64);
});

test('the DHT is asked first, given what it lacks, and believed when it has news', () => {
  const wire = wireOf('a');
  wire.input('a', vlanOf(SECRET));
  const key = directoryKey(SECRET.idBytes);
  assert.equal(wire.dht.length, 0);
  wire.nowMs = wire.nodes.get('a')?.nextTimeoutMs() ?? 0;
  wire.input('a', { kind: 'tick' });
  assert.deepEqual(
    wire.dht.map(({ kind }) => kind),
    ['dht-get'],
  );

  wire.input('a', { kind: 'found', key, envelope: undefined });
  assert.deepEqual(
    wire.dht.map(({ kind }) => kind),
    ['dht-get', 'dht-put'],
  );
  wire.input('a', { kind: 'found', key, envelope: sealEnvelope(SECRET) });
  assert.equal(wire.dht.length, 2);
  wire.input('a', { kind: 'found', key, envelope: sealEnvelope(NEWER) });

  assert.deepEqual(wire.stored.get('a'), [NEWER]);
  assert.ok(wire.dht.every((effect) => !Buffer.from(effect.key).includes(SECRET.idBytes)));
});

test('whatever order records come in, the newest stays', () => {
  const versions = [3, 1, 2, 5, 4].map((step) => signedOf(1, { sequence: NOW_MS + step, name: `n${step}` }));
  const wire = wireOf('a');
  wire.input('a', vlanOf(SECRET));
  for (const version of versions) {
    const envelope = sealEnvelope(version);
    wire.input('a', message('x', SECRET.id, { type: 'give', ageSeconds: 0, envelope }));
  }

  const stored = wire.stored.get('a') ?? [];
  assert.deepEqual(
    stored.map(({ record }) => record.name),
    ['n3', 'n5'],
  );
  assert.ok(stored.every((record, index) => index === 0 || isNewer(record, stored[index - 1])));
});
