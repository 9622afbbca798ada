/**
 * The rules of CONTRIBUTING.md that no linter here knows: how long a file is, how it opens, what it is called.
 *
 * Reads the sources as text. A failing test names every file at fault at once.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['control', 'dataplane', 'bench', 'test'];
const MAX_LINES = 400;
/** Written by a generator, which says so in its first lines. */
const GENERATED = /\/messages\/[a-z-]+-codec\.ts$/;
/** One table that the generator and both engines read from top to bottom; in parts it could not be checked as one. */
const LAYOUT = 'dataplane/shm/layout.ts';
/** koffi's functions have no types of their own; here they get them. */
const FOREIGN_FUNCTIONS = 'dataplane/io/libc.ts';
const FORBIDDEN_NAMES = new Set(['utils.ts', 'util.ts', 'helpers.ts', 'common.ts', 'misc.ts', 'index.ts']);

interface Source {
  readonly path: string;
  readonly text: string;
}

function listSources(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .filter((path) => statSync(join(ROOT, path)).isFile() && !GENERATED.test(path))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

const sources = FOLDERS.flatMap(listSources);

/** A unit test owns what the file beside it owns. */
function isUnitTest(path: string): boolean {
  return path.endsWith('.test.ts') && !path.startsWith('test/');
}

function assertNone(faulty: readonly string[], rule: string): void {
  assert.deepEqual(faulty, [], rule);
}

test('there are sources to look at', () => {
  assert.ok(sources.length > 50, `${sources.length} files`);
});

test('a file has fewer than 400 lines', () => {
  const long = sources
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ path, lines }) => lines >= MAX_LINES && path !== LAYOUT);
  assertNone(
    long.map(({ path, lines }) => `${path}: ${lines}`),
    'split it',
  );
});

test('a file opens with a comment that says what it owns', () => {
  const silent = sources.filter(
    ({ path, text }) => !isUnitTest(path) && !/^(#![^\n]*\n)?\/\*\*\s*\S/.test(text),
  );
  assertNone(
    silent.map(({ path }) => path),
    'open with /** what this file owns */',
  );
});

test('nothing is exported by default', () => {
  const defaults = sources.filter(({ path, text }) => path.endsWith('.ts') && /^export default /m.test(text));
  assertNone(
    defaults.map(({ path }) => path),
    'export by name',
  );
});

test('nothing is only passed on', () => {
  const barrels = sources.filter(({ text }) => /^export \* from /m.test(text));
  assertNone(
    barrels.map(({ path }) => path),
    'import from where it is defined',
  );
});

test('a file is called what it is, in kebab case', () => {
  const misnamed = sources.filter(({ path }) => {
    const name = basename(path);
    return FORBIDDEN_NAMES.has(name) || !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.(ts|mjs)$/.test(name);
  });
  assertNone(
    misnamed.map(({ path }) => path),
    'name the idea that it holds',
  );
});

test('no source keeps a note to come back to', () => {
  const marks = new RegExp(`\\b(${['TO', 'DO|FIX', 'ME|X', 'XX'].join('')})\\b`);
  const unfinished = sources.filter(({ text }) => marks.test(text));
  assertNone(
    unfinished.map(({ path }) => path),
    'finish it or file it',
  );
});

test('no enum, no interface with an I, no unsafe double cast', () => {
  const enums = sources.filter(({ text }) => /^(export )?(const )?enum /m.test(text));
  const prefixed = sources.filter(({ text }) => /\binterface I[A-Z][a-z]/.test(text));
  const casts = sources.filter(
    ({ path, text }) =>
      path !== FOREIGN_FUNCTIONS && !path.startsWith('test/style/') && /\bas unknown as\b/.test(text),
  );
  assertNone(
    [...enums, ...prefixed, ...casts].map(({ path }) => path),
    'see CONTRIBUTING.md',
  );
});
