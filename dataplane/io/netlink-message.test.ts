import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NetlinkRequest, NLM_F_ACK, RTM_NEWADDR, RTM_NEWLINK, readNetlinkReply } from './netlink-message.ts';

test('a request is laid out as the kernel reads it', () => {
  const request = new NetlinkRequest(RTM_NEWADDR, NLM_F_ACK, 7)
    .addressPart(2, 24, 5)
    .attribute(2, Uint8Array.of(10, 7, 0));
  assert.deepEqual(
    [...request.bytes.subarray(0, request.length)],
    [
      ...[32, 0, 0, 0, 20, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0],
      ...[2, 24, 0, 0, 5, 0, 0, 0],
      ...[7, 0, 2, 0, 10, 7, 0, 0],
    ],
  );
});

test('an acknowledgement is an error of 0, a refusal carries its errno and the kernel explanation', () => {
  const reply = new DataView(new ArrayBuffer(64));
  reply.setUint32(0, 48, true);
  reply.setUint16(4, 2, true);
  reply.setUint32(8, 3, true);
  assert.equal(readNetlinkReply(new Uint8Array(reply.buffer, 0, 36))?.error, 0);
  reply.setUint16(6, 0x300, true);
  reply.setInt32(16, -22, true);
  reply.setUint16(36, 12, true);
  reply.setUint16(38, 1, true);
  new Uint8Array(reply.buffer).set(Buffer.from('too big\0'), 40);
  const refused = readNetlinkReply(new Uint8Array(reply.buffer, 0, 48));
  assert.deepEqual(refused, { sequence: 3, error: 22, explanation: 'too big', linkIndex: 0 });
});

test('a link message gives its index', () => {
  const request = new NetlinkRequest(RTM_NEWLINK, 0, 9).linkPart(42, 0, 0);
  assert.deepEqual(readNetlinkReply(request.bytes.subarray(0, request.length)), {
    sequence: 9,
    error: undefined,
    explanation: undefined,
    linkIndex: 42,
  });
});

test('no bytes make the reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, isError) => {
      if (isError && bytes.length > 8) bytes.set([2, 0, 0, 3], 4);
      readNetlinkReply(bytes);
    }),
  );
});
