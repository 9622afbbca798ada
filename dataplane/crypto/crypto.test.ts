import assert from 'node:assert/strict';
import { createCipheriv, createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { bytesOf } from '../../test/harness/dataplane-fixture.ts';
import { type Arena, createArena } from '../shm/arena.ts';
import { CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305 } from '../shm/layout.ts';
import { SCRATCH } from '../shm/scratch.ts';
import { createTables, type Tables } from '../shm/tables.ts';
import { agree, chooseCrypto } from './choose-crypto.ts';
import type { CryptoPorts } from './crypto-port.ts';
import { createEvpCrypto, loadEvp } from './evp-crypto.ts';
import { createNodeCrypto } from './node-crypto.ts';

const KEY_OFFSET = 4096;
const KEY = bytesOf('a key', 32);
const DATA_OFFSET = SCRATCH.body;

function setUp(): { tables: Tables; arena: Arena; both: CryptoPorts[] } {
  const tables = createTables({ workerCount: 1, tokenCapacity: 64, hashKey: { key0: 1, key1: 2 } });
  const arena = createArena(0);
  tables.bytes.set(KEY, KEY_OFFSET);
  const evp = loadEvp();
  const both = [createNodeCrypto(tables, arena)];
  if (evp !== undefined) both.push(createEvpCrypto(evp, tables, arena));
  return { tables, arena, both };
}

test("the pinned Node shows OpenSSL's functions, and they are chosen", () => {
  const { tables, arena } = setUp();
  assert.equal(chooseCrypto(tables, arena).name, 'openssl');
});

test('both implementations agree, and the self-test notices when they do not', () => {
  const { arena, both } = setUp();
  const [node, openssl] = both as [CryptoPorts, CryptoPorts];
  assert.equal(agree(node, openssl, arena), true);
  const broken: CryptoPorts = { ...openssl, block: { setKey: () => undefined, transform: () => undefined } };
  assert.equal(agree(broken, node, arena), false);
});

test('frames seal to what the standard says, and open again', () => {
  const { arena, both } = setUp();
  for (const crypto of both) {
    for (const cipher of [CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305]) {
      for (const length of [0, 1, 14, 1400]) {
        const plain = bytesOf('plain', length);
        const nonce = bytesOf(`nonce ${length}`, 12);
        const aad = bytesOf('aad', 34);
        arena.bytes.set(plain, DATA_OFFSET);
        arena.bytes.set(nonce, SCRATCH.nonce);
        arena.bytes.set(aad, SCRATCH.aad);
        crypto.aead.setKey(5, cipher, KEY_OFFSET);
        crypto.aead.seal(5, DATA_OFFSET, length, 34);
        assert.deepEqual(
          arena.bytes.slice(DATA_OFFSET, DATA_OFFSET + length + 16),
          expected(cipher, nonce, aad, plain),
        );
        assert.equal(crypto.aead.open(5, DATA_OFFSET, length, 34), true);
        assert.deepEqual(arena.bytes.slice(DATA_OFFSET, DATA_OFFSET + length), plain);
      }
    }
  }
});

test('a wrong tag, nonce or AAD does not open, and the slot stays usable', () => {
  const { arena, both } = setUp();
  for (const crypto of both) {
    for (const touched of [DATA_OFFSET + 3, DATA_OFFSET + 103, SCRATCH.nonce, SCRATCH.aad + 33]) {
      crypto.aead.setKey(9, CIPHER_AES_256_GCM, KEY_OFFSET);
      crypto.aead.seal(9, DATA_OFFSET, 100, 34);
      arena.bytes[touched] = (arena.bytes[touched] ?? 0) ^ 0x80;
      assert.equal(crypto.aead.open(9, DATA_OFFSET, 100, 34), false);
    }
    crypto.aead.seal(9, DATA_OFFSET, 100, 34);
    assert.equal(crypto.aead.open(9, DATA_OFFSET, 100, 34), true);
  }
});

test('blocks go through AES-256 one by one, and back', () => {
  const { arena, both } = setUp();
  const plain = bytesOf('blocks', 16 * 44);
  const ecb = createCipheriv('aes-256-ecb', createSecretKey(KEY), null).setAutoPadding(false);
  const cipher = new Uint8Array(ecb.update(plain));
  for (const crypto of both) {
    crypto.block.setKey(0, KEY_OFFSET, false);
    crypto.block.setKey(1, KEY_OFFSET, true);
    for (let round = 0; round < 2; round++) {
      arena.bytes.set(plain, DATA_OFFSET);
      crypto.block.transform(0, DATA_OFFSET, 44);
      assert.deepEqual(arena.bytes.slice(DATA_OFFSET, DATA_OFFSET + plain.length), cipher);
      crypto.block.transform(1, DATA_OFFSET, 44);
      assert.deepEqual(arena.bytes.slice(DATA_OFFSET, DATA_OFFSET + plain.length), plain);
    }
  }
});

function expected(cipher: number, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  const key = createSecretKey(KEY);
  const sealing =
    cipher === CIPHER_AES_256_GCM
      ? createCipheriv('aes-256-gcm', key, nonce)
      : createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  sealing.setAAD(aad, { plaintextLength: plain.length });
  const body = Buffer.concat([sealing.update(plain), sealing.final(), sealing.getAuthTag()]);
  return new Uint8Array(body);
}
