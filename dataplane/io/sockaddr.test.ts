import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSocketAddress, encodeIp, encodeSocketAddress } from './sockaddr.ts';
import { SystemError } from './system-error.ts';

test('an IPv4 address is a sockaddr_in on an IPv4 socket', () => {
  const bytes = new Uint8Array(28).fill(0xaa);
  assert.equal(encodeSocketAddress({ ip: '192.0.2.7', port: 7947 }, false, bytes, 0), 16);
  assert.deepEqual([...bytes.subarray(0, 8)], [2, 0, 0x1f, 0x0b, 192, 0, 2, 7]);
  assert.ok(bytes.subarray(8).every((byte) => byte === 0));
});

test('an IPv4 address is mapped on a dual-stack socket and plain in text', () => {
  const bytes = new Uint8Array(28);
  assert.equal(encodeSocketAddress({ ip: '192.0.2.7', port: 1 }, true, bytes, 0), 28);
  assert.deepEqual([...bytes.subarray(8, 24)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]);
  assert.deepEqual(decodeSocketAddress(bytes, 0, 28), { ip: '192.0.2.7', port: 1 });
});

test('IPv6 text is read in every spelling and written in the one of RFC 5952', () => {
  const spelled = (ip: string): string | undefined => {
    const bytes = new Uint8Array(28);
    return decodeSocketAddress(bytes, 0, encodeSocketAddress({ ip, port: 9 }, true, bytes, 0))?.ip;
  };
  assert.equal(spelled('2001:DB8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  assert.equal(spelled('::'), '::');
  assert.equal(spelled('::1'), '::1');
  assert.equal(spelled('fe80::'), 'fe80::');
  assert.equal(spelled('1:0:2:3:4:5:6:7'), '1:0:2:3:4:5:6:7');
  assert.equal(spelled('64:ff9b::192.0.2.33'), '64:ff9b::c000:221');
  assert.equal(spelled('::ffff:192.0.2.1'), '192.0.2.1');
});

test('what is no address for the socket is refused', () => {
  for (const ip of ['', 'host', '1.2.3', '1::2::3', 'fe80::1%eth0']) {
    assert.throws(() => encodeIp(ip, true), SystemError);
  }
  assert.throws(() => encodeIp('::1', false), /IPv4 only/);
});

test('any IPv6 address and port come back', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.integer({ min: 0, max: 65_535 }), (ip, port) => {
      const bytes = new Uint8Array(28);
      const again = new Uint8Array(28);
      const length = encodeSocketAddress({ ip, port }, true, bytes, 0);
      const decoded = decodeSocketAddress(bytes, 0, length);
      assert.ok(decoded !== undefined);
      encodeSocketAddress(decoded, true, again, 0);
      assert.deepEqual(again, bytes);
    }),
  );
});

test('bytes of another family, or cut short, are no address', () => {
  assert.equal(decodeSocketAddress(Uint8Array.of(1, 0, 0, 0), 0, 16), undefined);
  const bytes = new Uint8Array(28);
  encodeSocketAddress({ ip: '::1', port: 1 }, true, bytes, 0);
  assert.equal(decodeSocketAddress(bytes, 0, 16), undefined);
});
