/**
 * Proves that the import checker checks: a small tree with one forbidden import for each rule, in a folder of its
 * own, must fail by exactly that rule, and a clean one must pass.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'peertap-imports-'));
after(() => {
  rmSync(folder, { recursive: true });
});
let count = 0;

/** Names of the rules that a tree of files breaks. */
function brokenRules(files: Readonly<Record<string, string>>): string[] {
  const tree = join(folder, String(count++));
  const all = { 'tsconfig.json': '{}', 'package.json': '{"type":"module"}', 'control/a.ts': '', ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text === '' ? 'export const nothing = 0;\n' : `${text}\n`);
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  const checker = join(ROOT, 'node_modules', '.bin', 'depcruise');
  const config = join(ROOT, '.dependency-cruiser.mjs');
  const result = spawnSync(process.execPath, [checker, '--config', config, '--output-type', 'json', '.'], {
    cwd: tree,
    encoding: 'utf8',
  });
  assert.notEqual(result.stdout, '', result.stderr);
  const report = JSON.parse(result.stdout) as { summary: { violations: { rule: { name: string } }[] } };
  return [...new Set(report.summary.violations.map((violation) => violation.rule.name))];
}

/** One forbidden import: the rule, the file that imports, what it imports, and the import statement's head. */
const FORBIDDEN: readonly [rule: string, from: string, to: string][] = [
  ['control-to-dataplane-surface', 'control/admin/x.ts', 'dataplane/io/y.ts'],
  ['link-to-dataplane-doors', 'control/dataplane-link/x.ts', 'dataplane/pipeline/y.ts'],
  ['dataplane-not-to-control', 'dataplane/workers/x.ts', 'control/identity/y.ts'],
  ['base-stands-alone', 'dataplane/base/x.ts', 'dataplane/shm/y.ts'],
  ['contract-and-wire-to-base', 'dataplane/wire/x.ts', 'dataplane/shm/y.ts'],
  ['shm-to-base-and-contract', 'dataplane/shm/x.ts', 'dataplane/wire/y.ts'],
  ['pipeline-to-shm-wire-base', 'dataplane/pipeline/x.ts', 'dataplane/io/y.ts'],
  ['pipeline-takes-types-of-crypto', 'dataplane/pipeline/x.ts', 'dataplane/crypto/y.ts'],
  ['io-crypto-native-to-shm-wire-base', 'dataplane/io/x.ts', 'dataplane/native/y.ts'],
  ['production-not-to-tests', 'control/admin/x.ts', 'test/lab/y.ts'],
];

for (const [rule, from, to] of FORBIDDEN) {
  test(`${from} importing ${to} breaks ${rule}`, () => {
    const up = '../'.repeat(from.split('/').length - 1);
    assert.deepEqual(brokenRules({ [from]: `import '${up}${to}';`, [to]: '' }), [rule]);
  });
}

/** Modules that are not files of the tree. */
const FORBIDDEN_MODULES: readonly [rule: string, from: string, module: string][] = [
  ['pure-without-system', 'dataplane/pipeline/x.ts', 'node:fs'],
  ['sans-io-control-without-system', 'control/trunk/x.ts', 'node:timers'],
  ['one-importer-of-libp2p', 'control/trunk/x.ts', 'libp2p'],
  ['no-unresolved', 'control/admin/x.ts', './missing.ts'],
];

for (const [rule, from, module] of FORBIDDEN_MODULES) {
  test(`${from} importing ${module} breaks ${rule}`, () => {
    assert.ok(brokenRules({ [from]: `import '${module}';` }).includes(rule));
  });
}

test('two files that import each other break no-cycles', () => {
  assert.deepEqual(
    brokenRules({ 'control/admin/x.ts': "import './y.ts';", 'control/admin/y.ts': "import './x.ts';" }),
    ['no-cycles'],
  );
});

test('the allowed directions pass', () => {
  assert.deepEqual(
    brokenRules({
      'control/trunk/x.ts': "import '../../dataplane/wire/y.ts';\nimport 'node:crypto';",
      'control/dataplane-link/x.ts':
        "import '../../dataplane/workers/supervisor.ts';\nimport '../../dataplane/io/y.ts';",
      'dataplane/workers/supervisor.ts': "import '../io/y.ts';\nimport '../pipeline/x.ts';",
      'dataplane/pipeline/x.ts': "import '../wire/y.ts';\nimport type { Cipher } from '../crypto/y.ts';",
      'dataplane/crypto/y.ts': 'export interface Cipher { readonly name: string }',
      'dataplane/io/y.ts': "import '../base/y.ts';",
      'dataplane/wire/y.ts': "import '../base/y.ts';",
      'dataplane/base/y.ts': '',
    }),
    [],
  );
});
