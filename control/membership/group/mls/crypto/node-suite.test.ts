/** The suites by node:crypto beside those that ts-mls brings: each opens what the other made. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CiphersuiteImpl, getCiphersuiteFromName, getCiphersuiteImpl } from 'ts-mls';
import { type GroupSuite, MLS_SUITES } from '../suites.ts';
import { nodeSuite } from './node-suite.ts';

const bytes = (length: number, first = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (first + index * 7) & 0xff);

const empty = new Uint8Array(0);

for (const suite of ['x25519', 'x-wing'] as const satisfies readonly GroupSuite[]) {
  describe(`the ${suite} suite`, () => {
    const pair = async (): Promise<readonly [ours: CiphersuiteImpl, theirs: CiphersuiteImpl]> => [
      nodeSuite(suite),
      await getCiphersuiteImpl(getCiphersuiteFromName(MLS_SUITES[suite])),
    ];

    it('has the sizes and the name of ts-mls', async () => {
      const [ours, theirs] = await pair();
      assert.equal(ours.name, theirs.name);
      assert.equal(ours.kdf.size, theirs.kdf.size);
      assert.equal(ours.hpke.keyLength, theirs.hpke.keyLength);
      assert.equal(ours.hpke.nonceLength, theirs.hpke.nonceLength);
    });

    it('hashes, extracts and expands to the same bytes', async () => {
      const [ours, theirs] = await pair();
      for (const data of [empty, bytes(3), bytes(1_000)]) {
        assert.deepEqual(await ours.hash.digest(data), await theirs.hash.digest(data));
        const mac = await ours.hash.mac(bytes(32), data);
        assert.deepEqual(mac, await theirs.hash.mac(bytes(32), data));
        assert.equal(await ours.hash.verifyMac(bytes(32), mac, data), true);
        assert.equal(await ours.hash.verifyMac(bytes(32), mac.subarray(1), data), false);
        assert.equal(await ours.hash.verifyMac(bytes(32, 2), mac, data), false);
        const salt = bytes(ours.kdf.size);
        assert.deepEqual(await ours.kdf.extract(salt, data), await theirs.kdf.extract(salt, data));
      }
      const key = bytes(ours.kdf.size);
      for (const length of [1, 32, 64, 65, 200]) {
        const expanded = await ours.kdf.expand(key, bytes(5), length);
        assert.deepEqual(expanded, await theirs.kdf.expand(key, bytes(5), length));
      }
    });

    it('derives the same key pair from the same material', async () => {
      const [ours, theirs] = await pair();
      const [own, other] = [
        await ours.hpke.deriveKeyPair(bytes(64)),
        await theirs.hpke.deriveKeyPair(bytes(64)),
      ];
      assert.deepEqual(
        await ours.hpke.exportPublicKey(own.publicKey),
        await theirs.hpke.exportPublicKey(other.publicKey),
      );
      assert.deepEqual(
        await ours.hpke.exportPrivateKey(own.privateKey),
        await theirs.hpke.exportPrivateKey(other.privateKey),
      );
    });

    it('opens what ts-mls sealed, and the other way round', async () => {
      const both = await pair();
      for (const [sealer, opener] of [both, [both[1], both[0]] as const]) {
        const keys = await opener.hpke.generateKeyPair();
        const raw = await opener.hpke.exportPublicKey(keys.publicKey);
        const recipient = await sealer.hpke.importPublicKey(raw);
        const sealed = await sealer.hpke.seal(recipient, bytes(70), bytes(12), bytes(4));
        const opened = await opener.hpke.open(keys.privateKey, sealed.enc, sealed.ct, bytes(12), bytes(4));
        assert.deepEqual(opened, bytes(70));
        const sent = await sealer.hpke.exportSecret(recipient, bytes(8), 32, empty);
        const got = await opener.hpke.importSecret(keys.privateKey, bytes(8), sent.enc, 32, empty);
        assert.deepEqual(got, sent.secret);
      }
    });

    it('seals to the same bytes under a key and nonce', async () => {
      const [ours, theirs] = await pair();
      const [key, nonce] = [bytes(ours.hpke.keyLength), bytes(ours.hpke.nonceLength)];
      const sealed = await ours.hpke.encryptAead(key, nonce, undefined, bytes(100));
      assert.deepEqual(sealed, await theirs.hpke.encryptAead(key, nonce, undefined, bytes(100)));
      assert.deepEqual(await ours.hpke.decryptAead(key, nonce, undefined, sealed), bytes(100));
    });

    it('signs what ts-mls verifies', async () => {
      const [ours, theirs] = await pair();
      const { signKey, publicKey } = await ours.signature.keygen();
      const signature = await ours.signature.sign(signKey, bytes(50));
      assert.deepEqual(signature, await theirs.signature.sign(signKey, bytes(50)));
      assert.equal(await ours.signature.verify(publicKey, bytes(50), signature), true);
      assert.equal(await ours.signature.verify(publicKey, bytes(51), signature), false);
    });

    it('refuses keys and ciphertexts of a wrong size or content', async () => {
      const ours = nodeSuite(suite);
      const keys = await ours.hpke.generateKeyPair();
      const sealed = await ours.hpke.seal(keys.publicKey, bytes(10), empty);
      const broken = sealed.ct.map((byte) => byte ^ 1);
      await assert.rejects(ours.hpke.open(keys.privateKey, sealed.enc, broken, empty));
      await assert.rejects(ours.hpke.open(keys.privateKey, sealed.enc.subarray(1), sealed.ct, empty));
      await assert.rejects(ours.hpke.open(keys.privateKey, sealed.enc, bytes(4), empty));
      await assert.rejects(ours.hpke.importPublicKey(bytes(31)));
      await assert.rejects(ours.hpke.importPrivateKey(bytes(33)));
      await assert.rejects(ours.signature.verify(bytes(31), bytes(5), bytes(64)));
    });
  });
}
