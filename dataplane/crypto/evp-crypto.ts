/**
 * The crypto ports by OpenSSL's EVP functions, called in Node's own binary through koffi. Worker threads.
 *
 * Every pointer is a number, base + offset, so a call allocates nothing; a context keeps its key, and a datagram
 * costs one call each for nonce, AAD, data, final and tag. Contexts belong to one thread. Where Node was built with
 * these symbols hidden, {@link loadEvp} says so and node-crypto.ts takes over.
 *
 * @see https://docs.openssl.org/3.5/man3/EVP_EncryptInit/
 */
import koffi from 'koffi';
import { invariant } from '../base/invariant.ts';
import type { Arena } from '../shm/arena.ts';
import { CIPHER_AES_256_GCM } from '../shm/layout.ts';
import { SCRATCH } from '../shm/scratch.ts';
import type { Tables } from '../shm/tables.ts';
import { type AeadPort, type BlockPort, type CryptoPorts, KEY_SLOTS } from './crypto-port.ts';

const TAG_BYTES = 16;
/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG. */
const CTRL_GET_TAG = 0x10;
const CTRL_SET_TAG = 0x11;

type Start = (context: number, cipher: number, engine: number, key: number, nonce: number) => number;

/** The functions that this file calls; pointers are numbers. */
interface Evp {
  readonly newContext: () => number;
  readonly freeContext: (context: number) => void;
  /** EVP_EncryptInit_ex and EVP_DecryptInit_ex: context, cipher or 0, engine 0, key or 0, nonce or 0. */
  readonly startSealing: Start;
  readonly startOpening: Start;
  readonly update: (context: number, out: number, outLength: number, data: number, length: number) => number;
  readonly final: (context: number, out: number, outLength: number) => number;
  readonly control: (context: number, command: number, length: number, pointer: number) => number;
  readonly setPadding: (context: number, padding: number) => number;
  readonly aes256Gcm: number;
  readonly chacha20Poly1305: number;
  readonly aes256Ecb: number;
}

/**
 * Looks the functions up in the running binary.
 * @returns undefined when it hides them
 */
export function loadEvp(): Evp | undefined {
  try {
    const library = koffi.load(null);
    const pointer = 'uintptr_t';
    const cipher = (name: string): number => Number(library.func(name, pointer, [])());
    return {
      newContext: library.func('EVP_CIPHER_CTX_new', pointer, []),
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

/** Addresses of the two buffers; both live as long as the worker does, and shared memory does not move. */
interface Bases {
  readonly arena: number;
  readonly tables: number;
  /** Where the functions write output lengths, which nobody reads: these ciphers put out what they take. */
  readonly outLength: number;
}

/** Contexts by slot, made when a slot is first used. */
class ContextSlots {
  readonly pointers = new Float64Array(KEY_SLOTS);
  readonly #evp: Evp;

  constructor(evp: Evp) {
    this.#evp = evp;
  }

  make(slot: number): number {
    invariant(slot >= 0 && slot < KEY_SLOTS, 'key slot out of range');
    const present = this.pointers[slot] as number;
    if (present !== 0) return present;
    const context = this.#evp.newContext();
    invariant(context !== 0, 'OpenSSL has no memory for a cipher context');
    this.pointers[slot] = context;
    return context;
  }

  close(): void {
    for (const context of this.pointers) if (context !== 0) this.#evp.freeContext(context);
    this.pointers.fill(0);
  }
}

class EvpAead implements AeadPort {
  readonly contexts: ContextSlots;
  readonly #evp: Evp;
  readonly #bases: Bases;
  readonly #nonce: number;
  readonly #aad: number;

  constructor(evp: Evp, bases: Bases) {
    this.contexts = new ContextSlots(evp);
    this.#evp = evp;
    this.#bases = bases;
    this.#nonce = bases.arena + SCRATCH.nonce;
    this.#aad = bases.arena + SCRATCH.aad;
  }

  setKey(slot: number, cipher: number, keyOffset: number): void {
    const evp = this.#evp;
    const type = cipher === CIPHER_AES_256_GCM ? evp.aes256Gcm : evp.chacha20Poly1305;
    const context = this.contexts.make(slot);
    must(evp.startSealing(context, type, 0, this.#bases.tables + keyOffset, 0));
  }

  seal(slot: number, offset: number, length: number, aadBytes: number): void {
    const evp = this.#evp;
    const context = this.contexts.pointers[slot] as number;
    const data = this.#bases.arena + offset;
    const out = this.#bases.outLength;
    must(evp.startSealing(context, 0, 0, 0, this.#nonce));
    must(evp.update(context, 0, out, this.#aad, aadBytes));
    must(evp.update(context, data, out, data, length));
    must(evp.final(context, data + length, out));
    must(evp.control(context, CTRL_GET_TAG, TAG_BYTES, data + length));
  }

  open(slot: number, offset: number, length: number, aadBytes: number): boolean {
    const evp = this.#evp;
    const context = this.contexts.pointers[slot] as number;
    const data = this.#bases.arena + offset;
    const out = this.#bases.outLength;
    must(evp.startOpening(context, 0, 0, 0, this.#nonce));
    must(evp.update(context, 0, out, this.#aad, aadBytes));
    must(evp.update(context, data, out, data, length));
    must(evp.control(context, CTRL_SET_TAG, TAG_BYTES, data + length));
    return evp.final(context, data + length, out) === 1;
  }
}

class EvpBlock implements BlockPort {
  readonly contexts: ContextSlots;
  readonly #evp: Evp;
  readonly #bases: Bases;

  constructor(evp: Evp, bases: Bases) {
    this.contexts = new ContextSlots(evp);
    this.#evp = evp;
    this.#bases = bases;
  }

  setKey(slot: number, keyOffset: number, decrypts: boolean): void {
    const context = this.contexts.make(slot);
    const key = this.#bases.tables + keyOffset;
    const start = decrypts ? this.#evp.startOpening : this.#evp.startSealing;
    must(start(context, this.#evp.aes256Ecb, 0, key, 0));
    must(this.#evp.setPadding(context, 0));
  }

  transform(slot: number, offset: number, count: number): void {
    const data = this.#bases.arena + offset;
    const context = this.contexts.pointers[slot] as number;
    must(this.#evp.update(context, data, this.#bases.outLength, data, count * 16));
  }
}

/** The ports over {@link loadEvp}'s functions. */
export function createEvpCrypto(evp: Evp, tables: Tables, arena: Arena): CryptoPorts {
  const arenaBase = Number(koffi.address(arena.bytes));
  const bases: Bases = {
    arena: arenaBase,
    tables: Number(koffi.address(tables.bytes)),
    outLength: arenaBase + SCRATCH.outLength,
  };
  const aead = new EvpAead(evp, bases);
  const block = new EvpBlock(evp, bases);
  return {
    name: 'openssl',
    aead,
    block,
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
