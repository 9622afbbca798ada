/**
 * The schema of the config file: every key, its default, its range, and the reason for each limit.
 *
 * Runs wherever a config or a request is read; pure but for libraries. Must never fill in a value that the
 * file gives wrongly: what is wrong is said, with its path and its range.
 */
import { isIP } from 'node:net';
import * as v from 'valibot';
import { parseVlanId } from '../vlan/vlan-id.ts';
import { parseCidr } from './cidr.ts';
import { DEFAULT_CONTROL_SOCKET, DEFAULT_MTU_BYTES, DEFAULT_STATE_DIRECTORY } from './defaults.ts';
import { interfaceNameProblem } from './interface-name.ts';
import { dialAddressProblem, listenAddressProblem } from './libp2p-address.ts';
import { nearestName } from './nearest-name.ts';
import { vlanNameProblem } from './vlan-name.ts';

/** One table slot each in the data plane's shared memory. */
const MAX_VLANS = 256;
/** One slot each in the trunk table. */
const MAX_TRUNKS = 1024;
/** Lanes are numbered by 4 bits of a worker's index. */
const MAX_WORKERS = 16;
/** sockaddr_un holds 108 bytes with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;

const DEFAULT_LIBP2P_LISTEN = ['/ip4/0.0.0.0/tcp/7946'];

/** Shows a wrong value in a message: short, and never a whole document. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 64)}'`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

function expecting(what: string): (issue: v.BaseIssue<unknown>) => string {
  return (issue) => `expected ${what}, got ${shown(issue.input)}`;
}

function integer(least: number, most: number) {
  const message = expecting(`${least}..${most}`);
  const inRange = (value: number) => Number.isInteger(value) && value >= least && value <= most;
  return v.pipe(v.number(message), v.check(inRange, message));
}

/** A count, or `auto` to let the daemon choose it. */
function integerOrAuto(least: number, most: number) {
  const fits = (value: unknown) =>
    value === 'auto' ||
    (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most);
  return v.custom<number | 'auto'>(fits, expecting(`auto or ${least}..${most}`));
}

function oneOf<const Names extends readonly string[]>(names: Names) {
  return v.picklist(names, expecting(`one of ${names.join(', ')}`));
}

function flag() {
  return v.boolean(expecting('true or false'));
}

/** A text that `problemOf` accepts; its answer is the message. */
function checkedText(what: string, problemOf: (text: string) => string | undefined) {
  return v.pipe(
    v.string(expecting(what)),
    v.rawCheck(({ dataset, addIssue }) => {
      const problem = dataset.typed ? problemOf(dataset.value) : undefined;
      if (problem !== undefined) addIssue({ message: problem });
    }),
  );
}

function list<const Item extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(
  item: Item,
  most: number,
) {
  const tooMany = (issue: v.BaseIssue<unknown>) =>
    `expected at most ${most} entries, got ${Array.isArray(issue.input) ? issue.input.length : 'more'}`;
  return v.pipe(v.array(item, expecting('a list')), v.maxLength(most, tooMany));
}

/** An object without unknown keys; a mistyped one is answered with the key that it resembles. */
function section<const Entries extends v.ObjectEntries>(entries: Entries) {
  const known = Object.keys(entries);
  const strict = v.strictObject(entries, (issue) => {
    const key = issue.path?.at(-1)?.key;
    if (issue.expected === 'never' && typeof key === 'string') return unknownKey(key, known);
    return typeof key === 'string' ? 'is missing' : 'expected an object';
  });
  // valibot takes a list for an object, so that is asked first.
  return v.pipe(v.unknown(), v.check(isPlainObject, expecting('an object')), strict);
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearestName(key, known);
  return near === undefined
    ? `unknown key; known here are ${known.join(', ')}`
    : `unknown key; did you mean ${near}?`;
}

function absolutePathProblem(text: string): string | undefined {
  return text.startsWith('/') && !text.includes('\0')
    ? undefined
    : `expected an absolute path, got ${shown(text)}`;
}

function socketPathProblem(text: string): string | undefined {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    return `expected a path of at most ${MAX_SOCKET_PATH_BYTES} bytes (a limit of Unix sockets), got ${bytes}`;
  }
  return absolutePathProblem(text);
}

function ipProblem(text: string): string | undefined {
  return isIP(text) === 0 ? `expected an IPv4 or IPv6 address, got ${shown(text)}` : undefined;
}

function vlanIdProblem(text: string): string | undefined {
  const parsed = parseVlanId(text);
  return parsed.ok ? undefined : parsed.reason;
}

function cidrProblem(text: string): string | undefined {
  const parsed = parseCidr(text);
  return parsed.ok ? undefined : parsed.reason;
}

/** A VLAN's id as text. */
export const vlanIdSchema = checkedText('a VLAN id of 26 characters', vlanIdProblem);

/** What its owner calls a VLAN. */
export const vlanNameSchema = checkedText('a name', vlanNameProblem);

/** The name of a TAP interface. */
export const interfaceNameSchema = checkedText('an interface name', interfaceNameProblem);

/** An interface address with its prefix length. */
export const cidrSchema = checkedText('an address like 10.7.0.1/24', cidrProblem);

/** The MTU of a TAP: IPv4's smallest reassembly buffer up to the usual jumbo frame. */
export const mtuBytesSchema = integer(576, 9000);

/** A VLAN to be in, with the interface that shows it: an entry of `vlans` and the body of a join request. */
export const vlanAttachmentSchema = section({
  id: vlanIdSchema,
  interface: interfaceNameSchema,
  addresses: v.optional(list(cidrSchema, 16), []),
  mtuBytes: v.optional(mtuBytesSchema, DEFAULT_MTU_BYTES),
});

/** The body of a request to create a VLAN. */
export const createRequestSchema = section({ name: vlanNameSchema });

/** The body of a request to leave one. */
export const leaveRequestSchema = section({ id: vlanIdSchema });

const listenSchema = section({
  libp2p: v.optional(list(checkedText('a libp2p address', listenAddressProblem), 16), DEFAULT_LIBP2P_LISTEN),
  datagram: v.optional(
    section({
      address: v.optional(checkedText('an IP address', ipProblem), '0.0.0.0'),
      port: v.optional(integer(1, 65_535), 7947),
    }),
    {},
  ),
});

const dataplaneSchema = section({
  engine: v.optional(oneOf(['auto', 'native', 'typescript']), 'auto'),
  workers: v.optional(integerOrAuto(1, MAX_WORKERS), 'auto'),
  offloads: v.optional(
    section({
      tapTso: v.optional(flag(), true),
      tapUso: v.optional(flag(), true),
      udpGso: v.optional(flag(), true),
      udpGro: v.optional(flag(), true),
    }),
    {},
  ),
});

const logSchema = section({
  level: v.optional(oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']), 'info'),
  format: v.optional(oneOf(['auto', 'json', 'pretty']), 'auto'),
});

/** The whole file. */
export const configSchema = section({
  stateDirectory: v.optional(checkedText('a path', absolutePathProblem), DEFAULT_STATE_DIRECTORY),
  controlSocket: v.optional(checkedText('a path', socketPathProblem), DEFAULT_CONTROL_SOCKET),
  listen: v.optional(listenSchema, {}),
  bootstrap: v.optional(list(checkedText('a libp2p address', dialAddressProblem), 64), []),
  connectionLimit: v.optional(integer(1, MAX_TRUNKS), 256),
  dataplane: v.optional(dataplaneSchema, {}),
  log: v.optional(logSchema, {}),
  vlans: v.optional(list(vlanAttachmentSchema, MAX_VLANS), []),
});
