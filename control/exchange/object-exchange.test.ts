/** Behaviour of pulling objects: whole, from whoever has them, and never more than was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ObjectMessage, PART_BYTES } from './exchange-message.ts';
import { OBJECT_LIMIT, type ObjectEffect, ObjectExchange, objectDigest } from './object-exchange.ts';

const SIZE = 100_000;
const bytes = Uint8Array.from({ length: SIZE }, (_, index) => (index * 7) & 0xff);
const digest = objectDigest(bytes);

/** Nodes that hand each other their messages at once. */
class Room {
  readonly nodes = new Map<string, ObjectExchange>();
  readonly fetched: ObjectEffect[] = [];
  readonly falseHolders: string[] = [];
  readonly silent = new Set<string>();

  add(name: string): ObjectExchange {
    const node = new ObjectExchange();
    this.nodes.set(name, node);
    return node;
  }

  perform(self: string, effects: readonly ObjectEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'object') {
        this.fetched.push(effect);
      } else if (effect.kind === 'false-holder') {
        this.falseHolders.push(effect.peer);
      } else if (!this.silent.has(effect.peer)) {
        const { peer, message } = effect;
        this.perform(peer, this.nodes.get(peer)?.message(self, message, 0) ?? []);
      }
    }
  }
}

const everybody = (): boolean => true;

test('an object of several parts arrives whole', () => {
  const room = new Room();
  room.add('holder').offer(digest, bytes, everybody);
  room.perform('asker', room.add('asker').fetch(digest, ['holder'], 0));
  assert.deepEqual(room.fetched, [{ kind: 'object', digest, bytes, from: 'holder' }]);
});

test('a holder that has nothing, one that may not say, one that lies and one that is silent are left', () => {
  const room = new Room();
  room.add('empty');
  room.add('closed').offer(digest, bytes, (peer) => peer !== 'asker');
  const lie = Uint8Array.from(bytes);
  lie[SIZE - 1] = 1 + (lie[SIZE - 1] ?? 0);
  room.add('liar').offer(digest, lie, everybody);
  room.add('silent');
  room.silent.add('silent');
  room.add('honest').offer(digest, bytes, everybody);
  const asker = room.add('asker');

  room.perform('asker', asker.fetch(digest, ['empty', 'closed', 'liar', 'silent', 'honest'], 0));
  assert.deepEqual(room.fetched, []);
  assert.equal(asker.nextTimeoutMs(), OBJECT_LIMIT.partTimeoutMs);
  room.perform('asker', asker.tick(OBJECT_LIMIT.partTimeoutMs));

  assert.deepEqual(room.fetched, [{ kind: 'object', digest, bytes, from: 'honest' }]);
  assert.deepEqual(room.falseHolders, ['liar']);
  assert.equal(asker.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test('when nobody has it, that is said', () => {
  const room = new Room();
  room.add('empty');
  const asker = room.add('asker');
  room.perform('asker', asker.fetch(digest, ['empty'], 0));
  room.perform('asker', asker.fetch(digest, [], 0));
  const missing = { kind: 'object', digest, bytes: undefined, from: undefined };
  assert.deepEqual(room.fetched, [missing, missing]);
});

test('a holder that goes away in the middle is replaced, and the object begins anew', () => {
  const room = new Room();
  const asker = room.add('asker');
  const first = asker.fetch(digest, ['gone', 'holder'], 0);
  assert.equal(first.length, 1);
  room.add('holder').offer(digest, bytes, everybody);
  room.perform('asker', asker.peerDown('gone', 0));
  assert.deepEqual(room.fetched, [{ kind: 'object', digest, bytes, from: 'holder' }]);
});

test('a holder that trickles, by small parts or slow ones, is left for the next', () => {
  const big = new Uint8Array(20 * PART_BYTES).fill(5);
  const name = objectDigest(big);
  const partAt = (offset: number, sizeBytes: number): ObjectMessage => ({
    type: 'object-part',
    digest: Buffer.from(name, 'hex'),
    total: big.length,
    offset,
    bytes: big.subarray(offset, offset + sizeBytes),
  });
  const asksHonest = (effects: readonly ObjectEffect[]): boolean =>
    effects.some((effect) => effect.kind === 'send' && effect.peer === 'honest');

  const first = new ObjectExchange();
  first.fetch(name, ['trickling', 'honest'], 0);
  assert.ok(asksHonest(first.message('trickling', partAt(0, 1), 10)));

  const second = new ObjectExchange();
  second.fetch(name, ['slow', 'honest'], 0);
  const gapMs = OBJECT_LIMIT.partTimeoutMs - 1;
  let [nowMs, isLeft] = [0, false];
  for (let part = 0; part < 20 && !isLeft; part++) {
    nowMs += gapMs;
    assert.deepEqual(second.tick(nowMs), []);
    isLeft = asksHonest(second.message('slow', partAt(part * PART_BYTES, PART_BYTES), nowMs));
  }
  assert.ok(isLeft && nowMs < 15_000, `left after ${nowMs} ms`);
});

test('parts that were not asked for count for nothing', () => {
  const asker = new ObjectExchange();
  const part = { digest: Buffer.from(digest, 'hex'), total: SIZE, offset: 0, bytes: bytes.subarray(0, 9) };
  assert.deepEqual(asker.message('stranger', { type: 'object-part', ...part }, 0), []);
  asker.fetch(digest, ['holder'], 0);
  assert.deepEqual(asker.message('stranger', { type: 'object-part', ...part }, 0), []);
  assert.deepEqual(asker.message('holder', { type: 'object-part', ...part, offset: 9 }, 0), []);
});

test('pulls wait for each other, offers push the oldest out, and both have an end', () => {
  const asker = new ObjectExchange();
  const names = Array.from({ length: OBJECT_LIMIT.waitingFetches + 1 }, (_, index) =>
    objectDigest(Uint8Array.of(index)),
  );
  const asked = names.flatMap((name) => asker.fetch(name, ['holder'], 0));
  assert.equal(asked.filter(({ kind }) => kind === 'send').length, OBJECT_LIMIT.fetches);
  assert.equal(asked.filter(({ kind }) => kind === 'object').length, 1, 'the last is refused');

  const holder = new ObjectExchange();
  for (const [index, name] of names.entries()) {
    holder.offer(name, Uint8Array.of(index), everybody);
  }
  const ask = (name: string | undefined): readonly ObjectEffect[] =>
    holder.message('asker', { type: 'object-ask', digest: Buffer.from(name ?? '', 'hex'), offset: 0 }, 0);
  assert.equal(JSON.stringify(ask(names[0])).includes('object-none'), true);
  assert.equal(JSON.stringify(ask(names.at(-1))).includes('object-part'), true);
});
