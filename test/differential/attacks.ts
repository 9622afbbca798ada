/**
 * What an attacker on the path does to datagrams. Tests only; from a seed.
 */
import type { Seeded } from './seeded.ts';

type Change = (random: Seeded, datagram: Uint8Array, recorded: readonly Uint8Array[]) => Uint8Array;

const CHANGES: readonly Change[] = [
  (_, datagram) => datagram,
  (random, datagram) => flip(datagram, random.below(32 * 8)),
  (random, datagram) => flip(datagram, random.below(datagram.length * 8)),
  (random, datagram) => flip(datagram, (32 + random.below(16)) * 8),
  (random, datagram) => datagram.slice(0, random.below(datagram.length)),
  (random, datagram) => datagram.slice(0, Math.max(64, datagram.length - 1 - random.below(20))),
  (random, datagram) => new Uint8Array(Buffer.concat([datagram, random.bytes(1 + random.below(40))])),
  (random, _, recorded) => (recorded.length > 0 ? random.pick(recorded) : random.bytes(64)),
  (random, datagram, recorded) => splice(datagram, recorded.length > 0 ? random.pick(recorded) : datagram),
  (random) => random.bytes(random.below(200)),
  (random, datagram) => {
    const forged = Uint8Array.from(datagram);
    new DataView(forged.buffer).setUint32(8, random.below(0xffff_ffff), true);
    return forged;
  },
  (random, datagram) => {
    const forged = Uint8Array.from(datagram);
    new DataView(forged.buffer).setUint32(12, random.pick([0xff, 0x100, 0xffff_ffff]), true);
    return forged;
  },
];

/** Some datagrams as they are, others attacked, some twice, in another order. */
export function attack(
  random: Seeded,
  sent: readonly Uint8Array[],
  recorded: readonly Uint8Array[],
): Uint8Array[] {
  const result: Uint8Array[] = [];
  for (const datagram of sent) {
    if (datagram.length === 0 || random.oneIn(20)) continue;
    result.push(random.oneIn(2) ? datagram : random.pick(CHANGES)(random, datagram, recorded));
    if (random.oneIn(6)) result.push(datagram);
    if (random.oneIn(6) && result.length > 1) {
      const other = random.below(result.length);
      const last = result.length - 1;
      const [a, b] = [result[other], result[last]];
      if (a !== undefined && b !== undefined) {
        result[other] = b;
        result[last] = a;
      }
    }
  }
  return result;
}

function flip(datagram: Uint8Array, bit: number): Uint8Array {
  const forged = Uint8Array.from(datagram);
  forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return forged;
}

/** A genuine header before another payload. */
function splice(header: Uint8Array, payload: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([header.subarray(0, 32), payload.subarray(32)]));
}
