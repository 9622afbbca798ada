/**
 * The section `flame`: flame graphs of two daemons under load, one of all code by `perf`, one of the JavaScript by 0x.
 *
 *   iperf3, both ways at once ══ a ══ tunnel ══ b ══
 *                                │              └─ perf record ─▶ perf script ─▶ SVG, shares of areas and stages
 *                                └─ V8's profiler, every thread ─▶ 0x ─▶ HTML
 *
 * A daemon has one of the profilers only, so that neither sees the other's work. Runs on the main thread of the bench.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { undoAtExit } from '../../test/lab/cleanup.ts';
import { preflightProblems } from '../../test/lab/preflight.ts';
import { Segment } from '../../test/lab/segment.ts';
import { IperfFlow } from '../api/iperf-flow.ts';
import {
  type BenchEngine,
  type FigureDescription,
  Recorder,
  type Section,
  type SectionFindings,
  type SectionSettings,
} from '../section.ts';
import { drawFlameGraph } from './flame-svg.ts';
import { forgetSymbolMap, perfProblem, printRecording, recordProcess } from './perf.ts';
import { parsePerfScript } from './perf-script.ts';
import { profilingAddon } from './profiling-addon.ts';
import { AREAS, areaShares, foldStacks, type Stack, stageShares, withoutNodeStart } from './stack.ts';
import { drawWithZeroX, profilerClockUs, profilerEnvironment, readThreadProfiles } from './zero-x.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RESULTS = fileURLToPath(new URL('../results', import.meta.url));
const SHARE: FigureDescription = { title: 'share of samples', unit: '%', digits: 1, better: 'none' };
const WARM_UP_MS = 1_000;
/** Fewer samples than this make no graph. */
const LEAST_SECONDS = 3;

/** What an engine's recording is made with. */
interface Recording {
  readonly engine: BenchEngine;
  readonly settings: SectionSettings;
  /** For what lies between a recording and its graph. */
  readonly folder: string;
  readonly isPerfUsable: boolean;
  readonly progress: (text: string) => void;
}

/** What was found of one engine. */
interface EngineGraphs {
  readonly stacks: readonly Stack[];
  readonly files: readonly string[];
  readonly notes: readonly string[];
}

export const flameSection: Section = {
  name: 'flame',
  title: 'flame graphs of a loaded daemon',
  problems,
  run,
};

function problems(settings: SectionSettings): readonly string[] {
  if (settings.limitsOnly) return ['Only the limits are measured: a flame graph is one of a daemon.'];
  const isCut = settings.wires[0] === 'mtu';
  return preflightProblems(['ip', 'iperf3', 'ping', ...(isCut ? ['ethtool'] : [])]);
}

async function run(settings: SectionSettings, progress: (text: string) => void): Promise<SectionFindings> {
  const perfMissing = perfProblem();
  const engines = settings.short || settings.smoke ? settings.engines.slice(0, 1) : settings.engines;
  const areas = new Recorder('Where the daemon was met at work, by area');
  const stages = new Recorder('Where the daemon was met at work, by stage');
  const files: string[] = [];
  const notes = [
    'One recording each, of a daemon with a TCP stream in both directions. Shares are of all its threads together.',
    'perf samples threads that run; 0x shows threads that wait, too: a worker that sleeps is in `wait`.',
    '0x follows only the main thread by itself: V8 profiled every thread of the daemon, and 0x drew the graph.',
    '0x takes for JavaScript what ends in .js: in its graph, .js is added to the names of our files.',
    ...(perfMissing === undefined ? [] : [perfMissing]),
  ];
  for (const engine of engines) {
    const found = await recordEngine(engine, settings, perfMissing === undefined, progress);
    files.push(...found.files);
    notes.push(...found.notes);
    if (found.stacks.length === 0) continue;
    for (const area of AREAS)
      areas.add({ subject: `${engine} ${area}`, figure: SHARE }, areaShares(found.stacks)[area] * 100);
    for (const [stage, share] of stageShares(found.stacks))
      stages.add({ subject: `${engine} ${stage}`, figure: SHARE }, share * 100);
  }
  if (engines.length < settings.engines.length)
    notes.push(`Left out for time: ${settings.engines.slice(1).join(', ')}.`);
  const groups = [areas.group(), stages.group()].filter((group) => group.figures.length > 0);
  return { groups, verdicts: [], notes, files };
}

async function recordEngine(
  engine: BenchEngine,
  settings: SectionSettings,
  isPerfUsable: boolean,
  progress: (text: string) => void,
): Promise<EngineGraphs> {
  const folder = mkdtempSync(join(tmpdir(), 'peertap-flame-'));
  const removeFolder = undoAtExit(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  try {
    return await recordInto({ engine, settings, folder, isPerfUsable, progress });
  } finally {
    removeFolder();
  }
}

async function recordInto(recording: Recording): Promise<EngineGraphs> {
  const { engine, settings, folder, progress } = recording;
  const addon =
    engine === 'native' ? await profilingAddon(!settings.short && !settings.smoke, progress) : undefined;
  const environment: Readonly<Record<string, string>> =
    addon !== undefined && 'file' in addon ? { PEERTAP_ACCELERATOR: addon.file } : {};
  const notes = addon !== undefined && 'reason' in addon ? [addon.reason] : [];
  const segment = new Segment({
    engine,
    wire: settings.wires[0] ?? 'gso',
    label: 'fl',
    daemon: { environment },
    environmentOf: { a: profilerEnvironment(folder), b: { NODE_OPTIONS: '--perf-basic-prof' } },
  });
  let forgetMap = (): void => undefined;
  try {
    progress(`${engine}: starting two daemons\n`);
    await segment.start();
    forgetMap = forgetSymbolMap(segment.b.processId);
    const window = await recordUnderLoad(segment, recording);
    // A daemon's profile is written when it ends; what perf saw is given its names while the files are there.
    await segment.stop();
    progress(`${engine}: drawing\n`);
    const [javascript, native] = await Promise.all([
      drawJavaScript(recording, window),
      drawNative(recording),
    ]);
    const files = settings.smoke ? [] : [javascript, ...native.files];
    return { ...native, files, notes };
  } finally {
    await segment.remove();
    forgetMap();
  }
}

/** @returns when it was recorded, by the profiler's clock */
async function recordUnderLoad(
  segment: Segment,
  { engine, settings, folder, isPerfUsable, progress }: Recording,
): Promise<{ readonly startUs: number; readonly endUs: number }> {
  const { a, b, addressOfB } = segment;
  const flow = await IperfFlow.start(a.machine.namespace, b.machine.namespace, addressOfB, ['--bidir']);
  try {
    await sleep(settings.smoke ? 0 : WARM_UP_MS);
    const seconds = settings.smoke ? 1 : Math.max(LEAST_SECONDS, settings.seconds);
    progress(`${engine}: recording for ${seconds} s\n`);
    const startUs = profilerClockUs();
    const perf = isPerfUsable ? recordProcess(b.processId, seconds, join(folder, 'perf.data')) : undefined;
    await Promise.all([perf, sleep(seconds * 1000)]);
    flow.assertRunning();
    return { startUs, endUs: profilerClockUs() };
  } finally {
    await flow.stop();
  }
}

async function drawJavaScript(
  recording: Recording,
  window: { readonly startUs: number; readonly endUs: number },
): Promise<string> {
  const { engine, folder } = recording;
  const page = graphFile(recording, '0x.html');
  const title = `PeerTap, engine ${engine}, every thread of a loaded daemon`;
  await drawWithZeroX(readThreadProfiles(folder, window), page, { folder, root: ROOT, title });
  return page;
}

async function drawNative(recording: Recording): Promise<Omit<EngineGraphs, 'notes'>> {
  const { engine, folder, isPerfUsable } = recording;
  if (!isPerfUsable) return { stacks: [], files: [] };
  const stacks = parsePerfScript(await printRecording(join(folder, 'perf.data')), ROOT);
  const graph = graphFile(recording, 'perf.svg');
  const heading = `PeerTap, engine ${engine}, a loaded daemon: share of the samples, callers above`;
  writeFileSync(graph, drawFlameGraph(foldStacks('all threads', withoutNodeStart(stacks)), heading));
  return { stacks, files: [graph] };
}

/** The files of the last run stand in for those of the run before it; a smoke run's figures mean nothing and go. */
function graphFile({ engine, settings, folder }: Recording, ending: string): string {
  const place = settings.smoke ? folder : RESULTS;
  mkdirSync(place, { recursive: true });
  return join(place, `flame-${engine}-${ending}`);
}
