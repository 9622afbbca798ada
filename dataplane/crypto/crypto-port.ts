/**
 * What the TypeScript stages need of cryptography, as ports. Worker threads. Keys live in numbered slots of an
 * implementation, so that a key schedule is made once; which slot holds which key is the caller's affair
 * (pipeline/key-cache.ts). Data is transformed in place in the worker's arena, keys are read from the tables.
 *
 *   evp-crypto.ts    OpenSSL's EVP in Node's own binary, nothing allocated per call
 *   node-crypto.ts   node:crypto, where a build of Node hides those symbols
 */

/** Slots of an AeadPort and of a BlockPort. */
export const KEY_SLOTS = 16_384;

/** Authenticated encryption (RFC 5116). The nonce lies at SCRATCH.nonce, 12 bytes; the AAD at SCRATCH.aad. */
export interface AeadPort {
  /**
   * Puts a key into a slot.
   *
   * @param slot - below KEY_SLOTS
   * @param cipher - CIPHER_*
   * @param keyOffset - of 32 bytes in the tables
   */
  setKey(slot: number, cipher: number, keyOffset: number): void;

  /** Enciphers `length` bytes at `offset` in place and writes the tag, 16 bytes, behind them. */
  seal(slot: number, offset: number, length: number, aadBytes: number): void;

  /**
   * Deciphers `length` bytes at `offset` in place; the tag lies behind them.
   * @returns false when the tag is wrong: what lies there then is worthless
   */
  open(slot: number, offset: number, length: number, aadBytes: number): boolean;
}

/** AES-256 on single blocks, many at a time. */
export interface BlockPort {
  /**
   * Puts a key into a slot.
   *
   * @param slot - below KEY_SLOTS
   * @param keyOffset - of 32 bytes in the tables
   * @param decrypts - the slot is for the inverse permutation
   */
  setKey(slot: number, keyOffset: number, decrypts: boolean): void;

  /** Sends `count` blocks of 16 bytes at `offset` through the slot's permutation, in place. */
  transform(slot: number, offset: number, count: number): void;
}

/** Forwarding tokens of one epoch at a time (protocol section 5); token-hash.ts. */
export interface TokenPort {
  /** The token that was derived last, as four little-endian words. */
  readonly token: Int32Array;

  /**
   * Derives for another epoch from now.
   *
   * @param keyOffset - of K_token, 32 bytes in the tables
   * @param segmentOffset - of the segment id, 16 bytes in the tables
   */
  setEpoch(keyOffset: number, segmentOffset: number): void;

  /**
   * Derives a token into `token`.
   *
   * @param kind - TOKEN_KIND_*
   * @param macLow - of a station or group, as in Station; broadcast has no value, and it is not read
   */
  derive(kind: number, period: number, macLow: number, macHigh: number): void;
}

/** All of them, bound to one worker's arena and the tables. */
export interface CryptoPorts {
  /** Which implementation; for the log. */
  readonly name: 'openssl' | 'node';
  readonly aead: AeadPort;
  readonly block: BlockPort;
  readonly tokens: TokenPort;
  /** Releases the key schedules. */
  close(): void;
}
