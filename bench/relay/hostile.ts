/**
 * Owns what a hostile neighbour costs those whose traffic a relay carries: as many trains of it as of theirs, of each kind,
 * beside as many valid ones.
 *
 * Kinds take turns within each repeat. Runs on the main thread of the bench.
 */
import { type FigureDescription, Recorder } from '../section.ts';
import type { RelayChain } from './chain.ts';
import { droppedOf, mainEngines, type PartRun, timesOf, trainOf } from './core.ts';
import { HOSTILE_KINDS } from './hostile-kinds.ts';
import type { RelayReading } from './relay-process.ts';
import { BESIDE_VALID, HOSTILE_FIGURES, judgeHostile } from './targets.ts';

const { transferCpu, uncounted, grown } = HOSTILE_FIGURES;
const RATE_FIGURE: FigureDescription = {
  title: 'transfer',
  unit: 'Gbit/s',
  digits: 2,
  better: 'higher',
};
const BESIDE_FIGURE: FigureDescription = {
  title: 'received beside it',
  unit: 'Mpps',
  digits: 3,
  better: 'none',
};
const BUSY_FIGURE: FigureDescription = { title: 'CPU while measured', unit: '%', digits: 0, better: 'none' };

const DATAGRAM_BYTES = 1472;
const MOST_SECONDS = 2;

/** Measures a transfer beside valid traffic and beside each kind of hostile traffic. */
export async function runHostile(chain: RelayChain, { settings, progress }: PartRun) {
  const groups = mainEngines(settings).map((engine) => {
    return { engine, recorder: new Recorder(`Transfer of 1,472 B beside a neighbour’s trains: ${engine}`) };
  });
  for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
    for (const { engine, recorder } of groups) {
      progress(`[${repeat + 1}/${settings.repeatCount}] beside a neighbour, ${engine}: `);
      for (const beside of [BESIDE_VALID, ...HOSTILE_KINDS] as const) {
        const reading = await chain.run({
          ...trainOf(DATAGRAM_BYTES),
          ...timesOf(settings, MOST_SECONDS),
          subject: engine,
          flowCount: 2,
          ...(beside === BESIDE_VALID ? {} : { hostile: beside }),
        });
        record(recorder, beside, reading);
        progress(`${beside} ${cpuNs(reading).toFixed(0)} ns … `);
      }
      progress('\n');
    }
  }
  return {
    groups: groups.map(({ recorder }) => recorder.group()),
    verdicts: groups.flatMap(({ engine, recorder }) => judgeHostile(engine, recorder)),
  };
}

/** Of the whole process, for a datagram of the transfer: whatever came beside it is paid by the transfer. */
function cpuNs({ cpuSeconds, transferred }: RelayReading): number {
  return (cpuSeconds * 1e9) / Math.max(1, transferred);
}

function record(recorder: Recorder, subject: string, reading: RelayReading): void {
  const { received, datagrams, transferred, seconds, cpuSeconds, grownBytes } = reading;
  recorder.add({ subject, figure: transferCpu }, cpuNs(reading));
  recorder.add({ subject, figure: RATE_FIGURE }, (transferred * DATAGRAM_BYTES * 8) / seconds / 1e9);
  recorder.add({ subject, figure: BESIDE_FIGURE }, (received - transferred) / seconds / 1e6);
  recorder.add({ subject, figure: BUSY_FIGURE }, (100 * cpuSeconds) / seconds);
  recorder.add({ subject, figure: uncounted }, received - datagrams - droppedOf(reading));
  recorder.add({ subject, figure: grown }, grownBytes / 2 ** 20);
}
