/**
 * The tokens that one worker sends under (protocol section 5), derived when a station is first sent to in a period and
 * kept. Worker threads; a worker's own memory.
 *
 *   line = slot of the station or group in its table, or LIMIT.stations + slot of an epoch for its broadcast token
 *        │ epoch's serial │ period │ MAC low │ MAC high │ token 16 │
 *
 * A line says of what it was derived, so nothing need be told to forget: a new period, another epoch of the same VLAN, or
 * another station in the same slot is another key. The main thread changes one word for all stations of a VLAN.
 *
 * Why not in the station's slot, where all workers would share one derivation: a slot that several workers write needs a
 * claim, and a worker that dies with it would leave the station without a token. A derivation in each worker costs some
 * microseconds an hour, and a reader needs no version. The cache has a line for each slot that there can be, so it is
 * bounded and no two stations drive each other out; pages of it that no station uses are never touched.
 */
import type { TokenPort } from '../crypto/crypto-port.ts';
import { Epoch, LIMIT, TOKEN_KIND_BROADCAST, TOKEN_KIND_GROUP, TOKEN_KIND_STATION } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import type { Tables } from '../shm/tables.ts';

const LINE_WORDS = 8;
const SERIAL = 0;
const PERIOD = 1;
const MAC_LOW = 2;
const MAC_HIGH = 3;
const TOKEN = 4;
/** What no epoch has for a serial. */
const NO_SERIAL = 0;

/** "No token": the epoch's slot is free, or being written. */
export const NO_TOKEN = -1;

/** See the file's head. */
export class TokenCache {
  /** Tokens lie in here as four words, at the index that a look-up returns. */
  readonly words = new Int32Array((LIMIT.stations + LIMIT.epochs) * LINE_WORDS);
  readonly #epochs: Int32Array;
  readonly #port: TokenPort;
  /** Epoch that the port derives for. */
  #serial = NO_SERIAL;

  constructor(tables: Tables, port: TokenPort) {
    this.#epochs = tables.i32;
    this.#port = port;
  }

  /**
   * The token of a station.
   *
   * @param station - its slot
   * @param epoch - slot of the epoch to send under
   * @returns index of its token in `words`, or NO_TOKEN
   */
  station(station: number, epoch: number, macLow: number, macHigh: number): number {
    return this.#ofAddress(station, epoch, macLow, macHigh, TOKEN_KIND_STATION);
  }

  /** The token of a multicast group; as {@link TokenCache.station}. */
  group(group: number, epoch: number, macLow: number, macHigh: number): number {
    return this.#ofAddress(group, epoch, macLow, macHigh, TOKEN_KIND_GROUP);
  }

  /** A slot's address says of which kind it is: a group's has its lowest bit set, so a line need not name the kind. */
  #ofAddress(station: number, epoch: number, macLow: number, macHigh: number, kind: number): number {
    const { words } = this;
    const line = station * LINE_WORDS;
    const epochWord = (TABLE.epochs + epoch * Epoch.size) >> 2;
    const isKept =
      this.#isOf(line, epochWord) && words[line + MAC_LOW] === macLow && words[line + MAC_HIGH] === macHigh;
    if (isKept) return line + TOKEN;
    words[line + MAC_LOW] = macLow;
    words[line + MAC_HIGH] = macHigh;
    return this.#derive(line, epochWord, kind);
  }

  /** The token of everything that is flooded under an epoch; as {@link TokenCache.station}. */
  broadcast(epoch: number): number {
    const line = (LIMIT.stations + epoch) * LINE_WORDS;
    const epochWord = (TABLE.epochs + epoch * Epoch.size) >> 2;
    return this.#isOf(line, epochWord) ? line + TOKEN : this.#derive(line, epochWord, TOKEN_KIND_BROADCAST);
  }

  /** Whether a line is of an epoch as it is now. */
  #isOf(line: number, epochWord: number): boolean {
    const serial = this.words[line + SERIAL];
    return (
      serial === this.#epochs[epochWord + (Epoch.at.serial >> 2)] &&
      serial !== NO_SERIAL &&
      this.words[line + PERIOD] === this.#epochs[epochWord + (Epoch.at.period >> 2)]
    );
  }

  /** The line's MAC is set. A line is valid only once its serial is. */
  #derive(line: number, epochWord: number, kind: number): number {
    const { words } = this;
    words[line + SERIAL] = NO_SERIAL;
    const version = Atomics.load(this.#epochs, epochWord);
    const serial = this.#epochs[epochWord + (Epoch.at.serial >> 2)] as number;
    const period = this.#epochs[epochWord + (Epoch.at.period >> 2)] as number;
    if ((version & 1) !== 0 || serial === NO_SERIAL) return NO_TOKEN;
    if (serial !== this.#serial) {
      this.#serial = NO_SERIAL;
      this.#port.setEpoch(epochWord * 4 + Epoch.at.tokenKey, epochWord * 4 + Epoch.at.segment);
      if (Atomics.load(this.#epochs, epochWord) !== version) return NO_TOKEN;
      this.#serial = serial;
    }
    this.#port.derive(kind, period, words[line + MAC_LOW] as number, words[line + MAC_HIGH] as number);
    words.set(this.#port.token, line + TOKEN);
    words[line + PERIOD] = period;
    words[line + SERIAL] = serial;
    return line + TOKEN;
  }
}
