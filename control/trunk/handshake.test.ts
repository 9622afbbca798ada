import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { createTrunkCrypto } from './handshake.ts';
import { deriveLinkKeys, exchangeKey, type LinkContext, transcriptHash } from './link-keys.ts';
import { meetKeyOf, meetTag, paddedMeetTags } from './meet-tags.ts';

interface Vectors {
  hello: string;
  helloReply: string;
  transcript: string;
  sharedSecret: string;
  lanes: { context: LinkContext; k1: string; k2: string; k3: string; k4: string; linkToken: string }[];
  meet: { vlanId: string; direction: 'from-initiator' | 'from-responder'; tag: string }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/trunk-link-keys.json', import.meta.url), 'utf8'),
) as Vectors;
const hex = (text: string): Uint8Array => hexToBytes(text);

test('both ends of an exchange have the same secret, and no two exchanges have', () => {
  const crypto = createTrunkCrypto();
  const secrets = [0, 1].map(() => {
    const started = crypto.startExchange();
    const answered = crypto.answerExchange(started.x25519PublicKey, started.mlKemPublicKey);
    assert.ok(answered);
    assert.deepEqual(
      started.finish(answered.x25519PublicKey, answered.mlKemCiphertext),
      answered.sharedSecret,
    );
    assert.equal(answered.sharedSecret.length, 64);
    return bytesToHex(answered.sharedSecret);
  });
  assert.notEqual(secrets[0], secrets[1]);
});

test('an X25519 key of low order is refused on both sides', () => {
  const crypto = createTrunkCrypto();
  const started = crypto.startExchange();
  const answered = crypto.answerExchange(started.x25519PublicKey, started.mlKemPublicKey);
  assert.ok(answered);
  for (const point of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
    assert.equal(crypto.answerExchange(point, started.mlKemPublicKey), undefined);
    assert.equal(started.finish(point, answered.mlKemCiphertext), undefined);
  }
});

test('an ML-KEM key outside the modulus and a ciphertext of another size are refused', () => {
  const crypto = createTrunkCrypto();
  const started = crypto.startExchange();
  assert.equal(crypto.answerExchange(started.x25519PublicKey, new Uint8Array(1_184).fill(0xff)), undefined);
  assert.equal(started.finish(started.x25519PublicKey, new Uint8Array(7)), undefined);
});

test('the key schedule gives the committed vectors', () => {
  assert.equal(bytesToHex(transcriptHash(hex(vectors.hello), hex(vectors.helloReply))), vectors.transcript);
  const prk = exchangeKey(hex(vectors.sharedSecret), hex(vectors.transcript));
  for (const { context, ...expected } of vectors.lanes) {
    const keys = deriveLinkKeys(prk, context);
    assert.deepEqual(
      {
        k1: bytesToHex(keys.k1),
        k2: bytesToHex(keys.k2),
        k3: bytesToHex(keys.k3),
        k4: bytesToHex(keys.k4),
        linkToken: bytesToHex(keys.linkToken),
      },
      expected,
    );
  }
});

test("the key schedule is RFC 5869's HKDF, as node:crypto has it", () => {
  const { context } = vectors.lanes[0] ?? assert.fail('no vector');
  const lp = (bytes: Uint8Array): Buffer => Buffer.concat([Uint8Array.of(bytes.length, 0), bytes]);
  const info = Buffer.concat([
    Buffer.from('peertap link v1'),
    lp(Buffer.from(context.initiator)),
    lp(Buffer.from(context.responder)),
    lp(Buffer.from(context.carrier)),
    lp(Uint8Array.of(context.lane)),
    lp(Uint8Array.of(context.direction === 'from-initiator' ? 0 : 1)),
    lp(Uint8Array.of(context.generation, 0, 0, 0)),
  ]);
  const okm = new Uint8Array(
    hkdfSync('sha256', hex(vectors.sharedSecret), hex(vectors.transcript), info, 144),
  );
  const keys = deriveLinkKeys(exchangeKey(hex(vectors.sharedSecret), hex(vectors.transcript)), context);
  assert.deepEqual(okm.slice(0, 32), keys.k1);
  assert.deepEqual(okm.slice(128), keys.linkToken);
});

test('each lane, carrier, direction and generation has keys of its own', () => {
  const prk = exchangeKey(hex(vectors.sharedSecret), hex(vectors.transcript));
  const seen = new Set<string>();
  for (const carrier of ['udp', 'stream'] as const) {
    for (const direction of ['from-initiator', 'from-responder'] as const) {
      for (const lane of [0, 1, 15]) {
        for (const generation of [1, 2, 0x0100_0000]) {
          const keys = deriveLinkKeys(prk, {
            initiator: 'a',
            responder: 'b',
            carrier,
            lane,
            direction,
            generation,
          });
          for (const key of [keys.k1, keys.k2, keys.k3, keys.k4]) {
            seen.add(bytesToHex(key));
          }
        }
      }
    }
  }
  assert.equal(seen.size, 2 * 2 * 3 * 3 * 4);
});

test('meet tags give the committed vectors and differ by direction', () => {
  for (const { vlanId, direction, tag } of vectors.meet) {
    assert.equal(bytesToHex(meetTag(meetKeyOf(hex(vlanId)), direction, hex(vectors.transcript))), tag);
  }
  assert.equal(new Set(vectors.meet.map(({ tag }) => tag)).size, vectors.meet.length);
});

test('meet tags are padded to a multiple of 8, sorted, and padding is kept', () => {
  const randomBytes = (sizeBytes: number): Uint8Array => createTrunkCrypto().randomBytes(sizeBytes);
  const pads: Uint8Array[] = [];
  const none = paddedMeetTags([], pads, randomBytes);
  assert.equal(none.length, 8);
  const own = Array.from({ length: 9 }, () => randomBytes(16));
  const nine = paddedMeetTags(own, pads, randomBytes);
  assert.equal(nine.length, 16);
  assert.equal(nine.filter((tag) => none.includes(tag)).length, 7);
  assert.deepEqual(
    nine.map((tag) => bytesToHex(tag)),
    nine.map((tag) => bytesToHex(tag)).sort(),
  );
  assert.equal(
    paddedMeetTags(
      Array.from({ length: 256 }, () => randomBytes(16)),
      pads,
      randomBytes,
    ).length,
    256,
  );
});
