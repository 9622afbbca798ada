/** Behaviour of the member messages' codec: what is written is read, and nothing else is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitAnnouncement } from './announcer.ts';
import { MAX_CONTROL_BODY_BYTES } from './control-seal.ts';
import { decodeMessage, encodeMessage, MESSAGE_LIMIT, type MemberMessage } from './member-message.ts';

const CONTEXT = { vlanId: new Uint8Array(16).fill(1), epochTag: new Uint8Array(16).fill(2) };
const SIGNATURE = new Uint8Array(64).fill(9);
const sign = (): Uint8Array => SIGNATURE;

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const PLAIN = { noNullPrototype: true } as const;
const u24 = fc.integer({ min: 0, max: 0xff_ffff });
const header = { publicKey: bytes(32), incarnation: safe, sequence: safe };
const lane = fc.record(
  {
    lane: fc.integer({ min: 0, max: 255 }),
    salt: bytes(6),
    counter: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  },
  PLAIN,
);
const announce = fc.record(
  {
    type: fc.constant('announce' as const),
    ...header,
    leaf: u24,
    agreementKey: bytes(32),
    challenge: bytes(16),
    part: fc.constant(0),
    parts: fc.integer({ min: 1, max: MESSAGE_LIMIT.parts }),
    lanes: fc.array(lane, { maxLength: 16 }),
    macs: fc.array(bytes(6), { maxLength: 40 }),
    answers: fc.array(bytes(16), { maxLength: 20 }),
  },
  PLAIN,
);
const pull = fc.record(
  {
    type: fc.constant('pull' as const),
    ...header,
    challenge: bytes(16),
    targets: fc.array(u24, { maxLength: MESSAGE_LIMIT.pullTargets }),
  },
  PLAIN,
);
const withdraw = fc.record({ type: fc.constant('withdraw' as const), ...header }, PLAIN);
const message: fc.Arbitrary<MemberMessage> = fc.oneof(announce, pull, withdraw);

test('a message survives the way over the wire', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const encoded = encodeMessage(sent, CONTEXT, sign);
      const decoded = decodeMessage(encoded, CONTEXT);

      assert.ok(decoded.ok);
      assert.deepEqual(decoded.message, sent);
      assert.deepEqual(decoded.signature, SIGNATURE);
      assert.ok(encoded.length <= MAX_CONTROL_BODY_BYTES);
    }),
  );
});

test('no prefix and no extension of a message is a message', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, cut) => {
      const encoded = encodeMessage(sent, CONTEXT, sign);
      const shorter = encoded.subarray(0, cut % encoded.length);
      const longer = new Uint8Array(encoded.length + 1 + (cut % 16));
      longer.set(encoded);

      assert.ok(!decodeMessage(shorter, CONTEXT).ok);
      assert.ok(!decodeMessage(longer, CONTEXT).ok);
    }),
  );
});

test('any bytes are decoded or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_300 }), fc.integer({ min: 0, max: 4 }), (body, type) => {
      if (body.length > 0) body[0] = type;
      const decoded = decodeMessage(body, CONTEXT);
      if (decoded.ok)
        assert.deepEqual(
          encodeMessage(decoded.message, CONTEXT, () => decoded.signature),
          body,
        );
    }),
    { numRuns: 500 },
  );
});

test('the signature covers type, VLAN, epoch and every byte', () => {
  const sent: MemberMessage = {
    type: 'withdraw',
    publicKey: new Uint8Array(32),
    incarnation: 1,
    sequence: 2,
  };
  const signed = (context: typeof CONTEXT, changed: MemberMessage = sent): string => {
    let covered = '';
    encodeMessage(changed, context, (input) => {
      covered = Buffer.from(input).toString('hex');
      return SIGNATURE;
    });
    return covered;
  };

  const variants = [
    signed(CONTEXT),
    signed({ ...CONTEXT, vlanId: new Uint8Array(16) }),
    signed({ ...CONTEXT, epochTag: new Uint8Array(16) }),
    signed(CONTEXT, { ...sent, sequence: 3 }),
    signed(CONTEXT, { ...sent, type: 'pull', challenge: new Uint8Array(16), targets: [] }),
  ];
  assert.equal(new Set(variants).size, variants.length);
});

test('what exceeds a limit is a bug of the sender and is refused from others', () => {
  const lanes = Array.from({ length: MESSAGE_LIMIT.lanes + 1 }, () => ({
    lane: 0,
    salt: new Uint8Array(6),
    counter: 0,
  }));
  const base = {
    publicKey: new Uint8Array(32),
    incarnation: 1,
    sequence: 1,
    leaf: 1,
    agreementKey: new Uint8Array(32),
  };
  const tooMany: MemberMessage = {
    type: 'announce',
    ...base,
    challenge: new Uint8Array(16),
    part: 0,
    parts: 1,
    lanes,
    macs: [],
    answers: [],
  };

  assert.throws(() => encodeMessage(tooMany, CONTEXT, sign), RangeError);
  const encoded = encodeMessage({ ...tooMany, lanes: [], parts: 1 }, CONTEXT, sign);
  encoded[101] = 0;
  assert.ok(!decodeMessage(encoded, CONTEXT).ok, 'part 0 of 0');
});

test('splitting places every address and answer once, and fits each part', () => {
  const lists = fc.tuple(
    fc.array(lane, { maxLength: MESSAGE_LIMIT.lanes }),
    fc.array(bytes(6), { maxLength: 256 }),
    fc.array(bytes(16), { maxLength: 200 }),
  );
  fc.assert(
    fc.property(lists, ([lanes, macs, answers]) => {
      const parts = splitAnnouncement(lanes, macs, answers);

      assert.deepEqual(
        parts.flatMap((part) => part.macs),
        macs,
      );
      assert.deepEqual(
        parts.flatMap((part) => part.answers),
        answers,
      );
      for (const [index, part] of parts.entries()) {
        const base = { publicKey: new Uint8Array(32), incarnation: 1, sequence: 1, leaf: 1 };
        const rest = { agreementKey: new Uint8Array(32), challenge: new Uint8Array(16) };
        encodeMessage(
          { type: 'announce', ...base, ...rest, part: index, parts: parts.length, lanes, ...part },
          CONTEXT,
          sign,
        );
      }
    }),
    { numRuns: 50 },
  );
});
