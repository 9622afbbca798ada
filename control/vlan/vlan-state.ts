/**
 * `vlans.json` in the state directory: the VLANs that this node owns, and those joined at run time.
 *
 *   { "version": 1,
 *     "owned":  [ { "id", "name", "seed" (base64url), "member" } ],
 *     "joined": [ { "id", "interface", "addresses", "mtuBytes" } ] }
 *
 * Main thread only. Must never write over a file that it could not read: an owner's key may be in it.
 */
import { join } from 'node:path';
import { readFileIfPresent, replaceFile } from './durable-file.ts';
import { VlanError } from './vlan-error.ts';
import { formatVlanId, parseVlanId } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';

/** A VLAN whose key this node made. */
export interface OwnedVlan {
  /** Text form of the id. */
  readonly id: string;
  readonly name: string;
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
}

/** What the file holds. */
export interface VlanState {
  readonly owned: readonly OwnedVlan[];
  readonly joined: readonly VlanAttachment[];
}

const FILE_NAME = 'vlans.json';
const VERSION = 1;
const EMPTY: VlanState = { owned: [], joined: [] };

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
    const reason = error instanceof Error ? error.message : String(error);
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
    owned: state.owned.map((vlan) => ({ ...vlan, seed: Buffer.from(vlan.seed).toString('base64url') })),
    joined: state.joined,
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

function systemReason(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' ? 'the disk is full' : error.message;
}

function parseState(value: unknown): VlanState {
  const document = asRecord(value, 'the file');
  if (document['version'] !== VERSION) {
    throw new TypeError(`version: expected ${VERSION}, got ${JSON.stringify(document['version'])}`);
  }
  return {
    owned: asArray(document['owned'], 'owned').map(parseOwned),
    joined: asArray(document['joined'], 'joined').map(parseAttachment),
  };
}

function parseOwned(value: unknown, index: number): OwnedVlan {
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
  return { id, seed, name: asString(record['name'], `${path}.name`), member: record['member'] };
}

function parseAttachment(value: unknown, index: number): VlanAttachment {
  const path = `joined[${index}]`;
  const record = asRecord(value, path);
  const mtuBytes = record['mtuBytes'];
  if (typeof mtuBytes !== 'number' || !Number.isInteger(mtuBytes)) {
    throw new TypeError(`${path}.mtuBytes: expected an integer`);
  }
  return {
    id: asId(record['id'], `${path}.id`),
    interface: asString(record['interface'], `${path}.interface`),
    addresses: asArray(record['addresses'], `${path}.addresses`).map((address, position) =>
      asString(address, `${path}.addresses[${position}]`),
    ),
    mtuBytes,
  };
}

function asId(value: unknown, path: string): string {
  const text = asString(value, path);
  const parsed = parseVlanId(text);
  if (!parsed.ok) {
    throw new TypeError(`${path}: ${parsed.reason}`);
  }
  return text;
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
