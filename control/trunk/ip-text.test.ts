import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalIp, ipFromBytes, ipToBytes } from './ip-text.ts';

test('every address survives bytes to text to bytes', () => {
  const sizes = fc.constantFrom(4, 16).chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
  fc.assert(
    fc.property(sizes, (bytes) => {
      const text = ipFromBytes(bytes) ?? '';
      assert.equal(ipFromBytes(ipToBytes(text) ?? new Uint8Array()), text);
    }),
  );
});

test('text is canonical by RFC 5952 and mapped addresses are IPv4', () => {
  assert.equal(canonicalIp('2001:DB8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  assert.equal(canonicalIp('::'), '::');
  assert.equal(canonicalIp('::1'), '::1');
  assert.equal(canonicalIp('fe80:0:0:0:0:0:0:0'), 'fe80::');
  assert.equal(canonicalIp('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(canonicalIp('::ffff:c000:201'), '192.0.2.1');
  assert.equal(canonicalIp('10.0.0.255'), '10.0.0.255');
});

test('what is no address is refused', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8::',
    'fe80::1%eth0',
    'g::',
  ]) {
    assert.equal(canonicalIp(text), undefined, text);
  }
});
