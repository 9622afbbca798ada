/** Behaviour of interface addresses: bytes in network order, and no address that the kernel refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from './cidr.ts';

function bytesOf(text: string): number[] {
  const parsed = parseCidr(text);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.reason);
  return [...parsed.value.address];
}

test('an IPv4 address comes out in network order', () => {
  assert.deepEqual(bytesOf('10.7.0.1/24'), [10, 7, 0, 1]);
  const parsed = parseCidr('10.7.0.1/24');
  assert.ok(parsed.ok);
  assert.equal(parsed.value.family, 4);
  assert.equal(parsed.value.prefixLength, 24);
});

test('an IPv6 address comes out in full, however it is shortened', () => {
  assert.deepEqual(bytesOf('fd00::1/64'), [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.deepEqual(bytesOf('::1/128'), [...new Array<number>(15).fill(0), 1]);
  assert.deepEqual(bytesOf('fe80::/10').slice(0, 3), [0xfe, 0x80, 0]);
  assert.deepEqual(
    bytesOf('2001:db8:1:2:3:4:5:6/64'),
    [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6],
  );
  assert.deepEqual(bytesOf('64:ff9b::192.0.2.33/96').slice(-4), [192, 0, 2, 33]);
});

test('what no interface can have is refused', () => {
  const refused = ['0.0.0.0/8', '::/64', 'ff02::1/64', '239.1.1.1/8', '10.0.0.1/0', '10.0.0.1/24/3', '/24'];
  for (const text of [...refused, '', 'fe80::1%eth0/64', '10.0.0.1/ 24', '10.0.0.1/+2', '010.0.0.1/24']) {
    assert.equal(parseCidr(text).ok, false, text);
  }
});
