/**
 * Owns the curve of a join between two daemons: from the request to the first frame carried both ways, by size of the
 * group. All but the two are absent.
 *
 *   for each size: a first join to one VLAN after another          at the size of the target: one by a fresh daemon
 *
 * Runs on the main thread of the bench.
 */
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { type FigureGroup, Recorder, type SectionSettings, type Verdict } from '../section.ts';
import { BLOCK_FIGURE, TARGET_MEMBERS } from './figures.ts';
import { addStages, JOIN_SUBJECTS, judgeJoins, LOOP_SUBJECTS, MAIN_JOIN_CPU_FIGURE } from './join-figures.ts';
import { JoiningPair, type JoinReading } from './joining-pair.ts';
import type { PreparedGroup } from './prepared-groups.ts';

const SIZES = [10, 50, 100, 200, 300, 500] as const;
const SHORT_SIZES = [10, 50, 200] as const;
const SMOKE_SIZES = [5] as const;

/** What the joins show. */
export interface JoinFindings {
  readonly groups: readonly FigureGroup[];
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

/** Readings of all sizes. */
interface Curve {
  readonly times: Recorder;
  readonly loops: Recorder;
}

/** Measures the joins. */
export async function measureDaemonJoins(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<JoinFindings> {
  const axis = { plot: 'curve', xTitle: 'members' } as const;
  const curve: Curve = {
    times: new Recorder('Private VLANs: a join between two daemons', axis),
    loops: new Recorder('Private VLANs: the main loops of two daemons during joins', axis),
  };
  const sizes = sizesOf(settings);
  const failures: string[] = [];
  const pair = new JoiningPair(settings.engines[0] ?? 'native');
  try {
    progress(`preparing groups of ${sizes.join(', ')} … `);
    const freshSize = settings.smoke ? SMOKE_SIZES[0] : TARGET_MEMBERS;
    const repeats = sizes.flatMap((size) => Array.from({ length: settings.repeatCount }, () => size));
    const groups = await pair.prepare([freshSize, ...repeats]);
    await pair.start(groups);
    if (!settings.smoke) {
      progress('waiting for what follows a start … ');
      await pair.waitForRenewals(groups);
    }
    failures.push(...(await measureAll(curve, pair, groups, { settings, progress })));
    progress('\n');
  } finally {
    await pair.remove();
  }
  return {
    groups: [curve.times.group(), curve.loops.group()],
    verdicts: judgeJoins(curve.times, curve.loops, sizes),
    notes: [...NOTES, ...failures],
  };
}

/** @param groups - the first is for the newcomer that was just started @returns which joins failed, in sentences */
async function measureAll(
  curve: Curve,
  pair: JoiningPair,
  [last, ...others]: readonly PreparedGroup[],
  { settings, progress }: { readonly settings: SectionSettings; readonly progress: (text: string) => void },
): Promise<readonly string[]> {
  const failures: string[] = [];
  const attempt = async (group: PreparedGroup, measure: typeof measureJoin): Promise<void> => {
    try {
      await measure(curve, pair, group, progress);
    } catch (error) {
      // One join that fails must not cost the others' figures; a test of the bench has to see it, though.
      if (settings.smoke) throw error;
      const [reason = ''] = reasonOf(error).split('\n');
      failures.push(`A join at ${sizeOf(group)} members failed: ${reason}.`);
      progress(`\n${sizeOf(group)} members: failed: ${String(error)}`);
    }
  };
  for (const group of others) await attempt(group, measureJoin);
  if (last !== undefined) await attempt(last, measureFresh);
  return failures;
}

function sizesOf({ smoke, short }: SectionSettings): readonly number[] {
  if (smoke) return SMOKE_SIZES;
  return short ? SHORT_SIZES : SIZES;
}

/** With the newcomer. */
function sizeOf({ memberCount }: PreparedGroup): number {
  return memberCount + 1;
}

async function measureJoin(
  { times, loops }: Curve,
  pair: JoiningPair,
  group: PreparedGroup,
  progress: (text: string) => void,
): Promise<void> {
  const x = sizeOf(group);
  const reading = await pair.join(group);
  addStages(times, { subject: JOIN_SUBJECTS.running, x }, reading.stages);
  addLoops(loops, x, reading);
  progress(`\n${x} members: ${stagesText(reading)}`);
}

async function measureFresh(
  { times }: Curve,
  pair: JoiningPair,
  group: PreparedGroup,
  progress: (text: string) => void,
): Promise<void> {
  const x = sizeOf(group);
  await pair.restartNewcomer();
  const reading = await pair.join(group);
  addStages(times, { subject: JOIN_SUBJECTS.fresh, x }, reading.stages);
  progress(`\n${x} members, newcomer just started: ${stagesText(reading)}`);
}

function addLoops(loops: Recorder, x: number, { cpuMs, blockMs }: JoinReading): void {
  for (const subject of LOOP_SUBJECTS) {
    loops.add({ subject, figure: BLOCK_FIGURE, x }, blockMs[subject]);
    loops.add({ subject, figure: MAIN_JOIN_CPU_FIGURE, x }, cpuMs[subject]);
  }
}

function stagesText({ stages, blockMs }: JoinReading): string {
  const { answeredMs, settledMs, insideMs, tookMs } = stages;
  const [answered, settled, inside] = [answeredMs, settledMs, insideMs].map((ms) => ms?.toFixed(0) ?? '?');
  return `answered ${answered}, settled ${settled}, inside ${inside}, first frame ${tookMs.toFixed(0)} ms (blocks: admin ${blockMs.admin.toFixed(0)}, newcomer ${blockMs.newcomer.toFixed(0)} ms)`;
}

const NOTES: readonly string[] = [
  'Joins between daemons: two daemons with a trunk and without other traffic; all other members are in the group but absent, so that none of them acknowledges or renews anything. The VLANs of all sizes are on the same admin, which has restored them from disk and renewed its keys in each.',
  'A join is timed from the request with an invite to the first answer to a ping every 10 ms; the newcomer is told the MAC address of the admin, since its kernel asks for it once a second only. Each join is the first to its VLAN. Meanwhile both daemons are asked every 25 ms how far they are, which takes a part of their main loops.',
  'The longest block is the greatest lateness of a 10 ms timer during the last 10 to 20 s, so it may be from the join, or the size, before; where threads want more cores than there are it is also the scheduler. What a main thread computed itself during a join stands beside it, in sum.',
];
