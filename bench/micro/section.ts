/**
 * Owns the section `micro`: the pieces of the frame path by themselves, both engines side by side, and beside them the
 * primitives, which are their limit.
 *
 * Each engine is measured on a thread of its own, one after the other within each repeat, then the primitives. Runs on
 * the main thread of the bench.
 */
import { MeasuringThread } from '../path/measuring-thread.ts';
import { Recorder, type Section, type SectionFindings, type SectionSettings } from '../section.ts';
import { axisOf, MICRO_GROUPS, type MicroGroup, POINTS, SMOKE_POINTS } from './micro-figures.ts';
import { findPrimitives, measurePrimitives, type PrimitiveProgram } from './primitives.ts';

const ENTRY = new URL('./micro-thread.ts', import.meta.url);
/** An engine has some forty figures in a repeat, which share what is asked for one of another section. */
const FIGURES_A_MEASUREMENT = 40;
const SHORT_SECONDS = 0.05;
const SMOKE_SECONDS = 0.001;

const GROUP_NAMES = Object.keys(MICRO_GROUPS) as readonly MicroGroup[];

type Recorders = Readonly<Record<MicroGroup, Recorder>>;

interface Engine {
  readonly name: string;
  readonly thread: MeasuringThread<MicroGroup>;
}

/** The section. */
export const microSection: Section = {
  name: 'micro',
  title: 'the pieces of the frame path by themselves: ciphers, tokens, tables, rings',
  problems: () => [],
  run: runMicro,
};

async function runMicro(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  const program = findPrimitives(!settings.smoke, progress);
  const recorders = makeRecorders();
  const engines = startEngines(settings);
  try {
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      progress(`[${repeat + 1}/${settings.repeatCount}] `);
      const last = repeat + 1 === settings.repeatCount;
      for (const { name, thread } of engines) {
        progress(`${name} … `);
        record(recorders, await thread.ask({ repeat, last }));
      }
      if (program.ok) {
        progress('primitives … ');
        const points = settings.smoke ? SMOKE_POINTS : POINTS;
        record(recorders, await measurePrimitives(program.path, points, secondsOf(settings)));
      }
      progress('\n');
    }
  } finally {
    await Promise.all(engines.map(({ thread }) => thread.close()));
  }
  return {
    groups: GROUP_NAMES.map((name) => recorders[name].group()),
    verdicts: [],
    notes: notesOf(program),
  };
}

function startEngines(settings: SectionSettings): readonly Engine[] {
  return settings.engines.map((name, index) => {
    const start = { engine: name, seconds: secondsOf(settings), smoke: settings.smoke, first: index === 0 };
    return { name, thread: new MeasuringThread<MicroGroup>(ENTRY, start) };
  });
}

function secondsOf({ smoke, short, seconds }: SectionSettings): number {
  if (smoke) return SMOKE_SECONDS;
  return short ? SHORT_SECONDS : seconds / FIGURES_A_MEASUREMENT;
}

function makeRecorders(): Recorders {
  const entries = GROUP_NAMES.map((name) => [name, new Recorder(MICRO_GROUPS[name].title, axisOf(name))]);
  return Object.fromEntries(entries) as Recorders;
}

function record(
  recorders: Recorders,
  readings: readonly {
    readonly group: MicroGroup;
    readonly place: Parameters<Recorder['add']>[0];
    readonly value: number;
  }[],
): void {
  for (const { group, place, value } of readings) recorders[group].add(place, value);
}

function notesOf(program: PrimitiveProgram): readonly string[] {
  return [
    'Engines are measured through their stages, so a figure has what belongs to the stage besides its primitive: descriptors, keys, counters.',
    'Sealing by the native engine takes the payload from where the TAP’s read left it and has the copy in it; its segmentation writes headers only. The TypeScript engine copies in segmentation and seals in place.',
    'Tables: 2,048 datagrams or 64 frames a batch, each asking for another random entry. The token table has at least twice as many slots as tokens; the station table of every daemon has 65,536 slots, and is half full at 32,768.',
    'The ring is the same for both engines.',
    ...(program.ok ? [] : [program.note]),
  ];
}
