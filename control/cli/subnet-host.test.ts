/** Behaviour of the addresses that advice is given with: in the subnet, and one that an interface can have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from '../config/cidr.ts';
import { hostInSubnet } from './subnet-host.ts';

test('a host is counted from the first of its subnet', () => {
  const cases: readonly [subnet: string, host: number, address: string][] = [
    ['10.7.0.0/24', 1, '10.7.0.1/24'],
    ['10.0.0.0/8', 17, '10.0.0.17/8'],
    ['192.0.2.128/25', 17, '192.0.2.145/25'],
    ['192.0.2.252/30', 17, '192.0.2.254/30'],
    ['fd07::/64', 17, 'fd07::11/64'],
    ['fd00:1:2:3:4:5:6:0/112', 2, 'fd00:1:2:3:4:5:6:2/112'],
    ['2001:db8::1:0/112', 17, '2001:db8::1:11/112'],
    ['2001:db8::fc/126', 17, '2001:db8::fe/126'],
  ];
  for (const [subnet, host, address] of cases) {
    assert.equal(hostInSubnet(subnet, host), address);
    assert.ok(parseCidr(address).ok);
  }
});
