/** Message streams between real nodes on loopback, and against a libp2p node that misbehaves. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { libp2pNode, network } from './libp2p-fixture.ts';
import type { Libp2pNetwork } from './libp2p-network.ts';
import { frameMessage } from './message-framing.ts';
import type { MessageStream } from './message-streams.ts';

const TIMEOUT = { timeout: 30_000 };
const PROTOCOL = '/peertap/test/1.0.0';

interface Heard {
  readonly stream: MessageStream;
  readonly messages: Uint8Array[];
  readonly closed: Promise<string>;
  until(count: number): Promise<void>;
}

function hear(stream: MessageStream): Heard {
  const messages: Uint8Array[] = [];
  let wake = (): void => undefined;
  stream.onMessage = (message) => {
    messages.push(message);
    wake();
  };
  const closed = new Promise<string>((resolve) => (stream.onClose = resolve));
  return {
    stream,
    messages,
    closed,
    async until(count) {
      while (messages.length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

/** Accepts on a node; @returns the streams in the order in which they came */
async function accepting(node: Libp2pNetwork): Promise<() => Promise<Heard>> {
  const heard: Heard[] = [];
  let wake = (): void => undefined;
  await node.streams.accept(PROTOCOL, (stream) => {
    heard.push(hear(stream));
    wake();
  });
  return async () => {
    for (;;) {
      const next = heard.shift();
      if (next !== undefined) return next;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
}

async function pair(t: TestContext): Promise<readonly [Libp2pNetwork, Libp2pNetwork]> {
  return [await network(t), await network(t)];
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

test(
  'a stream dials, carries messages of every size both ways in order, and names the peer',
  TIMEOUT,
  async (t) => {
    const [a, b] = await pair(t);
    const next = await accepting(b);
    const opened = hear(await a.streams.open(b.peerId, PROTOCOL, b.listenAddresses()));
    const accepted = await next();
    assert.deepEqual(
      [opened.stream.peer, opened.stream.openedHere, accepted.stream.peer, accepted.stream.openedHere],
      [b.peerId, true, a.peerId, false],
    );
    const sizes = [0, 1, 127, 128, 65_536];
    for (const size of sizes) {
      assert.ok(opened.stream.send(new Uint8Array(size).fill(7)));
      assert.ok(accepted.stream.send(new Uint8Array(size).fill(8)));
    }
    await Promise.all([opened.until(sizes.length), accepted.until(sizes.length)]);
    assert.deepEqual(
      opened.messages,
      sizes.map((size) => new Uint8Array(size).fill(8)),
    );
    assert.deepEqual(
      accepted.messages,
      sizes.map((size) => new Uint8Array(size).fill(7)),
    );
  },
);

test(
  'what was said before a close arrives, and both ends are told once that it has closed',
  TIMEOUT,
  async (t) => {
    const [a, b] = await pair(t);
    const next = await accepting(b);
    const opened = hear(await a.streams.open(b.peerId, PROTOCOL, b.listenAddresses()));
    assert.ok(opened.stream.send(Buffer.from('last words')));
    opened.stream.close();
    assert.equal(opened.stream.send(Buffer.from('too late')), false);
    const accepted = await next();
    await Promise.all([opened.closed, accepted.closed]);
    assert.deepEqual(accepted.messages.map(text), ['last words']);
  },
);

test(
  'streams and dials at the same time share one connection, either end opens on it',
  TIMEOUT,
  async (t) => {
    const [a, b] = await pair(t);
    const [next, nextAtA] = [await accepting(b), await accepting(a)];
    let connections = 0;
    b.attach({
      input: ({ kind }) => (connections += Number(kind === 'connected')),
      carrierDatagram: () => {},
    });
    await Promise.all(
      Array.from({ length: 8 }, () => a.streams.open(b.peerId, PROTOCOL, b.listenAddresses())),
    );
    await a.streams.open(b.peerId, PROTOCOL, []);
    for (let count = 0; count < 9; count++) await next();
    await b.streams.open(a.peerId, PROTOCOL, []);
    await nextAtA();
    assert.equal(connections, 1);
  },
);

test(
  'a peer that cannot be reached, and one without the protocol, are errors that say so',
  TIMEOUT,
  async (t) => {
    const [a, b] = await pair(t);
    await assert.rejects(a.streams.open(b.peerId, PROTOCOL, []), { code: 'unreachable' });
    await assert.rejects(a.streams.open(b.peerId, PROTOCOL, ['/ip4/127.0.0.1/tcp/1']), {
      code: 'unreachable',
      message: /ECONNREFUSED/,
    });
    await assert.rejects(a.streams.open('nobody', PROTOCOL, []), { code: 'bad-address' });
    await assert.rejects(a.streams.open(b.peerId, PROTOCOL, b.listenAddresses()), { code: 'unsupported' });
  },
);

test('messages that arrive before anybody listens wait, the end comes last', TIMEOUT, async (t) => {
  const [a, b] = await pair(t);
  await b.streams.accept(PROTOCOL, (stream) => {
    for (const word of ['one', 'two', 'three']) stream.send(Buffer.from(word));
    stream.close();
  });
  const stream = await a.streams.open(b.peerId, PROTOCOL, b.listenAddresses());
  await new Promise((resolve) => setTimeout(resolve, 100));
  const heard = hear(stream);
  await heard.closed;
  assert.deepEqual(heard.messages.map(text), ['one', 'two', 'three']);
});

test('a message over 64 KiB closes the stream before it is held', TIMEOUT, async (t) => {
  const [b, node] = [await network(t), await libp2pNode(t)];
  const next = await accepting(b);
  const stream = await node.dialProtocol(
    multiaddr(`${b.listenAddresses()[0] ?? ''}/p2p/${b.peerId}`),
    PROTOCOL,
  );
  stream.send(frameMessage(Buffer.from('fine')));
  stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f));
  const accepted = await next();
  assert.match(await accepted.closed, /64 KiB/);
  assert.deepEqual(accepted.messages.map(text), ['fine']);
});

test('a peer that does not read its stream is closed, not queued for', TIMEOUT, async (t) => {
  const [b, node] = [await network(t), await libp2pNode(t)];
  const next = await accepting(b);
  const stream = await node.dialProtocol(
    multiaddr(`${b.listenAddresses()[0] ?? ''}/p2p/${b.peerId}`),
    PROTOCOL,
  );
  stream.pause();
  const accepted = await next();
  let sends = 0;
  while (accepted.stream.send(new Uint8Array(32_768))) {
    sends += 1;
    assert.ok(sends < 2_000, 'a queue without end');
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match(await accepted.closed, /does not read/);
});

test('a peer opens at most 64 streams of a protocol, over all its connections', TIMEOUT, async (t) => {
  const [b, node] = [await network(t), await libp2pNode(t)];
  let accepted = 0;
  await b.streams.accept(PROTOCOL, () => (accepted += 1));
  const address = multiaddr(`${b.listenAddresses()[0] ?? ''}/p2p/${b.peerId}`);
  const one = await node.dial(address);
  const other = await node.dial(address, { force: true });
  const opened = [one, other].flatMap((connection) =>
    Array.from({ length: 40 }, () => connection.newStream(PROTOCOL)),
  );
  // Refused: the opening fails, or the stream is reset behind it.
  let refused = 0;
  await new Promise<void>((resolve) => {
    const count = (): void => {
      refused += 1;
      if (refused === 16) resolve();
    };
    for (const opening of opened) {
      opening.then((stream) => {
        if (stream.status === 'open') stream.addEventListener('close', count, { once: true });
        else count();
      }, count);
    }
  });
  await Promise.allSettled(opened);
  assert.ok(accepted <= 64, `${accepted} accepted`);
  assert.ok(accepted + refused >= 80 && accepted > 40, `${accepted} accepted, ${refused} refused`);
});
