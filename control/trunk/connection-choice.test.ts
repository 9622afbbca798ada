/** By which connection a trunk goes: what is better, what is stalled, and what is dialled when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTrunkMessage, encodeTrunkMessage, type Party } from './messages/trunk-messages.ts';
import type { Transport } from './network-port.ts';
import { decodeProbeBody, encodeProbeBody } from './probe-body.ts';
import { Harness, HIGHER } from './trunk-machine.fixture.ts';
import type { TrunkEffect } from './trunk-port.ts';

const QUIC = '/ip4/192.0.2.9/udp/7946/quic-v1';
const TCP = '/ip4/192.0.2.9/tcp/7946';
const PEER_PARTY: Partial<Party> = { listenAddresses: [QUIC, TCP] };

/** We are the initiator of a trunk whose datagrams do not pass; its stream carrier does. */
class Streaming {
  readonly harness = new Harness();
  readonly lane: number;
  #next = 5_000;
  #connection: number;
  #isAnswering = true;

  constructor(transport: Transport) {
    this.#connection = this.connect(transport);
    const effects = this.#openTrunk(this.#connection);
    const hello = effects.flatMap((effect) => (effect.kind === 'send-message' ? effect.message : []))[0];
    const decoded = decodeTrunkMessage(hello ?? new Uint8Array());
    assert.ok(decoded.ok && decoded.message.kind === 'hello');
    const { session, generation, party } = decoded.message;
    const crypto = this.harness.hello();
    const reply = encodeTrunkMessage({
      kind: 'hello-reply',
      version: 1,
      session,
      generation,
      x25519PublicKey: crypto.x25519PublicKey,
      mlKemCiphertext: new Uint8Array(1_088).fill(3),
      party: { ...crypto.party, ...PEER_PARTY, lanes: party.lanes },
    });
    const installed = this.harness.send({ kind: 'message', stream: this.#next - 1, message: reply });
    const lane = installed.find((effect) => effect.kind === 'install-lane' && effect.carrier === 'stream');
    assert.ok(lane?.kind === 'install-lane', JSON.stringify(installed.map(({ kind }) => kind)));
    this.lane = lane.handle;
    this.openCarrier(this.#connection);
    this.pass(1_000);
    assert.equal(this.harness.machine.status()[0]?.carrier, 'stream');
  }

  connect(transport: Transport, dialled = false): number {
    const connection = this.#next++;
    this.handle(
      this.harness.send({
        kind: 'connected',
        peer: HIGHER,
        connection,
        dialled,
        transport,
        remoteIp: '192.0.2.9',
      }),
    );
    return connection;
  }

  openCarrier(connection: number): void {
    const stream = this.#next++;
    const opened = { kind: 'stream-opened', peer: HIGHER, connection, stream, protocol: 'carrier' } as const;
    this.handle(this.harness.send({ ...opened, openedHere: true }));
  }

  /** From now on nothing of what is sent on the carrier stream has an answer. */
  stall(): void {
    this.#isAnswering = false;
  }

  /** Time passes with frames on the stream, and its asks are answered unless it is stalled. @returns what was told */
  pass(durationMs: number): TrunkEffect[] {
    const effects: TrunkEffect[] = [];
    for (let passedMs = 0; passedMs < durationMs; passedMs += 10) {
      const step = this.harness.pass(10);
      effects.push(...step, ...this.handle(step));
    }
    return effects;
  }

  handle(effects: readonly TrunkEffect[]): TrunkEffect[] {
    return effects.flatMap((effect) => {
      const probe = effect.kind === 'send-probe' ? decodeProbeBody(effect.body) : undefined;
      const isAnswered = effect.kind === 'send-probe' && effect.handle === this.lane && this.#isAnswering;
      if (!isAnswered || probe?.operation !== 'ask') return [];
      const body = encodeProbeBody({ ...probe, operation: 'answer' }, 80);
      return this.harness.send({ kind: 'probe', handle: this.lane, source: undefined, body });
    });
  }

  /** Frames go out and none come in. */
  report(frames: number): TrunkEffect[] {
    const stats = { handle: this.lane, txDatagrams: 10_000 + frames, rxDatagrams: 0, highestCounter: 9 };
    return this.harness.send({ kind: 'lane-stats', lanes: [stats] });
  }

  #openTrunk(connection: number): TrunkEffect[] {
    const stream = this.#next++;
    const opened = { kind: 'stream-opened', peer: HIGHER, connection, stream, protocol: 'trunk' } as const;
    return this.harness.send({ ...opened, openedHere: true });
  }
}

function opened(effects: readonly TrunkEffect[]): number[] {
  return effects.flatMap((effect) =>
    effect.kind === 'open-stream' && effect.protocol === 'trunk' ? effect.connection : [],
  );
}

function dialled(effects: readonly TrunkEffect[]): (readonly string[])[] {
  return effects.flatMap((effect) =>
    effect.kind === 'dial' && effect.isFresh === true ? [effect.addresses] : [],
  );
}

test('the initiator moves to a better connection, and not to a worse one', () => {
  for (const [from, to, isBetter] of [
    ['circuit', 'websocket', true],
    ['websocket', 'tcp', true],
    ['tcp', 'quic', true],
    ['quic', 'tcp', false],
    ['tcp', 'tcp', false],
    ['tcp', 'circuit', false],
  ] as const) {
    const streaming = new Streaming(from);
    const { harness } = streaming;
    const connection = 9_000;
    const base = {
      kind: 'connected',
      peer: HIGHER,
      connection,
      dialled: false,
      remoteIp: undefined,
    } as const;
    const effects = harness.send({ ...base, transport: to });
    assert.deepEqual(opened(effects), isBetter ? [connection] : [], `${from} to ${to}`);
  }
});

test('a stream that answers nothing is left for another connection, and is no carrier until then', () => {
  const streaming = new Streaming('quic');
  const spare = streaming.connect('tcp');
  streaming.stall();
  let effects: TrunkEffect[] = [];
  for (let round = 0; round < 20; round++)
    effects = [...effects, ...streaming.report(round), ...streaming.pass(250)];
  assert.deepEqual(opened(effects)[0], spare);
  const told = effects.flatMap((effect) => (effect.kind === 'trunk-cost' ? effect.cost : []));
  assert.ok(told.includes(65_535), 'nothing goes by it');
});

test('without another connection one is dialled, without what is known to be stalled', () => {
  const streaming = new Streaming('quic');
  streaming.stall();
  let effects: TrunkEffect[] = [];
  for (let round = 0; round < 20; round++)
    effects = [...effects, ...streaming.report(round), ...streaming.pass(250)];
  assert.deepEqual(dialled(effects)[0], [TCP]);
});

test('a stream that is slow, but by which frames come in, is not left', () => {
  const streaming = new Streaming('tcp');
  streaming.connect('websocket');
  streaming.stall();
  const { harness } = streaming;
  const effects: TrunkEffect[] = [];
  for (let round = 0; round < 40; round++) {
    const stats = {
      handle: streaming.lane,
      txDatagrams: 10_000 + round,
      rxDatagrams: round,
      highestCounter: 9,
    };
    effects.push(...harness.send({ kind: 'lane-stats', lanes: [stats] }), ...streaming.pass(250));
  }
  assert.deepEqual(opened(effects), []);
});

test('while a circuit does, direct addresses are dialled, ever more rarely', () => {
  const streaming = new Streaming('circuit');
  const { harness } = streaming;
  // The first was when the trunk came up.
  const failed = { kind: 'dial-failed', peer: HIGHER, reason: 'nobody answers' } as const;
  harness.send(failed);
  let dials = 0;
  for (let second = 0; second < 80; second++) {
    for (const effect of streaming.pass(1_000)) {
      if (effect.kind === 'dial') {
        dials += 1;
        assert.ok(!effect.addresses.some((address) => address.includes('p2p-circuit')));
        harness.send(failed);
      }
    }
  }
  assert.ok(dials >= 3 && dials <= 5, `${dials} dials in 80 s`);
});
