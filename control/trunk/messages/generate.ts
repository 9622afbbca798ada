/**
 * Makes trunk-codec.ts from trunk.proto; run by `npm run generate:proto`, on a developer's machine only.
 *
 * protons writes TypeScript namespaces, which Node cannot run by erasing types. So its output is rewritten:
 * each namespace becomes a constant object with `encode` and `decode`, and the streaming decoder, which
 * nothing uses, is left out. It must fail, not guess, when protons' output changes shape.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;

function runProtons(outputDirectory: string): string {
  const command = join(here, '..', '..', '..', 'node_modules', 'protons', 'dist', 'bin', 'protons.js');
  execFileSync(process.execPath, [command, join(here, 'trunk.proto'), '--output', outputDirectory], {
    stdio: 'inherit',
  });
  return readFileSync(join(outputDirectory, 'trunk.ts'), 'utf8');
}

function rewriteNamespace(name: string, body: string): string {
  const plain = body
    .replaceAll(/\n {2}export interface \w+Event \{[\s\S]*?\n {2}\}\n/g, '')
    .replaceAll(/\n {2}export function stream \([\s\S]*?\n {2}\}\n?/g, '')
    .replace(
      /, function \* \(reader[\s\S]*?\n {6}\}\)\n {4}\}\n\n {4}return _codec/,
      ', function * () {})\n    }\n\n    return _codec',
    )
    .replace('let _codec: ', 'let _codec: undefined | ')
    .replaceAll('  export const ', '  const ')
    .replaceAll('  export function ', '  function ');
  if (
    !/const codec = /.test(plain) ||
    !/function encode/.test(plain) ||
    !/function decode/.test(plain) ||
    /export|stream/.test(plain)
  ) {
    throw new Error(`protons' output for ${name} is not of the known shape`);
  }
  return `export const ${name} = (() => {${plain}\n  return { codec, encode, decode };\n})();\n`;
}

function rewrite(source: string): string {
  const header =
    '/* eslint-disable */\n// @ts-nocheck -- protons is not written for exactOptionalPropertyTypes; the exported types are checked where used.\n// Generated from trunk.proto by `npm run generate:proto`; do not edit.\n';
  const rewritten = source
    .replaceAll(/export namespace (\w+) \{([\s\S]*?)\n\}\n/g, (_, name: string, body: string) =>
      rewriteNamespace(name, body),
    )
    .replace(', streamMessage', '')
    .replace(/import \{ alloc as uint8ArrayAlloc \}.*\n/, '')
    .replaceAll('uint8ArrayAlloc(0)', 'new Uint8Array(0)');
  if (rewritten.includes('namespace')) {
    throw new Error("protons' output is not of the known shape");
  }
  return header + rewritten;
}

const directory = mkdtempSync(join(tmpdir(), 'peertap-proto-'));
try {
  writeFileSync(join(here, 'trunk-codec.ts'), rewrite(runProtons(directory)));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
