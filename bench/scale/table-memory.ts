/**
 * Owns what entries of the shared tables take: they are written as the daemon would write them, and the growth of this
 * process's resident memory is divided by their number. Runs in a process of its own, whose memory holds nothing else.
 */
import { CARRIER_UDP, LANE_WINDOW_WORDS, NONE, STATION_REMOTE } from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { createTables } from '../../dataplane/shm/tables.ts';
import { bytesOf } from '../../test/harness/dataplane-fixture.ts';
import { insertStation, insertToken, writeLane, writeTrunk } from '../../test/harness/table-writer.ts';
import { answerBench } from '../relay/child.ts';

/** What entries are written. */
export interface TableQuestion {
  readonly stations: number;
  readonly tokens: number;
  readonly trunks: number;
}

/** Resident bytes for one of each. */
export type TableReading = Readonly<Record<keyof TableQuestion, number>>;

const TOKEN_CAPACITY = 131_072;
/** With one lane a trunk. */
const KEY_BYTES = 128;

const WINDOW_BYTES = LANE_WINDOW_WORDS * 4;

function measure(question: TableQuestion): TableReading {
  const hashKey = { key0: 1, key1: 2 };
  const tables = createTables({ workerCount: 1, tokenCapacity: TOKEN_CAPACITY, hashKey });
  const keys = bytesOf('keys', KEY_BYTES);
  const grown = (count: number, write: (index: number) => void): number => {
    const before = process.memoryUsage.rss();
    for (let index = 0; index < count; index++) write(index);
    return (process.memoryUsage.rss() - before) / Math.max(1, count);
  };
  return {
    trunks: grown(question.trunks, (index) => {
      writeTrunk(tables, index, { carrier: CARRIER_UDP, laneCount: 1, lanes: [index] });
      writeLane(tables, index, { rxKeys: keys, txKeys: keys });
      const window = TABLE.laneWindows + index * WINDOW_BYTES;
      tables.bytes.fill(0, window, window + WINDOW_BYTES);
    }),
    tokens: grown(question.tokens, (index) => {
      insertToken(tables, bytesOf(`token ${index}`, 16), { epoch: NONE, flags: 0 });
    }),
    stations: grown(question.stations, (index) => {
      insertStation(tables, 0, bytesOf(`station ${index}`, 6), { flags: STATION_REMOTE });
    }),
  };
}

answerBench((question: TableQuestion): TableReading => {
  measure(question); // lets the heap grow to what writing needs, on tables of its own
  return measure(question);
});
