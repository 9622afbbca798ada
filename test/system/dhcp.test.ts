/**
 * DHCP inside a VLAN: a server on one machine, a client on the other.
 *
 *   a (dnsmasq) ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ ptap0── b (dhclient)
 *
 * Skipped where one of the two programs is missing.
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { missingTools } from '../lab/command.ts';
import { askDhcp, DHCP_TOOLS, serveDhcp } from '../lab/dhcp.ts';
import { TAP, withSegment } from '../lab/segment.ts';
import { describeEngines } from './matrix.ts';

const missing = missingTools(DHCP_TOOLS).join(' ');

describeEngines('DHCP inside a VLAN', (engine) => {
  it('leases an address', { skip: missing === '' ? false : missing }, async () => {
    await withSegment({ engine }, async (segment) => {
      await segment.start();
      const stop = await serveDhcp(segment.a, TAP);
      assert.match(await askDhcp(segment.b, TAP), /^10\.7\.0\.1(0\d|10)$/);
      stop();
    });
  });
});
