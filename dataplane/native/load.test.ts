/** Behaviour of the native engine's loader; what needs the addon is skipped, with the reason, where it is absent. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { blake3 } from '@noble/hashes/blake3.js';
import { createArena } from '../shm/arena.ts';
import { layoutDigest } from '../shm/render-layout.ts';
import { createTables } from '../shm/tables.ts';
import { checkAddon, loadAddon } from './addon.ts';
import { createNativeEngine, DERIVED_BYTES, deriveTokensNatively, nativeAvailability } from './load.ts';

const availability = nativeAvailability();
const skip = availability.ok ? false : availability.reason;

function newTables() {
  return createTables({ workerCount: 2, tokenCapacity: 1024, hashKey: { key0: 1, key1: 2 } });
}

test('an addon that is not there is a reason that says what to run', () => {
  const result = checkAddon(['/nonexistent/peertap-accel.node'], 1);
  assert.ok(!result.ok && result.reason.includes('npm run build:native'));
});

test('a file that is no addon is a reason that names it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'peertap-addon-'));
  const file = join(folder, 'broken.node');
  writeFileSync(file, 'not a shared object');
  const result = checkAddon([file], 1);
  rmSync(folder, { recursive: true });
  assert.ok(!result.ok && result.reason.includes(file));
});

test('an addon of another layout is refused, with both digests', { skip }, () => {
  const present = loadAddon();
  assert.ok(present.ok);
  const stale = (layoutDigest() ^ 1) >>> 0;
  const folder = mkdtempSync(join(tmpdir(), 'peertap-addon-'));
  const file = join(folder, 'stale.cjs');
  writeFileSync(file, `module.exports = { layoutDigest: () => ${stale}, openEngine: () => 0 }`);
  const result = checkAddon([file], layoutDigest());
  rmSync(folder, { recursive: true });
  assert.ok(!result.ok);
  assert.ok(
    result.reason.includes(stale.toString(16)) && result.reason.includes(layoutDigest().toString(16)),
  );
});

test('an addon without cryptography is refused unless the environment names it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'peertap-addon-'));
  const file = join(folder, 'null.cjs');
  writeFileSync(
    file,
    'module.exports = { layoutDigest: () => 1, openEngine: () => 0, hasCryptography: () => false }',
  );
  const before = process.env['PEERTAP_ACCELERATOR'];
  const unnamed = checkAddon([file], 1);
  process.env['PEERTAP_ACCELERATOR'] = file;
  const named = checkAddon([file], 1);
  if (before === undefined) delete process.env['PEERTAP_ACCELERATOR'];
  else process.env['PEERTAP_ACCELERATOR'] = before;
  rmSync(folder, { recursive: true });
  assert.ok(!unnamed.ok && unnamed.reason.includes('without cryptography'));
  assert.ok(named.ok);
});

test('an engine refuses buffers that are not tables and an arena', { skip }, () => {
  const tables = newTables();
  const arena = createArena(0);
  tables.u32[1] = (layoutDigest() ^ 1) >>> 0;
  assert.throws(() => createNativeEngine(tables, arena), /layout/);
  arena.u32[0] = 0;
  assert.throws(() => createNativeEngine(newTables(), arena), /arena/);
});

test('a closed engine answers with an error, not a crash', { skip }, () => {
  const engine = createNativeEngine(newTables(), createArena(0));
  engine.close();
  assert.throws(() => {
    engine.seal(1);
  }, /closed/);
});

test('a count beyond the descriptors is an error that ends the worker, not the process', { skip }, () => {
  const engine = createNativeEngine(newTables(), createArena(0));
  assert.throws(() => {
    engine.openLink(0xffff_fff0, 1);
  }, /native engine/);
  engine.close();
});

test('several workers load the addon at once and run stages on arenas of their own', { skip }, async () => {
  const tables = newTables();
  const source = new URL('./load.ts', import.meta.url).href;
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    (async () => {
      const { createNativeEngine } = await import(${JSON.stringify(source)});
      const { openArena } = await import(${JSON.stringify(new URL('../shm/arena.ts', import.meta.url).href)});
      const { openTables } = await import(${JSON.stringify(new URL('../shm/tables.ts', import.meta.url).href)});
      const engine = createNativeEngine(openTables(workerData.tables), openArena(workerData.arena));
      let moved = 0;
      for (let turn = 0; turn < 100; turn++) {
        engine.wait(0, 0);
        engine.classify(0);
        moved += engine.receive() + engine.coalesce(0);
      }
      engine.close();
      parentPort.postMessage(moved);
    })();`;
  const moved = await Promise.all(
    [0, 1, 2, 3].map(
      (worker) =>
        new Promise((resolve, reject) => {
          const arena = createArena(worker);
          new Worker(code, { eval: true, workerData: { tables: tables.buffer, arena: arena.buffer } })
            .on('message', resolve)
            .on('error', reject);
        }),
    ),
  );
  assert.deepEqual(moved, [0, 0, 0, 0]);
});

test('derived tokens equal the definition of protocol section 5', { skip }, () => {
  const tokenKey = Uint8Array.from({ length: 32 }, (_, index) => index);
  const segmentId = Uint8Array.from({ length: 16 }, (_, index) => 200 - index);
  const macs = Uint8Array.from({ length: 6 * 50 }, (_, index) => (index * 7) & 0xff);
  for (const [kind, values, valueBytes] of [
    [1, macs, 6],
    [4, macs, 12],
    [2, new Uint8Array(0), 0],
  ] as const) {
    const derived: Uint8Array | undefined = deriveTokensNatively(
      { tokenKey, segmentId, period: 498_672, kind },
      values,
      valueBytes,
    );
    const count = valueBytes === 0 ? 1 : values.length / valueBytes;
    assert.ok(derived !== undefined && derived.length === count * DERIVED_BYTES);
    for (let index = 0; index < count; index++) {
      const head = new Uint8Array(5);
      new DataView(head.buffer).setUint32(0, 498_672, true);
      head[4] = kind;
      const value = values.subarray(index * valueBytes, (index + 1) * valueBytes);
      const route = blake3(Buffer.concat([head, value]), { key: tokenKey }).subarray(0, 16);
      const token = blake3(Buffer.concat([segmentId, route])).subarray(0, 16);
      const pair: Uint8Array = derived.subarray(index * DERIVED_BYTES, (index + 1) * DERIVED_BYTES);
      assert.deepEqual(Buffer.from(pair), Buffer.concat([route, token]));
    }
  }
});
