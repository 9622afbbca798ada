/**
 * Chooses the TypeScript engine's cryptography at a worker's start: OpenSSL's own functions where they can be called
 * and agree with node:crypto to the last byte, otherwise node:crypto. Worker threads, before the first frame.
 */
import { sameBytes } from '../base/same-bytes.ts';
import type { Arena } from '../shm/arena.ts';
import { CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305 } from '../shm/layout.ts';
import { SCRATCH } from '../shm/scratch.ts';
import type { Tables } from '../shm/tables.ts';
import type { CryptoPorts } from './crypto-port.ts';
import { createEvpCrypto, loadEvp } from './evp-crypto.ts';
import { createNodeCrypto } from './node-crypto.ts';

const SAMPLE_BYTES = 83; // no multiple of a block, so that the last partial block is tried too
const AAD_BYTES = 34;
/** Any 32 bytes of the tables will do as a key; the header at 0 differs from run to run by its hash key. */
const SAMPLE_KEY_OFFSET = 0;

/** The ports for one worker; uses the arena's scratch region for a moment. */
export function chooseCrypto(tables: Tables, arena: Arena): CryptoPorts {
  const node = createNodeCrypto(tables, arena);
  const evp = loadEvp();
  if (evp === undefined) return node;
  const openssl = createEvpCrypto(evp, tables, arena);
  if (agree(openssl, node, arena)) {
    node.close();
    return openssl;
  }
  openssl.close();
  return node;
}

/** Whether both give the same bytes, open what the other sealed, and refuse a wrong tag. */
export function agree(left: CryptoPorts, right: CryptoPorts, arena: Arena): boolean {
  try {
    return (
      aeadAgrees(left, right, arena, CIPHER_AES_256_GCM) &&
      aeadAgrees(left, right, arena, CIPHER_CHACHA20_POLY1305) &&
      blocksAgree(left, right, arena, false) &&
      blocksAgree(left, right, arena, true)
    );
  } catch {
    return false;
  }
}

function aeadAgrees(left: CryptoPorts, right: CryptoPorts, arena: Arena, cipher: number): boolean {
  left.aead.setKey(0, cipher, SAMPLE_KEY_OFFSET);
  right.aead.setKey(0, cipher, SAMPLE_KEY_OFFSET);
  const plain = layOutSample(arena);
  left.aead.seal(0, SCRATCH.body, SAMPLE_BYTES, AAD_BYTES);
  const sealedLeft = arena.bytes.slice(SCRATCH.body, SCRATCH.body + SAMPLE_BYTES + 16);
  layOutSample(arena);
  right.aead.seal(0, SCRATCH.body, SAMPLE_BYTES, AAD_BYTES);
  const sealedRight = arena.bytes.slice(SCRATCH.body, SCRATCH.body + SAMPLE_BYTES + 16);
  if (!sameBytes(sealedLeft, sealedRight)) return false;
  if (!left.aead.open(0, SCRATCH.body, SAMPLE_BYTES, AAD_BYTES)) return false;
  if (!sameBytes(arena.bytes.slice(SCRATCH.body, SCRATCH.body + SAMPLE_BYTES), plain)) return false;
  arena.bytes.set(sealedLeft, SCRATCH.body);
  arena.bytes[SCRATCH.body + SAMPLE_BYTES] = (sealedLeft[SAMPLE_BYTES] ?? 0) ^ 1;
  return !left.aead.open(0, SCRATCH.body, SAMPLE_BYTES, AAD_BYTES);
}

function blocksAgree(left: CryptoPorts, right: CryptoPorts, arena: Arena, decrypts: boolean): boolean {
  left.block.setKey(0, SAMPLE_KEY_OFFSET, decrypts);
  right.block.setKey(0, SAMPLE_KEY_OFFSET, decrypts);
  layOutSample(arena);
  left.block.transform(0, SCRATCH.body, 5);
  const leftBlocks = arena.bytes.slice(SCRATCH.body, SCRATCH.body + 80);
  layOutSample(arena);
  right.block.transform(0, SCRATCH.body, 5);
  return sameBytes(leftBlocks, arena.bytes.slice(SCRATCH.body, SCRATCH.body + 80));
}

function layOutSample(arena: Arena): Uint8Array {
  for (let index = 0; index < SAMPLE_BYTES; index++) arena.bytes[SCRATCH.body + index] = index * 7;
  for (let index = 0; index < 12; index++) arena.bytes[SCRATCH.nonce + index] = index * 11;
  for (let index = 0; index < AAD_BYTES; index++) arena.bytes[SCRATCH.aad + index] = index * 13;
  return arena.bytes.slice(SCRATCH.body, SCRATCH.body + SAMPLE_BYTES);
}
