/** Behaviour of the echo's seal: only the same epoch, token and kind open it, and no key is used twice. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openControl } from '../membership/control-seal.ts';
import { stationToken } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { EchoOutlet, openEcho } from './echo-outlet.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const keys = deriveOpenEpoch(new Uint8Array(16), 1);
const epoch = { ...keys, id: 1, ownLeaf: 0xabcdef };
const token = stationToken(keys, 24, MAC);
const HEADER = { kind: 4, flags: 0, class: 0 };

function outlet(): EchoOutlet {
  return new EchoOutlet((count) => new Uint8Array(randomBytes(count)));
}

test('what is sealed opens with its leaf, up to a jumbo frame', () => {
  for (const bytes of [0, 22, 1_400, 9_136]) {
    const body = new Uint8Array(randomBytes(bytes));
    assert.deepEqual(openEcho(keys, outlet().seal(epoch, token, body), HEADER), { leaf: 0xabcdef, body });
  }
  assert.throws(() => outlet().seal(epoch, token, new Uint8Array(9_137)), RangeError);
});

test('another kind, flag, class, token or epoch does not open it, nor does a changed bit', () => {
  const sealed = outlet().seal(epoch, token, Uint8Array.of(1, 2, 3));
  assert.ok(openEcho(keys, sealed, HEADER));
  assert.equal(openEcho(keys, sealed, { ...HEADER, kind: 3 }), undefined);
  assert.equal(openEcho(keys, sealed, { ...HEADER, flags: 1 }), undefined);
  assert.equal(openEcho(keys, sealed, { ...HEADER, class: 7 }), undefined);
  assert.equal(openControl(keys, sealed, { ...HEADER, kind: 3 }), undefined);
  assert.equal(openEcho(deriveOpenEpoch(new Uint8Array(16), 2), sealed, HEADER), undefined);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.with(at, (sealed[at] ?? 0) ^ 1);
    assert.equal(openEcho(keys, changed, HEADER), undefined, `byte ${at}`);
    assert.equal(openEcho(keys, sealed.subarray(0, at), HEADER), undefined, `cut at ${at}`);
  }
});

test('each epoch has a salt of its own, and with equal random bytes the counter still differs', () => {
  const fixed = new EchoOutlet((count) => new Uint8Array(count).fill(7));
  const first = fixed.seal(epoch, token, Uint8Array.of(1));
  const second = fixed.seal(epoch, token, Uint8Array.of(1));
  assert.notDeepEqual(first, second);
  assert.ok(openEcho(keys, second, HEADER));
});
