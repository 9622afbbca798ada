/**
 * Owns the figures of memory in the section `scale`. Runs on the main thread of the bench.
 */
import { Namespace } from '../../test/lab/namespace.ts';
import { BenchChild } from '../relay/child.ts';
import { type FigureDescription, Recorder } from '../section.ts';
import { bytesEach } from './growth.ts';
import type { TableQuestion, TableReading } from './table-memory.ts';

const FIGURE: FigureDescription = { title: 'resident memory', unit: 'KiB', digits: 2, better: 'lower' };
const ENTRIES: TableQuestion = { trunks: 1000, tokens: 60_000, stations: 30_000 };
const SMOKE_ENTRIES: TableQuestion = { trunks: 10, tokens: 100, stations: 100 };
const SUBJECTS: Readonly<Record<keyof TableQuestion, string>> = {
  trunks: 'a trunk of one lane, in the tables',
  tokens: 'a token, in the tables',
  stations: 'a station, in the tables',
};

/**
 * Measures them.
 *
 * @param daemons - resident memory of a daemon by its number of VLANs, fewest first
 */
export async function measureMemory(
  smoke: boolean,
  daemons: readonly { readonly count: number; readonly bytes: number }[],
): Promise<Recorder> {
  const recorder = new Recorder('Memory for one of each');
  const add = (subject: string, bytes: number): void =>
    recorder.add({ subject, figure: FIGURE }, bytes / 1024);
  const [least, most] = [daemons[0], daemons.at(-1)];
  if (least !== undefined && most !== undefined) add('a VLAN, in a daemon', bytesEach(least, most));
  const namespace = new Namespace('mem');
  const entry = new URL('./table-memory.ts', import.meta.url);
  const child = new BenchChild<TableQuestion, TableReading>(namespace, entry);
  try {
    const reading = await child.ask(smoke ? SMOKE_ENTRIES : ENTRIES);
    for (const [name, subject] of Object.entries(SUBJECTS))
      add(subject, reading[name as keyof TableQuestion]);
  } finally {
    await child.close();
    namespace.remove();
  }
  return recorder;
}
