/**
 * Files that are whole or are not there: written before they are used, and recognised when damage came over them.
 *
 *   magic 4 · name 16 · SHA-256 of name and body 32 · body
 *
 *   write NAME.<thread>.tmp → fsync → rename to NAME → fsync the directory
 *
 * The pool's threads, synchronously: a thread does one job at a time. Must never let others read what is in them.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { replaceFile } from '../../../../vlan/durable-file.ts';
import { concat } from '../crypto/labels.ts';

const MAGIC = new TextEncoder().encode('PTG1');
const NAME_BYTES = 16;
const DIGEST_BYTES = 32;
const HEAD_BYTES = MAGIC.length + NAME_BYTES + DIGEST_BYTES;
const NAME_DIGITS = /^[0-9a-f]{32}$/;

/** Where a file lies: NAME is 32 lower-case hex digits. */
export interface FilePlace {
  readonly directory: string;
  readonly name: string;
  readonly extension: 'state' | 'keys';
}

/** Whether a text may be a file's name here; anything else could lead elsewhere. */
export function isFileName(name: string): boolean {
  return NAME_DIGITS.test(name);
}

/**
 * Writes a file durably, in place of an older one.
 *
 * @throws the system's error (ENOSPC, EROFS, EACCES…); an older file is then as it was
 */
export function writeSealed(place: FilePlace, body: Uint8Array): void {
  const path = pathOf(place);
  replaceFile(path, concat(headOf(place.name, body), body), `${path}.${threadId}.tmp`);
}

/**
 * Reads a file.
 *
 * @returns its body; undefined when there is none, or it is damaged or another's
 * @throws the system's error (EACCES, EIO…)
 */
export function readSealed(place: FilePlace): Uint8Array | undefined {
  if (!isFileName(place.name)) return undefined;
  const bytes = readIfPresent(pathOf(place));
  if (bytes === undefined || bytes.length < HEAD_BYTES) return undefined;
  const body = bytes.subarray(HEAD_BYTES);
  const isWhole = Buffer.compare(bytes.subarray(0, HEAD_BYTES), headOf(place.name, body)) === 0;
  return isWhole ? body : undefined;
}

/** Deletes a file, if it is there. @throws the system's error */
export function removeFile(place: FilePlace): void {
  if (isFileName(place.name)) rmSync(pathOf(place), { force: true });
}

/** Names of the files of one kind, in no order; none when the directory is missing. @throws the system's error */
export function namesOf(directory: string, extension: FilePlace['extension']): readonly string[] {
  const suffix = `.${extension}`;
  return listIfPresent(directory)
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .filter(isFileName);
}

/** Deletes what a crash left half written. To be called while nobody writes. @throws the system's error */
export function removeLeftovers(directory: string): void {
  for (const file of listIfPresent(directory)) {
    if (file.endsWith('.tmp')) rmSync(join(directory, file), { force: true });
  }
}

function pathOf({ directory, name, extension }: FilePlace): string {
  return join(directory, `${name}.${extension}`);
}

function headOf(name: string, body: Uint8Array): Uint8Array {
  const nameBytes = Buffer.from(name, 'hex');
  const digest = createHash('sha256').update(nameBytes).update(body).digest();
  return concat(MAGIC, nameBytes, digest);
}

function readIfPresent(path: string): Uint8Array | undefined {
  return ifPresent(() => new Uint8Array(readFileSync(path)));
}

function listIfPresent(directory: string): readonly string[] {
  return ifPresent(() => readdirSync(directory)) ?? [];
}

function ifPresent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
