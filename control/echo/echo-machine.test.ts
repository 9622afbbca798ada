/** Behaviour of echoes between two nodes on virtual time: replies, losses, sizes, and what hostile members send. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PingReply, PingRequest, PingSummary } from '../admin/inspection.ts';
import { EchoMachine } from './echo-machine.ts';
import { datagramBytesOf, decodeEcho, encodeEcho, MAX_ECHO_DATAGRAM_BYTES } from './echo-message.ts';
import type { EchoEffect, EchoInput, PingInput } from './echo-port.ts';

const VLAN = 'vlan';
const A = { peer: 'peer-a', mac: Uint8Array.of(2, 0, 0, 0, 0, 1) };
const B = { peer: 'peer-b', mac: Uint8Array.of(2, 0, 0, 0, 0, 2) };
const REQUEST: PingInput['request'] = {
  count: 3,
  intervalMs: 100,
  sizeBytes: 128,
  timeoutMs: 500,
  findMtu: false,
};

/** Two machines with a path between them of so many milliseconds each way. */
class Pair {
  nowMs = 0;
  delayMs = 5;
  /** Largest datagram that passes. */
  mtuBytes = 9000;
  /** Whether the nth datagram is lost. */
  isLost: (index: number) => boolean = () => false;
  isUnsent = false;
  readonly replies: PingReply[] = [];
  summary: PingSummary | undefined;
  readonly sentBytes: number[] = [];
  readonly claims = new Map([
    [A.mac.join(), A.peer],
    [B.mac.join(), B.peer],
  ]);
  readonly a = this.#machine(1);
  readonly b = this.#machine(2);
  #queue: { readonly atMs: number; readonly to: EchoMachine; readonly input: EchoInput }[] = [];

  #machine(seed: number): EchoMachine {
    return new EchoMachine({
      randomBytes: (count) => new Uint8Array(count).fill(seed),
      claimantOf: (vlan, mac) => (vlan === VLAN ? this.claims.get(mac.join()) : undefined),
    });
  }

  input(machine: EchoMachine, input: EchoInput): EchoEffect[] {
    const effects = machine.handle(input, this.nowMs);
    for (const effect of effects) this.#perform(machine, effect);
    return effects;
  }

  #perform(machine: EchoMachine, effect: EchoEffect): void {
    if (effect.kind === 'reply') this.replies.push(effect.reply);
    if (effect.kind === 'done') this.summary = effect.summary;
    if (effect.kind !== 'send') return;
    if (this.isUnsent && effect.question !== undefined) {
      this.#queue.push({ atMs: this.nowMs, to: machine, input: { kind: 'unsent', ...effect.question } });
      return;
    }
    const bytes = datagramBytesOf(effect.body);
    this.sentBytes.push(bytes);
    if (bytes > this.mtuBytes || this.isLost(this.sentBytes.length - 1)) return;
    const to = machine === this.a ? this.b : this.a;
    const peer = machine === this.a ? A.peer : B.peer;
    const input = { kind: 'heard' as const, vlan: effect.vlan, peer, body: effect.body };
    this.#queue.push({ atMs: this.nowMs + this.delayMs, to, input });
  }

  ping(changes: Partial<PingRequest> = {}): void {
    const target = { vlan: VLAN, mac: B.mac, peer: B.peer, replyTo: A.mac };
    this.input(this.a, { kind: 'ping', ping: 1, target, request: { ...REQUEST, ...changes } });
  }

  /** Until nothing is to be done any more, or so long. */
  run(untilMs = 1_000_000): void {
    for (;;) {
      const next = this.#queue.reduce((least, { atMs }) => Math.min(least, atMs), this.a.nextTimeoutMs());
      if (next === Number.POSITIVE_INFINITY || next > untilMs) return;
      this.nowMs = Math.max(this.nowMs, next);
      const due = this.#queue.filter(({ atMs }) => atMs <= this.nowMs);
      this.#queue = this.#queue.filter(({ atMs }) => atMs > this.nowMs);
      for (const { to, input } of due) this.input(to, input);
      this.input(this.a, { kind: 'tick' });
    }
  }
}

test('each ping is answered with its round trip, at its interval', () => {
  const pair = new Pair();
  pair.ping();
  pair.run();
  assert.deepEqual(
    pair.replies.map(({ sequence, rttMs }) => [sequence, rttMs]),
    [
      [1, 10],
      [2, 10],
      [3, 10],
    ],
  );
  assert.deepEqual(pair.summary, {
    peer: B.peer,
    mac: '02:00:00:00:00:02',
    sent: 3,
    received: 3,
    minMs: 10,
    avgMs: 10,
    maxMs: 10,
    pathMtuBytes: null,
  });
  assert.equal(pair.nowMs, 210);
  assert.deepEqual(new Set(pair.sentBytes), new Set([128]));
});

test('what is lost is told after the timeout, and an answer after it counts for nothing', () => {
  const pair = new Pair();
  pair.isLost = (index) => index === 0;
  pair.delayMs = 200;
  pair.ping({ count: 2, timeoutMs: 300, intervalMs: 1000 });
  pair.run();
  assert.deepEqual(
    pair.replies.map(({ sequence, rttMs }) => [sequence, rttMs]),
    [
      [1, null],
      [2, null],
    ],
  );
  assert.equal(pair.summary?.received, 0);
  assert.equal(pair.summary.avgMs, null);
  assert.equal(pair.a.counters.echoUnexpected, 1);
});

test('no way to the station is told at once', () => {
  const pair = new Pair();
  pair.isUnsent = true;
  pair.ping({ count: 2 });
  pair.run();
  assert.deepEqual(
    pair.replies.map(({ unsent }) => unsent),
    [true, true],
  );
  assert.equal(pair.nowMs, 100);
});

test('a ping without a count goes on until it is stopped', () => {
  const pair = new Pair();
  pair.ping({ count: 0 });
  pair.run(1_050);
  assert.equal(pair.replies.length, 11);
  assert.equal(pair.summary, undefined);
  pair.input(pair.a, { kind: 'stop-ping', ping: 1 });
  assert.equal((pair.summary as PingSummary | undefined)?.sent, 11);
  assert.equal(pair.a.nextTimeoutMs(), Number.POSITIVE_INFINITY);
  assert.deepEqual(pair.input(pair.a, { kind: 'stop-ping', ping: 1 }), []);
});

test('the largest size that passes is found to the byte, in few rounds', () => {
  for (const mtuBytes of [112, 113, 1_280, 1_412, 1_472, 1_473, 8_972, MAX_ECHO_DATAGRAM_BYTES]) {
    const pair = new Pair();
    pair.mtuBytes = mtuBytes;
    pair.ping({ findMtu: true, timeoutMs: 1000 });
    pair.run();
    assert.equal(pair.summary?.pathMtuBytes, mtuBytes);
    assert.ok(pair.nowMs < 3_000, `${mtuBytes}: ${pair.nowMs} ms`);
    assert.equal(pair.b.counters.echoOverBudget, 0);
  }
});

test('a lost try of a size does not make the result smaller', () => {
  const pair = new Pair();
  pair.mtuBytes = 1_400;
  // Of the two questions of a size, one.
  pair.isLost = (index) => index < 16 && index % 2 === 0;
  pair.ping({ findMtu: true });
  pair.run();
  assert.equal(pair.summary?.pathMtuBytes, 1_400);
});

test('a dead path has no size, and the search ends', () => {
  const pair = new Pair();
  pair.mtuBytes = 0;
  pair.ping({ findMtu: true, timeoutMs: 1000 });
  pair.run();
  assert.equal(pair.summary?.pathMtuBytes, null);
  assert.equal(pair.nowMs, 1000);
});

function question(changes: { readonly replyTo?: Uint8Array; readonly sizeBytes?: number } = {}): Uint8Array {
  const { replyTo = A.mac, sizeBytes = 200 } = changes;
  const message = {
    type: 'question',
    wantsShort: false,
    id: new Uint8Array(8),
    sequence: 1,
    replyTo,
    sizeBytes,
  } as const;
  return encodeEcho(message, 200);
}

test('an answer goes to a station of whoever asks, and to no other', () => {
  const pair = new Pair();
  const heard = (peer: string, body: Uint8Array) =>
    pair.b.handle({ kind: 'heard', vlan: VLAN, peer, body }, 0);
  assert.equal(heard(A.peer, question()).length, 1);
  assert.deepEqual(heard('peer-c', question()), []);
  assert.deepEqual(heard(A.peer, question({ replyTo: B.mac })), []);
  assert.deepEqual(pair.b.handle({ kind: 'heard', vlan: 'other', peer: A.peer, body: question() }, 0), []);
  assert.equal(pair.b.counters.echoUnclaimed, 3);
});

test('an answer is never larger than its question', () => {
  const pair = new Pair();
  const large = question({ sizeBytes: 9000 });
  assert.deepEqual(pair.b.handle({ kind: 'heard', vlan: VLAN, peer: A.peer, body: large }, 0), []);
  assert.equal(pair.b.counters.echoMalformed, 1);
  const [answer] = pair.b.handle({ kind: 'heard', vlan: VLAN, peer: A.peer, body: question() }, 0);
  assert.ok(answer?.kind === 'send' && answer.body.length === question().length);
});

test('one who asks too often is answered a hundred times a second, and the others still', () => {
  const pair = new Pair();
  let answers = 0;
  for (let ms = 0; ms < 1000; ms += 1) {
    answers += pair.b.handle({ kind: 'heard', vlan: VLAN, peer: A.peer, body: question() }, ms).length;
  }
  assert.ok(answers >= 100 && answers <= 165, `${answers} answers`);
  assert.equal(pair.b.counters.echoOverBudget, 1000 - answers);
  pair.claims.set('2,0,0,0,0,3', 'peer-c');
  const other = question({ replyTo: Uint8Array.of(2, 0, 0, 0, 0, 3) });
  assert.equal(pair.b.handle({ kind: 'heard', vlan: VLAN, peer: 'peer-c', body: other }, 999).length, 1);
});

test('an answer of another peer, ping, size or VLAN is not taken', () => {
  const pair = new Pair();
  pair.isLost = () => true;
  pair.ping({ count: 1 });
  const answer = (id: number, sizeBytes: number): Uint8Array =>
    encodeEcho(
      {
        type: 'answer',
        wantsShort: false,
        id: new Uint8Array(8).fill(id),
        sequence: 1,
        replyTo: A.mac,
        sizeBytes,
      },
      128,
    );
  const heard = (vlan: string, peer: string, body: Uint8Array) =>
    pair.a.handle({ kind: 'heard', vlan, peer, body }, 1);
  assert.deepEqual(heard(VLAN, 'peer-c', answer(1, 128)), []);
  assert.deepEqual(heard(VLAN, B.peer, answer(9, 128)), []);
  assert.deepEqual(heard(VLAN, B.peer, answer(1, 129)), []);
  assert.deepEqual(heard('other', B.peer, answer(1, 128)), []);
  assert.equal(pair.a.counters.echoUnexpected, 4);
  assert.deepEqual(
    heard(VLAN, B.peer, answer(1, 128)).map(({ kind }) => kind),
    ['reply', 'done'],
  );
});

test('any bytes are taken without harm', () => {
  const pair = new Pair();
  pair.ping({ count: 1 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(3), (bytes, type) => {
      const body = bytes.length > 0 ? Uint8Array.from([type, ...bytes.subarray(1)]) : bytes;
      const before = decodeEcho(body);
      const effects = pair.b.handle({ kind: 'heard', vlan: VLAN, peer: A.peer, body }, 0);
      assert.ok(before !== undefined || effects.length === 0);
    }),
  );
});
