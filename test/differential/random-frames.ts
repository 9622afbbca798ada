/**
 * Ethernet frames of every kind that a TAP may hand over, with their virtio headers, right and wrong ones. Tests only;
 * pure, from a seed.
 */
import {
  addSums,
  checksumOf,
  pseudoHeaderSum,
  sumBytes,
  writeIpv4Checksum,
} from '../../dataplane/wire/checksum.ts';
import { createFrameView, parseFrame } from '../../dataplane/wire/frame-view.ts';
import type { TapFrame } from '../harness/dataplane-fixture.ts';
import type { Seeded } from './seeded.ts';

const TCP = 6;
const UDP = 17;
const NEEDS_CSUM = 1;
const GSO = { tcp4: 1, tcp6: 4, udp: 5, ecn: 0x80 } as const;

/** MAC addresses that frames are drawn from. */
export interface Macs {
  readonly own: Uint8Array;
  readonly peer: Uint8Array;
}

/** What surrounds a transport segment. */
interface Shape {
  readonly version: 4 | 6;
  readonly tags: number;
  readonly ipOptionBytes: number;
  readonly tcpOptionBytes: number;
  readonly payloadBytes: number;
}

/** A frame of a random kind. */
export function randomFrame(random: Seeded, macs: Macs): TapFrame {
  const kind = random.below(20);
  if (kind < 8) return tcpFrame(random, macs);
  if (kind < 12) return udpFrame(random, macs);
  if (kind < 14) return contradiction(random, macs);
  if (kind < 16) return fragmentFrame(random, macs);
  if (kind < 18)
    return {
      bytes: concat(ethernet(random, macs, random.below(3), 0x0806), random.bytes(random.below(1500))),
    };
  if (kind < 19) return { bytes: random.bytes(random.below(64)) };
  return { bytes: random.bytes(1 + random.below(2600)), ...randomVirtio(random) };
}

/** A run of TCP segments of one flow, as a sender without offloads would emit them. */
export function tcpRun(random: Seeded, macs: Macs, count: number): TapFrame[] {
  const shape = tcpShape(random, 1 + random.below(1300));
  const ports = random.bytes(4);
  const addresses = random.bytes(32);
  let sequence = random.below(0xffff_ffff);
  let id = random.below(65_000);
  return Array.from({ length: count }, (_, index) => {
    const last = index === count - 1;
    const payloadBytes = last ? 1 + random.below(shape.payloadBytes) : shape.payloadBytes;
    const bytes = frameOf(random, macs, { ...shape, payloadBytes }, TCP, { ports, addresses });
    const view = parse(bytes);
    const data = viewOf(bytes);
    data.setUint32(view.transport + 4, sequence);
    data.setUint32(view.transport + 8, 77);
    data.setUint16(view.transport + 14, random.oneIn(12) ? 500 : 501);
    data.setUint8(view.transport + 13, random.oneIn(15) ? 0x19 : last ? 0x18 : 0x10);
    if (view.ipVersion === 4) data.setUint16(view.network + 4, random.oneIn(15) ? 7 : id);
    if (view.ipVersion === 4) writeIpv4Checksum(data, view.network, view.transport - view.network);
    sequence = (sequence + payloadBytes + (random.oneIn(20) ? 1 : 0)) >>> 0;
    id = (id + 1) & 0xffff;
    return checksummed(random, bytes, 'right');
  });
}

function tcpFrame(random: Seeded, macs: Macs): TapFrame {
  const shape = tcpShape(random, random.pick([0, 1, 100, 1000, 1460, 1460, 9000, 40_000, 64_000]));
  const room = Math.min(shape.payloadBytes, 65_535 - 40 - shape.ipOptionBytes - shape.tcpOptionBytes - 20);
  const bytes = frameOf(random, macs, { ...shape, payloadBytes: room }, TCP, {});
  const view = parse(bytes);
  viewOf(bytes).setUint8(
    view.transport + 13,
    random.pick([0x10, 0x18, 0x11, 0x19, 0x02, 0x90, 0x98, 0x99, 0x14]),
  );
  if (bytes.length <= 1522 || random.oneIn(4))
    return checksummed(random, bytes, random.pick(['right', 'wrong', 'left']));
  const frame = checksummed(random, bytes, 'left');
  const ecn = random.oneIn(3) ? GSO.ecn : 0;
  const type = (shape.version === 4 ? GSO.tcp4 : GSO.tcp6) | ecn;
  return {
    ...frame,
    virtioFlags: NEEDS_CSUM | (type << 8),
    gsoSize: random.pick([1, 500, 1000, 1368, 1448, 1460]),
  };
}

function tcpShape(random: Seeded, payloadBytes: number): Shape {
  return {
    version: random.pick([4, 4, 6]),
    tags: random.pick([0, 0, 0, 1, 2]),
    ipOptionBytes: random.pick([0, 0, 0, 0, 8, 24]),
    tcpOptionBytes: random.pick([0, 12, 12, 20, 40]),
    payloadBytes,
  };
}

function udpFrame(random: Seeded, macs: Macs): TapFrame {
  const shape: Shape = {
    ...tcpShape(random, random.pick([0, 1, 18, 64, 600, 1400, 1472, 5000, 30_000])),
    tcpOptionBytes: 0,
  };
  const bytes = frameOf(random, macs, shape, UDP, {});
  if (bytes.length < 1400 || random.oneIn(4))
    return checksummed(random, bytes, random.pick(['right', 'wrong', 'left']));
  const frame = checksummed(random, bytes, 'left');
  return {
    ...frame,
    virtioFlags: NEEDS_CSUM | (GSO.udp << 8),
    gsoSize: random.pick([64, 500, 1200, 1400, 2000]),
  };
}

/** A frame whose virtio header says what cannot be. */
function contradiction(random: Seeded, macs: Macs): TapFrame {
  const frame = random.oneIn(2) ? tcpFrame(random, macs) : udpFrame(random, macs);
  const virtio = randomVirtio(random);
  return random.oneIn(2)
    ? { ...frame, ...virtio }
    : { ...frame, gsoSize: random.pick([0, frame.gsoSize ?? 0]) };
}

function randomVirtio(random: Seeded): Partial<TapFrame> {
  return {
    virtioFlags: random.below(4) | (random.pick([0, 0, 1, 4, 5, 3, 0x81]) << 8),
    gsoSize: random.pick([0, 1, 100, 1448, 65_535]),
    csumStart: random.pick([0, 14, 34, 34, 54, 1000, 65_535]),
    csumOffset: random.pick([0, 6, 16, 16, 65_535]),
  };
}

function fragmentFrame(random: Seeded, macs: Macs): TapFrame {
  const shape = tcpShape(random, 100 + random.below(1300));
  const bytes = frameOf(random, macs, shape, random.pick([TCP, UDP]), {});
  const view = parse(bytes);
  const data = viewOf(bytes);
  if (shape.version === 4) {
    data.setUint16(view.network + 6, random.pick([0x2000, 0x2010, 0x0010]));
    writeIpv4Checksum(data, view.network, 20 + shape.ipOptionBytes);
  } else {
    data.setUint8(view.network + 6, 44);
  }
  return { bytes };
}

function ethernet(random: Seeded, macs: Macs, tags: number, etherType: number): Uint8Array {
  const destination = random.pick([
    macs.peer,
    macs.peer,
    macs.peer,
    macs.peer,
    macs.own,
    Uint8Array.of(255, 255, 255, 255, 255, 255),
    Uint8Array.of(0x33, 0x33, 0, 0, 0, 1),
    Uint8Array.of(2, 9, 9, 9, 9, random.below(4)),
  ]);
  const source = random.pick([
    macs.own,
    macs.own,
    macs.own,
    macs.own,
    Uint8Array.of(2, 8, 8, 8, 8, random.below(40)),
    Uint8Array.of(3, 8, 8, 8, 8, 8),
    macs.peer,
  ]);
  const parts = [destination, source];
  for (let tag = 0; tag < tags; tag++) {
    parts.push(
      Uint8Array.of(
        tag === 0 && tags === 2 ? 0x88 : 0x81,
        tag === 0 && tags === 2 ? 0xa8 : 0,
        random.below(256),
        7,
      ),
    );
  }
  parts.push(Uint8Array.of(etherType >> 8, etherType & 0xff));
  return concat(...parts);
}

interface Fixed {
  readonly ports?: Uint8Array;
  readonly addresses?: Uint8Array;
}

/** A whole frame; the transport checksum is the caller's. */
function frameOf(random: Seeded, macs: Macs, shape: Shape, protocol: number, fixed: Fixed): Uint8Array {
  const transportBytes = protocol === TCP ? 20 + shape.tcpOptionBytes : 8;
  const segmentBytes = transportBytes + shape.payloadBytes;
  const transport = random.bytes(transportBytes);
  transport.set(fixed.ports ?? random.bytes(4));
  if (protocol === TCP) transport[12] = (transportBytes / 4) << 4;
  else new DataView(transport.buffer).setUint16(4, segmentBytes);
  if (protocol === TCP && fixed.ports !== undefined) transport.fill(1, 20);
  const network =
    shape.version === 4
      ? ipv4(random, shape, protocol, segmentBytes)
      : ipv6(random, shape, protocol, segmentBytes);
  if (fixed.addresses !== undefined) {
    network.set(fixed.addresses.subarray(0, shape.version === 4 ? 8 : 32), shape.version === 4 ? 12 : 8);
    network[1] = shape.version === 4 ? 0 : (network[1] ?? 0);
  }
  if (shape.version === 4) writeIpv4Checksum(viewOf(network), 0, network.length);
  const header = ethernet(
    random,
    fixed.ports === undefined ? macs : macs,
    shape.tags,
    shape.version === 4 ? 0x0800 : 0x86dd,
  );
  if (fixed.ports !== undefined) {
    header.set(macs.peer);
    header.set(macs.own, 6);
    for (let tag = 0; tag < shape.tags; tag++) header[14 + 4 * tag] = 0;
  }
  return concat(header, network, transport, random.bytes(shape.payloadBytes));
}

function ipv4(random: Seeded, shape: Shape, protocol: number, segmentBytes: number): Uint8Array {
  const header = new Uint8Array(20 + shape.ipOptionBytes).fill(1);
  const data = viewOf(header);
  data.setUint8(0, 0x40 | (header.length / 4));
  data.setUint8(1, random.below(256));
  data.setUint16(2, header.length + segmentBytes);
  data.setUint16(4, random.below(65_536));
  data.setUint16(6, random.oneIn(2) ? 0x4000 : 0);
  data.setUint8(8, 64);
  data.setUint8(9, protocol);
  header.set(random.bytes(8), 12);
  return header;
}

function ipv6(random: Seeded, shape: Shape, protocol: number, segmentBytes: number): Uint8Array {
  const header = new Uint8Array(40 + shape.ipOptionBytes);
  const data = viewOf(header);
  data.setUint32(0, 0x6000_0000 | (random.below(256) << 20));
  data.setUint16(4, shape.ipOptionBytes + segmentBytes);
  data.setUint8(6, shape.ipOptionBytes === 0 ? protocol : 60);
  data.setUint8(7, 64);
  header.set(random.bytes(32), 8);
  if (shape.ipOptionBytes > 0) {
    header[40] = protocol;
    header[41] = shape.ipOptionBytes / 8 - 1;
  }
  return header;
}

/** Writes the transport checksum: right, wrong, or left to the kernel (virtio NEEDS_CSUM over the pseudo-header sum). */
function checksummed(random: Seeded, bytes: Uint8Array, how: 'right' | 'wrong' | 'left'): TapFrame {
  const view = parse(bytes);
  if (view.protocol === 0) return { bytes };
  const data = viewOf(bytes);
  const offset = view.protocol === TCP ? 16 : 6;
  const length = view.payloadEnd - view.transport;
  const pseudo = pseudoHeaderSum(data, view, view.protocol, length);
  data.setUint16(view.transport + offset, 0);
  const whole = checksumOf(addSums(pseudo, sumBytes(data, view.transport, length)));
  const field = how === 'left' ? pseudo : how === 'right' ? whole : whole ^ (1 << random.below(16));
  data.setUint16(view.transport + offset, field);
  if (how !== 'left') return { bytes };
  return { bytes, virtioFlags: NEEDS_CSUM, csumStart: view.transport, csumOffset: offset };
}

function parse(bytes: Uint8Array): ReturnType<typeof createFrameView> {
  const view = createFrameView();
  parseFrame(viewOf(bytes), 0, bytes.length, view);
  return view;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
