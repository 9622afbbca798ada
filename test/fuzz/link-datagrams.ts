/**
 * Fuzzing entry for what a node receives: a batch of link datagrams through all ingress stages. The first byte chooses
 * between bytes as they are and a genuine datagram that they alter, so that every stage is reached.
 */
import type { WrittenFrame } from '../harness/dataplane-fixture.ts';
import { clearDrops, createDrivenPair, drops, egress, ingress } from '../harness/engine-driver.ts';
import { ethernetFrame, filler } from '../harness/frame-builder.ts';

const pair = createDrivenPair({ datagramMtuBytes: 600 });

/** Neither throws nor lets anything through that was altered, and counts every datagram that goes no further. */
export function fuzz(bytes: Uint8Array): void {
  const [mode = 0, from = 0, to = 0] = bytes;
  if (mode < 128) {
    receive([bytes.subarray(1)], 0);
    return;
  }
  const frame = ethernetFrame(0x88b5, filler(mode < 192 ? 60 : 1400));
  const genuine = egress(pair.left, [{ bytes: frame }]);
  const altered = genuine.map((datagram) => alter(datagram, from | (to << 8), bytes.subarray(3)));
  const isSame = altered.every(
    (datagram, index) => Buffer.compare(datagram, genuine[index] ?? datagram) === 0,
  );
  const written = receive(altered, isSame ? 1 : 0);
  if (isSame && Buffer.compare(written[0]?.bytes ?? frame.subarray(1), frame) !== 0) {
    throw new Error('a genuine datagram did not come through');
  }
}

function alter(datagram: Uint8Array, at: number, change: Uint8Array): Uint8Array {
  const out = datagram.slice();
  for (const [index, byte] of change.entries()) {
    const place = (at + index) % out.length;
    out[place] = (out[place] ?? 0) ^ byte;
  }
  return out;
}

function receive(datagrams: readonly Uint8Array[], expected: number): WrittenFrame[] {
  clearDrops(pair.right);
  const written = ingress(pair.right, datagrams);
  if (written.length !== expected) throw new Error(`${written.length} frames written, not ${expected}`);
  const dropped = Object.values(drops(pair.right)).reduce((sum, count) => sum + count, 0);
  if (expected === 0 && dropped === 0) throw new Error('a datagram disappeared uncounted');
  return written;
}
