/** The dataplane's vectors: what is on file, what the plain implementation says, and what the engine does, are one. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  CIPHER_AES_256_GCM,
  CIPHER_CHACHA20_POLY1305,
  KIND_LINK,
  TxDatagram,
} from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { SCRATCH } from '../../dataplane/shm/scratch.ts';
import { bytesOf } from '../harness/dataplane-fixture.ts';
import { createDrivenPair, ingress } from '../harness/engine-driver.ts';
import { closeDatagram, type LinkInput, sealFrame, sealLinkBody } from '../harness/plain-protocol.ts';
import { getField } from '../harness/table-writer.ts';
import { type LinkVector, makeVectors } from './generate-dataplane.ts';

const vectors = JSON.parse(
  readFileSync(new URL('./link-datagram.json', import.meta.url), 'utf8'),
) as LinkVector[];
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

test('the file holds what the engine makes today', () => {
  assert.deepEqual(makeVectors(), vectors);
});

test('the plain implementation makes the same datagrams', () => {
  for (const vector of vectors) {
    const token = bytes(vector.token);
    const sealed = sealFrame({
      ...vector,
      token,
      frameKey: bytes(vector.frameKey),
      maskKey: bytes(vector.maskKey),
      salt: bytes(vector.salt),
      counter: vector.frameCounter,
      plain: bytes(vector.plain),
    });
    const link = { ...vector, keys: bytes(vector.linkKeys), counter: BigInt(vector.linkCounter), token };
    assert.deepEqual(closeDatagram(link, sealed), bytes(vector.datagram), `${vector.cipher}: ${vector.name}`);
  }
});

test('the engine opens them to their plaintext', () => {
  for (const vector of vectors) {
    const cipher = vector.cipher === 'aes-256-gcm' ? CIPHER_AES_256_GCM : CIPHER_CHACHA20_POLY1305;
    const { right } = createDrivenPair({ cipher });
    assert.deepEqual(
      ingress(right, [bytes(vector.datagram)]).map((write) => write.bytes),
      [bytes(vector.plain)],
    );
  }
});

test("a probe is what the plain implementation makes of the lane's keys", () => {
  const { left } = createDrivenPair();
  const body = bytesOf('a probe', 77);
  left.arena.bytes.set(body, SCRATCH.body);
  left.engine.sendLink(left.lane, body.length);
  const length = getField(left.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
  const link: LinkInput = {
    keys: bytesOf('left link keys', 128),
    receiver: (0x4321 << 13) | 9,
    counter: 0n,
    kind: KIND_LINK,
    flags: 0,
    hops: 1,
    class: 0,
    token: bytesOf('left link token', 16),
  };
  const expected = closeDatagram(link, sealLinkBody(link, body));
  assert.deepEqual(left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length), expected);
});
