/** `peertap debug [SUBSYSTEM=LEVEL …]`: what the running daemon logs, by its parts. */
import type { DebugChanges, DebugReport } from '../admin/inspection.ts';
import { InspectionClient } from '../admin/inspection-client.ts';
import type { QueryOptions } from './arguments.ts';
import type { CommandIo } from './command-io.ts';
import { formatTable } from './table.ts';

/** Sets levels, if any are given, and prints all. */
export async function runDebug(changes: DebugChanges, options: QueryOptions, io: CommandIo): Promise<void> {
  const client = new InspectionClient(options.socket);
  const report =
    Object.keys(changes).length === 0 ? await client.debugLevels() : await client.setDebug(changes);
  if (options.json === true) {
    io.out(JSON.stringify(report, undefined, 2));
    return;
  }
  for (const line of describeLevels(report)) io.out(line);
}

function describeLevels(report: DebugReport): string[] {
  const rows = report.levels.map(({ subsystem, level, own }) => [
    subsystem,
    level,
    own ? 'by peertap debug' : 'by the config',
  ]);
  return formatTable(['SUBSYSTEM', 'LEVEL', 'SET'], rows);
}
