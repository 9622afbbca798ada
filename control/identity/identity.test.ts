/** Behaviour of the node's key and its directory: made once, kept private, refused when damaged. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { IdentityError, type IdentityErrorCode } from './identity-error.ts';
import { identityPath, loadIdentity, loadOrCreateIdentity } from './node-identity.ts';
import { createFileDurably } from './state-directory.ts';
import { lockStateDirectory } from './state-lock.ts';

const root = await mkdtemp(join(tmpdir(), 'peertap-identity-'));
let directory: string;
let count = 0;

beforeEach(() => {
  directory = join(root, `state-${count++}`);
});
after(() => rm(root, { recursive: true }));

async function assertRefused(act: Promise<unknown>, code: IdentityErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(error instanceof IdentityError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

test('the first start makes a key that the next one finds', async () => {
  const first = await loadOrCreateIdentity(directory);
  const second = await loadOrCreateIdentity(directory);
  assert.equal(first.created, true);
  assert.equal(second.created, false);
  assert.deepEqual(second.identity, first.identity);
});

test('the key file is private and nothing else is left behind', async () => {
  await loadOrCreateIdentity(directory);
  assert.equal((await stat(identityPath(directory))).mode & 0o777, 0o600);
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(directory), ['node-key.pem']);
});

test('looking for a key makes none', async () => {
  assert.equal(await loadIdentity(directory), undefined);
});

test('libp2p derives the same PeerId from the raw key', async () => {
  const { identity } = await loadOrCreateIdentity(directory);
  assert.equal(peerIdFromPrivateKey(privateKeyFromRaw(identity.privateKey)).toString(), identity.peerId);
});

test('the node secret is stable and not the key', async () => {
  const { identity } = await loadOrCreateIdentity(directory);
  const again = await loadIdentity(directory);
  assert.equal(identity.nodeSecret.length, 32);
  assert.deepEqual(again?.nodeSecret, identity.nodeSecret);
  assert.notDeepEqual(identity.nodeSecret, identity.privateKey.subarray(0, 32));
});

test('of two processes that make a key at once, both end with the same', async () => {
  const results = await Promise.all(Array.from({ length: 4 }, () => loadOrCreateIdentity(directory)));
  assert.equal(new Set(results.map((result) => result.identity.peerId)).size, 1);
  assert.equal(results.filter((result) => result.created).length, 1);
});

test('a key that others may read is refused', async () => {
  await loadOrCreateIdentity(directory);
  await chmod(identityPath(directory), 0o640);
  await assertRefused(loadIdentity(directory), 'exposed', /has mode 0640.*chmod 600/);
});

test('a damaged key file is refused, not replaced', async () => {
  const { identity } = await loadOrCreateIdentity(directory);
  const path = identityPath(directory);
  const pem = await readFile(path, 'utf8');
  for (const text of ['', 'garbage', pem.slice(0, 120)]) {
    await writeFile(path, text);
    await assertRefused(loadOrCreateIdentity(directory), 'corrupt', /Restore it from a backup/);
  }
  await writeFile(path, pem.replace(identity.peerId, `12D3KooW${'A'.repeat(44)}`));
  await assertRefused(loadOrCreateIdentity(directory), 'corrupt', /first line names 12D3KooWA/);
});

test('a state directory below a file is explained', async () => {
  await writeFile(directory, '');
  await assertRefused(loadOrCreateIdentity(join(directory, 'state')), 'io', /not a directory/);
});

test('a second daemon on the same directory is refused until the first lets go', async () => {
  await loadOrCreateIdentity(directory);
  const lock = await lockStateDirectory(directory);
  await assertRefused(
    lockStateDirectory(directory),
    'locked',
    new RegExp(`another PeerTap daemon \\(process ${process.pid}\\) uses`),
  );
  await lock.release();
  await (await lockStateDirectory(directory)).release();
});

test('a durable create never replaces a file', async () => {
  await loadOrCreateIdentity(directory);
  const path = join(directory, 'joins.json');
  assert.equal(await createFileDurably(path, 'one'), true);
  assert.equal(await createFileDurably(path, 'two'), false);
  assert.equal(await readFile(path, 'utf8'), 'one');
  assert.deepEqual((await readdir(directory)).sort(), ['joins.json', 'node-key.pem']);
});
