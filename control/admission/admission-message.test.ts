/** Behaviour of the admission messages: each comes back as it was written, and any other bytes are none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeOf } from '../vlan/record.fixture.ts';
import {
  ADMISSION_LIMIT,
  type AdmissionMessage,
  decodeAdmissionMessage,
  encodeAdmissionMessage,
} from './admission-message.ts';
import { ADMISSION_BYTES } from './credentials.ts';

const plain = { noNullPrototype: true } as const;
const request = fc.uint8Array({ minLength: 16, maxLength: 16 });
const referred = fc.record(
  {
    peer: fc.integer({ min: 1, max: 9 }).map((value) => nodeOf(value).id),
    addresses: fc.array(fc.stringMatching(/^\/[!-~]{1,40}$/), { maxLength: 8 }),
  },
  plain,
);
const message = fc.oneof<fc.Arbitrary<AdmissionMessage>[]>(
  fc.constant({ type: 'who' }),
  fc.record(
    {
      type: fc.constant('referral' as const),
      record: fc.uint8Array({ maxLength: 80 }),
      admins: fc.array(referred, { maxLength: 5 }),
    },
    plain,
  ),
  fc
    .record({
      secret: fc.option(request),
      note: fc.stringMatching(/^[ -~ü]{0,60}$/),
      keyPackage: fc.uint8Array({ minLength: 1, maxLength: 90 }),
    })
    .map(({ secret, note, keyPackage }): AdmissionMessage => {
      return { type: 'join', note, keyPackage, ...(secret === null ? {} : { secret }) };
    }),
  fc.record(
    { type: fc.constantFrom('poll' as const, 'joined' as const, 'withdraw' as const), request },
    plain,
  ),
  fc
    .record({
      request,
      state: fc.constantFrom('waiting', 'admitted', 'welcomed', 'refused', 'later', 'unknown-request'),
      refusal: fc.constantFrom('none', 'expired-invite', 'full'),
      admission: fc.option(fc.uint8Array({ minLength: ADMISSION_BYTES, maxLength: ADMISSION_BYTES })),
      digest: fc.option(request),
    })
    .map(({ admission, digest, ...rest }): AdmissionMessage => {
      const optional = {
        ...(admission === null ? {} : { admission }),
        ...(digest === null ? {} : { digest }),
      };
      return { type: 'answer', ...rest, ...optional };
    }),
);

test('a message comes back as it was written; cut or longer it is none', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const bytes = encodeAdmissionMessage(sent);
      assert.ok(bytes.length <= ADMISSION_LIMIT.messageBytes);
      assert.deepEqual(decodeAdmissionMessage(bytes), sent);
      assert.equal(decodeAdmissionMessage(bytes.subarray(0, -1)), undefined);
      assert.equal(decodeAdmissionMessage(Uint8Array.of(...bytes, 0)), undefined);
    }),
  );
});

test('random bytes, oversized messages and odd lengths inside never throw', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 300 }), (type, bytes) => {
      decodeAdmissionMessage(Uint8Array.of(type, ...bytes));
    }),
  );
  assert.equal(decodeAdmissionMessage(new Uint8Array(ADMISSION_LIMIT.messageBytes + 1).fill(3)), undefined);
  assert.equal(decodeAdmissionMessage(new Uint8Array(0)), undefined);
});

test('a note that would write over a terminal, and an address that would, are none', () => {
  const keyPackage = Uint8Array.of(1);
  const note = encodeAdmissionMessage({ type: 'join', note: 'a\u001b[2J', keyPackage });
  const peer = nodeOf(1).id;
  const admins = [{ peer, addresses: ['/ip4/1.2.3.4\n'] }];
  const address = encodeAdmissionMessage({ type: 'referral', record: new Uint8Array(0), admins });

  assert.equal(decodeAdmissionMessage(note), undefined);
  assert.equal(decodeAdmissionMessage(address), undefined);
});

test('what exceeds a limit is not written', () => {
  const keyPackage = new Uint8Array(ADMISSION_LIMIT.keyPackageBytes + 1);
  assert.throws(() => encodeAdmissionMessage({ type: 'join', note: '', keyPackage }), RangeError);
  const note = 'ü'.repeat(101);
  assert.throws(
    () => encodeAdmissionMessage({ type: 'join', note, keyPackage: Uint8Array.of(1) }),
    RangeError,
  );
});
