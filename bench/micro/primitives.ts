/**
 * Owns the primitives by themselves: the program rust-accel/examples/primitives.rs, which is built when there is cargo
 * and it is older than its source, and what its lines mean here. Runs on the main thread of the bench.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Place } from '../section.ts';
import { FIGURE, LINK_BLOCKS, type MicroGroup, type MicroPoints, TRAIN_DATAGRAMS } from './micro-figures.ts';

const CRATE = fileURLToPath(new URL('../../rust-accel', import.meta.url));
const SOURCE = join(CRATE, 'examples', 'primitives.rs');
const PROGRAM = join(CRATE, 'target', 'release', 'examples', 'primitives');
/** The accelerator's dependencies are mostly built by then. */
const BUILD_LIMIT_MS = 300_000;
const RUN_LIMIT_MS = 120_000;
const BITS = 8;

const run = promisify(execFile);

/** One line of the program. */
export interface PrimitiveLine {
  readonly primitive: string;
  /** What a round was given: bytes, blocks or slots; tokens: 1. */
  readonly x: number;
  readonly ns: number;
}

/** A figure that a line gives. */
export interface PrimitiveReading {
  readonly group: MicroGroup;
  readonly place: Place;
  readonly value: number;
}

/** The program, or a sentence that says why there is none. */
export type PrimitiveProgram =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly note: string };

/** Finds the program. @param mayBuild - cargo may be started for it */
export function findPrimitives(mayBuild: boolean, progress: (text: string) => void): PrimitiveProgram {
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs >= statSync(SOURCE).mtimeMs) {
    return { ok: true, path: PROGRAM };
  }
  if (!mayBuild)
    return { ok: false, note: 'The primitives by themselves are left out: their program is not built.' };
  if (spawnSync('cargo', ['--version']).status !== 0) {
    return {
      ok: false,
      note: 'The primitives by themselves are left out: there is no Rust toolchain (cargo).',
    };
  }
  progress('building the primitives … ');
  const options = ['build', '--quiet', '--release', '--example', 'primitives'];
  const built = spawnSync('cargo', options, { cwd: CRATE, timeout: BUILD_LIMIT_MS, encoding: 'utf8' });
  progress('\n');
  if (built.status === 0) return { ok: true, path: PROGRAM };
  const reason = built.stderr.trim().split('\n').at(-1) ?? 'cargo took too long';
  return { ok: false, note: `The primitives by themselves are left out: they did not build (${reason}).` };
}

/** Runs it once. @param seconds - of one figure */
export async function measurePrimitives(
  program: string,
  points: MicroPoints,
  seconds: number,
): Promise<readonly PrimitiveReading[]> {
  const lists = [points.frameBytes, [LINK_BLOCKS, LINK_BLOCKS * TRAIN_DATAGRAMS], points.tokenCounts].map(
    (list) => list.join(','),
  );
  const millis = String(Math.max(1, Math.round(seconds * 1000)));
  const { stdout } = await run(program, [millis, ...lists], { timeout: RUN_LIMIT_MS });
  return stdout.trim().split('\n').map(parseLine).flatMap(readingsOf);
}

/** @throws SyntaxError or TypeError when it is no line of the program */
export function parseLine(text: string): PrimitiveLine {
  const line: unknown = JSON.parse(text);
  if (!isLine(line)) throw new TypeError(`not a line of the primitives: ${text}`);
  return line;
}

function isLine(line: unknown): line is PrimitiveLine {
  return (
    typeof line === 'object' &&
    line !== null &&
    'primitive' in line &&
    typeof line.primitive === 'string' &&
    'x' in line &&
    typeof line.x === 'number' &&
    'ns' in line &&
    typeof line.ns === 'number'
  );
}

const CIPHERS: Readonly<Record<string, string>> = {
  'aes-256-gcm': 'AES-256-GCM alone',
  'chacha20-poly1305': 'ChaCha20-Poly1305 alone',
  memcpy: 'memcpy alone',
};

/** Where a line belongs beside the engines' figures. */
export function readingsOf({ primitive, x, ns }: PrimitiveLine): readonly PrimitiveReading[] {
  const cipher = CIPHERS[primitive];
  if (cipher !== undefined) {
    const place = { subject: cipher, x };
    return [
      { group: 'seal', place: { ...place, figure: FIGURE.frameRate }, value: (x * BITS) / ns },
      { group: 'seal', place: { ...place, figure: FIGURE.frameNs }, value: ns },
    ];
  }
  if (primitive === 'aes-256-blocks') return blockReadings(x / LINK_BLOCKS, ns);
  if (primitive === 'blake3-token') {
    return [{ group: 'derivation', place: { subject: 'BLAKE3 alone', figure: FIGURE.token }, value: ns }];
  }
  const place = { subject: 'random read of 64 bytes alone', figure: FIGURE.lookUp, x };
  return [{ group: 'tokens', place, value: ns }];
}

function blockReadings(datagrams: number, ns: number): readonly PrimitiveReading[] {
  const figure = datagrams === 1 ? FIGURE.closeOne : FIGURE.closeTrain;
  return [{ group: 'link', place: { subject: 'AES-256 blocks alone', figure }, value: ns / datagrams }];
}
