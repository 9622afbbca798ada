/**
 * HalfSipHash-1-3, 32 bits, keyed per process: what places tokens, stations and senders in their tables. Any
 * thread; pure. Peers choose tokens and MAC addresses, so the hash must not be predictable to them.
 * @see https://github.com/veorq/SipHash (HalfSipHash, Aumasson and Bernstein)
 */

/** The hash's key; from TablesHeader. */
export interface HashKey {
  readonly key0: number;
  readonly key1: number;
}

/**
 * Hashes up to four words.
 *
 * @param key - per process
 * @param words - how many of w0‥w3 count (1..4); the rest are 0
 * @returns 32 bits, signed, so that it is no heap object where V8 does not inline the call; callers mask it
 */
// eslint-disable-next-line @typescript-eslint/max-params -- a look-up for each datagram: an object of words would be made each time
export function tableHash(
  key: HashKey,
  words: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): number {
  let v0 = key.key0 | 0;
  let v1 = key.key1 | 0;
  let v2 = 0x6c796765 ^ key.key0;
  let v3 = 0x74656462 ^ key.key1;
  // One compression round a word, the last word carrying the length; three finalisation rounds.
  for (let round = 0; round < words + 4; round++) {
    let word = 0;
    if (round < words) word = round === 0 ? w0 : round === 1 ? w1 : round === 2 ? w2 : w3;
    else if (round === words) word = words << 26;
    if (round === words + 1) v2 ^= 0xff;
    if (round <= words) v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round <= words) v0 ^= word;
  }
  return v1 ^ v3;
}
