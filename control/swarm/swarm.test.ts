import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Swarm } from './swarm.ts';

const DAY_MS = 86_400_000;

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'peertap-swarm-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('without a swarm everybody is authorised, and commands that need one say what to do', (t) => {
  const swarm = Swarm.open(directory(t));
  assert.deepEqual(swarm.report(), {
    active: false,
    fingerprint: null,
    previousFingerprint: null,
    previousUntil: null,
    refusedConnections: 0,
  });
  assert.ok(swarm.isAuthorised('anybody'));
  for (const act of [
    () => swarm.exchange(),
    () => swarm.leave(),
    () => swarm.rotate(),
    () => swarm.finishRotation(),
  ]) {
    assert.throws(act, { code: 'no-swarm', message: /peertap swarm configure/ });
  }
  assert.throws(() => swarm.join('nonsense'), { code: 'invalid-swarm-key' });
});

test('a key made here lets another node join, and both come back from disk', (t) => {
  const [here, there] = [directory(t), directory(t)];
  const { key, fingerprint } = Swarm.open(here).configure();
  assert.deepEqual(Swarm.open(here).exchange(), { key, fingerprint });
  assert.equal(Swarm.open(there).join(key).fingerprint, fingerprint);
  assert.equal(Swarm.open(there).report().fingerprint, fingerprint);
  assert.throws(() => Swarm.open(here).configure(), { code: 'in-swarm' });
  assert.equal(statSync(join(here, 'swarm.json')).mode & 0o777, 0o600);
});

test('who has proven to have a key is authorised; configuring bars those who have not', (t) => {
  const swarm = Swarm.open(directory(t));
  const changes: number[] = [];
  swarm.onChange = () => changes.push(1);
  const { fingerprint } = swarm.configure();
  assert.ok(!swarm.isAuthorised('bob'));
  swarm.proven('bob', [fingerprint]);
  swarm.proven('eve', []);
  assert.deepEqual(swarm.authorised(), ['bob']);
  swarm.leave();
  assert.deepEqual([swarm.authorised(), swarm.isAuthorised('eve'), changes.length], [[], true, 2]);
});

test('a rotation accepts both keys, and ends when it is finished', (t) => {
  const swarm = Swarm.open(directory(t));
  const old = swarm.configure();
  swarm.proven('bob', [old.fingerprint]);
  const fresh = swarm.rotate();
  swarm.proven('carol', [fresh.fingerprint, old.fingerprint]);
  assert.deepEqual(
    swarm.keys().map((key) => key.fingerprint),
    [fresh.fingerprint, old.fingerprint],
  );
  assert.deepEqual(swarm.authorised(), ['bob', 'carol']);
  assert.deepEqual([swarm.hasAll('bob'), swarm.hasAll('carol')], [false, true]);
  assert.equal(swarm.report().previousFingerprint, old.fingerprint);
  swarm.finishRotation();
  assert.deepEqual(swarm.authorised(), ['carol']);
  assert.throws(() => swarm.finishRotation(), { code: 'no-rotation' });
});

test('an overlap ends after a day, also while the node was down or its disk is full', (t) => {
  const path = directory(t);
  let nowMs = Date.parse('2026-11-21T12:00:00Z');
  const swarm = Swarm.open(path, () => nowMs);
  const { key, fingerprint } = swarm.configure();
  const fresh = swarm.rotate();
  assert.equal(swarm.report().previousUntil, '2026-11-22T12:00:00.000Z');
  nowMs += DAY_MS - 1;
  swarm.tick();
  assert.equal(swarm.keys().length, 2);
  nowMs += 1;
  assert.equal(Swarm.open(path, () => nowMs).keys().length, 1);
  let changes = 0;
  swarm.onChange = () => (changes += 1);
  swarm.tick();
  swarm.tick();
  assert.deepEqual([changes, swarm.report().previousFingerprint], [1, null]);
  // Joining with the key before is a rotation, too: the newer one is then the one that goes.
  assert.equal(swarm.join(key).fingerprint, fingerprint);
  assert.equal(swarm.report().previousFingerprint, fresh.fingerprint);
});

test('joining with the key that is in use changes nothing', (t) => {
  const swarm = Swarm.open(directory(t));
  const { key } = swarm.configure();
  swarm.onChange = () => assert.fail('nothing has changed');
  assert.equal(swarm.join(key).previousFingerprint, null);
});

test('a damaged file keeps the daemon from starting open to everybody, and is left as it is', (t) => {
  const path = directory(t);
  const file = join(path, 'swarm.json');
  const { key } = Swarm.open(path).configure();
  const whole = readFileSync(file, 'utf8');
  const changed = `${key.slice(0, 20)}${key[20] === 'a' ? 'b' : 'a'}${key.slice(21)}`;
  for (const damaged of [
    whole.slice(0, 40),
    whole.replace(key, changed),
    '{}',
    '[]',
    'null',
    whole.replace('1', '2'),
  ]) {
    writeFileSync(file, damaged);
    assert.throws(() => Swarm.open(path), { code: 'state-corrupt', message: /swarm join/ });
    assert.equal(readFileSync(file, 'utf8'), damaged);
  }
});

test('what cannot be stored is not used', (t) => {
  const path = directory(t);
  const swarm = Swarm.open(path);
  mkdirSync(join(path, 'swarm.json.tmp'));
  assert.throws(() => swarm.configure(), { code: 'state-unwritable' });
  assert.deepEqual([swarm.report().active, Swarm.open(path).report().active], [false, false]);
});
