/**
 * Owns the section `tunnel`: a user's traffic through two daemons, beside the bare link, kernel VXLAN, the same daemons
 * without cryptography, and every other tunnel that is installed, in the same run.
 *
 * All subjects of a wire are up at once and take turns within each repeat, so that a ratio compares two moments that lie
 * close together; what they cost without traffic is measured first. Runs on the main thread of the bench.
 */

import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { preflightProblems } from '../../test/lab/preflight.ts';
import type { Section, SectionFindings, SectionSettings } from '../section.ts';
import { describeReadings, type Readings, WireReadings } from './figures.ts';
import {
  idleCpuPercent,
  MEASUREMENTS,
  type Measurement,
  type MeasurementContext,
  udpSocketBufferBytes,
} from './measurements.ts';
import { isOccasion, type Occasion, scheduleOf } from './schedule.ts';
import type { Subject } from './subject.ts';
import { findCandidates, type SubjectCandidate } from './subject-candidates.ts';
import { judge, TARGETS } from './verdicts.ts';

/** Measures tunnels from end to end. */
export const tunnelSection: Section = {
  name: 'tunnel',
  title: 'through two daemons in namespaces, beside the bare link, kernel VXLAN and other tunnels',
  problems: ({ wires }) =>
    preflightProblems(['ip', 'iperf3', 'ping', ...(wires.includes('mtu') ? ['ethtool'] : [])]),
  run: runTunnel,
};

const SHOWN_REASON_LENGTH = 400;

interface Run {
  readonly settings: SectionSettings;
  readonly progress: (text: string) => void;
  readonly notes: string[];
}

interface WireRun extends Run {
  readonly wire: 'gso' | 'mtu';
  readonly wireIndex: number;
  readonly subjects: readonly Subject[];
  readonly readings: WireReadings;
}

async function runTunnel(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  const notes = formNotes(settings);
  const run = { settings, progress, notes };
  const candidates = await findCandidates(run);
  const findings: Pick<SectionFindings, 'groups' | 'verdicts'>[] = [];
  for (const [wireIndex, wire] of settings.wires.entries()) {
    findings.push(await runWire(candidates, { ...run, wire, wireIndex }));
  }
  return {
    groups: findings.flatMap(({ groups }) => groups),
    verdicts: findings.flatMap(({ verdicts }) => verdicts),
    notes,
  };
}

async function runWire(
  candidates: readonly SubjectCandidate[],
  run: Pick<WireRun, 'wire' | 'wireIndex'> & Run,
): Promise<Pick<SectionFindings, 'groups' | 'verdicts'>> {
  const subjects: Subject[] = [];
  const readings = new WireReadings(
    run.wire,
    candidates.map(({ name }) => name),
  );
  try {
    for (const candidate of candidates) await bringUp(candidate, subjects, run);
    await measureAll({ ...run, subjects, readings });
  } finally {
    for (const subject of subjects.toReversed()) await subject.remove();
  }
  const layer2Peers = subjects
    .filter(({ kind, layer }) => kind === 'peer' && layer === 2)
    .map(({ name }) => name);
  const samples = readings.samples.bind(readings);
  return { groups: readings.groups(), verdicts: judge(TARGETS, { wire: run.wire, samples, layer2Peers }) };
}

async function bringUp(
  candidate: SubjectCandidate,
  subjects: Subject[],
  run: Pick<WireRun, 'wire'> & Run,
): Promise<void> {
  run.progress(`wire ${run.wire}: ${candidate.name} … `);
  try {
    subjects.push(await candidate.make(run.wire));
    run.progress('up\n');
  } catch (error) {
    takeFailure(`${candidate.name} did not come up on wire ${run.wire}`, error, run);
  }
}

async function measureAll(run: WireRun): Promise<void> {
  await measureIdleCpu(run);
  for (let repeat = 0; repeat < run.settings.repeatCount; repeat++) {
    for (const measurement of MEASUREMENTS) {
      for (const subject of run.subjects) {
        const occasion = occasionOf(measurement, subject, run);
        if (isOccasion(occasion, repeat, run.settings.repeatCount))
          await measure(subject, measurement, { ...run, repeat });
      }
    }
  }
}

function occasionOf(measurement: Measurement, subject: Subject, { settings, wireIndex }: WireRun): Occasion {
  return settings.short && !settings.smoke
    ? measurement.shortOccasion(subject)
    : measurement.occasion(subject, settings, wireIndex);
}

async function measureIdleCpu({ subjects, settings, readings }: WireRun): Promise<void> {
  const withDaemons = subjects.filter((subject) => subject.processIds().length > 0);
  if (withDaemons.length === 0) return;
  const percents = await idleCpuPercent(withDaemons, scheduleOf(settings).idleSeconds);
  withDaemons.forEach(({ name }, at) => {
    readings.add(name, { idleCpu: percents[at] ?? 0 });
  });
}

async function measure(
  subject: Subject,
  measurement: Measurement,
  run: WireRun & { readonly repeat: number },
): Promise<void> {
  const { settings, readings, progress } = run;
  const place = `[${run.repeat + 1}/${settings.repeatCount}] wire ${run.wire}, ${subject.name}`;
  progress(`${place}: ${measurement.title} … `);
  const context: MeasurementContext = {
    settings,
    schedule: scheduleOf(settings),
    earlier: (key) => readings.samples(subject.name, key),
  };
  try {
    const taken: Readings = await measurement.run(subject, context);
    readings.add(subject.name, taken);
    progress(`${describeReadings(taken)}\n`);
  } catch (error) {
    takeFailure(`${place}: ${measurement.title} failed`, error, run);
  }
}

/** One subject that fails must not cost an hour of the others' figures; a test of the bench has to see it, though. */
function takeFailure(what: string, error: unknown, { settings, progress, notes }: Run): void {
  if (settings.smoke) throw error;
  const said = reasonOf(error);
  const reason = said
    .trim()
    .replaceAll(/\s*\n\s*/g, ' / ')
    .slice(0, SHOWN_REASON_LENGTH);
  notes.push(`${what}: ${reason}.`);
  progress(`failed: ${reason}\n`);
}

function formNotes({ short, smoke }: SectionSettings): string[] {
  const notes = [
    `UDP: iperf3 with socket buffers of ${udpSocketBufferBytes() >> 10} KiB; what it can send at all shows with the bare link.`,
    'Wire gso is the veth as it is: super-packets cross it whole. On wire mtu the kernel cuts them before the driver, and the receiver merges them by GRO, as with a card; the largest packet that crossed is in the table.',
  ];
  if (short && !smoke)
    notes.push(
      'Short form: all but TCP with 1 stream is measured once, of the bare link only what targets need; no start, no bulk for memory.',
    );
  return notes;
}
