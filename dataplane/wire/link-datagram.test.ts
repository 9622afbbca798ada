import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { controlClass, controlFlags, controlHops, controlKind, controlWord } from './link-datagram.ts';
import { VIRTIO, writeChecksumVirtio, writeGsoVirtio, writePlainVirtio } from './virtio-header.ts';

test('the control word gives back what went into it, and fits three bytes', () => {
  fc.assert(
    fc.property(fc.nat(15), fc.nat(15), fc.nat(255), fc.nat(255), (kind, flags, hops, frameClass) => {
      const word = controlWord(kind, flags, hops, frameClass);
      assert.equal(controlKind(word), kind);
      assert.equal(controlFlags(word), flags);
      assert.equal(controlHops(word), hops);
      assert.equal(controlClass(word), frameClass);
      assert.ok(word >= 0 && word < 1 << 24);
    }),
  );
});

test('a virtio header is plain, asks for a checksum, or describes a super-frame', () => {
  const bytes = new Uint8Array(12).fill(0xaa);
  const view = new DataView(bytes.buffer);
  writePlainVirtio(view, 0);
  assert.deepEqual([...bytes], new Array<number>(12).fill(0));
  writeChecksumVirtio(view, 0, 34, 16);
  writeGsoVirtio(view, 0, 1, 66, 1400);
  assert.deepEqual([...bytes.slice(0, 10)], [1, 1, 66, 0, 0x78, 0x05, 34, 0, 16, 0]);
  assert.equal(view.getUint16(VIRTIO.gsoSize, true), 1400);
});
