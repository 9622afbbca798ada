/**
 * Frames to group addresses as a TAP may hand them over: IGMP, MLD and PIM, multicast data, broadcast, and what is none of
 * these although it looks so. Tests only; from a seed.
 */
import type { TapFrame } from '../harness/dataplane-fixture.ts';
import type { Seeded } from './seeded.ts';

/** Addresses that frames go to; the first ones are groups that may have an entry. */
export const GROUP_MACS: readonly Uint8Array[] = [
  Uint8Array.of(0x01, 0x00, 0x5e, 1, 2, 3),
  Uint8Array.of(0x01, 0x00, 0x5e, 0x7f, 0, 1),
  Uint8Array.of(0x33, 0x33, 1, 2, 3, 4),
  Uint8Array.of(0x33, 0x33, 0, 0, 0, 0xfb),
  Uint8Array.of(0x01, 0x00, 0x5e, 0, 0, 0xfb),
  Uint8Array.of(0x01, 0x00, 0x5e, 0, 1, 0),
  Uint8Array.of(0x01, 0x80, 0xc2, 0, 0, 0),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0x03, 0x00, 0x5e, 1, 2, 3),
];

const IPV4_PROTOCOLS = [2, 2, 2, 17, 17, 103, 58, 0] as const;
const IPV6_PROTOCOLS = [58, 58, 58, 17, 103, 2, 59] as const;
const TYPES = [0x11, 0x12, 0x13, 0x16, 0x17, 0x22, 130, 131, 132, 143, 135, 1] as const;
const IPV6_SCOPES = [0xff02, 0xff05, 0xff12, 0xff01, 0xfd00] as const;

/** A frame from `source`. */
export function groupFrame(random: Seeded, source: Uint8Array): TapFrame {
  const version = random.pick([4, 4, 6, 6, 0]);
  const packet = version === 4 ? ipv4(random) : version === 6 ? ipv6(random) : random.bytes(random.below(80));
  const etherType = version === 6 ? [0x86, 0xdd] : version === 4 ? [0x08, 0x00] : [0x08, 0x06];
  const tag = random.oneIn(4) ? [0x81, 0, random.below(256), 5] : [];
  const bytes = Buffer.concat([
    random.pick(GROUP_MACS),
    source,
    Uint8Array.from([...tag, ...etherType]),
    packet,
  ]);
  const length = random.oneIn(8) ? 14 + random.below(bytes.length - 14 + 1) : bytes.length;
  return { bytes: new Uint8Array(bytes.subarray(0, length)) };
}

function message(random: Seeded): Uint8Array {
  const body = random.bytes(random.pick([0, 1, 8, 24, 600, 1300]));
  if (body.length > 0) body[0] = random.pick(TYPES);
  return body;
}

function ipv4(random: Seeded): Uint8Array {
  const body = message(random);
  const optionBytes = random.pick([0, 4, 4, 8]);
  const header = new Uint8Array(20 + optionBytes).fill(1);
  const data = new DataView(header.buffer);
  data.setUint8(0, 0x40 | (header.length / 4));
  data.setUint16(2, header.length + body.length);
  data.setUint16(6, random.oneIn(8) ? 0x2000 : 0x4000);
  data.setUint8(9, random.pick(IPV4_PROTOCOLS));
  header.set([224 + random.below(16), random.below(2), 0, random.below(256)], 16);
  return Buffer.concat([header, body]);
}

function ipv6(random: Seeded): Uint8Array {
  const body = message(random);
  const hasHopByHop = random.oneIn(2);
  const header = new Uint8Array(hasHopByHop ? 48 : 40);
  const data = new DataView(header.buffer);
  const protocol = random.pick(IPV6_PROTOCOLS);
  data.setUint32(0, 0x6000_0000);
  data.setUint16(4, header.length - 40 + body.length);
  data.setUint8(6, hasHopByHop ? 0 : protocol);
  data.setUint16(24, random.pick(IPV6_SCOPES));
  if (hasHopByHop) header.set([protocol, 0, 5, 2, 0, 0, 1, 0], 40);
  return Buffer.concat([header, body]);
}
