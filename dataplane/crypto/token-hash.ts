/**
 * The token port by the BLAKE3 of noble-hashes (docs/adr/0010). Worker threads. Hashing states that have taken in what an
 * epoch's tokens have in common are made once and copied for each token. A derivation allocates some kilobytes inside the
 * library, but happens once a station and period (pipeline/token-cache.ts).
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { TOKEN_KIND_BROADCAST } from '../shm/layout.ts';
import type { Tables } from '../shm/tables.ts';
import type { TokenPort } from './crypto-port.ts';

const KEY_BYTES = 32;
const SEGMENT_BYTES = 16;
const ROUTE_BYTES = 16;
/** period u32 ‖ kind u8, and a station's or a group's MAC. */
const KIND_AT = 4;
const MAC_AT = 5;
const MAC_BYTES = 6;
/** Little-endian. */
const LE = true;

type HashState = ReturnType<typeof blake3.create>;

class NobleTokens implements TokenPort {
  readonly token = new Int32Array(ROUTE_BYTES / 4);
  readonly #tables: Uint8Array;
  /** Under K_token; and with the segment id taken in. */
  #keyed: HashState = blake3.create({ key: new Uint8Array(KEY_BYTES) });
  #plain: HashState = blake3.create();
  /** What they are copied to for each token. */
  readonly #keyedCopy = this.#keyed.clone();
  readonly #plainCopy = this.#plain.clone();
  readonly #station = new Uint8Array(MAC_AT + MAC_BYTES);
  readonly #shared = this.#station.subarray(0, MAC_AT);
  readonly #input = new DataView(this.#station.buffer);
  readonly #digest = new Uint8Array(KEY_BYTES);
  readonly #route = this.#digest.subarray(0, ROUTE_BYTES);
  readonly #output = new DataView(this.#digest.buffer);

  constructor(tables: Tables) {
    this.#tables = tables.bytes;
  }

  setEpoch(keyOffset: number, segmentOffset: number): void {
    this.#keyed.destroy();
    this.#plain.destroy();
    const key = this.#tables.slice(keyOffset, keyOffset + KEY_BYTES);
    this.#keyed = blake3.create({ key });
    key.fill(0);
    const segment = this.#tables.slice(segmentOffset, segmentOffset + SEGMENT_BYTES);
    this.#plain = blake3.create().update(segment);
  }

  derive(kind: number, period: number, macLow: number, macHigh: number): void {
    this.#input.setUint32(0, period, LE);
    this.#input.setUint8(KIND_AT, kind);
    this.#input.setInt32(MAC_AT, macLow, LE);
    this.#input.setUint16(MAC_AT + 4, macHigh, LE);
    const input = kind === TOKEN_KIND_BROADCAST ? this.#shared : this.#station;
    this.#keyed._cloneInto(this.#keyedCopy).update(input).digestInto(this.#digest);
    this.#plain._cloneInto(this.#plainCopy).update(this.#route).digestInto(this.#digest);
    for (let word = 0; word < this.token.length; word++)
      this.token[word] = this.#output.getInt32(4 * word, LE);
  }
}

/** Derives tokens of the epochs in these tables. */
export function createTokenHash(tables: Tables): TokenPort {
  return new NobleTokens(tables);
}
