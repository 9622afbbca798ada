/**
 * `vlans.json` in the state directory: the VLANs that this node owns, those joined at run time, and how it stands in
 * the private ones.
 *
 *   { "version": 2,
 *     "owned":       [ { "id", "name", "kind", "seed" (base64url), "member" } ],
 *     "joined":      [ { "id", "interface", "addresses", "mtuBytes", "multicast", "paths", "treeRank" } ],
 *     "memberships": [ { "id", "state", "invite", "reason", "admission" (base64url) } ] }
 *
 * Version 1 had neither `kind` (all were open) nor `memberships`; it is read, and written as 2 at the next change.
 * What was joined without `multicast`, `paths` or `treeRank` has the defaults of the config.
 *
 * Main thread only. Must never write over a file that it could not read: an owner's key may be in it.
 */
import { join } from 'node:path';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { DEFAULT_TREE_RANK, MAX_TREE_RANK } from '../fabric/tree-rank.ts';
import { MULTICAST_MODES, type MulticastMode } from '../multicast/multicast-mode.ts';
import { readFileIfPresent, replaceFile } from './durable-file.ts';
import { PATH_POLICIES, type PathPolicy } from './path-policy.ts';
import { VlanError } from './vlan-error.ts';
import { formatVlanId, parseVlanId } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';
import type { VlanKind } from './vlan-record.ts';

/** A VLAN whose key this node made. */
export interface OwnedVlan {
  /** Text form of the id. */
  readonly id: string;
  readonly name: string;
  readonly kind: VlanKind;
  /** 32 bytes of the VLAN's private key. */
  readonly seed: Uint8Array;
  /** False after the owner has left: the key stays. */
  readonly member: boolean;
}

/** How a VLAN is attached to this machine. */
export interface VlanAttachment {
  /** Text form of the id. */
  readonly id: string;
  readonly interface: string;
  /** Addresses with prefix length, such as `10.7.0.1/24`. */
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  readonly multicast: MulticastMode;
  readonly paths: PathPolicy;
  /** 0 … 255; the lowest is the root of the VLAN's tree. */
  readonly treeRank: number;
}

/**
 * How this node stands in a private VLAN: `waiting` to be admitted, `refused`, a `member` with a group state, or
 * `expelled` by an admin.
 */
export type MembershipState = (typeof MEMBERSHIP_STATES)[number];

/** The node's standing in one private VLAN. */
export interface VlanMembership {
  /** Text form of the id. */
  readonly id: string;
  readonly state: MembershipState;
  /** The invite to come in by, as it was pasted; its secret is in it. */
  readonly invite: string | null;
  /** Why it was refused or expelled, in words. */
  readonly reason: string | null;
  /** The admission that an admin signed, see control/admission/credentials.ts. */
  readonly admission: Uint8Array | null;
}

/** What the file holds. */
export interface VlanState {
  readonly owned: readonly OwnedVlan[];
  readonly joined: readonly VlanAttachment[];
  readonly memberships: readonly VlanMembership[];
}

const FILE_NAME = 'vlans.json';
const VERSION = 2;
const EMPTY: VlanState = { owned: [], joined: [], memberships: [] };
const KINDS = ['open', 'private'] as const satisfies readonly VlanKind[];
const MEMBERSHIP_STATES = ['waiting', 'refused', 'member', 'expelled'] as const;

/** Where the state of a state directory lies. */
export function vlanStatePath(stateDirectory: string): string {
  return join(stateDirectory, FILE_NAME);
}

/**
 * Reads the state, or an empty one when there is no file yet.
 *
 * @throws VlanError `state-unreadable` or `state-corrupt`; the file is left as it is
 */
export function loadVlanState(stateDirectory: string): VlanState {
  const path = vlanStatePath(stateDirectory);
  const contents = readContents(path);
  if (contents === undefined) {
    return EMPTY;
  }
  try {
    return parseState(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(contents)));
  } catch (error) {
    const reason = reasonOf(error);
    throw new VlanError(
      'state-corrupt',
      `${path} is damaged (${reason}). It holds the keys of VLANs that this node owns: restore it from a ` +
        'backup, or move it away to start without them.',
      { details: { path }, cause: error },
    );
  }
}

/**
 * Writes the state durably; returns after it is on disk.
 *
 * @throws VlanError `state-unwritable`; the file is then as it was
 */
export function storeVlanState(stateDirectory: string, state: VlanState): void {
  const path = vlanStatePath(stateDirectory);
  const document = {
    version: VERSION,
    owned: state.owned.map((vlan) => ({ ...vlan, seed: base64url(vlan.seed) })),
    joined: state.joined,
    memberships: state.memberships.map((vlan) => ({
      ...vlan,
      admission: vlan.admission === null ? null : base64url(vlan.admission),
    })),
  };
  try {
    replaceFile(path, new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`));
  } catch (error) {
    throw new VlanError(
      'state-unwritable',
      `${path} could not be written (${systemReason(error)}). Nothing was changed: make room or fix the ` +
        'permissions of the state directory, then repeat the command.',
      { details: { path }, cause: error },
    );
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

function readContents(path: string): Uint8Array | undefined {
  try {
    return readFileIfPresent(path);
  } catch (error) {
    throw new VlanError(
      'state-unreadable',
      `${path} could not be read (${systemReason(error)}). Run the daemon as the user who owns it.`,
      { details: { path }, cause: error },
    );
  }
}

/** What the system said, in words for the person who runs the node. */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' ? 'the disk is full' : error.message;
}

function parseState(value: unknown): VlanState {
  const document = asRecord(value, 'the file');
  const version = document['version'];
  if (version !== VERSION && version !== 1) {
    throw new TypeError(`version: expected 1..${VERSION}, got ${JSON.stringify(version)}`);
  }
  return {
    owned: asArray(document['owned'], 'owned').map((value, index) => parseOwned(value, index, version)),
    joined: asArray(document['joined'], 'joined').map(parseAttachment),
    memberships: version === 1 ? [] : asArray(document['memberships'], 'memberships').map(parseMembership),
  };
}

function parseOwned(value: unknown, index: number, version: number): OwnedVlan {
  const path = `owned[${index}]`;
  const record = asRecord(value, path);
  const id = asId(record['id'], `${path}.id`);
  const seed = new Uint8Array(Buffer.from(asString(record['seed'], `${path}.seed`), 'base64url'));
  if (seed.length !== 32 || formatVlanId(vlanKeysFromSeed(seed).id) !== id) {
    throw new TypeError(`${path}.seed: not the key of VLAN ${id}`);
  }
  if (typeof record['member'] !== 'boolean') {
    throw new TypeError(`${path}.member: expected true or false`);
  }
  const kind = version === 1 ? 'open' : asOneOf(record['kind'], KINDS, `${path}.kind`);
  return { id, seed, kind, name: asString(record['name'], `${path}.name`), member: record['member'] };
}

function parseMembership(value: unknown, index: number): VlanMembership {
  const path = `memberships[${index}]`;
  const record = asRecord(value, path);
  const admission = asStringOrNull(record['admission'], `${path}.admission`);
  return {
    id: asId(record['id'], `${path}.id`),
    state: asOneOf(record['state'], MEMBERSHIP_STATES, `${path}.state`),
    invite: asStringOrNull(record['invite'], `${path}.invite`),
    reason: asStringOrNull(record['reason'], `${path}.reason`),
    admission: admission === null ? null : new Uint8Array(Buffer.from(admission, 'base64url')),
  };
}

function parseAttachment(value: unknown, index: number): VlanAttachment {
  const path = `joined[${index}]`;
  const record = asRecord(value, path);
  const mtuBytes = record['mtuBytes'];
  if (typeof mtuBytes !== 'number' || !Number.isInteger(mtuBytes)) {
    throw new TypeError(`${path}.mtuBytes: expected an integer`);
  }
  const treeRank = record['treeRank'] ?? DEFAULT_TREE_RANK;
  if (typeof treeRank !== 'number' || !isTreeRank(treeRank)) {
    throw new TypeError(`${path}.treeRank: expected 0..${MAX_TREE_RANK}`);
  }
  return {
    id: asId(record['id'], `${path}.id`),
    interface: asString(record['interface'], `${path}.interface`),
    addresses: asArray(record['addresses'], `${path}.addresses`).map((address, position) =>
      asString(address, `${path}.addresses[${position}]`),
    ),
    mtuBytes,
    multicast:
      record['multicast'] === undefined
        ? 'snoop'
        : asOneOf(record['multicast'], MULTICAST_MODES, `${path}.multicast`),
    paths:
      record['paths'] === undefined ? 'failover' : asOneOf(record['paths'], PATH_POLICIES, `${path}.paths`),
    treeRank,
  };
}

function isTreeRank(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_TREE_RANK;
}

function asId(value: unknown, path: string): string {
  const text = asString(value, path);
  const parsed = parseVlanId(text);
  if (!parsed.ok) {
    throw new TypeError(`${path}: ${parsed.reason}`);
  }
  return text;
}

function asOneOf<const Name extends string>(value: unknown, names: readonly Name[], path: string): Name {
  const found = names.find((name) => name === value);
  if (found === undefined) {
    throw new TypeError(`${path}: expected one of ${names.join(', ')}`);
  }
  return found;
}

function asStringOrNull(value: unknown, path: string): string | null {
  return value === null ? null : asString(value, path);
}

function asString(value: unknown, path: string): string {
  if (typeof value !== 'string') {
    throw new TypeError(`${path}: expected a string`);
  }
  return value;
}

function asArray(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`${path}: expected a list`);
  }
  return value;
}

function asRecord(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${path}: expected an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}
