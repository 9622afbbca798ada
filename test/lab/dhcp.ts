/**
 * Owns a DHCP server and a DHCP client on a TAP of the lab: dnsmasq and dhclient, as they are.
 *
 * Runs on the main thread of a test process.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { LabDaemon } from './daemon.ts';
import { waitFor } from './deadline.ts';

/** Both programs; a test without one is skipped. */
export const DHCP_TOOLS = ['dnsmasq', 'dhclient'] as const;

const SERVE_TIMEOUT_MS = 5_000;
const LEASE_TIMEOUT_MS = 20_000;

/** Serves 10.7.0.100 to 10.7.0.110 on a TAP. @returns ends the server */
export async function serveDhcp({ directory, machine }: LabDaemon, tap: string): Promise<() => void> {
  const how = [
    '--no-daemon',
    '--port=0',
    '--bind-interfaces',
    '--dhcp-authoritative',
    '--user=root',
    '--no-ping',
  ];
  const files = [`--dhcp-leasefile=${join(directory, 'served')}`, '--conf-file=/dev/null'];
  const what = [`--interface=${tap}`, '--dhcp-range=10.7.0.100,10.7.0.110,255.255.255.0,1h'];
  const logFile = join(directory, 'dnsmasq.log');
  const child = machine.namespace.start('dnsmasq', [...how, ...files, ...what], { logFile });
  const said = () => readFileSync(logFile, 'utf8');
  const options = { timeoutMs: SERVE_TIMEOUT_MS, explain: said };
  await waitFor('dnsmasq to serve', () => said().includes('DHCP'), options);
  return () => child.kill('SIGKILL');
}

/** Asks for an address on a TAP, and changes nothing on it. @returns the address that was leased */
export async function askDhcp({ directory, machine }: LabDaemon, tap: string): Promise<string> {
  const leaseFile = join(directory, 'leases');
  const how = ['-1', '-v', '-d', '-sf', '/bin/true', '-lf', leaseFile, '-pf', join(directory, 'pid')];
  const logFile = join(directory, 'dhclient.log');
  const child = machine.namespace.start('dhclient', [...how, tap], { logFile });
  const said = () => readFileSync(logFile, 'utf8');
  const options = { timeoutMs: LEASE_TIMEOUT_MS, explain: said };
  await waitFor('a lease', () => said().includes('bound to'), options);
  child.kill('SIGKILL');
  return /fixed-address ([\d.]+);/.exec(readFileSync(leaseFile, 'utf8'))?.[1] ?? '';
}
