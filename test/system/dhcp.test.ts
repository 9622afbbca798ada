/**
 * DHCP inside a VLAN: a server on one machine, a client on the other.
 *
 *   a (dnsmasq) ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ ptap0── b (dhclient)
 *
 * Skipped where one of the two programs is missing.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

import { missingTools } from '../lab/command.ts';
import type { LabDaemon } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { TAP, withSegment } from '../lab/segment.ts';
import { describeEngines } from './matrix.ts';

const missing = missingTools(['dnsmasq', 'dhclient']).join(' ');

describeEngines('DHCP inside a VLAN', (engine) => {
  it('leases an address', { skip: missing === '' ? false : missing }, async () => {
    await withSegment({ engine }, async (segment) => {
      await segment.start();
      const server = serve(segment.a);
      await waitFor('dnsmasq to serve', () => server.said().includes('DHCP'), {
        timeoutMs: 5_000,
        explain: server.said,
      });
      const client = ask(segment.b);
      await waitFor('a lease', () => client.said().includes('bound to'), {
        timeoutMs: 20_000,
        explain: client.said,
      });
      for (const { child } of [client, server]) child.kill('SIGKILL');
      assert.match(readFileSync(client.leaseFile, 'utf8'), /fixed-address 10\.7\.0\.1(0\d|10);/);
    });
  });
});

function serve({ directory, machine }: LabDaemon) {
  const how = ['--no-daemon', '--port=0', '--bind-interfaces', '--dhcp-authoritative', '--user=root'];
  const files = [`--dhcp-leasefile=${join(directory, 'served')}`, '--conf-file=/dev/null'];
  const what = [`--interface=${TAP}`, '--dhcp-range=10.7.0.100,10.7.0.110,255.255.255.0,1h'];
  const logFile = join(directory, 'dnsmasq.log');
  const child = machine.namespace.start('dnsmasq', [...how, ...files, ...what], { logFile });
  return { child, said: () => readFileSync(logFile, 'utf8') };
}

function ask({ directory, machine }: LabDaemon) {
  const leaseFile = join(directory, 'leases');
  // It shall change nothing on the interface: what it was given is read from the file.
  const how = ['-1', '-v', '-d', '-sf', '/bin/true', '-lf', leaseFile, '-pf', join(directory, 'pid')];
  const logFile = join(directory, 'dhclient.log');
  const child = machine.namespace.start('dhclient', [...how, TAP], { logFile });
  return { child, leaseFile, said: () => readFileSync(logFile, 'utf8') };
}
