/**
 * The writers of all shared tables, made together: there is one of each a daemon.
 *
 * Main thread only.
 */
import type { Tables } from '../../dataplane/shm/tables.ts';
import { FrameKeyTable, SaltTable } from './key-tables.ts';
import { LaneTable } from './lane-table.ts';
import type { Quiescence } from './quiescence.ts';
import { SegmentTable } from './segment-table.ts';
import { SenderTable } from './sender-table.ts';
import { SetTable } from './set-table.ts';
import { StationTable } from './station-table.ts';
import { TokenTable } from './token-table.ts';
import { TrunkTable } from './trunk-table.ts';
import { EpochTable, VlanTable } from './vlan-table.ts';

/** One writer a table. */
export interface TableWriters {
  readonly vlans: VlanTable;
  readonly epochs: EpochTable;
  readonly sets: SetTable;
  readonly segments: SegmentTable;
  readonly trunks: TrunkTable;
  readonly lanes: LaneTable;
  readonly frameKeys: FrameKeyTable;
  readonly salts: SaltTable;
  readonly senders: SenderTable;
  readonly stations: StationTable;
  readonly tokens: TokenTable;
}

/** Makes the writers of fresh tables. */
export function createTableWriters(
  tables: Tables,
  quiescence: Quiescence,
  randomU32: () => number,
): TableWriters {
  return {
    vlans: new VlanTable(tables, quiescence),
    epochs: new EpochTable(tables, quiescence),
    sets: new SetTable(tables, quiescence),
    segments: new SegmentTable(tables, quiescence),
    trunks: new TrunkTable(tables, quiescence),
    lanes: new LaneTable(tables, quiescence, randomU32),
    frameKeys: new FrameKeyTable(tables, quiescence),
    salts: new SaltTable(tables, quiescence),
    senders: new SenderTable(tables, quiescence),
    stations: new StationTable(tables, quiescence),
    tokens: new TokenTable(tables, quiescence),
  };
}
