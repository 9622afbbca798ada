/** Behaviour of subnets: one spelling each, and the likely one named when an address was given. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSubnet, parseSubnet } from './subnet.ts';

function reasonFor(text: string): string {
  const parsed = parseSubnet(text);
  return parsed.ok ? assert.fail(`${text} was accepted`) : parsed.reason;
}

test('a subnet is read and written in one form', () => {
  for (const [text, canonical] of [
    ['10.7.0.0/24', '10.7.0.0/24'],
    ['10.7.0.0/16', '10.7.0.0/16'],
    ['FD00:0::/64', 'fd00::/64'],
    ['192.168.255.252/30', '192.168.255.252/30'],
  ] as const) {
    const parsed = parseSubnet(text);
    assert.ok(parsed.ok, text);
    assert.equal(parsed.subnet, canonical);
    assert.equal(formatSubnet(parsed.address, parsed.prefixLength), canonical);
  }
});

test('an address in a subnet is answered with the subnet', () => {
  assert.match(reasonFor('10.7.3.9/16'), /expected a subnet, as 10\.7\.0\.0\/16/);
  assert.match(reasonFor('fd00::1/64'), /as fd00::\/64/);
});

test('what has no room for hosts, and what is none, is refused', () => {
  assert.match(reasonFor('10.7.0.0/31'), /1\.\.30/);
  assert.match(reasonFor('fd00::/127'), /1\.\.126/);
  for (const text of ['10.7.0.0', 'office', '10.7.0.0/24/3', '224.0.0.0/8', '::ffff:10.7.0.0/120', '']) {
    reasonFor(text);
  }
});

test('bytes make a subnet only in the form that text has', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uint8Array({ maxLength: 20 }),
      ),
      fc.integer({ min: 0, max: 255 }),
      (address, prefixLength) => {
        const text = formatSubnet(address, prefixLength);
        if (text === undefined) return;
        const parsed = parseSubnet(text);
        assert.ok(parsed.ok);
        assert.deepEqual(parsed.address, address);
        assert.equal(parsed.prefixLength, prefixLength);
      },
    ),
  );
});
