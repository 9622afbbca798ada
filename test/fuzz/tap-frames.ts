/**
 * Fuzzing entry for what a TAP gives: any bytes as a frame, under any virtio header, through all egress stages of one
 * node and all ingress stages of the other. What was not offloaded must come out byte for byte, merged or not.
 */
import { clearDrops, createDrivenPair, drops, egress, ingress } from '../harness/engine-driver.ts';
import { ethernetFrame, tcpFrame, udpFrame } from '../harness/frame-builder.ts';

const pair = createDrivenPair({ datagramMtuBytes: 500 });
const SEEDS = [
  tcpFrame({ payload: new Uint8Array(900) }).bytes,
  tcpFrame({ ipVersion: 6, payload: new Uint8Array(100), ipOptions: new Uint8Array(8) }).bytes,
  udpFrame({ payload: new Uint8Array(600), tags: [5, 6] }).bytes,
  ethernetFrame(0x0806, new Uint8Array(28)),
];

/**
 * Bytes 0 and 1 choose a frame to alter, or none; 2 … 8 are the virtio header; the rest is the frame, or what it is
 * altered by.
 */
export function fuzz(bytes: Uint8Array): void {
  const [choice = 0, at = 0, flags = 0, gsoType = 0, gsoSize = 0, csumStart = 0, csumOffset = 0] = bytes;
  const frame = frameOf(choice, at, bytes.subarray(7));
  const isOffloaded = (flags & 1) !== 0 || gsoType > 8;
  const virtio = isOffloaded
    ? { virtioFlags: (flags & 1) | ((gsoType % 9) << 8), gsoSize: gsoSize * 5, csumStart, csumOffset }
    : {};
  clearDrops(pair.left);
  clearDrops(pair.right);
  const written = ingress(pair.right, egress(pair.left, [{ bytes: frame, ...virtio }]));
  const dropped = [pair.left, pair.right].some((node) => Object.keys(drops(node)).length > 0);
  if (written.length === 0 && !dropped) throw new Error('a frame disappeared uncounted');
  if (isOffloaded || dropped) return;
  const total = written.reduce((sum, write) => sum + write.bytes.length, 0);
  const isWhole = written.length === 1 && Buffer.compare(written[0]?.bytes ?? frame, frame) === 0;
  // A segment that was cut on the way is put together again, or arrives as several with a header each.
  if (!isWhole && total < frame.length - 500) throw new Error('bytes of a frame are missing');
}

function frameOf(choice: number, at: number, rest: Uint8Array): Uint8Array {
  const seed = SEEDS[choice % 8];
  if (seed === undefined) {
    const raw = rest.slice(0, 1514);
    raw.set([2, 0, 0, 0, 0, 2].slice(0, raw.length));
    return raw;
  }
  const frame = seed.slice();
  for (const [index, byte] of rest.entries()) {
    const place = 12 + ((at + index) % (frame.length - 12));
    frame[place] = (frame[place] ?? 0) ^ byte;
  }
  return frame;
}
