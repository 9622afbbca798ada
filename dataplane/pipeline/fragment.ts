/**
 * Fragments what is too large for the path and is not TCP: each fragment is sealed alone, and relays treat it as any
 * datagram (protocol section 10). Worker threads. reassemble.ts is the other end.
 *
 *   plaintext of a fragment: │ frame id u32 │ offset u16 │ total u16 │ piece … │
 */
import { COUNTER } from '../base/counter.ts';
import { count } from '../shm/arena.ts';
import { ArenaHeader, FRAGMENT_PREFIX_BYTES, KIND_FRAGMENT } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { layDatagram, plaintextAt } from './lay-datagram.ts';
import { LE } from './memory.ts';
import type { StageContext } from './stage-context.ts';

/** Lays the fragments of the `length` bytes at `source`, a frame with its checksum complete. */
export function fragmentBytes(context: StageContext, at: number, source: number, length: number): void {
  const { memory, plan } = context;
  const idAt = ARENA.header + ArenaHeader.at.nextFragmentId;
  const frameId = memory.getUint32(idAt, LE);
  memory.setUint32(idAt, (frameId + 1) >>> 0, LE);
  const pieceBytes = plan.capacity - FRAGMENT_PREFIX_BYTES;
  for (let offset = 0; offset < length; offset += pieceBytes) {
    const bytes = Math.min(pieceBytes, length - offset);
    const target = plaintextAt(context);
    memory.setUint32(target, frameId, LE);
    memory.setUint16(target + 4, offset, LE);
    memory.setUint16(target + 6, length, LE);
    context.arena.bytes.copyWithin(target + FRAGMENT_PREFIX_BYTES, source + offset, source + offset + bytes);
    layDatagram(context, at, FRAGMENT_PREFIX_BYTES + bytes, KIND_FRAGMENT, 0);
    count(context.arena, COUNTER.fragmentsSent, 1);
  }
}
