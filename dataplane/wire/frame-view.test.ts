import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ethernetFrame, tcpFrame, udpFrame } from '../../test/harness/frame-builder.ts';
import { createFrameView, type FrameView, PROTOCOL_TCP, PROTOCOL_UDP, parseFrame } from './frame-view.ts';

function parse(bytes: Uint8Array, offset = 0): FrameView {
  const view = createFrameView();
  parseFrame(new DataView(bytes.buffer), offset, bytes.length - offset, view);
  return view;
}

test('a TCP segment in IPv4 shows all its headers', () => {
  const built = tcpFrame({ payload: new Uint8Array(10), tcpOptions: new Uint8Array(12), tos: 0xb8 });
  const view = parse(built.bytes);
  assert.equal(view.ipVersion, 4);
  assert.equal(view.protocol, PROTOCOL_TCP);
  assert.equal(view.plainIp, true);
  assert.equal(view.trafficClass, 0xb8);
  assert.equal(view.priority, -1);
  assert.equal(view.transport, built.transport);
  assert.equal(view.payload, built.headerBytes);
  assert.equal(view.payloadEnd, built.bytes.length);
});

test('one and two VLAN tags are looked through, a third is not', () => {
  for (const tags of [[0x6005], [0xe064, 0x2007]]) {
    const view = parse(udpFrame({ tags, payload: new Uint8Array(10) }).bytes);
    assert.equal(view.tags, tags.length);
    assert.equal(view.priority, (tags[0] ?? 0) >> 13);
    assert.equal(view.protocol, PROTOCOL_UDP);
  }
  const view = parse(udpFrame({ tags: [1, 2, 3], payload: new Uint8Array(10) }).bytes);
  assert.equal(view.ipVersion, 0);
});

test('IPv4 options and IPv6 extension headers are passed over', () => {
  for (const ipVersion of [4, 6] as const) {
    const built = tcpFrame({ ipVersion, ipOptions: new Uint8Array(8), payload: new Uint8Array(10) });
    const view = parse(built.bytes);
    assert.equal(view.plainIp, false);
    assert.equal(view.transport, built.transport);
  }
});

test('a fragment shows no transport header', () => {
  const four = udpFrame({ payload: new Uint8Array(32) }).bytes;
  four[20] = 0x20; // more fragments
  assert.equal(parse(four).fragment, true);
  assert.equal(parse(four).protocol, 0);
  const six = udpFrame({ ipVersion: 6, ipOptions: new Uint8Array(8), payload: new Uint8Array(32) }).bytes;
  six[20] = 44;
  assert.equal(parse(six).fragment, true);
  assert.equal(parse(six).protocol, 0);
});

test('Ethernet padding lies behind the payload', () => {
  const built = tcpFrame({ payload: new Uint8Array(2) });
  const padded = new Uint8Array(60);
  padded.set(built.bytes);
  const view = parse(padded);
  assert.equal(view.payloadEnd, built.bytes.length);
  assert.equal(view.end, 60);
});

test('a frame cut anywhere is parsed without looking past its end', () => {
  const whole = tcpFrame({ ipVersion: 6, ipOptions: new Uint8Array(16), payload: new Uint8Array(8) }).bytes;
  for (let length = 0; length < whole.length; length++) {
    const view = parse(whole.slice(0, length)); // a DataView throws on a read past its end
    assert.equal(view.protocol, 0);
  }
});

test('any bytes parse to offsets in order and inside the frame', () => {
  const ipFrame = fc
    .tuple(fc.constantFrom(0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806), fc.uint8Array({ maxLength: 120 }))
    .map(([type, payload]) => {
      const nibble = type === 0x0800 ? 0x45 : 0x60;
      return ethernetFrame(type, Uint8Array.from([nibble, ...payload.slice(1)]));
    });
  fc.assert(
    fc.property(fc.oneof(ipFrame, fc.uint8Array({ maxLength: 120 })), (bytes) => {
      const view = parse(bytes);
      assert.ok(view.payloadEnd <= view.end);
      if (view.protocol !== 0) {
        assert.ok(view.network < view.transport);
        assert.ok(view.transport < view.payload);
        assert.ok(view.payload <= view.payloadEnd);
      }
    }),
    { numRuns: 500 },
  );
});
