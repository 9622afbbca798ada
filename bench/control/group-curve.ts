/**
 * Owns the curve of what a private VLAN's group costs as it grows: one comes in, others follow, one goes.
 *
 * All repeats of a size go from the same state. Runs on the main thread of the bench, which waits and is watched for
 * how long it is kept busy.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DEFAULT_SUITE, type GroupSuite } from '../../control/membership/group/mls/suites.ts';
import {
  type FigureDescription,
  type FigureGroup,
  Recorder,
  type SectionSettings,
  type Verdict,
} from '../section.ts';
import {
  ADD_BYTES_FIGURE,
  ADD_FIGURE,
  BLOCK_FIGURE,
  EXTERNAL_FIGURE,
  FOLLOW_REMOVE_FIGURE,
  JOIN_FIGURE,
  judgeGroups,
  MAIN_CPU_FIGURE,
  PROCESS_FIGURE,
  REMOVE_BYTES_FIGURE,
  REMOVE_FIGURE,
  WELCOME_BYTES_FIGURE,
  WELCOME_FIGURE,
} from './figures.ts';
import { done, GroupStage } from './group-stage.ts';
import { libraryJoinMs } from './library-join.ts';

const SIZES = [10, 50, 100, 200, 300, 500] as const;
const SMOKE_SIZES = [4] as const;
const SUITES = [DEFAULT_SUITE, 'x25519'] as const satisfies readonly GroupSuite[];
/** Beyond, one join by ts-mls alone takes longer than all else. */
const LIBRARY_MEMBERS_MAX = { short: 100, long: 300 } as const;
const NS_PER_MS = 1e6;
const US_PER_MS = 1e3;
const LOOP_SAMPLE_MS = 1;

/** Readings of all sizes and suites. */
interface Curve {
  readonly times: Recorder;
  readonly bytes: Recorder;
  readonly blocks: Recorder;
}

/** Where a reading belongs, but for the figure. */
interface Point {
  readonly subject: string;
  readonly x: number;
}

/** What the curve shows. */
export interface CurveFindings {
  readonly groups: readonly FigureGroup[];
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

/** Measures the curve. */
export async function measureGroupCurve(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<CurveFindings> {
  const axis = { plot: 'curve', xTitle: 'members' } as const;
  const curve: Curve = {
    times: new Recorder('Private VLANs: MLS work by size of the group', axis),
    bytes: new Recorder('Private VLANs: size of messages', axis),
    blocks: new Recorder('Private VLANs: the main loop meanwhile', axis),
  };
  const sizes = settings.smoke ? SMOKE_SIZES : SIZES;
  for (const suite of SUITES) {
    for (const x of sizes) {
      progress(`${suite}, ${x} members: `);
      await measureSize(curve, { suite, x }, settings, progress);
    }
  }
  return {
    groups: [curve.times.group(), curve.bytes.group(), curve.blocks.group()],
    verdicts: judgeGroups(curve.times, curve.blocks, { subject: DEFAULT_SUITE, sizes }),
    notes: NOTES,
  };
}

async function measureSize(
  curve: Curve,
  { suite, x }: { readonly suite: GroupSuite; readonly x: number },
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<void> {
  const stage = new GroupStage(suite);
  const point: Point = { subject: suite, x };
  try {
    // The one who comes in makes the size full.
    await stage.fill(x - 1);
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      await watchingLoop(curve, point, async () => {
        await measureAdd(curve, point, stage);
        await measureRemove(curve, point, stage);
      });
    }
    const joinMs = curve.times.samples({ ...point, figure: JOIN_FIGURE });
    progress(`join ${joinMs.map((ms) => ms.toFixed(0)).join(', ')} ms\n`);
    if (suite === 'x25519' && x <= LIBRARY_MEMBERS_MAX[settings.short || settings.smoke ? 'short' : 'long']) {
      const subject = 'ts-mls alone, x25519';
      curve.times.add({ subject, figure: WELCOME_FIGURE, x }, await libraryJoinMs(stage, suite));
    }
  } finally {
    await stage.close();
  }
}

async function measureAdd({ times, bytes }: Curve, point: Point, stage: GroupStage): Promise<void> {
  const { admin, member, newcomer, base } = stage;
  const startedMs = performance.now();
  const { keyPackage } = await done(newcomer, { op: 'key-package' });
  const packageMs = performance.now() - startedMs;
  const add = [{ peer: newcomer.peer, keyPackage }];
  const made = await timed(times, { ...point, figure: ADD_FIGURE }, () =>
    done(admin, { op: 'commit', base, add, remove: [] }),
  );
  const welcome = made.value.welcome ?? new Uint8Array(0);
  const joined = await timed(times, { ...point, figure: WELCOME_FIGURE }, () =>
    done(newcomer, { op: 'join', welcome }),
  );
  await timed(times, { ...point, figure: PROCESS_FIGURE }, () =>
    done(member, { op: 'process', base, commit: made.value.commit }),
  );
  times.add({ ...point, figure: JOIN_FIGURE }, packageMs + made.ms + joined.ms);
  bytes.add({ ...point, figure: ADD_BYTES_FIGURE }, made.value.commit.length);
  bytes.add({ ...point, figure: WELCOME_BYTES_FIGURE }, welcome.length);
}

async function measureRemove({ times, bytes }: Curve, point: Point, stage: GroupStage): Promise<void> {
  const { admin, member, newcomer, base, filler } = stage;
  const made = await timed(times, { ...point, figure: REMOVE_FIGURE }, () =>
    done(admin, { op: 'commit', base, add: [], remove: [filler] }),
  );
  bytes.add({ ...point, figure: REMOVE_BYTES_FIGURE }, made.value.commit.length);
  await timed(times, { ...point, figure: FOLLOW_REMOVE_FIGURE }, () =>
    done(member, { op: 'process', base, commit: made.value.commit }),
  );
  const { groupInfo } = await done(admin, { op: 'group-info', base: made.value.state.id });
  await timed(times, { ...point, figure: EXTERNAL_FIGURE }, () =>
    done(newcomer, { op: 'external-commit', groupInfo }),
  );
}

async function timed<T>(
  times: Recorder,
  place: Point & { readonly figure: FigureDescription },
  act: () => Promise<T>,
): Promise<{ readonly value: T; readonly ms: number }> {
  const startedMs = performance.now();
  const value = await act();
  const ms = performance.now() - startedMs;
  times.add(place, ms);
  return { value, ms };
}

async function watchingLoop({ blocks }: Curve, point: Point, act: () => Promise<void>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  delay.enable();
  const before = process.threadCpuUsage();
  try {
    await act();
  } finally {
    delay.disable();
  }
  const { user, system } = process.threadCpuUsage(before);
  blocks.add({ ...point, figure: BLOCK_FIGURE }, delay.max / NS_PER_MS);
  blocks.add({ ...point, figure: MAIN_CPU_FIGURE }, (user + system) / US_PER_MS);
}

const NOTES: readonly string[] = [
  'Groups: each job as a daemon does it, in a thread of the task pool, with the new state written and synced to disk before the answer. The newcomer brings the group to the size shown; the admin has renewed its keys before, so that the tree has parent nodes to check.',
  'A removal and an external commit start from the same state. The removal encrypts to every leaf whose parents are blank: after many joins in one commit that is nearly every one, the worst case.',
  'The longest block is how late the event loop was: where threads want more cores than there are, that is also the scheduler. What the main thread computed itself stands beside it, in sum.',
  'ts-mls alone: its own joinGroup and its own cryptography on the same Welcomes, where that takes no longer than some seconds.',
];
