/** Hole punching: what is told, what is probed, and how little a peer can make us send to others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Candidates,
  decodeTrunkMessage,
  encodeTrunkMessage,
  type LaneCandidates,
} from './messages/trunk-messages.ts';
import { encodeProbeBody } from './probe-body.ts';
import { Harness, LOWER } from './trunk-machine.fixture.ts';
import type { DatagramAddress, TrunkEffect } from './trunk-port.ts';

const VICTIM = { ip: '203.0.113.9', port: 53 };
const OWN = { ip: '10.0.0.2', port: 7_947 };
const MAPPED = { ip: '198.51.100.7', port: 40_000 };

/** A trunk of which only the stream lives: its datagrams get through to nobody. */
class Shut {
  readonly harness = new Harness();
  readonly stream: number;
  readonly handle: number;

  constructor(features: readonly string[] = ['candidates']) {
    this.harness.send({ kind: 'set-addresses', datagramPort: OWN.port, datagram: [OWN], listen: [] });
    this.stream = this.harness.open(LOWER).stream;
    const hello = this.harness.hello({}, { features, datagramPort: 0 });
    const effects = this.harness.send({
      kind: 'message',
      stream: this.stream,
      message: encodeTrunkMessage(hello),
    });
    const lane = effects.find((effect) => effect.kind === 'install-lane' && effect.carrier === 'udp');
    const other = effects.find((effect) => effect.kind === 'install-lane' && effect.carrier === 'stream');
    assert.ok(lane?.kind === 'install-lane' && other?.kind === 'install-lane');
    this.handle = lane.handle;
    // The initiator has proven that it has the keys.
    this.harness.send({ kind: 'lane-accepted', handle: other.handle });
  }

  /** The peer names addresses. @returns the message's size, and what follows */
  name(
    lanes: readonly LaneCandidates[],
    more: Partial<Candidates> = {},
  ): { readonly sizeBytes: number; readonly effects: TrunkEffect[] } {
    const message = encodeTrunkMessage({
      kind: 'candidates',
      isAnswer: false,
      lanes,
      paddingBytes: 0,
      ...more,
    });
    const effects = this.harness.send({ kind: 'message', stream: this.stream, message });
    return { sizeBytes: message.length, effects };
  }
}

function sentTo(effects: readonly TrunkEffect[], { ip, port }: DatagramAddress): number[] {
  return effects.flatMap((effect) =>
    effect.kind === 'send-probe' && effect.address?.ip === ip && effect.address.port === port
      ? effect.body.length + 48
      : [],
  );
}

function told(effects: readonly TrunkEffect[]): Candidates[] {
  return effects.flatMap((effect) => {
    const result = effect.kind === 'send-message' ? decodeTrunkMessage(effect.message) : undefined;
    return result?.ok === true && result.message.kind === 'candidates' ? result.message : [];
  });
}

test('while no datagrams pass, both ends are told and probed, ever more rarely', () => {
  const shut = new Shut();
  const first = told(shut.harness.pass(2_000));
  assert.equal(first.length, 1);
  assert.deepEqual(first[0]?.lanes, [{ lane: 0, addresses: [OWN] }]);
  assert.equal(first[0].isAnswer, false);
  const later = told(shut.harness.pass(3_600_000)).length;
  assert.ok(later >= 5 && later <= 16, `${later} rounds in an hour without traffic`);
});

test('what a peer names is answered, and probed five times in two seconds', () => {
  const shut = new Shut();
  const { effects } = shut.name([{ lane: 0, addresses: [MAPPED] }], { paddingBytes: 400 });
  assert.deepEqual(
    told(effects).map(({ isAnswer }) => isAnswer),
    [true],
  );
  const probes = sentTo([...effects, ...shut.harness.pass(2_000)], MAPPED);
  assert.equal(probes.length, 5);
  assert.equal(told(shut.name([{ lane: 0, addresses: [MAPPED] }], { isAnswer: true }).effects).length, 0);
});

test('an answer from a named address makes the trunk go by it, and tells from where we are seen', () => {
  const shut = new Shut();
  const { harness, handle } = shut;
  const { effects } = shut.name([{ lane: 0, addresses: [MAPPED] }], { paddingBytes: 400 });
  assert.equal(harness.answer(effects.filter((effect) => effect.kind === 'send-probe')), 1);
  assert.equal(harness.machine.status()[0]?.carrier, 'udp');
  assert.deepEqual(harness.machine.status()[0]?.address, MAPPED);
  assert.ok(handle > 0);
});

test('a third party that a peer names gets three bytes for each of the message at most, whatever is named', () => {
  const shut = new Shut();
  let received = 0;
  let sent = 0;
  for (let round = 0; round < 40; round++) {
    const { sizeBytes, effects } = shut.name([{ lane: 0, addresses: [VICTIM] }], {
      paddingBytes: round % 3 === 0 ? 0 : 150,
      isAnswer: true,
    });
    received += sizeBytes;
    const probes = sentTo([...effects, ...shut.harness.pass(round % 2 === 0 ? 3_000 : 20)], VICTIM);
    assert.ok(probes.length <= 5, `${probes.length} probes of one message`);
    sent += probes.reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(sent <= 3 * received, `${sent} bytes for ${received}`);
  }
  assert.ok(sent > 0);
});

test('a peer that names without end is not answered without end', () => {
  const shut = new Shut();
  let answers = 0;
  for (let round = 0; round < 2_000; round++) {
    answers += told(shut.name([{ lane: 0, addresses: [VICTIM] }]).effects).length;
  }
  assert.ok(answers <= 512, `${answers} answers at once`);
  assert.ok((shut.harness.machine.counters().get('probesRefused') ?? 0) >= 1_000);
});

test('groups, this machine itself and addresses of one link only are not probed', () => {
  const shut = new Shut();
  const addresses = [
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.251',
    '255.255.255.255',
    '169.254.1.1',
    '::1',
    'ff02::1',
    'fe80::1',
  ];
  const { effects } = shut.name([{ lane: 0, addresses: addresses.map((ip) => ({ ip, port: 53 })) }], {
    paddingBytes: 5_000,
  });
  const all = [...effects, ...shut.harness.pass(2_000)];
  assert.equal(
    all.filter((effect) => effect.kind === 'send-probe' && effect.address !== undefined).length,
    0,
  );
});

test('a lane that lives takes no candidates, and a peer without the feature is told none', () => {
  const shut = new Shut();
  const { harness, handle } = shut;
  harness.answer(harness.ask(handle, MAPPED));
  assert.equal(harness.machine.status()[0]?.carrier, 'udp');
  shut.name([{ lane: 0, addresses: [VICTIM] }], { paddingBytes: 400 });
  assert.equal(sentTo(harness.pass(2_000), VICTIM).length, 0);
  assert.equal(told(new Shut([]).harness.pass(60_000)).length, 0);
});

test('what peers see of a socket is told before its own address', () => {
  const shut = new Shut();
  const { harness, handle } = shut;
  const asks = harness.ask(handle, MAPPED).filter((effect) => effect.kind === 'send-probe');
  const ask = asks.find(({ body }) => body[0] === 1);
  assert.ok(ask, 'the source is challenged');
  const sequence = new DataView(ask.body.buffer).getUint32(4, true);
  const challenge = ask.body.slice(16, 32);
  const observed = { ip: '192.0.2.77', port: 1_234 };
  assert.ok(ask.body.length >= 38, 'there is room for the observed address');
  const body = encodeProbeBody({ operation: 'answer', sequence, challenge, unixMs: 0, observed }, 86);
  harness.send({ kind: 'probe', handle, source: ask.address, body });
  // Then the path is gone.
  const effects = harness.pass(120_000);
  assert.deepEqual(told(effects)[0]?.lanes, [{ lane: 0, addresses: [observed, OWN] }]);
});
