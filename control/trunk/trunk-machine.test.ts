/** The machine against peers that break the rules: one input at a time, without a simulation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSimCrypto } from '../../test/sim/sim-crypto.ts';
import { Simulation } from '../../test/sim/simulation.ts';
import { TrunkMessage as TrunkCodec } from './messages/trunk-codec.ts';
import { decodeTrunkMessage, encodeTrunkMessage, type Hello, type Party } from './messages/trunk-messages.ts';
import { encodeProbeBody } from './probe-body.ts';
import type { TrunkConfig } from './trunk-config.ts';
import { TrunkMachine } from './trunk-machine.ts';
import type { DatagramAddress, TrunkEffect, TrunkInput } from './trunk-port.ts';

/** Lower and higher than ours: the first says Hello to us, to the second we say it. */
const LOWER = '12D3KooWa';
const SELF = '12D3KooWm';
const HIGHER = '12D3KooWz';

class Harness {
  readonly simulation = new Simulation(7);
  readonly machine: TrunkMachine;
  nowMs = 1_000;
  #nextHandle = 1;
  #nextId = 100;

  constructor(config: Partial<TrunkConfig> = {}, lanesMax = 10_000) {
    const ports = {
      self: SELF,
      workerCount: 1,
      crypto: createSimCrypto(this.simulation),
      unixOffsetMs: () => 0,
      lanes: {
        allocateLane: () => {
          const handle = this.#nextHandle++;
          return handle > lanesMax ? undefined : { handle, receiverIndex: handle };
        },
      },
    };
    this.machine = new TrunkMachine(ports, config);
  }

  send(input: TrunkInput): TrunkEffect[] {
    return this.machine.handle(input, this.nowMs);
  }

  /** Time passes as it would: tick by tick. */
  pass(durationMs: number): TrunkEffect[] {
    const endMs = this.nowMs + durationMs;
    const effects: TrunkEffect[] = [];
    for (let ticks = 0; this.machine.nextTimeoutMs() <= endMs; ticks++) {
      assert.ok(ticks < 10_000);
      this.nowMs = Math.max(this.nowMs, this.machine.nextTimeoutMs());
      effects.push(...this.send({ kind: 'tick' }));
    }
    this.nowMs = endMs;
    return effects;
  }

  /** A peer connects and opens its control stream. @returns the stream */
  open(peer: string): {
    readonly stream: number;
    readonly connection: number;
    readonly effects: TrunkEffect[];
  } {
    const [connection, stream] = [this.#nextId++, this.#nextId++];
    this.send({ kind: 'connected', peer, connection, dialled: false, remoteIp: '192.0.2.1' });
    const effects = this.send({
      kind: 'stream-opened',
      peer,
      connection,
      stream,
      protocol: 'trunk',
      openedHere: false,
    });
    return { stream, connection, effects };
  }

  hello(overrides: Partial<Hello> = {}, party: Partial<Party> = {}): Hello {
    const started = createSimCrypto(this.simulation).startExchange();
    return {
      kind: 'hello',
      session: this.simulation.bytes(16),
      generation: 1,
      x25519PublicKey: started.x25519PublicKey,
      mlKemPublicKey: started.mlKemPublicKey,
      rekey: false,
      party: {
        incarnation: this.simulation.bytes(16),
        workers: 1,
        linkMtuBytes: 8_972,
        features: [],
        roles: [],
        lanes: [
          { carrier: 'udp', lane: 0, receiverIndex: 5 },
          { carrier: 'stream', lane: 0, receiverIndex: 6 },
        ],
        datagramAddresses: [],
        datagramPort: 7_947,
        listenAddresses: [],
        ...party,
      },
      ...overrides,
    };
  }

  /** The lower peer connects and says Hello. @returns the handle of the datagram lane */
  trunk(peer = LOWER): {
    readonly handle: number;
    readonly stream: number;
    readonly effects: TrunkEffect[];
  } {
    const { stream } = this.open(peer);
    const effects = this.send({ kind: 'message', stream, message: encodeTrunkMessage(this.hello()) });
    const lane = effects.find((effect) => effect.kind === 'install-lane' && effect.carrier === 'udp');
    assert.ok(lane?.kind === 'install-lane');
    return { handle: lane.handle, stream, effects };
  }

  ask(handle: number, source: DatagramAddress, sequence = 1): TrunkEffect[] {
    const body = encodeProbeBody(
      { operation: 'ask', sequence, unixMs: 0, challenge: this.simulation.bytes(16) },
      96,
    );
    return this.send({ kind: 'probe', handle, source, body });
  }
}

function byes(effects: readonly TrunkEffect[]): string[] {
  return effects.flatMap((effect) => {
    const result = effect.kind === 'send-message' ? decodeTrunkMessage(effect.message) : undefined;
    return result?.ok === true && result.message.kind === 'bye' ? [result.message.code] : [];
  });
}

function kinds(effects: readonly TrunkEffect[]): Set<string> {
  return new Set(effects.map((effect) => effect.kind));
}

const bytesSentTo = (effects: readonly TrunkEffect[], ip: string): number =>
  effects.reduce(
    (sum, effect) =>
      sum + (effect.kind === 'send-probe' && effect.address?.ip === ip ? effect.body.length + 64 : 0),
    0,
  );

test('garbage on the control stream: the peer is told, closed, counted and logged', () => {
  const harness = new Harness();
  const { stream } = harness.open(LOWER);
  const effects = harness.send({ kind: 'message', stream, message: new Uint8Array(50).fill(0xff) });
  assert.deepEqual(byes(effects), ['malformed-message']);
  assert.ok(kinds(effects).has('close-stream'));
  assert.ok(kinds(effects).has('log'));
  assert.equal(harness.machine.counters().get('malformedMessages'), 1);
  assert.match(harness.machine.status()[0]?.lastError ?? '', /malformed/);
});

test('another version: a clear error on this end, and one for the other end', () => {
  const harness = new Harness();
  const { stream } = harness.open(LOWER);
  const message = TrunkCodec.encode({ hello: { minVersion: 9, maxVersion: 12 } as never });
  const effects = harness.send({ kind: 'message', stream, message });
  assert.deepEqual(byes(effects), ['version-mismatch']);
  assert.match(harness.machine.status()[0]?.lastError ?? '', /versions 9 to 12, this node 1 to 1/);
});

test("a peer's Bye for another version is shown, and it is not dialled again at once", () => {
  const harness = new Harness();
  harness.send({ kind: 'set-peers', peers: [{ peer: HIGHER, addresses: ['x'] }] });
  const { stream } = harness.open(HIGHER);
  const bye = encodeTrunkMessage({
    kind: 'bye',
    code: 'version-mismatch',
    detail: 'this node speaks 2 to 3',
  });
  harness.send({ kind: 'message', stream, message: bye });
  harness.send({ kind: 'stream-closed', stream, reason: 'closed' });
  assert.match(harness.machine.status()[0]?.lastError ?? '', /this node speaks 2 to 3/);
  assert.equal(harness.machine.status()[0]?.state, 'connecting');
  assert.equal(kinds(harness.pass(2_000)).has('open-stream'), false);
});

test('a peer that connects and says nothing is closed: the stream after 5 s, then the connection', () => {
  const harness = new Harness();
  const { stream, connection } = harness.open(LOWER);
  const effects = harness.pass(5_100);
  assert.deepEqual(byes(effects), ['handshake-timeout']);
  harness.send({ kind: 'stream-closed', stream, reason: 'closed' });
  const later = harness.pass(11_000);
  assert.deepEqual(
    later.filter((effect) => effect.kind === 'disconnect'),
    [{ kind: 'disconnect', connection }],
  );
  harness.send({ kind: 'disconnected', peer: LOWER, connection });
  assert.deepEqual(harness.machine.sizes(), { peers: 0, streams: 0, lanes: 0, connections: 0 });
});

test('a Hello that is not answered: its lanes are freed', () => {
  const harness = new Harness();
  const { effects } = harness.open(HIGHER);
  assert.ok(kinds(effects).has('send-message'));
  assert.equal(harness.machine.sizes().lanes, 2);
  assert.ok(kinds(harness.pass(5_100)).has('remove-lane'));
  assert.equal(harness.machine.sizes().lanes, 0);
});

test('messages out of turn are refused: Hello from the higher id, HelloReply to no Hello, requests to the responder', () => {
  for (const [peer, message] of [
    [HIGHER, new Harness().hello()],
    [LOWER, { kind: 'rekey-request' as const, lanes: [] }],
  ] as const) {
    const harness = new Harness();
    const { stream } = harness.open(peer);
    const effects = harness.send({ kind: 'message', stream, message: encodeTrunkMessage(message) });
    assert.deepEqual(byes(effects), ['unexpected-message']);
  }
});

test('a rekey of a trunk that is not known is answered so that the peer begins anew on the same stream', () => {
  const harness = new Harness();
  const { stream } = harness.open(LOWER);
  const effects = harness.send({
    kind: 'message',
    stream,
    message: encodeTrunkMessage(harness.hello({ rekey: true, generation: 9 })),
  });
  assert.deepEqual(byes(effects), ['unknown-session']);
  assert.equal(kinds(effects).has('close-stream'), false);
  const again = harness.send({ kind: 'message', stream, message: encodeTrunkMessage(harness.hello()) });
  assert.ok(kinds(again).has('install-lane'));
});

test('a generation that does not grow is refused, so no key is derived twice', () => {
  const harness = new Harness();
  const { stream } = harness.open(LOWER);
  const hello = harness.hello();
  harness.send({ kind: 'message', stream, message: encodeTrunkMessage(hello) });
  const effects = harness.send({
    kind: 'message',
    stream,
    message: encodeTrunkMessage({ ...hello, rekey: true }),
  });
  assert.deepEqual(byes(effects), ['unknown-session']);
  assert.equal(kinds(effects).has('install-lane'), false);
});

test('handshakes of one peer are limited, and coming back does not refill the budget', () => {
  const harness = new Harness({ handshakeBurst: 3, handshakesPerSecond: 0.1 });
  const codes: string[] = [];
  for (let round = 0; round < 5; round++) {
    const { stream, connection } = harness.open(LOWER);
    codes.push(
      ...byes(harness.send({ kind: 'message', stream, message: encodeTrunkMessage(harness.hello()) })),
    );
    harness.send({ kind: 'stream-closed', stream, reason: 'closed' });
    harness.send({ kind: 'disconnected', peer: LOWER, connection });
  }
  assert.deepEqual(codes, ['too-many-handshakes', 'too-many-handshakes']);
});

test('trunks beyond the limit are refused with a reason', () => {
  const harness = new Harness({ trunksMax: 2 });
  const codes = ['12D3KooW1', '12D3KooW2', '12D3KooW3'].flatMap((peer) => {
    const { stream } = harness.open(peer);
    return byes(harness.send({ kind: 'message', stream, message: encodeTrunkMessage(harness.hello()) }));
  });
  assert.deepEqual(codes, ['too-many-trunks']);
});

test('a full lane table refuses the handshake instead of failing later', () => {
  const harness = new Harness({}, 0);
  const { stream } = harness.open(LOWER);
  const effects = harness.send({ kind: 'message', stream, message: encodeTrunkMessage(harness.hello()) });
  assert.deepEqual(byes(effects), ['rejected']);
});

test('a restarted peer replaces its old trunk', () => {
  const harness = new Harness();
  const first = harness.trunk();
  const second = harness.trunk();
  const order = second.effects
    .map((effect) => effect.kind)
    .filter((kind) => kind === 'remove-trunk' || kind === 'add-trunk');
  assert.deepEqual(order, ['remove-trunk', 'add-trunk']);
  assert.notEqual(first.handle, second.handle);
  assert.equal(harness.machine.sizes().lanes, 2);
});

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

test('log lines of one kind are limited', () => {
  const harness = new Harness();
  let lines = 0;
  for (let round = 0; round < 500; round++) {
    const { stream } = harness.open(LOWER);
    const effects = harness.send({ kind: 'message', stream, message: new Uint8Array(9) });
    lines += effects.filter((effect) => effect.kind === 'log').length;
  }
  assert.ok(lines <= 12, `${lines} lines`);
});

test('of two streams that raced, both ends keep the one that the lower PeerId opened', () => {
  for (const [peer, keepsOwn] of [
    [HIGHER, true],
    [LOWER, false],
  ] as const) {
    for (const ownFirst of [true, false]) {
      const harness = new Harness();
      const [own, theirs] = [1, 2];
      harness.send({
        kind: 'connected',
        peer: peer,
        connection: 9,
        dialled: false,
        remoteIp: undefined,
      });
      const opened = (stream: number) =>
        harness.send({
          kind: 'stream-opened',
          peer: peer,
          connection: 9,
          stream,
          protocol: 'trunk',
          openedHere: stream === own,
        });
      const effects = [...opened(ownFirst ? own : theirs), ...opened(ownFirst ? theirs : own)];
      const closed = effects.filter((effect) => effect.kind === 'close-stream').map(({ stream }) => stream);
      assert.deepEqual(closed, [keepsOwn ? theirs : own]);
    }
  }
});

test('an address without a PeerId is dialled until someone answers, who is then a configured peer', () => {
  const harness = new Harness();
  const first = harness.send({ kind: 'set-peers', peers: [], unnamed: ['/ip4/192.0.2.1/tcp/1'] });
  assert.ok(kinds(first).has('dial-unnamed'));
  harness.send({ kind: 'dial-failed', peer: undefined, address: '/ip4/192.0.2.1/tcp/1', reason: 'refused' });
  assert.ok(kinds(harness.pass(1_000)).has('dial-unnamed'));
  harness.send({ kind: 'peer-named', address: '/ip4/192.0.2.1/tcp/1', peer: HIGHER });
  const effects = harness.send({
    kind: 'connected',
    peer: HIGHER,
    connection: 1,
    dialled: true,
    remoteIp: '192.0.2.1',
  });
  assert.ok(kinds(effects).has('open-stream'));
  assert.equal(harness.machine.status()[0]?.configured, true);
});

test('stop says goodbye, frees everything and asks for no more time', () => {
  const harness = new Harness();
  harness.trunk();
  const effects = harness.send({ kind: 'stop' });
  assert.deepEqual(byes(effects), ['going-away']);
  assert.ok(kinds(effects).has('remove-trunk'));
  assert.equal(harness.machine.sizes().lanes, 0);
  assert.equal(harness.machine.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});
