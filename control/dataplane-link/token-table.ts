/**
 * The tokens that this node receives, passes on, or both, as workers look them up.
 *
 *   entry   local part (epoch, use)  ┐  it lives while it has one of them
 *           forward part (segment, set)
 *
 * A part that joins an entry or leaves it is written word by word, so that no datagram meets a slot that is being written.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens"
 */
import {
  ForwardSet,
  LIMIT,
  NONE,
  TOKEN_CONTROL,
  TOKEN_LOCAL,
  TOKEN_SEVERAL,
  Token,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import { findToken, type Tables } from '../../dataplane/shm/tables.ts';
import { HashedTable } from './hashed-table.ts';
import type { Quiescence } from './quiescence.ts';
import { placeOf, type SlotFields, SlotWriter } from './slot-writer.ts';

/** What a worker does with a frame under a token: to the TAP, or to the main thread. */
export type TokenUse = 'deliver' | 'control';

const LOCAL = TOKEN_LOCAL | TOKEN_CONTROL;

/** The token table's writer. */
export class TokenTable {
  readonly #tables: Tables;
  readonly #writer: SlotWriter;
  readonly #hashed: HashedTable;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#tables = tables;
    this.#writer = new SlotWriter(tables, placeOf('tokens', Token));
    this.#hashed = new HashedTable(this.#writer, quiescence, {
      capacity: tables.tokenCapacity,
      stateAt: Token.at.state,
      maxLive: Math.max(1, Math.min(tables.tokenCapacity - LIMIT.probes, (tables.tokenCapacity * 3) >> 2)),
    });
  }

  /** Tokens that are received or passed on. */
  get live(): number {
    return this.#hashed.live;
  }

  /**
   * Receives a token.
   *
   * @param token - 16 bytes
   * @param epoch - slot of the epoch whose keys open its frames
   * @returns its slot, or undefined when the table is full or the token is received already
   */
  setLocal(token: Uint8Array, epoch: number, use: TokenUse): number | undefined {
    const flag = use === 'control' ? TOKEN_CONTROL : TOKEN_LOCAL;
    const present = this.#find(token);
    if (present === NONE) {
      return this.#insert(token, (fields) => {
        fields.setU32(Token.at.epoch, epoch);
        fields.setU32(Token.at.flags, flag);
      });
    }
    const fields = this.#writer.read(present);
    if ((fields.u32(Token.at.flags) & LOCAL) !== 0) {
      return undefined;
    }
    fields.setU32(Token.at.epoch, epoch);
    // It is passed on, and is ours as well: copies may meet here.
    fields.setU32(Token.at.flags, flag | TOKEN_SEVERAL);
    return present;
  }

  /** Whether a token is received here, for a TAP. */
  isLocal(token: Uint8Array): boolean {
    const present = this.#find(token);
    return present !== NONE && (this.#writer.read(present).u32(Token.at.flags) & TOKEN_LOCAL) !== 0;
  }

  /** Receives it no more; what it is passed on to stays. @param slot - of `setLocal` */
  clearLocal(slot: number): void {
    const fields = this.#writer.read(slot);
    const set = fields.u32(Token.at.set);
    if (set === NONE) {
      this.#hashed.delete(slot);
    } else {
      fields.setU32(Token.at.flags, this.#severalFlag(set, false));
    }
  }

  /**
   * Passes a token on, from now to another set when it was passed on already.
   *
   * @param segment - slot of its segment
   * @param set - slot of the set of trunks behind which somebody wants it
   * @returns whether there was room
   */
  setForward(token: Uint8Array, segment: number, set: number): boolean {
    const present = this.#find(token);
    if (present === NONE) {
      const slot = this.#insert(token, (fields) => {
        fields.setU32(Token.at.epoch, NONE);
        fields.setU32(Token.at.flags, this.#severalFlag(set, false));
        fields.setU32(Token.at.set, set);
        fields.setU32(Token.at.segment, segment);
      });
      return slot !== undefined;
    }
    const fields = this.#writer.read(present);
    const local = fields.u32(Token.at.flags) & LOCAL;
    if (fields.u32(Token.at.segment) !== segment) {
      fields.setU32(Token.at.set, NONE);
      fields.setU32(Token.at.segment, segment);
    }
    // Before the set: a look too many for copies does no harm, one too few might.
    fields.setU32(Token.at.flags, local | TOKEN_SEVERAL);
    fields.setU32(Token.at.set, set);
    fields.setU32(Token.at.flags, local | this.#severalFlag(set, local !== 0));
    return true;
  }

  /** Passes it on no more; whether it is received stays. */
  clearForward(token: Uint8Array): void {
    const present = this.#find(token);
    if (present === NONE) {
      return;
    }
    const fields = this.#writer.read(present);
    const local = fields.u32(Token.at.flags) & LOCAL;
    if (local === 0) {
      this.#hashed.delete(present);
      return;
    }
    fields.setU32(Token.at.set, NONE);
    fields.setU32(Token.at.segment, NONE);
    fields.setU32(Token.at.flags, local);
  }

  #severalFlag(set: number, isLocal: boolean): number {
    const count = (TABLE.sets + set * ForwardSet.size + ForwardSet.at.count) >> 2;
    return isLocal || Atomics.load(this.#tables.u32, count) > 1 ? TOKEN_SEVERAL : 0;
  }

  #find(token: Uint8Array): number {
    const [t0, t1, t2, t3] = wordsOf(token);
    return findToken(this.#tables, t0, t1, t2, t3);
  }

  #insert(token: Uint8Array, fill: (fields: SlotFields) => void): number | undefined {
    const [t0, t1, t2, t3] = wordsOf(token);
    return this.#hashed.insert(tableHash(this.#tables.hashKey, 4, t0, t1, t2, t3), (fields) => {
      fields.setBytes(Token.at.token, token);
      fields.setU32(Token.at.set, NONE);
      fields.setU32(Token.at.segment, NONE);
      fill(fields);
    });
  }
}

function wordsOf(token: Uint8Array): readonly [number, number, number, number] {
  const view = new DataView(token.buffer, token.byteOffset, 16);
  return [
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
    view.getUint32(12, true),
  ];
}
