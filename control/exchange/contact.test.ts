/** Behaviour of contacts: both ends mean the same VLAN or learn nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contactKeyOf, isAnswer, readOpening, writeAnswer, writeOpening } from './contact.ts';

const VLAN = new Uint8Array(16).fill(1);
const OTHER = new Uint8Array(16).fill(2);
const ENDS = { opener: new Uint8Array(32).fill(3), acceptor: new Uint8Array(32).fill(4) };
const NONCE = new Uint8Array(16).fill(5);

test('an acceptor finds the VLAN among its own, and its answer convinces the opener', () => {
  const keys = [contactKeyOf(OTHER), contactKeyOf(VLAN)];
  const found = readOpening(writeOpening(contactKeyOf(VLAN), ENDS, NONCE), ENDS, keys);
  assert.deepEqual(found, { index: 1, nonce: NONCE });
  const answer = writeAnswer(contactKeyOf(VLAN), ENDS, {
    opener: NONCE,
    acceptor: new Uint8Array(16).fill(6),
  });
  assert.ok(isAnswer(answer, contactKeyOf(VLAN), ENDS, NONCE));
});

test('who does not have the VLAN learns nothing and cannot answer', () => {
  const opening = writeOpening(contactKeyOf(VLAN), ENDS, NONCE);
  assert.equal(readOpening(opening, ENDS, [contactKeyOf(OTHER)]), undefined);
  assert.equal(Buffer.from(opening).includes(Buffer.from(VLAN)), false);
  const forged = writeAnswer(contactKeyOf(OTHER), ENDS, { opener: NONCE, acceptor: NONCE });
  assert.equal(isAnswer(forged, contactKeyOf(VLAN), ENDS, NONCE), false);
});

test('a proof is worth nothing between other nodes, in the other direction, or for another opening', () => {
  const key = contactKeyOf(VLAN);
  const opening = writeOpening(key, ENDS, NONCE);
  const turned = { opener: ENDS.acceptor, acceptor: ENDS.opener };
  assert.equal(readOpening(opening, turned, [key]), undefined);
  assert.equal(readOpening(opening, { ...ENDS, opener: new Uint8Array(32) }, [key]), undefined);
  const answer = writeAnswer(key, ENDS, { opener: NONCE, acceptor: NONCE });
  assert.equal(isAnswer(answer, key, turned, NONCE), false);
  assert.equal(isAnswer(answer, key, ENDS, new Uint8Array(16)), false);
  assert.equal(isAnswer(opening.subarray(1), key, ENDS, NONCE), false, 'an opening played back as an answer');
});

test('bytes of any other form are no opening and no answer', () => {
  const key = contactKeyOf(VLAN);
  const opening = writeOpening(key, ENDS, NONCE);
  for (const wrong of [new Uint8Array(0), opening.subarray(1), Uint8Array.from([...opening, 0])]) {
    assert.equal(readOpening(wrong, ENDS, [key]), undefined);
    assert.equal(isAnswer(wrong.subarray(0, 7), key, ENDS, NONCE), false);
  }
  assert.equal(
    readOpening(Uint8Array.from([2, ...opening.subarray(1)]), ENDS, [key]),
    undefined,
    'version 2',
  );
});
