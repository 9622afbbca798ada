/**
 * `swarm.json` in the state directory: the keys of this node's private swarm.
 *
 *   { "version": 1,
 *     "current":  the key in text form, or null without a swarm,
 *     "previous": null, or { "key", "until" (ISO 8601) } while the key before is still accepted }
 *
 * Main thread only. Must never write over a file that it could not read: without its key this node is out.
 */
import { join } from 'node:path';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { readFileIfPresent, replaceFile } from '../vlan/durable-file.ts';
import { SwarmError } from './swarm-error.ts';
import { formatSwarmKey, parseSwarmKey, type SwarmKey } from './swarm-key.ts';

/** What the file holds. */
export interface SwarmState {
  readonly current: SwarmKey | undefined;
  readonly previous: { readonly key: SwarmKey; readonly untilMs: number } | undefined;
}

/** No swarm. */
export const NO_SWARM: SwarmState = { current: undefined, previous: undefined };

const FILE_NAME = 'swarm.json';
const VERSION = 1;

/**
 * Reads the state; without a file there is no swarm.
 *
 * @throws SwarmError `state-unreadable` or `state-corrupt`; the file is left as it is
 */
export function loadSwarmState(stateDirectory: string): SwarmState {
  const path = join(stateDirectory, FILE_NAME);
  const contents = readContents(path);
  if (contents === undefined) {
    return NO_SWARM;
  }
  try {
    return parseState(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(contents)));
  } catch (error) {
    throw new SwarmError(
      'state-corrupt',
      `${path} is damaged (${reasonOf(error)}). It holds the key of this node's private swarm: restore it from a ` +
        'backup, or remove it and join again with `peertap swarm join`. The daemon does not start open to everybody instead.',
      { cause: error },
    );
  }
}

/**
 * Writes the state durably; returns after it is on disk.
 *
 * @throws SwarmError `state-unwritable`; the file is then as it was
 */
export function storeSwarmState(stateDirectory: string, state: SwarmState): void {
  const path = join(stateDirectory, FILE_NAME);
  const { current, previous } = state;
  const document = {
    version: VERSION,
    current: current === undefined ? null : formatSwarmKey(current),
    previous:
      previous === undefined
        ? null
        : { key: formatSwarmKey(previous.key), until: new Date(previous.untilMs).toISOString() },
  };
  try {
    replaceFile(path, new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`));
  } catch (error) {
    throw new SwarmError(
      'state-unwritable',
      `${path} could not be written (${reasonOf(error)}). Nothing was changed: make room or fix the permissions of ` +
        'the state directory, then repeat the command.',
      { cause: error },
    );
  }
}

function readContents(path: string): Uint8Array | undefined {
  try {
    return readFileIfPresent(path);
  } catch (error) {
    throw new SwarmError(
      'state-unreadable',
      `${path} could not be read (${reasonOf(error)}). Run the daemon as the user who owns it.`,
      { cause: error },
    );
  }
}

function parseState(value: unknown): SwarmState {
  const document = asRecord(value, 'the file');
  if (document['version'] !== VERSION) {
    throw new TypeError(`version: expected ${VERSION}, got ${JSON.stringify(document['version'])}`);
  }
  const current = document['current'] === null ? undefined : parseSwarmKey(asString(document, 'current'));
  if (document['previous'] === null || current === undefined) {
    return { current, previous: undefined };
  }
  const previous = asRecord(document['previous'], 'previous');
  const untilMs = Date.parse(asString(previous, 'until'));
  if (Number.isNaN(untilMs)) {
    throw new TypeError('previous.until: expected a time');
  }
  return { current, previous: { key: parseSwarmKey(asString(previous, 'key')), untilMs } };
}

function asString(record: Readonly<Record<string, unknown>>, name: string): string {
  const value = record[name];
  if (typeof value !== 'string') {
    throw new TypeError(`${name}: expected a string`);
  }
  return value;
}

function asRecord(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${path}: expected an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}
