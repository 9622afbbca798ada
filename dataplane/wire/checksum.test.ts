import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { internetChecksum, tcpFrame, udpFrame } from '../../test/harness/frame-builder.ts';
import {
  addSums,
  checksumOf,
  ipv4ChecksumHolds,
  sumBytes,
  transportChecksumHolds,
  writeIpv4Checksum,
} from './checksum.ts';
import { createFrameView, parseFrame } from './frame-view.ts';

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

test('the checksum is that of RFC 1071, at any offset and length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (bytes, start) => {
      const from = Math.min(start, bytes.length);
      const sum = sumBytes(view(bytes), from, bytes.length - from);
      assert.equal(checksumOf(sum), internetChecksum(bytes.subarray(from)));
    }),
  );
});

test('a sum of zero means that all bytes are zero', () => {
  assert.equal(sumBytes(view(new Uint8Array(40)), 0, 40), 0);
  assert.equal(sumBytes(view(Uint8Array.of(0xff, 0xff)), 0, 2), 0xffff);
  assert.equal(sumBytes(view(new Uint8Array(65_535).fill(0xff)), 0, 65_534), 0xffff);
});

test('sums of parts add up to the sum of the whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 100 }), fc.nat(50), (bytes, half) => {
      const cut = Math.min(half * 2, bytes.length);
      const parts = addSums(sumBytes(view(bytes), 0, cut), sumBytes(view(bytes), cut, bytes.length - cut));
      assert.equal(parts, sumBytes(view(bytes), 0, bytes.length));
    }),
  );
});

test('the transport checksum of a good frame holds, and of a frame with a flipped byte does not', () => {
  for (const build of [tcpFrame, udpFrame]) {
    for (const ipVersion of [4, 6] as const) {
      const { bytes, transport } = build({ ipVersion, payload: new Uint8Array(33).fill(5) });
      const frame = createFrameView();
      parseFrame(view(bytes), 0, bytes.length, frame);
      assert.equal(frame.transport, transport);
      assert.equal(transportChecksumHolds(view(bytes), frame), true);
      bytes[bytes.length - 1] = 6;
      assert.equal(transportChecksumHolds(view(bytes), frame), false);
    }
  }
});

test('an IPv4 header gets the checksum that makes it whole', () => {
  const { bytes } = tcpFrame({ payload: new Uint8Array(3) });
  assert.equal(ipv4ChecksumHolds(view(bytes), 14), true);
  bytes[18] = 99;
  assert.equal(ipv4ChecksumHolds(view(bytes), 14), false);
  writeIpv4Checksum(view(bytes), 14, 20);
  assert.equal(ipv4ChecksumHolds(view(bytes), 14), true);
});
