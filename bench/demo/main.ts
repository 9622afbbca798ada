/**
 * The demonstration: `npm start`. The main job, shown on one machine: two daemons find each other, form a trunk and
 * carry one Ethernet segment, beside the bare link.
 *
 *   preflight → machines → bare link → daemons → trunk → VLAN → round trips → bulk → table → removal
 *
 * Runs on its own main thread. It must leave nothing behind unless `--keep` asks for it, on failure and Ctrl-C too.
 */

import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { keepAll, undoAll } from '../../test/lab/cleanup.ts';
import type { LabDaemon } from '../../test/lab/daemon.ts';
import { preflightProblems } from '../../test/lab/preflight.ts';
import type { EchoResult, TransferResult } from '../../test/lab/probes.ts';
import type { Pair } from '../../test/lab/topology.ts';
import { mean, percentile } from '../arithmetic.ts';
import { renderTable } from '../table.ts';
import { isKept, noteKept, removeKept } from './kept.ts';
import * as network from './network.ts';
import { DEMO_USAGE, type DemoOptions, DemoUsageError, parseDemoOptions } from './options.ts';
import { step } from './progress.ts';

/** What one way between the machines showed. */
interface Measured {
  readonly echoes: EchoResult;
  readonly stream: TransferResult;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 2;
  if (options.action === 'help') {
    process.stdout.write(DEMO_USAGE);
    return 0;
  }
  const problems = preflightProblems(['ip']);
  if (problems.length > 0) {
    process.stderr.write(
      `The demonstration cannot run here:\n${problems.map((problem) => `  - ${problem}\n`).join('')}`,
    );
    return 1;
  }
  if (options.action === 'remove') {
    process.stdout.write(
      (await removeKept()) ? 'The demonstration is removed.\n' : 'There is nothing to remove.\n',
    );
    return 0;
  }
  if (isKept()) {
    process.stderr.write('A demonstration is up already; remove it first: npm start -- --remove\n');
    return 1;
  }
  await demonstrate(options);
  return 0;
}

async function demonstrate(options: DemoOptions): Promise<void> {
  process.stdout.write('\nPeerTap: two machines, one Ethernet segment, encrypted\n\n');
  const pair = await step('two namespaces joined by a link', () => network.makeMachines(options.keep));
  const bare = await measure('the bare link', network.overLink(pair));
  const { a, b } = network.makeDaemons(pair, options.engine);
  const { engine, workers } = await step(
    'a daemon in each',
    async () => (await Promise.all([a.start(), b.start()]))[0],
    (status) => `engine ${status.engine}, ${String(status.workers)} workers`,
  );
  const { trunks } = await step('they found each other and formed a trunk', () => network.waitForTrunk(a));
  const id = await step(
    'a VLAN with an interface in each',
    () => network.makeVlan(a, b),
    (made) => made,
  );
  await step('the first reply through it', () => network.waitForReply(a, b));
  const through = await measure('the VLAN', network.throughVlan(a, b));
  process.stdout.write(`\n${summaryTable(bare, through)}\n`);
  process.stdout.write(
    `engine ${engine}, ${String(workers)} workers, carrier ${trunks[0]?.carrier ?? 'unknown'}, VLAN ${id}\n\n`,
  );
  if (options.keep) keep(pair, a, b);
  else await step('stopped, namespaces removed', () => remove(pair, a, b));
}

async function measure(what: string, ends: Parameters<typeof network.probe>[0]): Promise<Measured> {
  const echoes = await step(`round trips over ${what}`, () => network.probe(ends), describeEchoes);
  const stream = await step(
    `a TCP stream over ${what}`,
    () => network.bulk(ends),
    ({ bitsPerSecond }) => `${gigabits(bitsPerSecond)} Gbit/s`,
  );
  return { echoes, stream };
}

function describeEchoes({ sentCount, timesMs }: EchoResult): string {
  if (timesMs.length === 0) throw new Error('no datagram came back');
  return `${timesMs.length} of ${sentCount} came back, ${microseconds(mean(timesMs))} µs on average`;
}

function summaryTable(bare: Measured, through: Measured): string {
  const row = (title: string, show: (measured: Measured) => string): string[] => [
    title,
    show(bare),
    show(through),
  ];
  const share = through.stream.bitsPerSecond / bare.stream.bitsPerSecond;
  return renderTable(
    ['', 'bare link', 'through PeerTap'],
    [
      row('encrypted', (measured) => (measured === through ? 'AES-256-GCM' : 'no')),
      row('TCP, 1 stream, Gbit/s', ({ stream }) => gigabits(stream.bitsPerSecond)),
      ['share of the bare link', '100 %', `${(share * 100).toFixed(0)} %`],
      row('round trip, average, µs', ({ echoes }) => microseconds(mean(echoes.timesMs))),
      row('round trip, p99, µs', ({ echoes }) => microseconds(percentile(echoes.timesMs, 0.99))),
      row('datagrams lost', ({ echoes }) => String(echoes.sentCount - echoes.timesMs.length)),
    ],
  );
}

async function remove(pair: Pair, a: LabDaemon, b: LabDaemon): Promise<void> {
  await Promise.all([a.stop(), b.stop()]);
  pair.remove();
}

/** Leaves everything up, and says how to use it and how to be rid of it. */
function keep(pair: Pair, a: LabDaemon, b: LabDaemon): void {
  noteKept({
    namespaces: [pair.a.namespace.name, pair.b.namespace.name],
    daemons: [a, b].map(({ processId, directory }) => ({ processId, directory })),
  });
  keepAll();
  const inA = `ip netns exec ${pair.a.namespace.name}`;
  const inB = `ip netns exec ${pair.b.namespace.name}`;
  process.stdout.write(
    [
      'It stays up. To try by hand, as root:',
      `  ${inA} ping ${network.ADDRESS_OF_B}`,
      `  ${inB} iperf3 --server --one-off &`,
      `  ${inA} iperf3 --client ${network.ADDRESS_OF_B}`,
      `  ${inA} ip neigh show dev ${network.TAP}`,
      `  npx peertap status --socket ${a.config.controlSocket}`,
      `  npx peertap status --socket ${b.config.controlSocket}`,
      `  tail -f ${a.logFile}`,
      'To remove it:',
      '  npm start -- --remove',
      '',
    ].join('\n'),
  );
}

function gigabits(bitsPerSecond: number): string {
  return (bitsPerSecond / 1e9).toFixed(2);
}

function microseconds(timeMs: number): string {
  return (timeMs * 1000).toFixed(0);
}

function readOptions(): DemoOptions | undefined {
  try {
    return parseDemoOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof DemoUsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${DEMO_USAGE}`);
    return undefined;
  }
}

let status = 1;
let isInterrupted = true;
process.on('exit', () => {
  if (isInterrupted) process.stdout.write('\nInterrupted: daemons stopped, namespaces removed.\n');
});
try {
  status = await main();
} catch (error) {
  process.stderr.write(`\nThe demonstration failed: ${reasonOf(error)}\n`);
} finally {
  undoAll();
  isInterrupted = false;
}
// A kept daemon is a child that would hold this process open.
process.exit(status);
