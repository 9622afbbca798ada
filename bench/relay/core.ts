/**
 * Owns what a relay's core spends on a datagram, beside a loop in its place that only receives and sends: plain, by a token
 * with several ways, and under quotas.
 *
 * Subjects take turns within each repeat, so that a ratio compares two moments that lie close together. Runs on the main
 * thread of the bench.
 */
import { nativeAvailability } from '../../dataplane/native/load.ts';
import { type FigureDescription, Recorder, type SectionSettings } from '../section.ts';
import type { ChainRun, RelayChain } from './chain.ts';
import type { Passage } from './flows.ts';
import type { RelayReading } from './relay-process.ts';
import { CPU_FIGURE, DATAGRAM_SIZES, judgeCore, LOOP, type SizeGroup } from './targets.ts';

/** What a part of the section yields, and what it is asked for. */
export interface PartRun {
  readonly settings: SectionSettings;
  readonly progress: (text: string) => void;
}

/** Who passes on, and by which rule. */
interface CoreSubject {
  readonly name: string;
  readonly subject: SectionSettings['engines'][number] | typeof LOOP;
  readonly passage: Passage;
}

const RATE_FIGURE: FigureDescription = { title: 'rate', unit: 'Gbit/s', digits: 2, better: 'higher' };
const PACKET_FIGURE: FigureDescription = { title: 'datagrams', unit: 'Mpps', digits: 3, better: 'higher' };
const BUSY_FIGURE: FigureDescription = { title: 'CPU while measured', unit: '%', digits: 0, better: 'none' };
const LOST_FIGURE: FigureDescription = {
  title: 'dropped in the relay',
  unit: '%',
  digits: 2,
  better: 'lower',
};

const PASSAGE_TITLES: Readonly<Record<Passage, string>> = {
  plain: '',
  several: ', several ways',
  foreign: ', under quotas',
};
const TRAIN_DATAGRAMS = 64;
/** What one GSO send takes (pipeline/train.ts). */
const TRAIN_BYTES = 65_400;
const SHORT_SECONDS = 0.6;
const SMOKE_SECONDS = 0.02;
const WARM_UP_SECONDS = 0.25;

/** Measures all subjects. */
export async function runCore(chain: RelayChain, { settings, progress }: PartRun) {
  const groups = DATAGRAM_SIZES.map((bytes): SizeGroup => {
    return { bytes, recorder: new Recorder(`Passed on: datagrams of ${bytes} bytes, in trains`) };
  });
  for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
    for (const { bytes, recorder } of groups) {
      progress(`[${repeat + 1}/${settings.repeatCount}] ${bytes} B: `);
      for (const { name, subject, passage } of subjectsOf(settings)) {
        const train = trainOf(bytes);
        const reading = await chain.run({ ...train, ...timesOf(settings), flowCount: 1, subject, passage });
        record(recorder, name, reading);
        progress(`${name} ${nsOf(reading).toFixed(0)} ns … `);
      }
      progress('\n');
    }
  }
  const verdicts = settings.engines.includes('native') ? judgeCore(groups) : [];
  return { groups: groups.map(({ recorder }) => recorder.group()), verdicts };
}

/** Datagrams of a size as one send takes them. */
export function trainOf(datagramBytes: number): Pick<ChainRun, 'datagramBytes' | 'trainDatagrams'> {
  return {
    datagramBytes,
    trainDatagrams: Math.min(TRAIN_DATAGRAMS, Math.floor(TRAIN_BYTES / datagramBytes)),
  };
}

/** How long each run is. @param most - of seconds, where nothing is told by more */
export function timesOf({ smoke, short, seconds }: SectionSettings, most = seconds) {
  return {
    warmUpSeconds: smoke ? 0 : WARM_UP_SECONDS,
    seconds: smoke ? SMOKE_SECONDS : short ? SHORT_SECONDS : Math.min(most, seconds),
  };
}

/** The engines that the other parts measure: in the short form, and for a test, the first. */
export function mainEngines({ engines, short, smoke }: SectionSettings): SectionSettings['engines'] {
  return short || smoke ? engines.slice(0, 1) : engines;
}

/** CPU time of the process for one datagram that it sent. */
export function nsOf({ cpuSeconds, datagrams }: RelayReading): number {
  return (cpuSeconds * 1e9) / Math.max(1, datagrams);
}

/** All datagrams that were dropped, for whatever reason. */
export function droppedOf({ drops }: RelayReading): number {
  return Object.values(drops).reduce((sum, count) => sum + count, 0);
}

/** The loop is the native engine's system calls, so it needs the addon. */
function subjectsOf({ engines, limitsOnly, short }: SectionSettings): readonly CoreSubject[] {
  const loop: CoreSubject = { name: LOOP, subject: LOOP, passage: 'plain' };
  const limits = nativeAvailability().ok ? [loop] : [];
  if (limitsOnly) return limits;
  const passages = ['plain', 'several', 'foreign'] as const;
  const relays = engines.flatMap((subject, index) =>
    passages
      .filter((passage) => passage === 'plain' || !short || index === 0)
      .map((passage) => ({ name: `${subject}${PASSAGE_TITLES[passage]}`, subject, passage })),
  );
  return [...limits, ...relays];
}

function record(recorder: Recorder, subject: string, reading: RelayReading): void {
  const { datagrams, bytes, seconds, cpuSeconds } = reading;
  const dropped = droppedOf(reading);
  recorder.add({ subject, figure: CPU_FIGURE }, nsOf(reading));
  recorder.add({ subject, figure: RATE_FIGURE }, (bytes * 8) / seconds / 1e9);
  recorder.add({ subject, figure: PACKET_FIGURE }, datagrams / seconds / 1e6);
  recorder.add({ subject, figure: BUSY_FIGURE }, (100 * cpuSeconds) / seconds);
  recorder.add({ subject, figure: LOST_FIGURE }, (100 * dropped) / Math.max(1, dropped + datagrams));
}
