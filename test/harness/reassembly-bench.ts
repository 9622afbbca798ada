/** The reassembly by itself, with fragments that are open already; for reassemble.test.ts and the fuzzer. */

import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { chooseCrypto } from '../../dataplane/crypto/choose-crypto.ts';
import { reassemble } from '../../dataplane/pipeline/reassemble.ts';
import { createStageContext, rxAt } from '../../dataplane/pipeline/stage-context.ts';
import { Reassembly, RX_FRAME, RX_HELD, RxDatagram } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { createPair } from './dataplane-fixture.ts';
import { getField, setFields } from './table-writer.ts';

/** One fragment. */
export interface FragmentOptions {
  readonly frameId: number;
  readonly offset: number;
  readonly total: number;
  readonly piece: Uint8Array;
  /** Any number: another one is another sender. */
  readonly sender?: number;
}

/** What {@link createReassemblyBench} gives. */
export interface ReassemblyBench {
  /** @returns 'held', 'frame', or the name of the drop code */
  take(options: FragmentOptions): string;
  /** The frame that the last take completed. */
  frame(): Uint8Array;
  /** Frees all slots. */
  clear(): void;
}

/** A worker's reassembly memory. */
export function createReassemblyBench(): ReassemblyBench {
  const { left } = createPair();
  const { arena } = left;
  const context = createStageContext(left.tables, arena, chooseCrypto(left.tables, arena));
  const field = (name: string): number => getField(arena.buffer, RxDatagram, rxAt(0), name);
  return {
    take({ frameId, offset, total, piece, sender = 0 }): string {
      arena.counters.fill(0);
      setFields(arena.buffer, RxDatagram, rxAt(0), { sender: [sender, 1, 2, 3], control: 2, epoch: 0 });
      context.memory.setUint32(ARENA.rxBuffer, frameId, true);
      context.memory.setUint16(ARENA.rxBuffer + 4, offset, true);
      context.memory.setUint16(ARENA.rxBuffer + 6, total, true);
      arena.bytes.set(piece, ARENA.rxBuffer + 8);
      reassemble(context, rxAt(0), ARENA.rxBuffer, 8 + piece.length);
      const verdict = field('verdict');
      if (verdict === RX_HELD) return 'held';
      if (verdict === RX_FRAME) return 'frame';
      return DROP_CODES[arena.counters.indexOf(1)] ?? 'none';
    },
    frame: () => arena.bytes.slice(field('frameOffset'), field('frameOffset') + field('frameLength')),
    clear: () => {
      arena.bytes.fill(0, ARENA.reassemblies, ARENA.reassemblies + 128 * Reassembly.size);
    },
  };
}
