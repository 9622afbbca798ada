/**
 * The states of groups on disk, and the last used ones in memory as well: `<StateId>.state`.
 *
 * The node's private key is not among what is written. A thread of the pool keeps up to eight states decoded, so that
 * a chain of commits decodes none; each use looks whether the file is still there, since another thread may have
 * destroyed it. The pool's threads.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type ClientState, decodeGroupState, encodeGroupState } from 'ts-mls';
import type { StateId } from '../../group-port.ts';
import type { JobContext } from '../group-context.ts';
import { GroupFailure } from '../group-failure.ts';
import { CLIENT_CONFIG, leanState } from '../profile.ts';
import { isFileName, namesOf, readSealed, removeFile, removeLeftovers, writeSealed } from './sealed-file.ts';

/** Eight of the largest groups' states are some tens of megabytes. */
const CACHED_STATES_MAX = 8;
const NO_KEY = new Uint8Array(0);

/** By path; the oldest use first. */
const cache = new Map<string, ClientState>();

/** Writes a state durably, and keeps it at hand. @throws the system's error */
export function storeState({ directory }: JobContext, id: StateId, state: ClientState): void {
  writeSealed(
    { directory, name: id, extension: 'state' },
    encodeGroupState({ ...leanState(state), signaturePrivateKey: NO_KEY }),
  );
  remember(pathOf(directory, id), state);
}

/**
 * A state, from memory or disk.
 *
 * @returns undefined when it is not there, or damaged
 * @throws the system's error
 */
export function loadState(context: JobContext, id: StateId): ClientState | undefined {
  if (!isFileName(id)) return undefined;
  const path = pathOf(context.directory, id);
  const cached = cache.get(path);
  if (cached !== undefined && isThere(path)) {
    remember(path, cached);
    return cached;
  }
  cache.delete(path);
  const state = readState(context, id);
  if (state !== undefined) remember(path, state);
  return state;
}

/** A state that must be there. @throws GroupFailure `unknown-state`; the system's error */
export function requireState(context: JobContext, id: StateId): ClientState {
  const state = loadState(context, id);
  if (state === undefined) {
    throw new GroupFailure('unknown-state', 'the state is not kept, or its file is damaged');
  }
  return state;
}

/** Destroys a state. @throws the system's error */
export function destroyState({ directory }: JobContext, id: StateId): void {
  forgetState(directory, id);
  removeFile({ directory, name: id, extension: 'state' });
}

/** Takes a state out of this thread's memory. */
export function forgetState(directory: string, id: StateId): void {
  const path = pathOf(directory, id);
  const state = cache.get(path);
  cache.delete(path);
  if (state === undefined) return;
  for (const secret of Object.values(state.keySchedule)) {
    if (secret instanceof Uint8Array) secret.fill(0);
  }
}

/** Destroys all states but some, and what a crash left half written. @throws the system's error */
export function destroyOtherStates(context: JobContext, kept: ReadonlySet<StateId>): void {
  removeLeftovers(context.directory);
  for (const id of namesOf(context.directory, 'state')) {
    if (!kept.has(id)) destroyState(context, id);
  }
}

function readState(context: JobContext, id: StateId): ClientState | undefined {
  const body = readSealed({ directory: context.directory, name: id, extension: 'state' });
  if (body === undefined) return undefined;
  try {
    const decoded = decodeGroupState(body, 0);
    return decoded === undefined || decoded[1] !== body.length
      ? undefined
      : { ...decoded[0], signaturePrivateKey: context.signer.seed, clientConfig: CLIENT_CONFIG };
  } catch {
    // Whole, yet not to be read: written by another version.
    return undefined;
  }
}

function remember(path: string, state: ClientState): void {
  cache.delete(path);
  cache.set(path, state);
  const [oldest] = cache.keys();
  if (cache.size > CACHED_STATES_MAX && oldest !== undefined) cache.delete(oldest);
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function pathOf(directory: string, id: StateId): string {
  return join(directory, `${id}.state`);
}
