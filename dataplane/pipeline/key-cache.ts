/**
 * Which key lies ready in which slot of the crypto ports. Worker threads. A cache line is chosen by the key's number
 * in the tables and names the incarnation (keySerial) that it holds; a changed serial or a collision sets the key
 * anew, which costs about a microsecond. So its size is bounded whatever the tables hold, and a key that was
 * replaced is not used once more.
 *
 *   AEAD slots    0 … 4095 frame keys │ 4096 + 2 n: lane k4, receiving; + 1 sending
 *   block slots   0 … 1023 epoch masks │ 1024 + 6 n …: a lane's six permutations
 */
import type { CryptoPorts } from '../crypto/crypto-port.ts';
import { CIPHER_AES_256_GCM, Epoch, FrameKey, Lane, NONE } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import type { Tables } from '../shm/tables.ts';
import { LE } from './memory.ts';

const FRAME_KEYS = 4096;
const EPOCHS = 1024;
const LANES = 1024;

/** Permutations of a lane: added to what {@link KeyCache.laneBlocks} returns. */
export const RX_MASK = 0;
export const RX_TWEAK = 1;
export const RX_TOKEN = 2;
export const TX_MASK = 3;
export const TX_TWEAK = 4;
export const TX_TOKEN = 5;
const LANE_PERMUTATIONS = 6;

/** "No usable key": its slot in the tables is free, or being written. */
export const NO_KEY = -1;

/** One worker's key schedules. */
export class KeyCache {
  readonly #tables: Tables;
  readonly #table: DataView;
  readonly #crypto: CryptoPorts;
  // What each cache line holds: the number of its key in the tables, and that key's serial.
  readonly #frameKey = new Uint32Array(FRAME_KEYS).fill(NONE);
  readonly #frameSerial = new Uint32Array(FRAME_KEYS);
  readonly #epochSerial = new Uint32Array(EPOCHS); // no epoch's serial is 0
  readonly #lane = new Uint32Array(LANES).fill(NONE);
  readonly #laneSerial = new Uint32Array(LANES);

  constructor(tables: Tables, crypto: CryptoPorts) {
    this.#tables = tables;
    this.#table = new DataView(tables.buffer);
    this.#crypto = crypto;
  }

  /**
   * The AEAD slot of a frame key, or NO_KEY.
   *
   * @param key - its slot in the tables
   */
  frameKey(key: number): number {
    const at = TABLE.frameKeys + key * FrameKey.size;
    if (!this.#isStable(at) || this.#table.getUint32(at + FrameKey.at.state, LE) === 0) return NO_KEY;
    const serial = this.#table.getUint32(at + FrameKey.at.keySerial, LE);
    const line = key & (FRAME_KEYS - 1);
    if (this.#frameKey[line] === key && this.#frameSerial[line] === serial) return line;
    this.#frameKey[line] = NONE;
    const cipher = this.#table.getUint32(at + FrameKey.at.cipher, LE);
    this.#crypto.aead.setKey(line, cipher, at + FrameKey.at.key);
    if (!this.#isStable(at) || this.#table.getUint32(at + FrameKey.at.keySerial, LE) !== serial)
      return NO_KEY;
    this.#frameKey[line] = key;
    this.#frameSerial[line] = serial;
    return line;
  }

  /** The block slot of an epoch's sender mask, or NO_KEY. */
  epochMask(epoch: number): number {
    const at = TABLE.epochs + epoch * Epoch.size;
    const version = Atomics.load(this.#tables.u32, at >> 2);
    if ((version & 1) !== 0 || this.#table.getUint32(at + Epoch.at.state, LE) === 0) return NO_KEY;
    const serial = this.#table.getUint32(at + Epoch.at.serial, LE);
    if (this.#epochSerial[epoch] === serial) return epoch;
    this.#epochSerial[epoch] = 0;
    this.#crypto.block.setKey(epoch, at + Epoch.at.maskKey, false);
    if (Atomics.load(this.#tables.u32, at >> 2) !== version) return NO_KEY;
    this.#epochSerial[epoch] = serial;
    return epoch;
  }

  /** The first of a lane's block slots, or NO_KEY; RX_MASK … TX_TOKEN are added to it. */
  laneBlocks(lane: number): number {
    const line = this.#laneLine(lane);
    return line === NO_KEY ? NO_KEY : EPOCHS + line * LANE_PERMUTATIONS;
  }

  /** The AEAD slot of a lane's k4, or NO_KEY. */
  laneAead(lane: number, sends: boolean): number {
    const line = this.#laneLine(lane);
    return line === NO_KEY ? NO_KEY : FRAME_KEYS + line * 2 + (sends ? 1 : 0);
  }

  #laneLine(lane: number): number {
    const at = TABLE.lanes + lane * Lane.size;
    if (!this.#isStable(at)) return NO_KEY;
    const serial = this.#table.getUint32(at + Lane.at.keySerial, LE);
    const line = lane & (LANES - 1);
    if (this.#lane[line] === lane && this.#laneSerial[line] === serial) return line;
    this.#lane[line] = NONE;
    this.#setLaneKeys(line, at + Lane.at.rxKeys, at + Lane.at.txKeys);
    if (!this.#isStable(at) || this.#table.getUint32(at + Lane.at.keySerial, LE) !== serial) return NO_KEY;
    this.#lane[line] = lane;
    this.#laneSerial[line] = serial;
    return line;
  }

  /** Keys lie as k1 ‖ k2 ‖ k3 ‖ k4: token, tweak, mask, body (protocol section 3). */
  #setLaneKeys(line: number, rx: number, tx: number): void {
    const { block, aead } = this.#crypto;
    const first = EPOCHS + line * LANE_PERMUTATIONS;
    block.setKey(first + RX_TOKEN, rx, true);
    block.setKey(first + RX_TWEAK, rx + 32, false);
    block.setKey(first + RX_MASK, rx + 64, false);
    block.setKey(first + TX_TOKEN, tx, false);
    block.setKey(first + TX_TWEAK, tx + 32, false);
    block.setKey(first + TX_MASK, tx + 64, false);
    aead.setKey(FRAME_KEYS + line * 2, CIPHER_AES_256_GCM, rx + 96);
    aead.setKey(FRAME_KEYS + line * 2 + 1, CIPHER_AES_256_GCM, tx + 96);
  }

  #isStable(slotAt: number): boolean {
    return (Atomics.load(this.#tables.u32, slotAt >> 2) & 1) === 0;
  }
}
