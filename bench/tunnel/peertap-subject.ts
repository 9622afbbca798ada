/**
 * Owns PeerTap as a subject of the bench: two daemons that know each other, one open VLAN, a TAP on each.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 *
 * Runs on the main thread of the bench.
 */

import { runnableEngines } from '../../test/lab/engines.ts';
import type { Wire } from '../../test/lab/namespace.ts';
import { Segment } from '../../test/lab/segment.ts';
import type { BenchEngine } from '../options.ts';
import type { Subject } from './subject.ts';
import { SUBJECT_NAMES } from './targets.ts';

/**
 * Brings up a pair of daemons for each engine.
 *
 * @param wanted - empty: every engine that can run on this machine
 */
export async function makePeertapSubjects(wire: Wire, wanted: readonly BenchEngine[]): Promise<Subject[]> {
  const engines = wanted.length > 0 ? wanted : runnableEngines();
  const subjects: Subject[] = [];
  for (const engine of engines) subjects.push(await makePeertapSubject(wire, engine));
  return subjects;
}

async function makePeertapSubject(wire: Wire, engine: BenchEngine): Promise<Subject> {
  const segment = new Segment({ engine, wire, label: engine === 'native' ? 'nat' : 'ts' });
  await segment.start();
  return {
    name: SUBJECT_NAMES[engine],
    client: segment.a.machine.namespace,
    server: segment.b.machine.namespace,
    serverAddress: segment.addressOfB,
    processIds: () => [segment.a.processId, segment.b.processId],
    startToFirstPing: async () => {
      await segment.stop();
      return segment.start();
    },
    remove: () => segment.remove(),
  };
}
