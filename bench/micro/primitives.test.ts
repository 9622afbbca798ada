import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLine, readingsOf } from './primitives.ts';

test('a line of a cipher gives its rate and its time at a size', () => {
  const readings = readingsOf(parseLine('{"primitive":"aes-256-gcm","x":1000,"ns":500.000}'));
  assert.deepEqual(
    readings.map(({ group, place, value }) => [group, place.subject, place.x, place.figure.unit, value]),
    [
      ['seal', 'AES-256-GCM alone', 1000, 'Gbit/s', 16],
      ['seal', 'AES-256-GCM alone', 1000, 'ns/frame', 500],
    ],
  );
});

test('blocks count by the three that a link header takes', () => {
  const [one] = readingsOf({ primitive: 'aes-256-blocks', x: 3, ns: 30 });
  const [train] = readingsOf({ primitive: 'aes-256-blocks', x: 192, ns: 640 });
  assert.deepEqual([one?.place.figure.title, one?.value], ['close, one datagram', 30]);
  assert.deepEqual([train?.place.figure.title, train?.value], ['close, train of 64', 10]);
});

test('random reads stand beside the look-ups of as many tokens', () => {
  const [reading] = readingsOf({ primitive: 'random-read', x: 1_000_000, ns: 50 });
  assert.deepEqual([reading?.group, reading?.place.x, reading?.value], ['tokens', 1_000_000, 50]);
});

test('what is no line of the program is refused', () => {
  assert.throws(() => parseLine('{"primitive":"memcpy","x":"1"}'), /not a line/);
});
