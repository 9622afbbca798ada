/**
 * The crypto ports by OpenSSL's EVP functions, called in Node's own binary through koffi. Worker threads.
 *
 * Every pointer is a BigInt that was made before (shm/pointer-cache.ts), so a call allocates nothing; a context keeps
 * its key, and a datagram costs one call each for nonce, AAD, data, final and tag. Contexts belong to one thread. Where
 * Node was built with these symbols hidden, {@link loadEvp} says so and node-crypto.ts takes over.
 *
 * @see https://docs.openssl.org/3.5/man3/EVP_EncryptInit/
 */
import koffi from 'koffi';
import { invariant } from '../base/invariant.ts';
import type { Arena } from '../shm/arena.ts';
import { CIPHER_AES_256_GCM } from '../shm/layout.ts';
import { PointerCache } from '../shm/pointer-cache.ts';
import { SCRATCH } from '../shm/scratch.ts';
import type { Tables } from '../shm/tables.ts';
import { type AeadPort, type BlockPort, type CryptoPorts, KEY_SLOTS } from './crypto-port.ts';
import { createTokenHash } from './token-hash.ts';

const TAG_BYTES = 16;
/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG. */
const CTRL_GET_TAG = 0x10;
const CTRL_SET_TAG = 0x11;

const NULL = 0n;

type Start = (context: bigint, cipher: bigint, engine: bigint, key: bigint, nonce: bigint) => number;

/** The functions that this file calls; pointers are BigInts. */
interface Evp {
  readonly newContext: () => number | bigint;
  readonly freeContext: (context: bigint) => void;
  /** EVP_EncryptInit_ex and EVP_DecryptInit_ex: context, cipher or 0, engine 0, key or 0, nonce or 0. */
  readonly startSealing: Start;
  readonly startOpening: Start;
  readonly update: (context: bigint, out: bigint, outLength: bigint, data: bigint, length: number) => number;
  readonly final: (context: bigint, out: bigint, outLength: bigint) => number;
  readonly control: (context: bigint, command: number, length: number, pointer: bigint) => number;
  readonly setPadding: (context: bigint, padding: number) => number;
  readonly aes256Gcm: bigint;
  readonly chacha20Poly1305: bigint;
  readonly aes256Ecb: bigint;
}

/**
 * Looks the functions up in the running binary.
 * @returns undefined when it hides them
 */
export function loadEvp(): Evp | undefined {
  try {
    const library = koffi.load(null);
    // Taken as a pointer, a BigInt is converted at once; as an integer, only after it has been tried as a number.
    const pointer = 'void *';
    const address = 'uintptr_t';
    const cipher = (name: string): bigint => BigInt(library.func(name, address, [])() as number | bigint);
    return {
      newContext: library.func('EVP_CIPHER_CTX_new', address, []),
      freeContext: library.func('EVP_CIPHER_CTX_free', 'void', [pointer]),
      startSealing: library.func('EVP_EncryptInit_ex', 'int', [pointer, pointer, pointer, pointer, pointer]),
      startOpening: library.func('EVP_DecryptInit_ex', 'int', [pointer, pointer, pointer, pointer, pointer]),
      update: library.func('EVP_CipherUpdate', 'int', [pointer, pointer, pointer, pointer, 'int']),
      final: library.func('EVP_CipherFinal_ex', 'int', [pointer, pointer, pointer]),
      control: library.func('EVP_CIPHER_CTX_ctrl', 'int', [pointer, 'int', 'int', pointer]),
      setPadding: library.func('EVP_CIPHER_CTX_set_padding', 'int', [pointer, 'int']),
      aes256Gcm: cipher('EVP_aes_256_gcm'),
      chacha20Poly1305: cipher('EVP_chacha20_poly1305'),
      aes256Ecb: cipher('EVP_aes_256_ecb'),
    };
  } catch {
    return undefined;
  }
}

/** Addresses in the two buffers; both live as long as the worker does, and shared memory does not move. */
interface Places {
  readonly arena: PointerCache;
  /** Keys are set seldom, so these are made each time. */
  readonly tables: number;
  /** Where the functions write output lengths, which nobody reads: these ciphers put out what they take. */
  readonly outLength: bigint;
}

/** Contexts by slot, made when a slot is first used. */
class ContextSlots {
  readonly pointers: bigint[] = new Array<bigint>(KEY_SLOTS).fill(NULL);
  readonly #evp: Evp;

  constructor(evp: Evp) {
    this.#evp = evp;
  }

  make(slot: number): bigint {
    invariant(slot >= 0 && slot < KEY_SLOTS, 'key slot out of range');
    const present = this.pointers[slot] as bigint;
    if (present !== NULL) return present;
    const context = BigInt(this.#evp.newContext());
    invariant(context !== NULL, 'OpenSSL has no memory for a cipher context');
    this.pointers[slot] = context;
    return context;
  }

  close(): void {
    for (const context of this.pointers) if (context !== NULL) this.#evp.freeContext(context);
    this.pointers.fill(NULL);
  }
}

class EvpAead implements AeadPort {
  readonly contexts: ContextSlots;
  readonly #evp: Evp;
  readonly #places: Places;
  readonly #nonce: bigint;
  readonly #aad: bigint;

  constructor(evp: Evp, places: Places) {
    this.contexts = new ContextSlots(evp);
    this.#evp = evp;
    this.#places = places;
    this.#nonce = places.arena.at(SCRATCH.nonce);
    this.#aad = places.arena.at(SCRATCH.aad);
  }

  setKey(slot: number, cipher: number, keyOffset: number): void {
    const evp = this.#evp;
    const type = cipher === CIPHER_AES_256_GCM ? evp.aes256Gcm : evp.chacha20Poly1305;
    const context = this.contexts.make(slot);
    must(evp.startSealing(context, type, NULL, BigInt(this.#places.tables + keyOffset), NULL));
  }

  seal(slot: number, offset: number, length: number, aadBytes: number): void {
    const evp = this.#evp;
    const context = this.contexts.pointers[slot] as bigint;
    const { arena, outLength: out } = this.#places;
    const data = arena.at(offset);
    const tag = arena.at(offset + length);
    must(evp.startSealing(context, NULL, NULL, NULL, this.#nonce));
    must(evp.update(context, NULL, out, this.#aad, aadBytes));
    must(evp.update(context, data, out, data, length));
    must(evp.final(context, tag, out));
    must(evp.control(context, CTRL_GET_TAG, TAG_BYTES, tag));
  }

  open(slot: number, offset: number, length: number, aadBytes: number): boolean {
    const evp = this.#evp;
    const context = this.contexts.pointers[slot] as bigint;
    const { arena, outLength: out } = this.#places;
    const data = arena.at(offset);
    const tag = arena.at(offset + length);
    must(evp.startOpening(context, NULL, NULL, NULL, this.#nonce));
    must(evp.update(context, NULL, out, this.#aad, aadBytes));
    must(evp.update(context, data, out, data, length));
    must(evp.control(context, CTRL_SET_TAG, TAG_BYTES, tag));
    return evp.final(context, tag, out) === 1;
  }
}

class EvpBlock implements BlockPort {
  readonly contexts: ContextSlots;
  readonly #evp: Evp;
  readonly #places: Places;

  constructor(evp: Evp, places: Places) {
    this.contexts = new ContextSlots(evp);
    this.#evp = evp;
    this.#places = places;
  }

  setKey(slot: number, keyOffset: number, decrypts: boolean): void {
    const context = this.contexts.make(slot);
    const key = BigInt(this.#places.tables + keyOffset);
    const start = decrypts ? this.#evp.startOpening : this.#evp.startSealing;
    must(start(context, this.#evp.aes256Ecb, NULL, key, NULL));
    must(this.#evp.setPadding(context, 0));
  }

  transform(slot: number, offset: number, count: number): void {
    const data = this.#places.arena.at(offset);
    const context = this.contexts.pointers[slot] as bigint;
    must(this.#evp.update(context, data, this.#places.outLength, data, count * 16));
  }
}

/** The ports over {@link loadEvp}'s functions. */
export function createEvpCrypto(evp: Evp, tables: Tables, arena: Arena): CryptoPorts {
  const pointers = new PointerCache(Number(koffi.address(arena.bytes)));
  const places: Places = {
    arena: pointers,
    tables: Number(koffi.address(tables.bytes)),
    outLength: pointers.at(SCRATCH.outLength),
  };
  const aead = new EvpAead(evp, places);
  const block = new EvpBlock(evp, places);
  return {
    name: 'openssl',
    aead,
    block,
    tokens: createTokenHash(tables),
    close(): void {
      aead.contexts.close();
      block.contexts.close();
    },
  };
}

/** These calls fail only when the program misuses them or memory is out. */
function must(result: number): void {
  invariant(result === 1, 'an OpenSSL cipher call failed');
}
