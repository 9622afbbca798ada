/** The machine against peers that break the rules: one input at a time, without a simulation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrunkMessage as TrunkCodec } from './messages/trunk-codec.ts';
import { encodeTrunkMessage } from './messages/trunk-messages.ts';
import { byes, Harness, HIGHER, kinds, LOWER } from './trunk-machine.fixture.ts';

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
        transport: 'tcp',
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
    transport: 'tcp',
    remoteIp: '192.0.2.1',
  });
  assert.ok(kinds(effects).has('open-stream'));
  assert.equal(harness.machine.status()[0]?.configured, true);
});

test('a carrier stream does not stay on a connection that the peer has left for another', () => {
  const harness = new Harness();
  const { stream } = harness.trunk();
  const carrier = 900;
  const opened = { peer: LOWER, connection: 800, protocol: 'carrier' as const, openedHere: false };
  harness.send({ kind: 'stream-opened', stream: carrier, ...opened });
  const { effects } = harness.open(LOWER);
  const closed = effects.filter((effect) => effect.kind === 'close-stream').map((effect) => effect.stream);

  assert.deepEqual(closed, [stream, carrier]);
});

test('what other parts say crosses a trunk and no stream without one, and a new stream is told of', () => {
  const harness = new Harness();
  const body = Uint8Array.of(1, 2, 3);
  const message = encodeTrunkMessage({ kind: 'body', channel: 'tree', body });
  const early = harness.open(LOWER);
  assert.ok(!kinds(early.effects).has('trunk-stream'));
  assert.deepEqual(harness.send({ kind: 'message', stream: early.stream, message }), []);
  assert.deepEqual(harness.send({ kind: 'send-body', channel: 'tree', peer: LOWER, body }), []);
  assert.deepEqual(harness.send({ kind: 'send-body', channel: 'tree', peer: HIGHER, body }), []);

  const { stream, effects } = harness.trunk();
  const trunk = effects.find((effect) => effect.kind === 'add-trunk')?.trunk;
  assert.ok(trunk !== undefined);
  assert.deepEqual(harness.send({ kind: 'message', stream, message }), [
    { kind: 'body', channel: 'tree', trunk, peer: LOWER, body },
  ]);
  assert.deepEqual(harness.send({ kind: 'send-body', channel: 'tree', peer: LOWER, body }), [
    { kind: 'send-message', stream, message },
  ]);
  const again = harness.open(LOWER).effects.filter((effect) => effect.kind === 'trunk-stream');
  assert.deepEqual(again, [{ kind: 'trunk-stream', trunk, peer: LOWER }]);
});

test('a change of the own addresses is asked out on idle lanes at once, and connections are checked', () => {
  const harness = new Harness();
  const { handle } = harness.trunk();
  harness.ask(handle, { ip: '192.0.2.1', port: 7_947 });
  harness.answerFor(5_000);
  assert.equal(harness.answerFor(2_000), 0, 'the lane is idle');
  const effects = harness.send({ kind: 'set-addresses', datagramPort: 7_947, datagram: [], listen: [] });

  assert.ok(kinds(effects).has('check-connections'));
  assert.equal(harness.answer(effects), 1);
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
