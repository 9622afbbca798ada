/**
 * Owns the demonstration's network: two machines, two daemons, one VLAN that a user's commands make.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 10.99.0.1 ══════ 10.99.0.2 eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 *
 * Runs on the demonstration's main thread. Everything goes with the process unless it is kept.
 */

import { LabDaemon } from '../../test/lab/daemon.ts';
import type { DaemonStatus } from '../../test/lab/daemon-config.ts';
import { waitFor } from '../../test/lab/deadline.ts';
import { type EchoResult, type Ends, echo, type TransferResult, transfer } from '../../test/lab/probes.ts';
import { makePair, type Pair } from '../../test/lab/topology.ts';
import type { DemoOptions } from './options.ts';

/** The interface on both machines. */
export const TAP = 'ptap0';
export const ADDRESS_OF_A = '10.7.0.1';
export const ADDRESS_OF_B = '10.7.0.2';

const TRUNK_TIMEOUT_MS = 20_000;
const FIRST_REPLY_TIMEOUT_MS = 20_000;
const TRANSFER_SECONDS = 3;
const TRANSFER_TIMEOUT_MS = 30_000;
const ECHOES = { count: 100, intervalMs: 10 };

/** The two machines; those of a demonstration to be kept are owned by no process number, so that nobody sweeps them up. */
export function makeMachines(keep: boolean): Pair {
  return makePair('gso', '', keep ? `demo${process.pid}` : undefined);
}

/** Two daemons; the second is told where the first is. */
export function makeDaemons(pair: Pair, engine: DemoOptions['engine']): { a: LabDaemon; b: LabDaemon } {
  const a = new LabDaemon(pair.a, { engine });
  const b = new LabDaemon(pair.b, { engine, bootstrap: [a.multiaddr] });
  return { a, b };
}

/** Waits for the trunk between them. */
export function waitForTrunk(daemon: LabDaemon): Promise<DaemonStatus> {
  return daemon.waitFor(
    'the trunk',
    ({ trunks }) => trunks.some(({ state }) => state === 'up'),
    TRUNK_TIMEOUT_MS,
  );
}

/** Makes a VLAN on one and joins both, by the command as a user would. @returns the VLAN's id */
export async function makeVlan(a: LabDaemon, b: LabDaemon): Promise<string> {
  const id = (await commanded(a, 'vlan', 'create', 'demo')).trim();
  // There is nobody to be found yet.
  await commanded(a, 'vlan', 'join', id, '--interface', TAP, '--address', `${ADDRESS_OF_A}/24`, '--no-wait');
  await commanded(b, 'vlan', 'join', id, '--interface', TAP, '--address', `${ADDRESS_OF_B}/24`);
  return id;
}

/** Waits until a datagram comes back from the other side of the VLAN. */
export async function waitForReply(a: LabDaemon, b: LabDaemon): Promise<void> {
  const once = async (): Promise<boolean> =>
    (await echo(throughVlan(a, b), { count: 2, intervalMs: 50 })).timesMs.length > 0;
  const explain = (): string => `${a.logTail()}\n${b.logTail()}`;
  await waitFor('the first reply through the VLAN', once, {
    timeoutMs: FIRST_REPLY_TIMEOUT_MS,
    intervalMs: 20,
    explain,
  });
}

/** The way over the bare link. */
export function overLink({ a, b }: Pair): Ends {
  return { from: a.namespace, to: b.namespace, address: b.address };
}

/** The way through the VLAN. */
export function throughVlan(a: LabDaemon, b: LabDaemon): Ends {
  return { from: a.machine.namespace, to: b.machine.namespace, address: ADDRESS_OF_B };
}

/** Small datagrams there and back. */
export function probe(ends: Ends): Promise<EchoResult> {
  return echo(ends, ECHOES);
}

/** One TCP stream for a few seconds. */
export function bulk(ends: Ends): Promise<TransferResult> {
  return transfer(ends, { seconds: TRANSFER_SECONDS, timeoutMs: TRANSFER_TIMEOUT_MS });
}

async function commanded(daemon: LabDaemon, ...args: string[]): Promise<string> {
  const result = await daemon.command(...args);
  if (result.status !== 0)
    throw new Error(`peertap ${args.join(' ')}: ${result.stderr.trim()}\n${daemon.logTail()}`);
  return result.stdout;
}
