/** What is merged on the way to the TAP, and what never is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDrivenPair, type DrivenPair, egress, ingress } from '../../test/harness/engine-driver.ts';
import { filler, type TcpOptions, tcpFrame, udpFrame } from '../../test/harness/frame-builder.ts';
import { OFFLOAD_TAP_USO } from '../shm/layout.ts';

const PSH = 0x08;
const ACK = 0x10;

/** Sends plain frames, each with a whole checksum, and gives how many datagrams each write took. */
function merged(frames: readonly Uint8Array[], pair: DrivenPair = createDrivenPair()): number[] {
  const datagrams = egress(
    pair.left,
    frames.map((bytes) => ({ bytes })),
  );
  return ingress(pair.right, datagrams).map((write) => write.datagrams);
}

/** Segments of `size` bytes in a row; `change` alters some. */
function row(
  count: number,
  size: number,
  change: (index: number) => Partial<TcpOptions> = () => ({}),
): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const options = {
      sequence: 1000 + index * size,
      id: index,
      payload: filler(size, index),
      ...change(index),
    };
    return tcpFrame(options).bytes;
  });
}

test('segments of one flow become one super-frame whose payload is theirs in order', () => {
  const pair = createDrivenPair();
  const frames = row(10, 1000);
  const [write, ...others] = ingress(
    pair.right,
    egress(
      pair.left,
      frames.map((bytes) => ({ bytes })),
    ),
  );
  assert.equal(others.length, 0);
  assert.equal(write?.datagrams, 10);
  const payload = Buffer.concat(frames.map((frame) => frame.slice(54)));
  assert.deepEqual(write.bytes.slice(54), new Uint8Array(payload));
  assert.deepEqual([...write.virtio], [1, 1, 54, 0, 0xe8, 0x03, 34, 0, 16, 0]);
});

test('a super-frame ends at PSH, at a shorter payload, and at 65,535 bytes of IP', () => {
  assert.deepEqual(merged(row(6, 500, (index) => (index === 2 ? { flags: ACK | PSH } : {}))), [3, 3]);
  const short = [...row(3, 500), tcpFrame({ sequence: 2500, id: 3, payload: filler(20) }).bytes];
  assert.deepEqual(
    merged([...short, tcpFrame({ sequence: 2520, id: 4, payload: filler(500) }).bytes]),
    [4, 1],
  );
  assert.deepEqual(merged(row(64, 1300)), [50, 14]);
});

test('whatever is written of a flow names the same flow, super-frame or not', () => {
  const pair = createDrivenPair();
  const frames = [
    ...row(3, 500),
    tcpFrame({ sequence: 2500, flags: ACK, payload: filler(0) }).bytes,
    udpFrame({ payload: filler(9) }).bytes,
  ];
  const written = ingress(
    pair.right,
    egress(
      pair.left,
      frames.map((bytes) => ({ bytes })),
    ),
  );
  const [merged, pure, other] = written.map((write) => write.flowHash);
  assert.equal(written[0]?.datagrams, 3);
  assert.equal(pure, merged);
  assert.notEqual(other, merged);
});

test('a segment that does not continue the flow closes it and opens another', () => {
  const differences: [string, Partial<TcpOptions>][] = [
    ['a gap', { sequence: 99_999 }],
    ['another acknowledgment', { acknowledgment: 77 }],
    ['another window', { window: 77 }],
    ['another TTL', { ttl: 63 }],
    ['another TOS', { tos: 2 }],
    ['DF cleared', { dontFragment: false }],
    ['an ECN echo', { flags: ACK | 0x40 }],
    ['other TCP options', { tcpOptions: new Uint8Array(4).fill(1) }],
  ];
  for (const [name, difference] of differences) {
    const frames = row(4, 500, (index) => (index === 2 ? difference : {}));
    assert.deepEqual(merged(frames), [2, 1, 1], name);
  }
});

test('IPv4 IDs must be consecutive unless DF is set', () => {
  const skips = (dontFragment: boolean): Uint8Array[] =>
    row(4, 500, (index) => ({ dontFragment, id: index < 2 ? index : index + 5 }));
  assert.deepEqual(merged(skips(true)), [4]);
  assert.deepEqual(merged(skips(false)), [2, 2]);
  const wraps = row(4, 500, (index) => ({ dontFragment: false, id: (0xfffe + index) & 0xffff }));
  assert.deepEqual(merged(wraps), [4]);
});

test('SYN, FIN, RST, URG and CWR segments, pure ACKs, options and tags are never merged', () => {
  for (const flag of [0x02, 0x01, 0x04, 0x20, 0x80]) {
    assert.deepEqual(merged(row(3, 500, () => ({ flags: ACK | flag }))), [1, 1, 1]);
  }
  assert.deepEqual(merged(row(3, 0)), [1, 1, 1]);
  assert.deepEqual(merged(row(3, 500, () => ({ ipOptions: new Uint8Array(4) }))), [1, 1, 1]);
  assert.deepEqual(merged(row(3, 500, () => ({ tags: [5] }))), [1, 1, 1]);
});

test('a broken checksum is not covered up by a merge', () => {
  for (const at of [24, 53 + 17]) {
    const frames = row(4, 500);
    const broken = frames[2] as Uint8Array;
    broken[at] = (broken[at] ?? 0) ^ 1; // the IPv4 header checksum, or the payload
    const pair = createDrivenPair();
    const written = ingress(
      pair.right,
      egress(
        pair.left,
        frames.map((bytes) => ({ bytes })),
      ),
    );
    assert.deepEqual(
      written.map((write) => write.datagrams),
      [2, 1, 1],
    );
    assert.deepEqual(written[1]?.bytes, broken);
  }
});

test('without the TAP taking super-frames nothing is merged', () => {
  const pair = createDrivenPair({ offloads: OFFLOAD_TAP_USO });
  assert.deepEqual(merged(row(3, 500), pair), [1, 1, 1]);
});

test('flows interleaved in a batch are merged each for itself, and keep their order', () => {
  const flow = fc.nat(11); // more flows than are open at a time
  const piece = fc.record({
    flow,
    size: fc.constantFrom(100, 100, 100, 40),
    push: fc.boolean(),
    isUdp: fc.boolean(),
  });
  const pair = createDrivenPair();
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 60 }), (pieces) => {
      const next = new Map<number, number>();
      const frames = pieces.map((item, index) => {
        const sourcePort = 1000 + item.flow;
        if (item.isUdp) return udpFrame({ sourcePort, payload: filler(item.size, index) }).bytes;
        const sequence = next.get(item.flow) ?? 1;
        next.set(item.flow, sequence + item.size);
        const flags = item.push ? ACK | PSH : ACK;
        return tcpFrame({ sourcePort, sequence, flags, payload: filler(item.size, index) }).bytes;
      });
      const written = ingress(
        pair.right,
        egress(
          pair.left,
          frames.map((bytes) => ({ bytes })),
        ),
      );
      const sent = streamsOf(frames);
      assert.deepEqual(streamsOf(written.map((write) => write.bytes)), sent);
      assert.equal(
        written.reduce((sum, write) => sum + write.datagrams, 0),
        frames.length,
      );
    }),
    { numRuns: 200 },
  );
});

/** Payload bytes by protocol and port, in order of arrival. */
function streamsOf(frames: readonly Uint8Array[]): Record<string, string> {
  const streams: Record<string, string> = {};
  for (const frame of frames) {
    const view = new DataView(frame.buffer, frame.byteOffset);
    const protocol = view.getUint8(23);
    const key = `${protocol}:${view.getUint16(34)}`;
    const payload = frame.slice(34 + (protocol === 6 ? 20 : 8));
    streams[key] = (streams[key] ?? '') + Buffer.from(payload).toString('hex');
  }
  return streams;
}
