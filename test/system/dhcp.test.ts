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

import { collect, missingTools } from '../lab/command.ts';
import { waitFor } from '../lab/deadline.ts';
import { Segment, TAP } from '../lab/segment.ts';
import { describeEngines } from './matrix.ts';

const missing = missingTools(['dnsmasq', 'dhclient']).join(' ');

describeEngines('DHCP inside a VLAN', (engine) => {
  it('leases an address', { skip: missing === '' ? false : missing }, async () => {
    const segment = new Segment({ engine });
    await segment.start();
    const leaseFile = join(segment.b.directory, 'leases');
    const serverArguments = [
      '--no-daemon',
      '--port=0',
      `--interface=${TAP}`,
      '--bind-interfaces',
      '--dhcp-authoritative',
    ];
    const files = [
      `--dhcp-leasefile=${join(segment.a.directory, 'served')}`,
      '--conf-file=/dev/null',
      '--user=root',
    ];
    const range = '--dhcp-range=10.7.0.100,10.7.0.110,255.255.255.0,1h';
    const server = segment.a.machine.namespace.start('dnsmasq', [...serverArguments, ...files, range]);
    const said = collect(server, 'stderr');
    await waitFor('dnsmasq to serve', () => said().includes('DHCP'), { timeoutMs: 5_000, explain: said });
    const clientArguments = [
      '-1',
      '-v',
      '-sf',
      '/bin/true',
      '-lf',
      leaseFile,
      '-pf',
      join(segment.b.directory, 'pid'),
      '-d',
      TAP,
    ];
    const client = segment.b.machine.namespace.start('dhclient', clientArguments);
    const log = collect(client, 'stderr');
    await waitFor('a lease', () => log().includes('bound to'), { timeoutMs: 20_000, explain: log });
    client.kill('SIGKILL');
    server.kill('SIGKILL');
    assert.match(readFileSync(leaseFile, 'utf8'), /fixed-address 10\.7\.0\.1(0\d|10);/);
    await segment.remove();
  });
});
