import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSwarmKey, parseSwarmKey, swarmKeyOf } from './swarm-key.ts';

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });

test('a key comes back from its text, blanks around it or not', () => {
  fc.assert(
    fc.property(bytes, (key) => {
      const text = formatSwarmKey(swarmKeyOf(key));
      assert.match(text, /^peertapswarm1[a-z2-7]{64}$/);
      assert.deepEqual(parseSwarmKey(` ${text}\n`).bytes, key);
    }),
  );
});

test('the text of a known key stands still', () => {
  const key = swarmKeyOf(Uint8Array.from({ length: 32 }, (_, index) => index));
  assert.equal(key.fingerprint, 'd7dc0c98bff6f705');
  assert.equal(
    formatSwarmKey(key),
    'peertapswarm1aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp5pxamtc77n5yf',
  );
});

test('any changed character, cut or other word is refused without repeating it', () => {
  const text = formatSwarmKey(swarmKeyOf(new Uint8Array(32).fill(9)));
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === 'a' ? 'b' : 'a';
    const changed = text.slice(0, at) + other + text.slice(at + 1);
    assert.throws(() => parseSwarmKey(changed), { code: 'invalid-swarm-key' });
  }
  for (const wrong of [text.slice(0, -1), `${text}a`, '', 'peertapswarm1', text.toUpperCase()]) {
    assert.throws(
      () => parseSwarmKey(wrong),
      (error: Error) => !error.message.includes(text.slice(13, 40)) && /swarm exchange/.test(error.message),
    );
  }
});

test('two keys have two fingerprints, which are not their beginnings', () => {
  const [one, other] = [swarmKeyOf(new Uint8Array(32)), swarmKeyOf(new Uint8Array(32).fill(1))];
  assert.notEqual(one.fingerprint, other.fingerprint);
  assert.notEqual(other.fingerprint, '0101010101010101');
});
