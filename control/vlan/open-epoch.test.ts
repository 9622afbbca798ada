/** Behaviour of an open VLAN's key schedule, held by vectors so that no change goes unseen. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hash128, keyedHash } from './hash.ts';
import { deriveOpenEpoch, utcDay, utcDayStartMs } from './open-epoch.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';

interface EpochVector {
  readonly vlanSeed: string;
  readonly vlanId: string;
  readonly day: number;
  readonly tokenKey: string;
  readonly frameKey: string;
  readonly maskKey: string;
  readonly controlKey: string;
  readonly tag: string;
  readonly segmentId: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/open-epoch.json', import.meta.url), 'utf8'),
) as readonly EpochVector[];

test('keys, tag and segment of an open VLAN are those of the vectors', () => {
  for (const vector of vectors) {
    const keys = vlanKeysFromSeed(Buffer.from(vector.vlanSeed, 'hex'));
    const epoch = deriveOpenEpoch(keys.id, vector.day);

    assert.equal(hex(keys.id), vector.vlanId);
    assert.equal(hex(epoch.tokenKey), vector.tokenKey);
    assert.equal(hex(epoch.frameKey), vector.frameKey);
    assert.equal(hex(epoch.maskKey), vector.maskKey);
    assert.equal(hex(epoch.controlKey), vector.controlKey);
    assert.equal(hex(epoch.tag), vector.tag);
    assert.equal(hex(epoch.segment.id), vector.segmentId);
  }
});

test('another day and another VLAN share no key', () => {
  const id = hash128(Uint8Array.of(1));
  const seen = new Set<string>();
  for (const epoch of [deriveOpenEpoch(id, 1), deriveOpenEpoch(id, 2), deriveOpenEpoch(hash128(), 1)]) {
    for (const key of [epoch.tokenKey, epoch.frameKey, epoch.maskKey, epoch.controlKey, epoch.segment.seed]) {
      seen.add(hex(key));
    }
  }

  assert.equal(seen.size, 15);
});

test('BLAKE3 is the one of the published vectors', () => {
  assert.equal(hex(hash128()), 'af1349b9f5f9a1a6a0404dea36dcc949');
  const key = new TextEncoder().encode('whats the Elvish word for friend');
  assert.equal(hex(keyedHash(key)), '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26');
});

test('a day starts at midnight UTC', () => {
  const midnight = Date.UTC(2026, 10, 21);

  assert.equal(utcDayStartMs(utcDay(midnight)), midnight);
  assert.equal(utcDay(midnight - 1), utcDay(midnight) - 1);
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
