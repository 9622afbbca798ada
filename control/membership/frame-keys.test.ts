/** Behaviour of frame keys and the control seal, held by vectors. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { peerIdBytes } from '../identity/peer-id.ts';
import { controlToken } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { openControl, sealControl } from './control-seal.ts';
import { CIPHER_AES_256_GCM, groupKey, mainSealKey, pairwiseKey } from './frame-keys.ts';
import { createKeyAgreement } from './node-ports.ts';
import { decodeSender, encodeSender } from './sender-field.ts';

interface FrameKeyVector {
  readonly vlanId: string;
  readonly day: number;
  readonly leaf: number;
  readonly lane: number;
  readonly salt: string;
  readonly counter: number;
  readonly senderSeed: string;
  readonly receiverSeed: string;
  readonly nodeKeys: readonly [string, string];
  readonly senderField: string;
  readonly groupKey: string;
  readonly pairwiseKey: string;
  readonly controlNonce: string;
  readonly controlSealKey: string;
  readonly controlPeriod: number;
  readonly controlBody: string;
  readonly controlPayload: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/frame-keys.json', import.meta.url), 'utf8'),
) as readonly FrameKeyVector[];

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');
const HEADER = { kind: 3, flags: 0, class: 7 };

test('frame keys, sender field and control seal are those of the vectors', () => {
  for (const vector of vectors) {
    const epoch = deriveOpenEpoch(fromHex(vector.vlanId), vector.day);
    const sender = { leaf: vector.leaf, lane: vector.lane, salt: fromHex(vector.salt) };
    const from = createKeyAgreement(fromHex(vector.senderSeed));
    const to = createKeyAgreement(fromHex(vector.receiverSeed));
    const shared = from.agree(to.publicKey);
    assert.ok(shared);
    const [fromKey, toKey] = vector.nodeKeys.map(fromHex);
    assert.ok(fromKey && toKey);
    const group = {
      frameKey: epoch.frameKey,
      cipher: CIPHER_AES_256_GCM,
      sender,
      senderAgreementKey: from.publicKey,
    };
    const ends = {
      from: { publicKey: fromKey, agreementKey: from.publicKey },
      to: { publicKey: toKey, agreementKey: to.publicKey },
    };

    assert.equal(hex(encodeSender(sender, vector.counter)), vector.senderField);
    assert.equal(hex(groupKey(group)), vector.groupKey);
    assert.equal(
      hex(pairwiseKey({ shared, frameKey: epoch.frameKey, cipher: CIPHER_AES_256_GCM, ...ends, sender })),
      vector.pairwiseKey,
    );
    const nonce = fromHex(vector.controlNonce);
    const main = { ...sender, lane: 255 };
    assert.equal(hex(mainSealKey('seal', epoch.controlKey, main, nonce)), vector.controlSealKey);
    const token = controlToken(epoch, vector.controlPeriod);
    const body = fromHex(vector.controlBody);
    const sealed = sealControl(epoch, {
      token,
      sender: main,
      counter: vector.counter,
      nonce,
      class: 7,
      body,
    });
    assert.equal(hex(sealed), vector.controlPayload);
    assert.deepEqual(openControl(epoch, sealed, HEADER), {
      sender: { ...main, counter: vector.counter },
      body,
    });
  }
});

test('the pairwise key is HKDF-SHA256 of RFC 5869 over length-prefixed fields', () => {
  const [vector] = vectors;
  assert.ok(vector);
  const epoch = deriveOpenEpoch(fromHex(vector.vlanId), vector.day);
  const from = createKeyAgreement(fromHex(vector.senderSeed));
  const to = createKeyAgreement(fromHex(vector.receiverSeed));
  const [fromKey, toKey] = vector.nodeKeys.map(fromHex);
  const shared = to.agree(from.publicKey);
  assert.ok(fromKey && toKey && shared);

  const prefixed = (field: Uint8Array): Buffer => Buffer.concat([Buffer.of(field.length, 0), field]);
  const name = fromHex(vector.senderField);
  const info = Buffer.concat(
    [
      Uint8Array.of(1),
      peerIdBytes(fromKey),
      peerIdBytes(toKey),
      from.publicKey,
      to.publicKey,
      name.subarray(0, 3),
      name.subarray(3, 4),
      name.subarray(4, 10),
    ].map(prefixed),
  );
  const extracted = createHmac('sha256', Buffer.alloc(32))
    .update(Buffer.concat([shared, epoch.frameKey]))
    .digest();
  const expanded = createHmac('sha256', extracted)
    .update(Buffer.concat([info, Buffer.of(1)]))
    .digest();

  assert.equal(hex(expanded), vector.pairwiseKey);
});

test('the two directions of a pair, and the two members of it, never share a key', () => {
  const epoch = deriveOpenEpoch(new Uint8Array(16), 1);
  const sender = { leaf: 1, lane: 0, salt: new Uint8Array(6) };
  const [a, b] = [
    createKeyAgreement(new Uint8Array(32).fill(1)),
    createKeyAgreement(new Uint8Array(32).fill(2)),
  ];
  const shared = a.agree(b.publicKey);
  assert.ok(shared);
  const one = { publicKey: new Uint8Array(32).fill(3), agreementKey: a.publicKey };
  const two = { publicKey: new Uint8Array(32).fill(4), agreementKey: b.publicKey };
  const common = { shared, frameKey: epoch.frameKey, cipher: CIPHER_AES_256_GCM, sender };

  assert.notEqual(
    hex(pairwiseKey({ ...common, from: one, to: two })),
    hex(pairwiseKey({ ...common, from: two, to: one })),
  );
});

test('a low-order public key agrees on nothing', () => {
  const own = createKeyAgreement();
  for (const lowOrder of [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f`,
  ]) {
    assert.equal(own.agree(fromHex(lowOrder)), undefined);
  }
});

test('a sender field survives, to the last of its 48 counter bits', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0xff_ffff }),
      fc.integer({ min: 0, max: 255 }),
      fc.uint8Array({ minLength: 6, maxLength: 6 }),
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      (leaf, lane, salt, counter) => {
        assert.deepEqual(decodeSender(encodeSender({ leaf, lane, salt }, counter)), {
          leaf,
          lane,
          salt,
          counter,
        });
      },
    ),
  );
});

test('kind 3 claims no other kind, no flag, no other class, token or epoch', () => {
  const epoch = deriveOpenEpoch(new Uint8Array(16), 1);
  const other = deriveOpenEpoch(new Uint8Array(16), 2);
  const token = controlToken(epoch, 24);
  const input = {
    token,
    sender: { leaf: 5, lane: 255, salt: new Uint8Array(6) },
    counter: 0,
    nonce: new Uint8Array(16),
    class: 7,
    body: Uint8Array.of(1, 2, 3),
  };
  const sealed = sealControl(epoch, input);

  assert.ok(openControl(epoch, sealed, HEADER));
  assert.equal(openControl(epoch, sealed, { ...HEADER, kind: 1 }), undefined);
  assert.equal(openControl(epoch, sealed, { ...HEADER, flags: 1 }), undefined);
  assert.equal(openControl(epoch, sealed, { ...HEADER, class: 0 }), undefined);
  assert.equal(openControl(other, sealed, HEADER), undefined);
  const worker = sealControl(epoch, { ...input, sender: { ...input.sender, lane: 0 } });
  assert.equal(openControl(epoch, worker, HEADER), undefined, 'a lane of a worker');
});

test('equal leaf, lane, salt and counter still give another key for each control datagram', () => {
  const key = new Uint8Array(32);
  const sender = { leaf: 1, lane: 255, salt: new Uint8Array(6) };

  assert.notEqual(
    hex(mainSealKey('seal', key, sender, new Uint8Array(16))),
    hex(mainSealKey('seal', key, sender, new Uint8Array(16).fill(1))),
  );
});
