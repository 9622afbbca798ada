/**
 * Owns the section `path`: the whole data path of both engines without a kernel, stage by stage, and what it allocates.
 *
 * Each engine is measured on a thread of its own, one after the other within each repeat, so that a ratio compares two
 * moments that lie close together. Runs on the main thread of the bench.
 */
import { nativeAvailability } from '../../dataplane/native/load.ts';
import {
  type BenchEngine,
  type FigureGroup,
  Recorder,
  type Section,
  type SectionFindings,
  type SectionSettings,
  type Verdict,
} from '../section.ts';
import { MeasuringThread } from './measuring-thread.ts';
import { type PathGroup, WORKLOAD_NAMES } from './path-figures.ts';
import { makeWorkload } from './workload.ts';

const ENTRY = new URL('./path-thread.ts', import.meta.url);
/** Measurements of one engine in a repeat that share its time: three kinds of traffic, three ways of looking. */
const SHORT_SECONDS = 0.15;
const SMOKE_SECONDS = 0.005;
const MEASUREMENTS = 9;

type Recorders = Readonly<Record<PathGroup, Recorder>>;

/** The section. */
export const pathSection: Section = {
  name: 'path',
  title: 'the whole frame path on one thread, without a kernel',
  problems: ({ engines }) => {
    const native = nativeAvailability();
    return engines.includes('native') && !native.ok ? [`the native engine: ${native.reason}`] : [];
  },
  run: runPath,
};

async function runPath(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  const recorders = makeRecorders();
  const threads = settings.engines.map((engine, index) => {
    const thread = new MeasuringThread<PathGroup>(ENTRY, {
      engine,
      seconds: secondsOf(settings),
      smoke: settings.smoke,
      first: index === 0,
    });
    return { engine, thread };
  });
  try {
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      for (const { engine, thread } of threads) {
        progress(`[${repeat + 1}/${settings.repeatCount}] ${engine} … `);
        const readings = await thread.ask({ repeat, last: repeat + 1 === settings.repeatCount });
        for (const { group, place, value } of readings) recorders[group].add(place, value);
      }
      progress('\n');
    }
  } finally {
    await Promise.all(threads.map(({ thread }) => thread.close()));
  }
  return findings(recorders, settings);
}

function secondsOf({ smoke, short, seconds }: SectionSettings): number {
  if (smoke) return SMOKE_SECONDS;
  return short ? SHORT_SECONDS : seconds / MEASUREMENTS;
}

function makeRecorders(): Recorders {
  const stages = (name: 'super' | 'segment' | 'small'): Recorder => {
    const { title } = makeWorkload(name);
    return new Recorder(`Time of each stage, ${title}`);
  };
  return {
    rate: new Recorder('From TAP to TAP on one thread, both nodes: rate'),
    frame: new Recorder('From TAP to TAP on one thread, both nodes: time of a frame'),
    'stages-super': stages('super'),
    'stages-segment': stages('segment'),
    'stages-small': stages('small'),
    allocation: new Recorder('JavaScript heap that the frame path allocates in a steady state'),
  };
}

function findings(recorders: Recorders, { engines }: SectionSettings): SectionFindings {
  const groups: readonly PathGroup[] = [
    'rate',
    'frame',
    ...WORKLOAD_NAMES.map((name) => `stages-${name}` as const),
    'allocation',
  ];
  const allocation = recorders.allocation.group();
  return {
    groups: groups.map((name) => recorders[name].group()),
    verdicts: engines.map((engine) => judgeAllocation(engine, allocation)),
    notes: NOTES,
  };
}

/** The target of 0 bytes a frame, for the kind of traffic that allocates most. */
export function judgeAllocation(engine: BenchEngine, allocation: FigureGroup): Verdict {
  const ofEngine = allocation.figures.filter(({ subject }) => subject === engine);
  const measured = Math.max(0, ...ofEngine.map(({ median }) => median));
  return {
    title: `${engine}: JavaScript heap allocated for a frame, steady state`,
    measured,
    sense: 'at most',
    wanted: 0,
    unit: 'B/frame',
    met: measured === 0,
    stretch: false,
  };
}

const NOTES: readonly string[] = [
  'A batch is what one read of a TAP returns: one TCP super-frame of 64 KiB (49 datagrams for a path of 1,472 bytes), 43 TCP frames of 1,514 bytes (on a path of 1,600 bytes, whole), or 64 UDP frames of 64 bytes.',
  'tap and cable: what stands in the place of the kernel, a copy of the frames into the TAP buffer and one of the datagrams into the other node’s receive buffer; both are part of the rates without sockets.',
  'With sockets: whole turns of both workers on one thread, epoll, a pair of Unix sockets for each TAP and UDP over loopback with GSO and GRO.',
  'Allocation is the growth of the used heap to the byte, over whole turns of the workers’ graph; less than half of the smallest object in a batch counts as none.',
];
