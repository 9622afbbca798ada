/** What peers say of our address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ObservedAddresses } from './observed-addresses.ts';

const MAPPED = { ip: '198.51.100.7', port: 7_947 };

test('what most peers say comes first, a few words at most, and old ones count no more', () => {
  const observed = new ObservedAddresses();
  observed.note(0, 'liar', { ip: '203.0.113.9', port: 53 }, 0);
  observed.note(0, 'a', MAPPED, 10);
  observed.note(0, 'b', MAPPED, 20);
  observed.note(1, 'a', { ...MAPPED, port: 7_948 }, 20);
  assert.deepEqual(observed.of(0, 30), [MAPPED, { ip: '203.0.113.9', port: 53 }]);
  assert.deepEqual(observed.of(1, 30), [{ ...MAPPED, port: 7_948 }]);
  for (let peer = 0; peer < 10; peer++) {
    observed.note(0, `other${peer}`, { ip: '203.0.113.9', port: 1_000 + peer }, 40);
  }
  assert.equal(observed.of(0, 50).length, 3);
  assert.deepEqual(observed.of(0, 50)[0], MAPPED);
  assert.deepEqual(observed.of(0, 300_000), []);
});

test('a peer has one word for a socket and family, and none for what nobody has', () => {
  const observed = new ObservedAddresses();
  observed.note(0, 'a', { ip: '203.0.113.9', port: 53 }, 0);
  observed.note(0, 'a', MAPPED, 1);
  observed.note(0, 'a', { ip: '2001:db8::1', port: 7_947 }, 1);
  for (const ip of [
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'ff02::1',
    'fe80::1',
  ]) {
    observed.note(0, 'b', { ip, port: 53 }, 2);
  }
  assert.deepEqual(observed.of(0, 3), [MAPPED, { ip: '2001:db8::1', port: 7_947 }]);
  observed.clear();
  assert.deepEqual(observed.of(0, 3), []);
});

test('thousands of peers do not make it grow', () => {
  const observed = new ObservedAddresses();
  for (let peer = 0; peer < 5_000; peer++) {
    observed.note(0, `p${peer}`, { ip: '203.0.113.9', port: 1 + peer }, peer);
  }
  assert.equal(observed.of(0, 5_000).length, 3);
});
