/** Behaviour of `vlan set`: what a person writes becomes the next record, or a sentence with names and ranges. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOW_MS, nodeOf, recordOf, seedOf } from './record.fixture.ts';
import { changeRecord } from './record-change.ts';
import { parseSettings, SETTING_HELP } from './record-settings.ts';
import { VlanError } from './vlan-error.ts';

const record = recordOf(seedOf(1));
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function changed(changes: Readonly<Record<string, string>>) {
  return changeRecord(record, changes, NOW_MS + 5);
}

function reasonFor(changes: Readonly<Record<string, string>>): string {
  try {
    changed(changes);
  } catch (error) {
    assert.ok(error instanceof VlanError);
    assert.equal(error.code, 'invalid-setting');
    return error.message;
  }
  return assert.fail(`${JSON.stringify(changes)} was accepted`);
}

test('each setting is read as a person writes it', () => {
  const next = changed({
    name: 'attic',
    description: 'under the roof',
    icon: `data:image/png;base64,${PNG.toString('base64')}`,
    subnet: 'fd00:7::/64',
    public: 'yes',
    admins: `${nodeOf(1).id},${nodeOf(2).id}`,
    cipher: 'chacha20-poly1305',
    movingHosts: 'allow',
    tokenPeriodSeconds: '600',
    membersMax: '12',
    rekeyIntervalSeconds: '10',
  });

  assert.deepEqual(next, {
    ...record,
    sequence: NOW_MS + 5,
    name: 'attic',
    description: 'under the roof',
    icon: Uint8Array.from(PNG),
    subnet: 'fd00:7::/64',
    public: true,
    admins: [nodeOf(1).id, nodeOf(2).id],
    cipher: 'chacha20-poly1305',
    movingHosts: 'allow',
    tokenPeriodSeconds: 600,
    membersMax: 12,
    rekeyIntervalSeconds: 10,
  });
});

test('the sequence rises even when the clock was set back', () => {
  assert.equal(changeRecord(record, { name: 'x' }, 17).sequence, record.sequence + 1);
});

test('an empty value clears what can be empty', () => {
  const next = changed({ subnet: '', description: '', icon: '' });

  assert.equal(next.subnet, null);
  assert.equal(next.description, '');
  assert.equal(next.icon.length, 0);
});

test('admins are added and taken out one by one, and one stays', () => {
  const two = changed({ admins: `+${nodeOf(2).id},+${nodeOf(3).id}` });
  assert.deepEqual(
    two.admins,
    [nodeOf(1), nodeOf(2), nodeOf(3)].map(({ id }) => id),
  );

  const left = changeRecord(two, { admins: `-${nodeOf(1).id}` }, NOW_MS + 9);
  assert.deepEqual(left.admins, [nodeOf(2).id, nodeOf(3).id]);

  assert.match(reasonFor({ admins: `-${nodeOf(1).id}` }), /at least one admin/);
  assert.match(reasonFor({ admins: `+${nodeOf(2).id},${nodeOf(3).id}` }), /either a whole list or changes/);
});

test('what is wrong is said with its name and its range', () => {
  const cases: [changes: Record<string, string>, reason: RegExp][] = [
    [{ membersmax: '3' }, /did you mean membersMax\?/],
    [{ rekey: '3' }, /unknown setting 'rekey'; the settings are name, description/],
    [{ constructor: '3' }, /unknown setting/],
    [{ kind: 'open' }, /open or private for its whole life/],
    [{ membersMax: '1025' }, /membersMax: expected 1\.\.1024, got '1025'/],
    [{ membersMax: '1e2' }, /expected 1\.\.1024/],
    [{ rekeyIntervalSeconds: '9' }, /expected 10\.\.2592000/],
    [{ tokenPeriodSeconds: '7000' }, /divide a day/],
    [{ public: 'maybe' }, /expected yes or no/],
    [{ cipher: 'rot13' }, /expected one of aes-256-gcm, chacha20-poly1305/],
    [{ subnet: '10.7.0.1/24' }, /as 10\.7\.0\.0\/24/],
    [{ name: '' }, /1\.\.64 bytes/],
    [{ description: 'x'.repeat(513) }, /512/],
    [{ icon: 'data:image/png;base64,AAAA' }, /PNG, JPEG, GIF or WebP/],
    [{ icon: '/home/me/icon.png' }, /data:image/],
    [{ admins: 'nobody' }, /'nobody' is none/],
    [{}, /expected key=value/],
  ];
  for (const [changes, reason] of cases) {
    assert.match(reasonFor(changes), reason);
  }
});

test('each setting has a line of help', () => {
  for (const { key, help } of SETTING_HELP) {
    assert.ok(help.length > 10 && help.length < 100, key);
    assert.match(parseSettings({ [key]: '\0' }).ok ? '' : 'refused', /refused/, key);
  }
});
