/**
 * `peertap vlan set ID key=value…`: changes settings in the signed record of a VLAN that this node owns.
 *
 * What was typed is checked here first, so that a mistake ends with 2 and its range, and nothing is changed.
 */
import { readFile } from 'node:fs/promises';
import { AdminClient } from '../admin/admin-client.ts';
import { parseSettings, SETTING_HELP, SETTING_LIMIT } from '../vlan/record-settings.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError, UsageError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { nameOf, vlanIdOf } from './named.ts';

/** Changes them all, or none. */
export async function runVlanSet(
  text: string,
  typed: Readonly<Record<string, string>>,
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  if (Object.keys(typed).length === 0) throw new UsageError(settingsThereAre());
  const changes = await withIconFile(typed);
  const parsed = parseSettings(changes);
  if (!parsed.ok) throw new UsageError(parsed.reason);
  const client = new AdminClient(options.socket);
  const vlan = await client.setVlan(vlanIdOf(text, await client.vlans()), changes);
  io.out(
    options.json === true
      ? JSON.stringify(vlan, undefined, 2)
      : `changed ${Object.keys(changes).join(', ')} of ${nameOf(vlan)}`,
  );
}

function settingsThereAre(): string {
  const width = Math.max(...SETTING_HELP.map(({ key }) => key.length));
  const lines = SETTING_HELP.map(({ key, help }) => `\n  ${key.padEnd(width)}  ${help}`);
  return `expected key=value after the VLAN. An icon may be a file, as icon=@logo.png. The settings:${lines.join('')}`;
}

/** `icon=@logo.png` → `icon=data:…`, as the record's settings have it. */
async function withIconFile(
  typed: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const { icon } = typed;
  if (icon?.startsWith('@') !== true) return typed;
  const path = icon.slice(1);
  const bytes = await readFile(path).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`the icon ${path} cannot be read: ${reason}`);
  });
  if (bytes.length > SETTING_LIMIT.iconBytes) {
    throw new CommandError(
      `the icon ${path} has ${bytes.length} bytes, and at most ${SETTING_LIMIT.iconBytes} fit`,
    );
  }
  return { ...typed, icon: `data:image/png;base64,${bytes.toString('base64')}` };
}
