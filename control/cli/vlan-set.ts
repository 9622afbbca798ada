/**
 * `peertap vlan set ID key=value…`: changes settings in the signed record of a VLAN that this node owns.
 *
 * What was typed is checked here first, so that a mistake ends with 2 and its range, and nothing is changed.
 */
import { readFile } from 'node:fs/promises';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { AdminClient } from '../admin/admin-client.ts';
import { parseSettings, SETTING_HELP, SETTING_LIMIT } from '../vlan/record-settings.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError, UsageError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { isPeerPart, nameOf, peerIdOf, shortId, vlanIdOf } from './named.ts';

/** What a member cannot change without beginning its stay in the VLAN anew. */
const HOLDS_FOR_A_STAY: ReadonlySet<string> = new Set(['cipher', 'tokenPeriodSeconds', 'movingHosts']);

const MADE_ANEW =
  'each member makes its interface anew for that, within about a second: addresses and bridges that were set by ' +
  'hand have to be set again';

/** Changes them all, or none. */
export async function runVlanSet(
  text: string,
  typed: Readonly<Record<string, string>>,
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  if (Object.keys(typed).length === 0) throw new UsageError(settingsThereAre());
  const drawn = await withIconFile(typed);
  // Peers may be named by a beginning, which only the daemon's list makes whole; all else is checked before it is asked.
  const { admins, ...others } = drawn;
  if (Object.keys(others).length > 0) requireSettings(others);
  const client = new AdminClient(options.socket);
  const id = vlanIdOf(text, await client.vlans());
  const changes = admins === undefined ? drawn : { ...drawn, admins: await wholePeers(client, id, admins) };
  requireSettings(changes);
  const vlan = await client.setVlan(id, changes);
  io.out(
    options.json === true
      ? JSON.stringify(vlan, undefined, 2)
      : `changed ${Object.keys(changes).join(', ')} of ${nameOf(vlan)}`,
  );
  if (Object.keys(changes).some((key) => HOLDS_FOR_A_STAY.has(key))) io.err(MADE_ANEW);
}

/** @throws UsageError when one of them is none, or out of its range */
function requireSettings(changes: Readonly<Record<string, string>>): void {
  const parsed = parseSettings(changes);
  if (!parsed.ok) throw new UsageError(parsed.reason);
}

/** `+12D3KooWabcd` → the whole PeerId of the member that begins so; what can be no PeerId stays, to be refused. */
async function wholePeers(client: AdminClient, id: string, typed: string): Promise<string> {
  const members = (await client.members(id)).map(({ peer }) => peer);
  const advice = `\`peertap vlan members ${shortId(id)}\` shows who is in it`;
  const words = typed.split(',').map((word) => word.trim());
  return words
    .map((word) => {
      const sign = /^[+-]/.exec(word)?.[0] ?? '';
      const peer = word.slice(sign.length);
      return isPeerPart(peer) ? sign + peerIdOf(peer, members, advice) : word;
    })
    .join(',');
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
    const reason = reasonOf(error);
    throw new CommandError(`the icon ${path} cannot be read: ${reason}`);
  });
  if (bytes.length > SETTING_LIMIT.iconBytes) {
    throw new CommandError(
      `the icon ${path} has ${bytes.length} bytes, and at most ${SETTING_LIMIT.iconBytes} fit`,
    );
  }
  return { ...typed, icon: `data:image/png;base64,${bytes.toString('base64')}` };
}
