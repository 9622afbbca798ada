/** Behaviour of claims: who stands first holds, and what we have ourselves is ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isStationMac, OWN_CLAIM, StationClaims } from './station-claims.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

test('the first claim holds, and the oldest other one follows it', () => {
  const claims = new StationClaims();
  assert.deepEqual(claims.add(MAC, 1), { mac: MAC, holder: 1 });
  assert.equal(claims.add(MAC, 2), undefined);
  assert.equal(claims.add(MAC, 3), undefined);
  assert.equal(claims.add(MAC, 2), undefined, 'claiming again changes nothing');
  assert.equal(claims.remove(MAC, 3), undefined);

  assert.deepEqual(claims.remove(MAC, 1), { mac: MAC, holder: 2 });
  assert.deepEqual(claims.remove(MAC, 2), { mac: MAC, holder: undefined });
  assert.equal(claims.holder(MAC), undefined);
  assert.equal(claims.remove(MAC, 2), undefined);
});

test('our own claim goes before all others, who get it back when ours ends', () => {
  const claims = new StationClaims();
  claims.add(MAC, 1);
  assert.deepEqual(claims.addOwn(MAC), { mac: MAC, holder: OWN_CLAIM });
  assert.equal(claims.addOwn(MAC), undefined);

  assert.deepEqual(claims.remove(MAC, OWN_CLAIM), { mac: MAC, holder: 1 });
});

test('group addresses and zero are no station', () => {
  assert.ok(isStationMac(MAC));
  for (const mac of [new Uint8Array(6), new Uint8Array(6).fill(255), Uint8Array.of(1, 0, 0x5e, 0, 0, 1)]) {
    assert.ok(!isStationMac(mac));
  }
});

test('where hosts move as they like a new claim goes first, and a repeated one does not come back', () => {
  const claims = new StationClaims();
  const takesOver = { takesOver: true };
  claims.add(MAC, 1, takesOver);
  assert.deepEqual(claims.add(MAC, 2, takesOver), { mac: MAC, holder: 2 });
  assert.equal(claims.add(MAC, 1, takesOver), undefined);
  assert.equal(claims.holder(MAC), 2);
  assert.deepEqual(claims.remove(MAC, 2), { mac: MAC, holder: 1 });

  claims.addOwn(MAC);
  assert.equal(claims.add(MAC, 3, takesOver), undefined, 'what is ours is not taken');
  assert.deepEqual(claims.remove(MAC, OWN_CLAIM), { mac: MAC, holder: 3 });
});
