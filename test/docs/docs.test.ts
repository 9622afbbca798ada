/** Holds the documentation to the project: what it names exists, and what users must find in it is there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as v from 'valibot';
import { configSchema } from '../../control/config/schema.ts';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { brokenLinks, loadPage, loadPages, missingFiles } from './markdown.ts';

/** First cells of the table rows that are a code span alone. */
function tableKeys(text: string): readonly string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '');
}

/** Paths of all keys of a schema that hold a value: `vlans[].id`. */
function keyPaths(schema: v.GenericSchema, path: string): readonly string[] {
  const inner = unwrapped(schema);
  if ('entries' in inner) {
    const entries = Object.entries(inner.entries as Record<string, v.GenericSchema>);
    return entries.flatMap(([key, child]) => keyPaths(child, path === '' ? key : `${path}.${key}`));
  }
  if ('item' in inner && 'entries' in unwrapped(inner.item as v.GenericSchema)) {
    return [path, ...keyPaths(inner.item as v.GenericSchema, `${path}[]`)];
  }
  return [path];
}

function unwrapped(schema: v.GenericSchema): v.GenericSchema {
  if ('wrapped' in schema) return unwrapped(schema.wrapped as v.GenericSchema);
  const parts = 'pipe' in schema ? (schema.pipe as readonly v.GenericSchema[]) : [];
  return parts.find((part) => 'entries' in part || 'item' in part) ?? schema;
}

test('each link in the documentation leads somewhere', () => {
  const broken = loadPages().flatMap((page) => brokenLinks(page).map((target) => `${page.path}: ${target}`));
  assert.deepEqual(broken, []);
});

test('each file that the documentation names exists', () => {
  const missing = loadPages().flatMap((page) => missingFiles(page).map((path) => `${page.path}: ${path}`));
  assert.deepEqual(missing, []);
});

test('the guide explains each drop code, and no other', () => {
  const guide = loadPage('docs/guide.md').text;
  const section = guide.slice(guide.indexOf('## Drop codes'), guide.indexOf('## Troubleshooting'));
  assert.deepEqual([...tableKeys(section)].sort(), DROP_CODES.filter((code) => code !== 'none').toSorted());
});

test('the guide explains each key of the config, and no other', () => {
  const guide = loadPage('docs/guide.md').text;
  const section = guide.slice(guide.indexOf('## Config'), guide.indexOf('## Commands'));
  assert.deepEqual([...tableKeys(section)].sort(), keyPaths(configSchema, '').toSorted());
});
