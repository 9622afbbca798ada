/** Segmentation and coalescing: whatever TCP goes in, the same stream and header fields come out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TapFrame } from '../../test/harness/dataplane-fixture.ts';
import {
  createDrivenPair,
  type DrivenPair,
  drops,
  egress,
  ingress,
} from '../../test/harness/engine-driver.ts';
import {
  type BuiltFrame,
  filler,
  internetChecksum,
  pseudoSum,
  tcpFrame,
  udpFrame,
} from '../../test/harness/frame-builder.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import { DROP } from '../base/drop-code.ts';
import { Trunk } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';

const NEEDS_CSUM = 1;
const GSO_TCPV4 = 1 << 8;
const GSO_TCPV6 = 4 << 8;
const GSO_UDP = 5 << 8;
const FIN = 0x01;
const PSH = 0x08;
const ACK = 0x10;
const CWR = 0x80;

/** As a TAP with offloads gives it: the checksum field holds the pseudo-header's sum. */
function offloaded(built: BuiltFrame, gso: number, gsoSize: number, protocol = 6): TapFrame {
  const bytes = built.bytes.slice();
  const csumOffset = protocol === 6 ? 16 : 6;
  new DataView(bytes.buffer).setUint16(built.transport + csumOffset, pseudoSum(built, protocol));
  return { bytes, virtioFlags: NEEDS_CSUM | gso, gsoSize, csumStart: built.transport, csumOffset };
}

/** A segment as a receiving kernel would see it, after it has cut super-frames and completed checksums. */
interface Segment {
  readonly sequence: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
  /** Everything else of the headers. */
  readonly rest: string;
}

/** Cuts a written frame as virtio says, and checks every length and checksum on the way. */
function receiveWritten(pair: DrivenPair, datagrams: readonly Uint8Array[], ipVersion: 4 | 6): Segment[] {
  return ingress(pair.right, datagrams).flatMap(({ bytes, virtio }) => {
    const header = new DataView(virtio.buffer, virtio.byteOffset);
    const view = new DataView(bytes.buffer);
    const network = bytes.length > 14 && view.getUint16(12) === 0x8100 ? 18 : 14;
    const ipBytes =
      ipVersion === 4 ? (view.getUint8(network) & 15) * 4 : 40 + (view.getUint8(network + 6) === 0 ? 8 : 0);
    const transport = network + ipBytes;
    const payloadAt = transport + (view.getUint8(transport + 12) >> 4) * 4;
    assertIp(bytes, network, ipVersion);
    if (virtio[0] === NEEDS_CSUM) {
      assert.equal(header.getUint16(6, true), transport);
      assert.equal(header.getUint16(8, true), 16);
      assert.equal(view.getUint16(transport + 16), pseudoSum({ bytes, transport }, 6));
    } else {
      assert.equal(transportSum(bytes, transport), 0);
    }
    if (virtio[1] !== 0) {
      assert.equal(virtio[1], ipVersion === 4 ? 1 : 4);
      assert.equal(header.getUint16(2, true), payloadAt);
    }
    const size = virtio[1] === 0 ? Math.max(1, bytes.length - payloadAt) : header.getUint16(4, true);
    return cutBytes(bytes, { network, transport, payloadAt, size, ipVersion });
  });
}

function assertIp(bytes: Uint8Array, network: number, ipVersion: 4 | 6): void {
  const view = new DataView(bytes.buffer);
  if (ipVersion === 6) {
    assert.equal(view.getUint16(network + 4), bytes.length - network - 40);
    return;
  }
  assert.equal(view.getUint16(network + 2), bytes.length - network);
  assert.equal(internetChecksum(bytes.slice(network, network + (view.getUint8(network) & 15) * 4)), 0);
}

function transportSum(bytes: Uint8Array, transport: number): number {
  const pseudo = pseudoSum({ bytes, transport }, 6);
  return internetChecksum(Uint8Array.from([pseudo >> 8, pseudo & 0xff, ...bytes.slice(transport)]));
}

function cutBytes(
  bytes: Uint8Array,
  at: { network: number; transport: number; payloadAt: number; size: number; ipVersion: 4 | 6 },
): Segment[] {
  const view = new DataView(bytes.buffer);
  const rest = bytes.slice(0, at.payloadAt);
  rest.fill(0, at.transport + 4, at.transport + 8); // sequence
  rest.fill(0, at.transport + 13, at.transport + 14); // flags
  rest.fill(0, at.transport + 16, at.transport + 18); // checksum
  rest.fill(0, at.network + 2, at.network + 6); // IPv4: length, id; IPv6: length and half the flow label's neighbour
  if (at.ipVersion === 4) rest.fill(0, at.network + 10, at.network + 12);
  const flags = view.getUint8(at.transport + 13);
  const count = Math.max(1, Math.ceil((bytes.length - at.payloadAt) / at.size));
  return Array.from({ length: count }, (_, index) => {
    const isLast = index === count - 1;
    return {
      sequence: (view.getUint32(at.transport + 4) + index * at.size) >>> 0,
      flags: flags & ~(isLast ? 0 : FIN | PSH) & ~(index > 0 ? CWR : 0),
      id: at.ipVersion === 4 ? (view.getUint16(at.network + 4) + index) & 0xffff : 0,
      payload: bytes.slice(at.payloadAt + index * at.size, at.payloadAt + (index + 1) * at.size),
      rest: Buffer.from(rest).toString('hex'),
    };
  });
}

/** Joins segments to the stream that they carry, and says which flags were seen. */
function streamOf(segments: readonly Segment[]): {
  bytes: Uint8Array;
  first: number;
  ids: number[];
  rest: Set<string>;
} {
  let next = segments[0]?.sequence ?? 0;
  for (const segment of segments) {
    assert.equal(segment.sequence, next, 'a gap or an overlap in the stream');
    next = (segment.sequence + segment.payload.length) >>> 0;
  }
  return {
    bytes: new Uint8Array(Buffer.concat(segments.map((segment) => segment.payload))),
    first: segments[0]?.sequence ?? 0,
    ids: segments.map((segment) => segment.id),
    rest: new Set(segments.map((segment) => segment.rest)),
  };
}

const tcp = fc.record({
  ipVersion: fc.constantFrom(4 as const, 6 as const),
  payloadBytes: fc.oneof(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 20_000, max: 65_000 })),
  gsoSize: fc.integer({ min: 100, max: 9000 }),
  pathBytes: fc.integer({ min: 700, max: 9000 }),
  sequence: fc.oneof(fc.nat(0xffff_ffff), fc.constant(0xffff_ff00)),
  id: fc.constantFrom(0, 77, 0xfff0),
  flags: fc.constantFrom(ACK, ACK | PSH, ACK | FIN | PSH, ACK | CWR, ACK | CWR | PSH),
  tcpOptionWords: fc.nat(5),
  hasIpOptions: fc.boolean(),
  tags: fc.constantFrom([], [0x6064]),
  tos: fc.nat(255),
  dontFragment: fc.boolean(),
});

test('a super-frame comes out as the same stream with the same headers', () => {
  fc.assert(
    fc.property(tcp, ({ payloadBytes, tcpOptionWords, hasIpOptions, ...options }) => {
      const pair = createSharedPair(options.pathBytes);
      const built = tcpFrame({
        ...options,
        payload: filler(payloadBytes, options.sequence % 251),
        tcpOptions: filler(tcpOptionWords * 4),
        ...(hasIpOptions ? { ipOptions: new Uint8Array(8) } : {}),
      });
      const gso = options.ipVersion === 4 ? GSO_TCPV4 : GSO_TCPV6;
      const datagrams = egress(pair.left, [offloaded(built, gso, options.gsoSize)]);
      for (const datagram of datagrams) assert.ok(datagram.length <= options.pathBytes);
      const segments = receiveWritten(pair, datagrams, options.ipVersion);
      const stream = streamOf(segments);
      assert.equal(stream.first, options.sequence);
      assert.deepEqual(stream.bytes, filler(payloadBytes, options.sequence % 251));
      assert.equal(stream.rest.size, 1);
      assert.equal(segments.at(-1)?.flags, options.flags & (segments.length > 1 ? ~CWR : 0xff));
      assert.equal(segments[0]?.flags, options.flags & (segments.length > 1 ? ~(FIN | PSH) : 0xff));
      assert.ok(segments.every((segment) => segment.payload.length <= options.gsoSize));
      if (options.ipVersion === 4) {
        assert.deepEqual(
          stream.ids,
          stream.ids.map((_, index) => (options.id + index) & 0xffff),
        );
      }
      assert.deepEqual(drops(pair.left), {});
      assert.deepEqual(drops(pair.right), {});
    }),
    { numRuns: 150 },
  );
});

test('a plain segment that is too large is cut when its checksum holds, and fragmented when it does not', () => {
  const { left, right } = createDrivenPair({ datagramMtuBytes: 900 });
  const pair = { left, right };
  const built = tcpFrame({ payload: filler(1400), sequence: 5, flags: ACK | PSH });
  const cut = receiveWritten(pair, egress(left, [{ bytes: built.bytes }]), 4);
  assert.deepEqual(streamOf(cut).bytes, filler(1400));
  const broken = built.bytes.slice();
  broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
  const written = ingress(right, egress(left, [{ bytes: broken }]));
  assert.deepEqual(
    written.map((write) => write.bytes),
    [broken],
  );
});

test('SYN, RST and URG segments are never cut', () => {
  const pair = createDrivenPair({ datagramMtuBytes: 900 });
  for (const flag of [0x02, 0x04, 0x20]) {
    const { bytes } = tcpFrame({ payload: filler(1400), flags: ACK | flag });
    assert.deepEqual(
      ingress(pair.right, egress(pair.left, [{ bytes }])).map((write) => write.bytes),
      [bytes],
    );
  }
});

test('a UDP super-frame becomes the datagrams that its sender made, also when each needs fragments', () => {
  for (const [ipVersion, pathBytes] of [
    [4, 1472],
    [6, 1472],
    [4, 700],
  ] as const) {
    const { left, right } = createDrivenPair({ datagramMtuBytes: pathBytes });
    const built = udpFrame({ ipVersion, payload: filler(3000), id: 9 });
    const written = ingress(right, egress(left, [offloaded(built, GSO_UDP, 1200, 17)]));
    const payloads = written.map((write) => write.bytes.slice(built.headerBytes));
    assert.deepEqual(payloads, [
      filler(3000).slice(0, 1200),
      filler(3000).slice(1200, 2400),
      filler(3000).slice(2400),
    ]);
    for (const [index, write] of written.entries()) {
      const view = new DataView(write.bytes.buffer);
      assertIp(write.bytes, 14, ipVersion);
      assert.equal(view.getUint16(built.transport + 4), write.bytes.length - built.transport);
      if (ipVersion === 4) assert.equal(view.getUint16(14 + 4), 9 + index);
    }
  }
});

test('a checksum that our parse does not find is completed by the sender', () => {
  const { left, right } = createDrivenPair();
  const built = udpFrame({ payload: filler(100), tags: [1, 2, 3] }); // behind a third tag
  const frame = offloaded(built, 0, 0, 17);
  const [written] = ingress(right, egress(left, [frame]));
  assert.deepEqual(written?.virtio, new Uint8Array(10));
  assert.deepEqual(written.bytes, built.bytes);
});

test('a virtio header that contradicts its frame is refused', () => {
  const { left } = createDrivenPair();
  const built = tcpFrame({ payload: filler(100) });
  const good = offloaded(built, GSO_TCPV4, 50);
  const frames: TapFrame[] = [
    { ...good, gsoSize: 0 },
    { ...good, virtioFlags: NEEDS_CSUM | GSO_TCPV6 },
    { ...good, virtioFlags: NEEDS_CSUM | GSO_UDP },
    { ...good, virtioFlags: NEEDS_CSUM | (3 << 8) },
    { ...good, virtioFlags: GSO_TCPV4 },
    { ...good, csumStart: built.transport + 4 },
    { ...good, csumStart: 0 },
    { ...good, csumStart: built.bytes.length },
    { ...good, bytes: built.bytes.slice(0, 30) },
  ];
  assert.deepEqual(egress(left, frames), []);
  assert.equal(left.arena.counters[DROP['frame-offload-invalid']], frames.length);
});

test('a super-frame of too many segments for a batch is refused, and the next frame passes', () => {
  const { left, right } = createDrivenPair();
  const tooMany = offloaded(tcpFrame({ payload: filler(30_000) }), GSO_TCPV4, 2);
  const next = { bytes: tcpFrame({ payload: filler(10) }).bytes };
  assert.equal(ingress(right, egress(left, [tooMany, next])).length, 1);
  assert.deepEqual(drops(left), { 'frame-offload-invalid': 1 });
});

test('a batch larger than the transmit buffer is laid in rounds, and loses nothing', () => {
  const { left, right } = createDrivenPair();
  const frame = (index: number): TapFrame =>
    offloaded(tcpFrame({ payload: filler(1200, index), sequence: index, sourcePort: index }), GSO_TCPV4, 20);
  const frames = Array.from({ length: 50 }, (_, index) => frame(index + 1));
  const datagrams = egress(left, frames);
  assert.equal(datagrams.length, 50 * 60);
  const written = [datagrams.slice(0, 1500), datagrams.slice(1500)].flatMap((some) => ingress(right, some));
  assert.equal(
    written.reduce((sum, write) => sum + write.datagrams, 0),
    3000,
  );
  assert.deepEqual(drops(left), {});
});

/** One pair for all: its tables are large, and the path's size is a field of the trunk. */
const sharedPair = createDrivenPair();
function createSharedPair(pathBytes: number): DrivenPair {
  setFields(sharedPair.left.tables.buffer, Trunk, TABLE.trunks, { datagramMtuBytes: pathBytes });
  return sharedPair;
}
