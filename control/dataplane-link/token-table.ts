/**
 * The tokens that this node receives, as workers look them up.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens"
 */
import { LIMIT, NONE, TOKEN_CONTROL, TOKEN_LOCAL, Token } from '../../dataplane/shm/layout.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import { findToken, type Tables } from '../../dataplane/shm/tables.ts';
import { HashedTable } from './hashed-table.ts';
import type { Quiescence } from './quiescence.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

/** What a worker does with a frame under a token: to the TAP, or to the main thread. */
export type TokenUse = 'deliver' | 'control';

/** The token table's writer. */
export class TokenTable {
  readonly #tables: Tables;
  readonly #hashed: HashedTable;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#tables = tables;
    this.#hashed = new HashedTable(new SlotWriter(tables, placeOf('tokens', Token)), quiescence, {
      capacity: tables.tokenCapacity,
      stateAt: Token.at.state,
      maxLive: Math.max(1, Math.min(tables.tokenCapacity - LIMIT.probes, (tables.tokenCapacity * 3) >> 2)),
    });
  }

  /** Tokens that are received. */
  get live(): number {
    return this.#hashed.live;
  }

  /**
   * Receives a token.
   *
   * @param token - 16 bytes
   * @param epoch - slot of the epoch whose keys open its frames
   * @returns its slot, or undefined when the table is full or has it already
   */
  add(token: Uint8Array, epoch: number, use: TokenUse): number | undefined {
    const [t0, t1, t2, t3] = wordsOf(token);
    if (findToken(this.#tables, t0, t1, t2, t3) !== NONE) {
      return undefined;
    }
    return this.#hashed.insert(tableHash(this.#tables.hashKey, 4, t0, t1, t2, t3), (fields) => {
      fields.setBytes(Token.at.token, token);
      fields.setU32(Token.at.epoch, epoch);
      fields.setU32(Token.at.flags, use === 'control' ? TOKEN_CONTROL : TOKEN_LOCAL);
      fields.setU32(Token.at.set, NONE);
      fields.setU32(Token.at.ports, NONE);
    });
  }

  /** Receives it no more. */
  remove(slot: number): void {
    this.#hashed.delete(slot);
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
