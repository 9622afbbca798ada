import assert from 'node:assert/strict';
import { test } from 'node:test';
import { network } from './libp2p-fixture.ts';
import { sparingWindows } from './sparing-windows.ts';

/** A stream with yamux's fields, and what it would have sent. */
function windowed(state: number): {
  state: number;
  recvWindow: number;
  recvWindowCapacity: number;
  sent: number;
} & {
  sendWindowUpdate: () => void;
} {
  return {
    state,
    recvWindow: 1_000,
    recvWindowCapacity: 1_000,
    sent: 0,
    sendWindowUpdate() {
      this.sent += 1;
    },
  };
}

async function spared<T extends object>(stream: T): Promise<T> {
  const muxer = {
    createStream: () => Promise.resolve(stream as never),
    addEventListener: () => undefined,
  } as never;
  const factory = sparingWindows(() => ({ protocol: 'x', createStreamMuxer: () => muxer }))(undefined);
  await factory.createStreamMuxer({} as never).createStream();
  return stream;
}

test('room is told when half of the window is used, and at once while a stream opens', async () => {
  const [opening, open] = [await spared(windowed(2)), await spared(windowed(3))];
  opening.recvWindowCapacity = 990;
  opening.sendWindowUpdate();
  assert.equal(opening.sent, 1);
  for (const [capacity, sent] of [
    [990, 0],
    [501, 0],
    [500, 1],
    [0, 2],
  ] as const) {
    open.recvWindowCapacity = capacity;
    open.sendWindowUpdate();
    assert.equal(open.sent, sent, `${capacity} of 1,000 left`);
  }
});

test('a stream without those fields is left as it is', async () => {
  const other = { sendWindowUpdate: () => undefined };
  const before = other.sendWindowUpdate;
  await spared(other);
  assert.equal(other.sendWindowUpdate, before);
});

test('streams of many windows go through between real nodes, both ways at once', {
  timeout: 30_000,
}, async (t) => {
  const [a, b] = [await network(t), await network(t)];
  const messages = 200;
  const message = new Uint8Array(32_768);
  const echoed = Promise.withResolvers<undefined>();
  await b.streams.accept('/peertap/test/1.0.0', (stream) => {
    stream.onMessage = (bytes) => void stream.send(bytes);
  });
  const stream = await a.streams.open(b.peerId, '/peertap/test/1.0.0', b.listenAddresses());
  let received = 0;
  let sent = 0;
  const send = (): void => {
    // Eight windows' worth may be on its way.
    while (sent < messages && sent - received < 24) {
      assert.ok(stream.send(message));
      sent += 1;
    }
  };
  stream.onMessage = () => {
    received += 1;
    if (received === messages) echoed.resolve(undefined);
    send();
  };
  send();
  await echoed.promise;
  assert.equal(received, messages);
});
