/**
 * The crypto ports by node:crypto: the fallback where Node's binary hides OpenSSL's functions. Worker threads. It
 * makes a Cipher object for each datagram, which costs several times what the sealing itself does; a kept ECB object
 * spares that for blocks.
 */
import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type Decipheriv,
  type KeyObject,
} from 'node:crypto';
import { invariant } from '../base/invariant.ts';
import type { Arena } from '../shm/arena.ts';
import { CIPHER_AES_256_GCM } from '../shm/layout.ts';
import { SCRATCH } from '../shm/scratch.ts';
import type { Tables } from '../shm/tables.ts';
import { type AeadPort, type BlockPort, type CryptoPorts, KEY_SLOTS } from './crypto-port.ts';
import { createTokenHash } from './token-hash.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const BLOCK_BYTES = 16;

interface AeadKey {
  /** CIPHER_*; node:crypto types each AEAD mode apart, hence no name here. */
  readonly cipher: number;
  readonly key: KeyObject;
}

class NodeAead implements AeadPort {
  readonly #tables: Uint8Array;
  readonly #arena: Uint8Array;
  readonly #nonce: Uint8Array;
  readonly #keys: (AeadKey | undefined)[] = new Array<AeadKey | undefined>(KEY_SLOTS).fill(undefined);

  constructor(tables: Tables, arena: Arena) {
    this.#tables = tables.bytes;
    this.#arena = arena.bytes;
    this.#nonce = arena.bytes.subarray(SCRATCH.nonce, SCRATCH.nonce + NONCE_BYTES);
  }

  setKey(slot: number, cipher: number, keyOffset: number): void {
    invariant(slot >= 0 && slot < KEY_SLOTS, 'key slot out of range');
    const key = createSecretKey(this.#tables.slice(keyOffset, keyOffset + KEY_BYTES));
    this.#keys[slot] = { cipher, key };
  }

  seal(slot: number, offset: number, length: number, aadBytes: number): void {
    const { cipher, key } = this.#key(slot);
    const end = offset + length;
    const sealing =
      cipher === CIPHER_AES_256_GCM
        ? createCipheriv('aes-256-gcm', key, this.#nonce)
        : createCipheriv('chacha20-poly1305', key, this.#nonce, { authTagLength: TAG_BYTES });
    sealing.setAAD(this.#arena.subarray(SCRATCH.aad, SCRATCH.aad + aadBytes), { plaintextLength: length });
    this.#arena.set(sealing.update(this.#arena.subarray(offset, end)), offset);
    sealing.final();
    this.#arena.set(sealing.getAuthTag(), end);
  }

  open(slot: number, offset: number, length: number, aadBytes: number): boolean {
    const { cipher, key } = this.#key(slot);
    const end = offset + length;
    const options = { authTagLength: TAG_BYTES };
    const opening =
      cipher === CIPHER_AES_256_GCM
        ? createDecipheriv('aes-256-gcm', key, this.#nonce, options)
        : createDecipheriv('chacha20-poly1305', key, this.#nonce, options);
    opening.setAAD(this.#arena.subarray(SCRATCH.aad, SCRATCH.aad + aadBytes), { plaintextLength: length });
    opening.setAuthTag(this.#arena.subarray(end, end + TAG_BYTES));
    this.#arena.set(opening.update(this.#arena.subarray(offset, end)), offset);
    try {
      opening.final();
      return true;
    } catch {
      return false; // node:crypto has no other way to say that the tag is wrong
    }
  }

  close(): void {
    this.#keys.fill(undefined);
  }

  #key(slot: number): AeadKey {
    const key = this.#keys[slot];
    invariant(key !== undefined, 'a key slot is used before it is set');
    return key;
  }
}

class NodeBlock implements BlockPort {
  readonly #tables: Uint8Array;
  readonly #arena: Uint8Array;
  readonly #ciphers: (Cipheriv | Decipheriv | undefined)[] = new Array<Cipheriv | Decipheriv | undefined>(
    KEY_SLOTS,
  ).fill(undefined);

  constructor(tables: Tables, arena: Arena) {
    this.#tables = tables.bytes;
    this.#arena = arena.bytes;
  }

  setKey(slot: number, keyOffset: number, decrypts: boolean): void {
    invariant(slot >= 0 && slot < KEY_SLOTS, 'key slot out of range');
    const key = createSecretKey(this.#tables.slice(keyOffset, keyOffset + KEY_BYTES));
    const cipher = decrypts
      ? createDecipheriv('aes-256-ecb', key, null)
      : createCipheriv('aes-256-ecb', key, null);
    cipher.setAutoPadding(false);
    this.#ciphers[slot] = cipher;
  }

  transform(slot: number, offset: number, count: number): void {
    const cipher = this.#ciphers[slot];
    invariant(cipher !== undefined, 'a key slot is used before it is set');
    this.#arena.set(cipher.update(this.#arena.subarray(offset, offset + count * BLOCK_BYTES)), offset);
  }

  close(): void {
    this.#ciphers.fill(undefined);
  }
}

/** The ports over node:crypto. */
export function createNodeCrypto(tables: Tables, arena: Arena): CryptoPorts {
  const aead = new NodeAead(tables, arena);
  const block = new NodeBlock(tables, arena);
  return {
    name: 'node',
    aead,
    block,
    tokens: createTokenHash(tables),
    close(): void {
      aead.close();
      block.close();
    },
  };
}
