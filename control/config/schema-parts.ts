/**
 * What schemas are made of: kinds of values whose refusals are sentences, and the fields that config and requests share.
 *
 * Runs wherever a config or a request is read; pure but for libraries. Must never show more of a wrong value than a
 * line holds.
 */
import * as v from 'valibot';
import { DEFAULT_TREE_RANK, MAX_TREE_RANK } from '../fabric/tree-rank.ts';
import { MULTICAST_MODES } from '../multicast/multicast-mode.ts';
import { parseInvite } from '../vlan/invite.ts';
import { PATH_POLICIES } from '../vlan/path-policy.ts';
import { parseSubnet } from '../vlan/subnet.ts';
import { parseVlanId } from '../vlan/vlan-id.ts';
import { parseCidr } from './cidr.ts';
import { DEFAULT_MTU_BYTES } from './defaults.ts';
import { interfaceNameProblem } from './interface-name.ts';
import { nearestName } from './nearest-name.ts';
import { vlanNameProblem } from './vlan-name.ts';

/** Of one interface: more is a mistake. */
const MAX_ADDRESSES = 16;

/** Shows a wrong value in a message: short, and never a whole document. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 64)}'`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

export function expecting(what: string): (issue: v.BaseIssue<unknown>) => string {
  return (issue) => `expected ${what}, got ${shown(issue.input)}`;
}

export function integer(least: number, most: number) {
  const message = expecting(`${least}..${most}`);
  const inRange = (value: number) => Number.isInteger(value) && value >= least && value <= most;
  return v.pipe(v.number(message), v.check(inRange, message));
}

/** A count, or `auto` to let the daemon choose it. */
export function integerOrAuto(least: number, most: number) {
  const fits = (value: unknown) =>
    value === 'auto' ||
    (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most);
  return v.custom<number | 'auto'>(fits, expecting(`auto or ${least}..${most}`));
}

/** A rate or a count, or `unlimited`. */
export function integerOrUnlimited(least: number, most: number) {
  const fits = (value: unknown) =>
    value === 'unlimited' ||
    (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most);
  return v.custom<number | 'unlimited'>(fits, expecting(`unlimited or ${least}..${most}`));
}

export function oneOf<const Names extends readonly string[]>(names: Names) {
  return v.picklist(names, expecting(`one of ${names.join(', ')}`));
}

export function flag() {
  return v.boolean(expecting('true or false'));
}

/** A text that `problemOf` accepts; its answer is the message. */
export function checkedText(what: string, problemOf: (text: string) => string | undefined) {
  return v.pipe(
    v.string(expecting(what)),
    v.rawCheck(({ dataset, addIssue }) => {
      const problem = dataset.typed ? problemOf(dataset.value) : undefined;
      if (problem !== undefined) addIssue({ message: problem });
    }),
  );
}

export function list<const Item extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(
  item: Item,
  most: number,
) {
  const tooMany = (issue: v.BaseIssue<unknown>) =>
    `expected at most ${most} entries, got ${Array.isArray(issue.input) ? issue.input.length : 'more'}`;
  return v.pipe(v.array(item, expecting('a list')), v.maxLength(most, tooMany));
}

/**
 * An object without unknown keys; a mistyped one is answered with the key that it resembles.
 *
 * @param complete - fills in what follows from other keys, before any of them is looked at
 */
export function section<const Entries extends v.ObjectEntries>(
  entries: Entries,
  complete: (document: object) => object = (document) => document,
) {
  const known = Object.keys(entries);
  const strict = v.strictObject(entries, (issue) => {
    const key = issue.path?.at(-1)?.key;
    if (issue.expected === 'never' && typeof key === 'string') return unknownKey(key, known);
    return typeof key === 'string' ? 'is missing' : 'expected an object';
  });
  // valibot takes a list for an object, so that is asked first.
  return v.pipe(v.unknown(), v.check(isPlainObject, expecting('an object')), v.transform(completed), strict);

  function completed(document: unknown): unknown {
    return isPlainObject(document) ? complete(document as object) : document;
  }
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

function vlanIdProblem(text: string): string | undefined {
  const parsed = parseVlanId(text);
  return parsed.ok ? undefined : parsed.reason;
}

function cidrProblem(text: string): string | undefined {
  const parsed = parseCidr(text);
  return parsed.ok ? undefined : parsed.reason;
}

function subnetProblem(text: string): string | undefined {
  const parsed = parseSubnet(text);
  return parsed.ok ? undefined : parsed.reason;
}

/** Whether it is still good is for those to say who gave it. */
function inviteProblem(text: string): string | undefined {
  const parsed = parseInvite(text);
  return parsed.ok ? undefined : parsed.reason;
}

/** A VLAN's id as text. */
export const vlanIdSchema = checkedText('a VLAN id of 26 characters', vlanIdProblem);

/** What its owner calls a VLAN. */
export const vlanNameSchema = checkedText('a name', vlanNameProblem);

/** The name of a TAP interface. */
const interfaceNameSchema = checkedText('an interface name', interfaceNameProblem);

/** An interface address with its prefix length. */
const cidrSchema = checkedText('an address like 10.7.0.1/24', cidrProblem);

/** The MTU of a TAP: IPv4's smallest reassembly buffer up to the usual jumbo frame. */
const mtuBytesSchema = integer(576, 9000);

/** The addresses that a VLAN's hosts have. */
export const subnetSchema = checkedText('a subnet like 10.7.0.0/24', subnetProblem);

/** An invite as text. */
export const inviteSchema = checkedText('an invite', inviteProblem);

/** How a VLAN is shown on this machine: in an entry of `vlans`, and in a request to join. */
export const attachmentEntries = {
  interface: interfaceNameSchema,
  addresses: v.optional(list(cidrSchema, MAX_ADDRESSES), []),
  mtuBytes: v.optional(mtuBytesSchema, DEFAULT_MTU_BYTES),
  multicast: v.optional(oneOf(MULTICAST_MODES), 'snoop'),
  paths: v.optional(oneOf(PATH_POLICIES), 'failover'),
  treeRank: v.optional(integer(0, MAX_TREE_RANK), DEFAULT_TREE_RANK),
};
