/**
 * Owns the section `relay`: what a node that passes datagrams on spends on each, beside a loop in its place that only
 * receives and sends them.
 *
 * Subjects take turns within each repeat, so that a ratio compares two moments that lie close together. Runs on the main
 * thread of the bench.
 */
import { nativeAvailability } from '../../dataplane/native/load.ts';
import { preflightProblems } from '../../test/lab/preflight.ts';
import {
  type FigureDescription,
  Recorder,
  type Section,
  type SectionFindings,
  type SectionSettings,
} from '../section.ts';
import { RelayChain } from './chain.ts';
import type { RelayReading } from './relay-process.ts';
import {
  CPU_FIGURE,
  DATAGRAM_SIZES,
  judgeRelay,
  LOOP,
  type RelaySubject,
  type SizeGroup,
} from './targets.ts';

const RATE_FIGURE: FigureDescription = { title: 'rate', unit: 'Gbit/s', digits: 2, better: 'higher' };
const PACKET_FIGURE: FigureDescription = { title: 'datagrams', unit: 'Mpps', digits: 3, better: 'higher' };
const BUSY_FIGURE: FigureDescription = { title: 'CPU while measured', unit: '%', digits: 0, better: 'none' };
const LOST_FIGURE: FigureDescription = {
  title: 'dropped in the relay',
  unit: '%',
  digits: 2,
  better: 'lower',
};

const TRAIN_DATAGRAMS = 64;
/** What one GSO send takes (pipeline/train.ts). */
const TRAIN_BYTES = 65_400;
const SHORT_SECONDS = 0.6;
const SMOKE_SECONDS = 0.02;
const WARM_UP_SECONDS = 0.25;

/** The section. */
export const relaySection: Section = {
  name: 'relay',
  title: 'a node that passes datagrams on, beside a loop that only receives and sends',
  problems: ({ engines }) => {
    const native = nativeAvailability();
    const isMissing = engines.includes('native') && !native.ok;
    return [...preflightProblems(['ip']), ...(isMissing ? [`the native engine: ${native.reason}`] : [])];
  },
  run: runRelay,
};

async function runRelay(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  const groups = DATAGRAM_SIZES.map((bytes): SizeGroup => {
    return { bytes, recorder: new Recorder(`Passed on: datagrams of ${bytes} bytes, in trains`) };
  });
  const chain = new RelayChain();
  try {
    for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
      for (const group of groups) {
        progress(`[${repeat + 1}/${settings.repeatCount}] ${group.bytes} B: `);
        for (const subject of subjectsOf(settings)) {
          const reading = await measure(chain, subject, group.bytes, settings);
          record(group.recorder, subject, reading);
          progress(`${subject} ${nsOf(reading).toFixed(0)} ns … `);
        }
        progress('\n');
      }
    }
  } finally {
    await chain.close();
  }
  return {
    groups: groups.map(({ recorder }) => recorder.group()),
    verdicts: settings.engines.includes('native') ? judgeRelay(groups) : [],
    notes: NOTES,
  };
}

/** The loop is the native engine's system calls, so it needs the addon. */
function subjectsOf({ engines, limitsOnly }: SectionSettings): readonly RelaySubject[] {
  const loop: readonly RelaySubject[] = nativeAvailability().ok ? [LOOP] : [];
  return limitsOnly ? loop : [...loop, ...engines];
}

function measure(
  chain: RelayChain,
  subject: RelaySubject,
  datagramBytes: number,
  { smoke, short, seconds }: SectionSettings,
): Promise<RelayReading> {
  return chain.run({
    subject,
    flowCount: 1,
    datagramBytes,
    trainDatagrams: Math.min(TRAIN_DATAGRAMS, Math.floor(TRAIN_BYTES / datagramBytes)),
    warmUpSeconds: smoke ? 0 : WARM_UP_SECONDS,
    seconds: smoke ? SMOKE_SECONDS : short ? SHORT_SECONDS : seconds,
  });
}

function nsOf({ cpuSeconds, datagrams }: RelayReading): number {
  return (cpuSeconds * 1e9) / Math.max(1, datagrams);
}

function record(recorder: Recorder, subject: RelaySubject, reading: RelayReading): void {
  const { datagrams, bytes, seconds, cpuSeconds } = reading;
  const dropped = Object.values(reading.drops).reduce((sum, count) => sum + count, 0);
  recorder.add({ subject, figure: CPU_FIGURE }, nsOf(reading));
  recorder.add({ subject, figure: RATE_FIGURE }, (bytes * 8) / seconds / 1e9);
  recorder.add({ subject, figure: PACKET_FIGURE }, datagrams / seconds / 1e6);
  recorder.add({ subject, figure: BUSY_FIGURE }, (100 * cpuSeconds) / seconds);
  recorder.add({ subject, figure: LOST_FIGURE }, (100 * dropped) / Math.max(1, dropped + datagrams));
}

const NOTES: readonly string[] = [
  'Three namespaces in a row, on veths as they are; the relay has a core of its own, the generator and the sink share another. A train is 64 datagrams, or the 44 of 1,472 bytes that one send takes.',
  'loop: receive and send in the same turns of a worker and by the same system calls of the native engine, without looking at a header. The relay core is the worker with its tables written by the bench: a token that names the next trunk.',
  'The time is that of the whole process, with what the kernel does in its name: both system calls, and the veth to the sink. Where it is busy for less than all of the time, the generator was the limit, and the rate says little.',
  'What reaches the sink first is opened there: the same token, one hop less.',
  'A through R to B, over trunks that daemons made, comes with relaying itself: no daemon writes such tokens yet.',
];
