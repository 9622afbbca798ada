/** Probes of an authenticated peer that lies about addresses, answers wrongly or asks without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeProbeBody } from './probe-body.ts';
import { Harness, kinds } from './trunk-machine.fixture.ts';
import type { TrunkEffect } from './trunk-port.ts';

const bytesSentTo = (effects: readonly TrunkEffect[], ip: string): number =>
  effects.reduce(
    (sum, effect) =>
      sum + (effect.kind === 'send-probe' && effect.address?.ip === ip ? effect.body.length + 48 : 0),
    0,
  );

test('the responder asks nothing before the initiator has proven its keys, and sends no frame before', () => {
  const harness = new Harness();
  const { handle, effects } = harness.trunk();
  assert.equal(kinds(effects).has('send-probe'), false);
  assert.equal(kinds(harness.pass(3_000)).has('send-probe'), false);
  const after = harness.ask(handle, { ip: '192.0.2.1', port: 7_947 });
  assert.equal(after.filter((effect) => effect.kind === 'send-probe').length, 2);
  assert.equal(kinds(after).has('use-lane'), false);
});

test('an address that was only heard gets at most three times what came from it', () => {
  const harness = new Harness();
  const { handle } = harness.trunk();
  const stranger = { ip: '203.0.113.9', port: 9 };
  let [received, sent] = [0, 0];
  for (let round = 0; round < 30; round++) {
    sent += bytesSentTo(harness.ask(handle, stranger, round), stranger.ip);
    received += 96;
    sent += bytesSentTo(harness.pass(round < 3 ? 4_000 : 20), stranger.ip);
    assert.ok(sent <= 3 * received, `${sent} bytes for ${received}`);
  }
});

test('probes from a thousand addresses leave eight candidates at most', () => {
  const harness = new Harness();
  const { handle } = harness.trunk();
  for (let round = 0; round < 1_000; round++) {
    harness.ask(handle, { ip: `203.0.${round >> 8}.${round & 0xff}`, port: 9 }, round);
  }
  const round = harness.pass(10_000).filter((effect) => effect.kind === 'send-probe');
  const asked = new Set(round.map((effect) => effect.address?.ip));
  assert.ok(asked.size <= 8, `${asked.size} addresses were asked`);
  assert.ok((harness.machine.counters().get('probesRefused') ?? 0) > 0);
});

test('an answer with another challenge, from another address or to no ask proves nothing', () => {
  const harness = new Harness();
  const { handle } = harness.trunk();
  const source = { ip: '192.0.2.1', port: 7_947 };
  harness.ask(handle, source);
  for (let sequence = 0; sequence < 4; sequence++) {
    const body = encodeProbeBody(
      { operation: 'answer', sequence, unixMs: 0, challenge: new Uint8Array(16) },
      96,
    );
    const effects = harness.send({ kind: 'probe', handle, source, body });
    assert.equal(kinds(effects).has('set-lane-address'), false);
  }
  assert.equal(harness.machine.counters().get('unknownProbeAnswers'), 4);
});

test('malformed probe bodies are counted and change nothing', () => {
  const harness = new Harness();
  const { handle } = harness.trunk();
  harness.send({ kind: 'probe', handle, source: { ip: '192.0.2.1', port: 1 }, body: new Uint8Array(5) });
  harness.send({ kind: 'probe', handle: 999, source: undefined, body: new Uint8Array(5) });
  assert.equal(harness.machine.counters().get('malformedProbes'), 1);
});

test('a wavering count is no traffic: an idle lane is asked every 15 s, a busy one every 200 ms', () => {
  const harness = new Harness({ linkMtuBytes: 1_232 });
  const { handle } = harness.trunk();
  harness.answer(harness.ask(handle, { ip: '192.0.2.1', port: 7_947 }));
  assert.equal(harness.machine.status()[0]?.state, 'up');
  harness.answerFor(10_000);
  let asks = 0;
  for (let round = 0; round < 60; round++) {
    harness.report(handle, -(round % 2));
    asks += harness.answerFor(500);
  }
  assert.ok(asks >= 1 && asks <= 3, `${asks} asks in 30 idle seconds`);
  let busyAsks = 0;
  for (let round = 0; round < 40; round++) {
    harness.report(handle, 10 + round);
    busyAsks += harness.answerFor(250);
  }
  // The first three frames are no traffic yet.
  assert.ok(busyAsks >= 38 && busyAsks <= 52, `${busyAsks} asks in 10 busy seconds`);
});

/** A trunk whose only datagram lane is live and has been idle for a while. */
function idleTrunk(): { readonly harness: Harness; readonly handle: number } {
  const harness = new Harness({ linkMtuBytes: 1_232 });
  const { handle } = harness.trunk();
  harness.answer(harness.ask(handle, { ip: '192.0.2.1', port: 7_947 }));
  harness.answerFor(10_000);
  return { harness, handle };
}

test('a frame alone is asked for once; without an answer the lane is dead within 1.5 s', () => {
  const { harness, handle } = idleTrunk();
  harness.report(handle, 1);
  assert.equal(harness.answerFor(3_000), 1);
  harness.answerFor(20_000);
  harness.report(handle, 2);
  const silent = harness.pass(1_500);
  assert.ok(silent.some((effect) => effect.kind === 'log' && effect.code === 'lane-dead'));
});

test('an idle lane whose ask has no answer is dead within 5 s of it', () => {
  const { harness } = idleTrunk();
  harness.pass(15_000 * 1.1 + 5_000);
  assert.equal(harness.machine.status()[0]?.state, 'degraded');
});

test('the end that is asked does not ask as well while it is idle, and does when the asks have stopped', () => {
  const { harness, handle } = idleTrunk();
  let asks = 0;
  for (let round = 0; round < 8; round++) {
    harness.ask(handle, { ip: '192.0.2.1', port: 7_947 }, 100 + round);
    asks += harness.answerFor(15_000);
  }
  assert.ok(asks >= 1 && asks <= 3, `${asks} asks in 120 s`);
  assert.ok(harness.answerFor(25_000) >= 1);
});

test('candidates that never answer are tried ever more rarely, and as often as at first under traffic', () => {
  const { harness, handle } = idleTrunk();
  harness.pass(90_000);
  const probes = (effects: readonly TrunkEffect[]): number =>
    effects.filter((effect) => effect.kind === 'send-probe').length;
  const late = probes(harness.pass(30_000));
  assert.ok(late <= 12, `${late} probes in half a minute`);
  let busy = 0;
  for (let round = 0; round < 60; round++) {
    harness.report(handle, 10 + round);
    busy += probes(harness.pass(500));
  }
  assert.ok(busy >= late + 6, `${busy} probes in half a busy minute, ${late} in an idle one`);
});
