/**
 * The section `api`: what the admin API answers while a daemon is loaded, and what asking costs the traffic.
 *
 *   iperf3 ─▶ a ══ tunnel ══▶ b ─▶ iperf3        one TCP stream all the time
 *                             ▲
 *             control socket ─┘ nothing │ 100 requests a second │ as fast as it answers, a window of 1 s each in turn
 *
 * The receiving daemon is asked, as it has the less to spare. Runs on the main thread of the bench.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { preflightProblems } from '../../test/lab/preflight.ts';
import { Segment, TAP } from '../../test/lab/segment.ts';
import { percentile } from '../arithmetic.ts';
import type { BenchEngine, Section, SectionFindings, SectionSettings, Verdict } from '../section.ts';
import { Recorder } from '../section.ts';
import { EFFECT_FIGURES, STEADY_RATE, WINDOW_GROUPS, WINDOW_TITLES } from './figures.ts';
import { IperfFlow } from './iperf-flow.ts';
import { loadApi, type RouteReading } from './load.ts';
import { mainThreadSecondsOf, receivedBytesOf } from './process-facts.ts';
import {
  planWindows,
  type RequestParty,
  requestCostUs,
  throughputEffect,
  type WindowKind,
  type WindowReading,
} from './rounds.ts';

const WINDOW_MS = 1_000;
/** autocannon asks its rate's requests at the start of each second: one that begins with the window's end is left out. */
const LOAD_SECONDS = 0.95;
/** A flow's rate grows for about so long. */
const WARM_UP_MS = 1_000;
const EFFECT_TARGET_PERCENT = 2;
const PARTIES: readonly (readonly [party: RequestParty, name: string])[] = [
  ['mainThreadSeconds', "daemon's main thread"],
  ['clientSeconds', 'autocannon'],
];

/** A window with what the routes answered in it. */
interface ObservedWindow extends WindowReading {
  readonly routes: readonly RouteReading[];
}

/** What is recorded of one engine. */
interface EngineFindings {
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

/** The recorders of all engines. */
interface Recorders {
  readonly steady: Recorder;
  readonly full: Recorder;
  readonly effect: Recorder;
}

export const apiSection: Section = {
  name: 'api',
  title: 'the admin API under load, and what it costs the traffic',
  problems,
  run,
};

function problems(settings: SectionSettings): readonly string[] {
  if (settings.limitsOnly) return ['Only the limits are measured: the admin API is a part of a daemon.'];
  const isCut = settings.wires[0] === 'mtu';
  return preflightProblems(['ip', 'iperf3', 'ping', ...(isCut ? ['ethtool'] : [])]);
}

async function run(settings: SectionSettings, progress: (text: string) => void): Promise<SectionFindings> {
  const recorders: Recorders = {
    steady: new Recorder(WINDOW_GROUPS.steady),
    full: new Recorder(WINDOW_GROUPS.full),
    effect: new Recorder(WINDOW_GROUPS.effect),
  };
  // The short form has no time for a second pair of daemons.
  const engines = settings.short || settings.smoke ? settings.engines.slice(0, 1) : settings.engines;
  const verdicts: Verdict[] = [];
  const notes = [
    'iperf3, both daemons and autocannon share the cores: the effect includes what asking costs autocannon.',
    'The effect is a median over windows of 1 s. A tunnel varies by some percent from second to second: name the section, for more of them, before you judge by it.',
    `At ${STEADY_RATE} requests a second, each second begins with all of its requests at once.`,
  ];
  for (const engine of engines) {
    const found = await measureEngine(engine, settings, recorders, progress);
    verdicts.push(...found.verdicts);
    notes.push(...found.notes);
  }
  if (engines.length < settings.engines.length)
    notes.push(`Left out for time: ${settings.engines.slice(1).join(', ')}.`);
  const groups = [recorders.steady.group(), recorders.full.group(), recorders.effect.group()];
  return { groups, verdicts, notes };
}

async function measureEngine(
  engine: BenchEngine,
  settings: SectionSettings,
  recorders: Recorders,
  progress: (text: string) => void,
): Promise<EngineFindings> {
  const segment = new Segment({ engine, wire: settings.wires[0] ?? 'gso', label: 'api' });
  try {
    progress(`${engine}: starting two daemons\n`);
    await segment.start();
    const flow = await IperfFlow.start(
      segment.a.machine.namespace,
      segment.b.machine.namespace,
      segment.addressOfB,
    );
    try {
      await warmUp(segment);
      const windows = await observeWindows(engine, settings, segment, progress);
      flow.assertRunning();
      const { eventLoopDelay } = await segment.b.status();
      record(engine, windows, recorders);
      recorders.effect.add({ subject: engine, figure: EFFECT_FIGURES.loopDelayMax }, eventLoopDelay.maxMs);
      recorders.effect.add({ subject: engine, figure: EFFECT_FIGURES.loopDelayP99 }, eventLoopDelay.p99Ms);
      return judge(engine, windows.flat());
    } finally {
      await flow.stop();
    }
  } finally {
    await segment.remove();
  }
}

/** Code that runs for the first time is slow, as it never is on a daemon that has been asked for days. */
async function warmUp(segment: Segment): Promise<void> {
  const load = { requestsPerSecond: undefined, seconds: WARM_UP_MS / 1000 };
  await loadApi({ socketPath: segment.b.config.controlSocket, ...load });
}

/** @returns the windows of each repeat; each ends with the quiet window that the next begins with */
async function observeWindows(
  engine: BenchEngine,
  settings: SectionSettings,
  segment: Segment,
  progress: (text: string) => void,
): Promise<ObservedWindow[][]> {
  const plan = planWindows(settings.smoke ? 1 : Math.max(1, Math.round(settings.seconds)));
  const repeats: ObservedWindow[][] = [];
  for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
    progress(`${engine}: repeat ${repeat + 1} of ${settings.repeatCount} `);
    const windows: ObservedWindow[] = [];
    for (const kind of plan) {
      windows.push(await observeWindow(kind, segment));
      progress('.');
    }
    const [first] = windows;
    if (first !== undefined) repeats.at(-1)?.push(first);
    repeats.push(windows);
    progress('\n');
  }
  repeats.at(-1)?.push(await observeWindow('quiet', segment));
  return repeats;
}

async function observeWindow(kind: WindowKind, segment: Segment): Promise<ObservedWindow> {
  const { processId, config } = segment.b;
  const requestsPerSecond = kind === 'steady' ? STEADY_RATE : undefined;
  const startMs = performance.now();
  const startBytes = receivedBytesOf(processId, TAP);
  const startSeconds = mainThreadSecondsOf(processId);
  const startUsage = process.cpuUsage();
  const load = { socketPath: config.controlSocket, requestsPerSecond, seconds: LOAD_SECONDS };
  const [routes] = await Promise.all([kind === 'quiet' ? [] : loadApi(load), sleep(WINDOW_MS)]);
  const { user, system } = process.cpuUsage(startUsage);
  return {
    kind,
    routes,
    clientSeconds: (user + system) / 1e6,
    bytes: receivedBytesOf(processId, TAP) - startBytes,
    mainThreadSeconds: mainThreadSecondsOf(processId) - startSeconds,
    seconds: (performance.now() - startMs) / 1000,
    requestCount: routes.reduce((sum, route) => sum + route.latenciesMs.length, 0),
  };
}

function record(engine: BenchEngine, repeats: readonly ObservedWindow[][], recorders: Recorders): void {
  for (const windows of repeats) {
    for (const kind of ['steady', 'full'] as const) {
      recordRoutes(
        engine,
        windows.filter((window) => window.kind === kind),
        recorders[kind],
      );
    }
    for (const kind of ['quiet', 'steady', 'full'] as const) {
      const ofKind = windows.filter((window) => window.kind === kind);
      const bytes = sumOf(ofKind, (window) => window.bytes);
      const figure = { ...EFFECT_FIGURES.throughput, title: `TCP, ${WINDOW_TITLES[kind]}` };
      recorders.effect.add(
        { subject: engine, figure },
        (bytes * 8) / sumOf(ofKind, (window) => window.seconds) / 1e9,
      );
      const effect = throughputEffect(windows, kind);
      const lost = { ...EFFECT_FIGURES.lost, title: `lost at ${WINDOW_TITLES[kind]}` };
      if (effect !== undefined) recorders.effect.add({ subject: engine, figure: lost }, effect * 100);
      for (const [party, name] of PARTIES) {
        const costUs = requestCostUs(windows, kind, party);
        const cost = { ...EFFECT_FIGURES.cost, title: `${name} per request, ${WINDOW_TITLES[kind]}` };
        if (costUs !== undefined) recorders.effect.add({ subject: engine, figure: cost }, costUs);
      }
    }
  }
}

function recordRoutes(engine: BenchEngine, windows: readonly ObservedWindow[], recorder: Recorder): void {
  const seconds = sumOf(windows, (window) => window.seconds);
  const routes = new Map<string, number[]>();
  for (const { route, latenciesMs } of windows.flatMap((window) => window.routes)) {
    routes.set(route, [...(routes.get(route) ?? []), ...latenciesMs]);
  }
  for (const [route, latenciesMs] of routes) {
    if (latenciesMs.length === 0) continue;
    const subject = `${engine} ${route}`;
    recorder.add({ subject, figure: EFFECT_FIGURES.latencyP50 }, percentile(latenciesMs, 0.5));
    recorder.add({ subject, figure: EFFECT_FIGURES.latencyP99 }, percentile(latenciesMs, 0.99));
    recorder.add({ subject, figure: EFFECT_FIGURES.requestRate }, latenciesMs.length / seconds);
  }
}

function judge(engine: BenchEngine, windows: readonly ObservedWindow[]): EngineFindings {
  const failureCount = sumOf(windows, (window) => sumOf(window.routes, (route) => route.failureCount));
  const requestCount = sumOf(windows, (window) => window.requestCount);
  const effect = throughputEffect(windows, 'steady');
  const verdicts: Verdict[] = [
    {
      title: `${engine}: API requests that failed`,
      measured: failureCount,
      sense: 'at most',
      wanted: 0,
      unit: '',
      met: failureCount === 0,
      stretch: false,
    },
  ];
  if (effect !== undefined) {
    verdicts.unshift({
      title: `${engine}: TCP throughput lost at ${WINDOW_TITLES.steady}`,
      measured: effect * 100,
      sense: 'at most',
      wanted: EFFECT_TARGET_PERCENT,
      unit: '%',
      met: effect * 100 <= EFFECT_TARGET_PERCENT,
      stretch: false,
    });
  }
  const notes = requestCount === 0 ? [`${engine}: no request was answered.`] : [];
  return { verdicts, notes };
}

function sumOf<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((sum, item) => sum + valueOf(item), 0);
}
