/** Behaviour of meeting points: the same for those who have the id, nothing for those who have not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '@noble/hashes/utils.js';
import { meetingPoint, meetingPointsAt, meetingPointToday, rendezvousKeyOf } from './rendezvous.ts';

const ID = Uint8Array.from({ length: 16 }, (_, index) => index);
const DAY_MS = 86_400_000;
const DAY = 20_778;

test('a meeting point is what the protocol says', () => {
  assert.equal(
    bytesToHex(meetingPoint(rendezvousKeyOf(ID), DAY)),
    'f91b4d5fd4f3e60a4336c7412278559520f7545de7dde9b10474220ee0d12ef9',
  );
});

test('whoever looks at its own day finds those whose clock is a day off', () => {
  const key = rendezvousKeyOf(ID);
  const noon = DAY * DAY_MS + DAY_MS / 2;
  for (const offsetDays of [-1, 0, 1]) {
    const there = meetingPointsAt(key, noon + offsetDays * DAY_MS).map(bytesToHex);
    assert.ok(there.includes(bytesToHex(meetingPointToday(key, noon))), `${offsetDays} days`);
  }
  const far = meetingPointsAt(key, noon + 2 * DAY_MS).map(bytesToHex);
  assert.equal(far.includes(bytesToHex(meetingPointToday(key, noon))), false);
});

test('points of two days, of two VLANs, and the id itself have nothing in common', () => {
  const key = rendezvousKeyOf(ID);
  const points = [
    meetingPoint(key, DAY),
    meetingPoint(key, DAY + 1),
    meetingPoint(rendezvousKeyOf(new Uint8Array(16)), DAY),
  ];
  assert.equal(new Set(points.map(bytesToHex)).size, 3);
  for (const point of points) {
    assert.equal(point.length, 32);
    assert.equal(bytesToHex(point).includes(bytesToHex(ID.subarray(0, 4))), false);
  }
});
