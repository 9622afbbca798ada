/**
 * Fuzzing entry for reassembly: a row of fragments of a few frames by two senders, sizes and places as the bytes say.
 * All fragments carry the same content at the same place, so whatever comes out whole must be that content.
 */
import { createReassemblyBench } from '../harness/reassembly-bench.ts';

const bench = createReassemblyBench();
const CONTENT = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) & 0xff);

/** Five bytes a fragment: frame and sender, offset in 64 bytes, length in 16, total in 256, and what to add to them. */
export function fuzz(bytes: Uint8Array): void {
  bench.clear();
  for (let at = 0; at + 5 <= bytes.length; at += 5) {
    const [names = 0, place = 0, size = 0, whole = 0, odd = 0] = bytes.subarray(at, at + 5);
    const total = (whole * 256 + (odd & 1)) & 0xffff;
    const offset = place * 64 + (odd >> 4);
    const piece = CONTENT.slice(offset, offset + size * 16 + ((odd >> 1) & 7));
    const outcome = bench.take({ frameId: names & 3, sender: (names >> 2) & 1, offset, total, piece });
    if (outcome === 'none') throw new Error('a fragment disappeared uncounted');
    if (outcome === 'frame' && Buffer.compare(bench.frame(), CONTENT.subarray(0, total)) !== 0) {
      throw new Error('a frame came out that nobody sent');
    }
  }
}
