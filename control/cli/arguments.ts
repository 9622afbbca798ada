/**
 * What arguments and options of the commands are made of: checks of their text, and options that many commands have.
 *
 * A check that fails ends the command with exit code 2 before any daemon is asked.
 */
import { InvalidArgumentError, Option } from 'commander';
import { type DebugChanges, LOG_LEVELS, SUBSYSTEMS } from '../admin/inspection.ts';
import { parseCidr } from '../config/cidr.ts';
import { DEFAULT_CONFIG_PATH, DEFAULT_CONTROL_SOCKET } from '../config/defaults.ts';
import { interfaceNameProblem } from '../config/interface-name.ts';
import { nearestName } from '../config/nearest-name.ts';
import { vlanNameProblem } from '../config/vlan-name.ts';
import { parseSubnet } from '../vlan/subnet.ts';
import { parseVlanId, VLAN_ID_CHARACTERS } from '../vlan/vlan-id.ts';
import { parseDuration } from './duration.ts';
import { isMacPart, isPeerPart } from './named.ts';

/** The limits of the admin API, control/admin/request-schema.ts. */
const MAX_INVITE_USES = 1000;
const MIN_EXPIRY_SECONDS = 60;
const MAX_EXPIRY_SECONDS = 31_536_000;

/** Options that every command of a running daemon has. */
export interface QueryOptions {
  readonly socket: string;
  readonly json?: boolean;
}

export function configOption(): Option {
  return new Option('--config <file>', `config file (default: ${DEFAULT_CONFIG_PATH})`);
}

export function socketOption(): Option {
  return new Option('--socket <path>', 'control socket of the daemon').default(DEFAULT_CONTROL_SOCKET);
}

/** For commands that read a config, which names a socket itself. */
export function socketOverrideOption(): Option {
  return new Option('--socket <path>', "control socket, in place of the config's");
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON, for scripts');
}

/** What may name a VLAN: an id or the beginning of one, a name, an interface. Which it is, the daemon's list says. */
export function vlanArgument(text: string): string {
  refuse(vlanNameProblem(text) ?? idProblem(text));
  return text;
}

/** What may name a VLAN that this node is not in yet; an invite is longer than any name, and read by the command. */
export function vlanOrInviteArgument(text: string): string {
  return text.length > VLAN_ID_CHARACTERS ? text : vlanArgument(text);
}

export function vlanNameArgument(text: string): string {
  refuse(vlanNameProblem(text));
  return text;
}

/** A PeerId or the beginning of one. */
export function peerArgument(text: string): string {
  refuse(
    isPeerPart(text)
      ? undefined
      : 'expected a PeerId (12D3KooW…), or at least 4 characters that one begins with',
  );
  return text;
}

/** A PeerId, a MAC address, or the beginning of one: which station is meant, the members of the VLANs say. */
export function stationArgument(text: string): string {
  refuse(
    isPeerPart(text) || isMacPart(text)
      ? undefined
      : 'expected a PeerId (12D3KooW…), a MAC address (02:00:00:00:00:01), or what one begins with: 4 characters, or 2 bytes',
  );
  return text;
}

/** A whole number in a range. */
export function rangeArgument(least: number, most: number): (text: string) => number {
  return (text) => wholeNumber(text, least, most);
}

/** Seconds, with a fraction if need be; the range is in milliseconds. @returns milliseconds */
export function secondsArgument(leastMs: number, mostMs: number): (text: string) => number {
  return (text) => {
    const ms = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : Number.NaN;
    refuse(
      ms >= leastMs && ms <= mostMs ? undefined : `expected ${leastMs / 1000}..${mostMs / 1000} seconds`,
    );
    return ms;
  };
}

/** `subsystem=level`, or `all=level`. */
export function levelArgument(text: string, earlier: DebugChanges = {}): DebugChanges {
  const [name = '', level = '', ...rest] = text.split('=');
  refuse(
    rest.length === 0 && level !== '' ? undefined : `expected subsystem=level, got '${text.slice(0, 64)}'`,
  );
  refuse(unknownProblem('level', level, [...LOG_LEVELS, 'default']));
  refuse(unknownProblem('subsystem', name, [...SUBSYSTEMS, 'all']));
  const named = name === 'all' ? SUBSYSTEMS : [name];
  return { ...earlier, ...Object.fromEntries(named.map((each) => [each, level])) };
}

export function interfaceArgument(text: string): string {
  refuse(interfaceNameProblem(text));
  return text;
}

export function addressArgument(text: string, earlier: readonly string[]): readonly string[] {
  const parsed = parseCidr(text);
  refuse(parsed.ok ? undefined : parsed.reason);
  return [...earlier, text];
}

export function subnetArgument(text: string): string {
  const parsed = parseSubnet(text);
  refuse(parsed.ok ? undefined : parsed.reason);
  return text;
}

export function mtuArgument(text: string): number {
  return wholeNumber(text, 576, 9000);
}

export function usesArgument(text: string): number {
  return wholeNumber(text, 1, MAX_INVITE_USES);
}

/** @returns seconds */
export function expiryArgument(text: string): number {
  const seconds = parseDuration(text);
  refuse(seconds === undefined ? `expected a duration like 30min, 12h or 7d, got '${text}'` : undefined);
  const fits = seconds !== undefined && seconds >= MIN_EXPIRY_SECONDS && seconds <= MAX_EXPIRY_SECONDS;
  refuse(fits ? undefined : 'expected 1min..365d');
  return seconds ?? 0;
}

/** `key=value`; an empty value clears. */
export function settingArgument(
  text: string,
  earlier: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  refuse(at > 0 ? undefined : `expected key=value, got '${text.slice(0, 64)}'`);
  const key = text.slice(0, at);
  refuse(Object.hasOwn(earlier, key) ? `${key} is given twice` : undefined);
  return { ...earlier, [key]: text.slice(at + 1) };
}

/** 26 letters and digits are meant as an id, and a mistyped one is better told at once. */
function idProblem(text: string): string | undefined {
  if (text.length !== VLAN_ID_CHARACTERS || !/^[A-Za-z0-9]+$/.test(text)) return undefined;
  const parsed = parseVlanId(text);
  return parsed.ok ? undefined : parsed.reason;
}

function unknownProblem(what: string, name: string, known: readonly string[]): string | undefined {
  if (known.includes(name)) return undefined;
  const near = nearestName(name, known);
  const guess = near === undefined ? '' : ` (did you mean ${near}?)`;
  return `there is no ${what} '${name.slice(0, 32)}'${guess}; there are ${known.join(', ')}`;
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  refuse(value >= least && value <= most ? undefined : `expected ${least}..${most}`);
  return value;
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new InvalidArgumentError(`${problem}.`);
}
