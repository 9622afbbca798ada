import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzz } from '../../test/fuzz/probe-body.ts';
import { decodeProbeBody, encodeProbeBody, observingBytes, type ProbeBody } from './probe-body.ts';

const probe: fc.Arbitrary<ProbeBody> = fc.record(
  {
    operation: fc.constantFrom('ask' as const, 'answer' as const),
    sequence: fc.nat(0xffff_ffff),
    unixMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
    challenge: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  },
  { noNullPrototype: true },
);

test('a probe survives encoding, and its datagram has the size that was asked for', () => {
  fc.assert(
    fc.property(probe, fc.integer({ min: 80, max: 8_972 }), (sent, datagramBytes) => {
      const body = encodeProbeBody(sent, datagramBytes);
      assert.equal(body.length + 48, datagramBytes);
      assert.deepEqual(decodeProbeBody(body), sent);
    }),
  );
});

test('short bodies and unknown operations are refused, and random bytes never throw', () => {
  assert.equal(decodeProbeBody(new Uint8Array(31).fill(1)), undefined);
  assert.equal(decodeProbeBody(new Uint8Array(32)), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => fuzz(bytes)));
});

test('an answer carries the observed address when there is room, an ask never', () => {
  const base = { sequence: 7, unixMs: 0, challenge: new Uint8Array(16).fill(1) };
  for (const ip of ['198.51.100.7', '2001:db8::7']) {
    const observed = { ip, port: 40_000 };
    const roomBytes = observingBytes(ip);
    const answer = encodeProbeBody({ ...base, operation: 'answer', observed }, roomBytes);
    assert.deepEqual(decodeProbeBody(answer)?.observed, observed);
    const short = encodeProbeBody({ ...base, operation: 'answer', observed }, roomBytes - 1);
    assert.equal(decodeProbeBody(short)?.observed, undefined);
    const ask = Uint8Array.from(answer);
    ask[0] = 1;
    assert.equal(decodeProbeBody(ask)?.observed, undefined);
    answer.fill(0, -2);
    assert.equal(decodeProbeBody(answer)?.observed, undefined, 'port 0');
  }
});
