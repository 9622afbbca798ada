/**
 * Owns what a user's stream through a relay reaches beside the same stream on a direct trunk, with whole daemons.
 *
 *   direct     a ──ptap0 ┈┈(daemon ─ to_b ═══ to_a ─ daemon)┈┈ ptap0── b
 *   relayed    a ──ptap0 ┈┈(daemon ─ to_b ═══ to_a ─ relay ─ to_c ═══ to_b ─ daemon)┈┈ ptap0── c
 *
 * Both are up at once, and take turns within each repeat. There is no other way from a to c: no kernel forwards, and the
 * relay is no member. Runs on the main thread of the bench.
 */
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import type { LabDaemon } from '../../test/lab/daemon.ts';
import { FabricNet, relayedLine } from '../../test/lab/fabric-net.ts';
import { IperfServer, runTcp, type TcpOptions } from '../../test/lab/iperf.ts';
import { line } from '../../test/lab/links.ts';
import { cpuSecondsOf } from '../../test/lab/usage.ts';
import { type BenchEngine, Recorder, type SectionFindings, type SectionSettings } from '../section.ts';
import { mainEngines, type PartRun } from './core.ts';
import { DAEMON_FIGURES, type DaemonFigure, judgeDaemons } from './targets.ts';

/** The two networks of an engine. */
interface Nets {
  readonly direct: FabricNet;
  readonly relayed: FabricNet;
}

type Wire = SectionSettings['wires'][number];

const SMOKE_BYTES = 4_000_000;
const WARM_UP: TcpOptions = { seconds: 2 };

/** Measures daemons of each engine on each wire. */
export async function runDaemons({ settings, progress }: PartRun): Promise<SectionFindings> {
  const findings: SectionFindings[] = [];
  for (const wire of settings.wires) findings.push(await measureWire(wire, { settings, progress }));
  return {
    groups: findings.flatMap(({ groups }) => groups),
    verdicts: findings.flatMap(({ verdicts }) => verdicts),
    notes: findings.flatMap(({ notes }) => notes),
  };
}

async function measureWire(wire: Wire, run: PartRun): Promise<SectionFindings> {
  const recorder = new Recorder(`A—R—B on three machines, wire ${wire}`);
  const notes: string[] = [];
  for (const engine of mainEngines(run.settings)) {
    try {
      await measureEngine(engine, wire, recorder, run);
    } catch (error) {
      // One engine that fails must not cost the other's figures; a test of the bench has to see it, though.
      if (run.settings.smoke) throw error;
      notes.push(`A—R—B, ${engine}, wire ${wire}: ${reasonOf(error).split('\n')[0] ?? ''}.`);
    }
  }
  const samples = (figure: DaemonFigure): readonly number[] =>
    recorder.samples({ subject: 'native', figure: DAEMON_FIGURES[figure] });
  const group = recorder.group();
  return { groups: group.figures.length === 0 ? [] : [group], verdicts: judgeDaemons(wire, samples), notes };
}

async function measureEngine(
  engine: BenchEngine,
  wire: Wire,
  recorder: Recorder,
  { settings, progress }: PartRun,
): Promise<void> {
  progress(`A—R—B, ${engine}, wire ${wire}: five daemons … `);
  const nets = makeNets(engine, wire);
  try {
    await start(nets);
    progress('up\n');
    if (!settings.smoke) for (const net of [nets.direct, nets.relayed]) await stream(net, WARM_UP);
    const amount = settings.smoke ? { bytes: SMOKE_BYTES } : { seconds: settings.seconds };
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      const readings = { ...(await measureDirect(nets, amount)), ...(await measureRelayed(nets, amount)) };
      for (const figure of Object.keys(readings) as DaemonFigure[])
        recorder.add({ subject: engine, figure: DAEMON_FIGURES[figure] }, readings[figure]);
      const { direct, relayed, relayCpu } = readings;
      progress(
        `[${repeat + 1}/${settings.repeatCount}] ${engine}: direct ${direct.toFixed(2)}, relayed ${relayed.toFixed(2)} Gbit/s, the relay ${relayCpu.toFixed(2)} s/GB\n`,
      );
    }
  } finally {
    await Promise.all([nets.direct.remove(), nets.relayed.remove()]);
  }
}

function makeNets(engine: BenchEngine, wire: Wire): Nets {
  const links = { wire };
  const daemon = { engine };
  const direct = new FabricNet({ count: 2, edges: line(2), links, daemon });
  return { direct, relayed: new FabricNet({ ...relayedLine(daemon), links }) };
}

async function start({ direct, relayed }: Nets): Promise<void> {
  await Promise.all([direct.start(), relayed.start()]);
  await direct.waitForPing(0, 1);
  await relayed.waitForPing(0, 2);
}

async function measureDirect({ direct }: Nets, amount: TcpOptions) {
  const ends = spendingOf(direct.members);
  const { bitsPerSecond, gigabytes } = await stream(direct, amount);
  return { direct: bitsPerSecond / 1e9, directCpu: ends() / gigabytes };
}

async function measureRelayed({ relayed }: Nets, amount: TcpOptions) {
  const ends = spendingOf(relayed.members);
  const relay = spendingOf([relayed.node(1)]);
  const { bitsPerSecond, gigabytes } = await stream(relayed, amount);
  return { relayed: bitsPerSecond / 1e9, endsCpu: ends() / gigabytes, relayCpu: relay() / gigabytes };
}

/** Sends from the first member to the last. */
async function stream(net: FabricNet, amount: TcpOptions) {
  const [from, to] = [net.node(0), net.node(net.nodes.length - 1)];
  const server = await IperfServer.start(to.machine.namespace);
  try {
    const { bitsPerSecond, receivedBytes } = await runTcp(from.machine.namespace, net.addressOf(to), amount);
    return { bitsPerSecond, gigabytes: receivedBytes / 1e9 };
  } finally {
    await server.stop();
  }
}

/** CPU seconds that daemons use from now on, together. */
function spendingOf(daemons: readonly LabDaemon[]): () => number {
  const used = (): number => daemons.reduce((sum, { processId }) => sum + cpuSecondsOf(processId), 0);
  const before = used();
  return () => used() - before;
}
