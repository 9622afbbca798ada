/**
 * Writes rust-accel/src/layout.rs from shm/layout.ts, shm/memory-map.ts, base/drop-code.ts and base/counter.ts, with
 * size and offset assertions and a digest that the loader compares. Run by hand after a change of layout;
 * `--check` only says whether the file is up to date (exit 1 when not).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { layoutDigest, renderRust } from './render-layout.ts';

const target = new URL('../../rust-accel/src/layout.rs', import.meta.url);
const wanted = renderRust();
if (process.argv.includes('--check')) {
  let present = '';
  try {
    present = readFileSync(target, 'utf8');
  } catch {
    // A missing file is an outdated one.
  }
  if (present !== wanted) {
    console.error('rust-accel/src/layout.rs is out of date: run npm run generate:layout');
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, wanted);
  console.log(`layout ${layoutDigest().toString(16)} written`);
}
