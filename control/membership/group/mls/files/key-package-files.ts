/**
 * This node's key packages on disk: `<BLAKE3-128 of the key package>.keys`, with their private keys until a Welcome
 * came for them, and then the name of the state that it led to.
 *
 *   waiting: 0 · key package, init key, leaf key, each with its length (u32)
 *   used:    1 · StateId 16 · MLS's reference of the key package
 *
 * A used one answers a Welcome that is tried again, after a crash between coming in and noting that down; the private
 * keys are gone. The pool's threads.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyPackage } from 'ts-mls';
import { decodeKeyPackage, encodeKeyPackage, makeKeyPackageRef } from 'ts-mls/keyPackage.js';
import { u32Bytes } from '../../../byte-codec.ts';
import type { StateId } from '../../group-port.ts';
import { concat } from '../crypto/labels.ts';
import { nodeSuite } from '../crypto/node-suite.ts';
import type { JobContext } from '../group-context.ts';
import type { OwnKeyPackage } from '../join-group.ts';
import { requireSuite } from '../messages.ts';
import { type FilePlace, namesOf, readSealed, removeFile, writeSealed } from './sealed-file.ts';

/** A node asks again and again while it waits for approval; the oldest go. */
const KEY_PACKAGES_MAX = 16;
const WAITING = 0;
const USED = 1;
const STATE_ID_BYTES = 16;
const LENGTH_BYTES = 4;

/** What is known of a key package that a Welcome is for. */
export type FoundKeyPackage =
  | { readonly kind: 'waiting'; readonly name: string; readonly keys: OwnKeyPackage }
  | { readonly kind: 'used'; readonly name: string; readonly state: StateId };

/** Keeps a key package until a Welcome comes. @throws the system's error */
export function storeKeyPackage(
  { directory }: JobContext,
  name: string,
  { publicPackage, privatePackage }: OwnKeyPackage,
): void {
  const { initPrivateKey, hpkePrivateKey } = privatePackage;
  const body = [encodeKeyPackage(publicPackage), initPrivateKey, hpkePrivateKey].flatMap(withLength);
  writeSealed({ directory, name, extension: 'keys' }, concat(Uint8Array.of(WAITING), ...body));
  for (const old of oldest(directory)) removeFile({ directory, name: old, extension: 'keys' });
}

/** Destroys a key package's private keys, and notes where they led. @throws the system's error */
export async function markUsed(
  { directory }: JobContext,
  { name, keys }: FoundKeyPackage & { readonly kind: 'waiting' },
  state: StateId,
): Promise<void> {
  const ref = await refOf(keys.publicPackage);
  const body = concat(Uint8Array.of(USED), Buffer.from(state, 'hex'), ref);
  writeSealed({ directory, name, extension: 'keys' }, body);
}

/**
 * The key package that a Welcome is for.
 *
 * @param refs - MLS's references in the Welcome
 * @throws the system's error
 */
export async function findKeyPackage(
  context: JobContext,
  refs: readonly Uint8Array[],
): Promise<FoundKeyPackage | undefined> {
  for (const name of namesOf(context.directory, 'keys')) {
    const found = readPackage(context, name);
    if (found === undefined) continue;
    const ref = 'ref' in found ? found.ref : await refOf(found.keys.publicPackage);
    if (!refs.some((one) => Buffer.compare(one, ref) === 0)) continue;
    return 'ref' in found
      ? { kind: 'used', name, state: found.state }
      : { kind: 'waiting', name, keys: found.keys };
  }
  return undefined;
}

/** The states that used key packages led to. @throws the system's error */
export function statesOfUsed(context: JobContext): readonly StateId[] {
  return namesOf(context.directory, 'keys').flatMap((name) => {
    const found = readPackage(context, name);
    return found !== undefined && 'ref' in found ? [found.state] : [];
  });
}

/** Destroys key packages by their names, or by the states that they led to. @throws the system's error */
export function destroyKeyPackages(context: JobContext, ids: ReadonlySet<string>): void {
  for (const name of namesOf(context.directory, 'keys')) {
    const found = ids.has(name) ? undefined : readPackage(context, name);
    const isMeant = ids.has(name) || (found !== undefined && 'ref' in found && ids.has(found.state));
    if (isMeant) removeFile({ directory: context.directory, name, extension: 'keys' });
  }
}

type ReadPackage = { readonly keys: OwnKeyPackage } | { readonly state: StateId; readonly ref: Uint8Array };

function readPackage({ directory, signer }: JobContext, name: string): ReadPackage | undefined {
  const body = readSealed({ directory, name, extension: 'keys' });
  if (body === undefined) return undefined;
  if (body[0] === USED) {
    const state = Buffer.from(body.subarray(1, 1 + STATE_ID_BYTES)).toString('hex');
    return { state, ref: body.subarray(1 + STATE_ID_BYTES) };
  }
  const [encoded, initPrivateKey, hpkePrivateKey] = parts(body.subarray(1));
  const decoded = encoded === undefined ? undefined : decodeKeyPackage(encoded, 0);
  if (decoded === undefined || initPrivateKey === undefined || hpkePrivateKey === undefined) return undefined;
  const privatePackage = { initPrivateKey, hpkePrivateKey, signaturePrivateKey: signer.seed };
  return { keys: { publicPackage: decoded[0], privatePackage } };
}

function refOf(keyPackage: KeyPackage): Promise<Uint8Array> {
  return makeKeyPackageRef(keyPackage, nodeSuite(requireSuite(keyPackage.cipherSuite)).hash);
}

function oldest(directory: string): readonly string[] {
  const names = namesOf(directory, 'keys');
  if (names.length <= KEY_PACKAGES_MAX) return [];
  const place = (name: string): FilePlace => ({ directory, name, extension: 'keys' });
  const ages = names.map((name) => ({ name, time: writtenAt(place(name)) }));
  const newestFirst = ages.sort((left, right) => right.time - left.time);
  return newestFirst.slice(KEY_PACKAGES_MAX).map(({ name }) => name);
}

function writtenAt({ directory, name, extension }: FilePlace): number {
  return statSync(join(directory, `${name}.${extension}`), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function withLength(bytes: Uint8Array): readonly Uint8Array[] {
  return [u32Bytes(bytes.length), bytes];
}

function parts(bytes: Uint8Array): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let offset = 0; offset + LENGTH_BYTES <= bytes.length; ) {
    const end = offset + LENGTH_BYTES + view.getUint32(offset, true);
    found.push(bytes.slice(offset + LENGTH_BYTES, end));
    offset = end;
  }
  return found;
}
