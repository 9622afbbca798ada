/** Behaviour of the compile cache: used from a directory of our own, from no other, and never in the way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { useCompileCache } from './compile-cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'peertap-cache-'));
after(() => {
  rmSync(folder, { recursive: true });
});

test('what others may write to is not used', () => {
  const link = join(folder, 'link');
  symlinkSync(folder, link);
  assert.equal(useCompileCache(link), undefined, 'a link may be pointed elsewhere');
  chmodSync(folder, 0o777);
  assert.equal(useCompileCache(folder), undefined);
  chmodSync(folder, 0o700);
});

test('a file in its place is in nobody’s way', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  assert.equal(useCompileCache(file), undefined);
});

test('a start leaves what it compiled, and the next one runs on it', () => {
  const directory = join(folder, 'cache');
  const script = `
    const { useCompileCache } = await import(process.argv[1]);
    console.log(useCompileCache(process.argv[2]) !== undefined);
    await import(process.argv[3]);`;
  const files = ['./compile-cache.ts', './vlan/vlan-id.ts'].map(
    (name) => new URL(name, import.meta.url).href,
  );
  const env = { ...process.env };
  for (const name of ['NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE']) Reflect.deleteProperty(env, name);
  const [own = '', other = ''] = files;
  for (let start = 0; start < 2; start++) {
    const arguments_ = ['--input-type=module', '-e', script, own, directory, other];
    const { stdout } = spawnSync(process.execPath, arguments_, { env, encoding: 'utf8' });
    assert.equal(stdout, 'true\n');
  }
  assert.equal(readdirSync(directory).length, 1);
});
