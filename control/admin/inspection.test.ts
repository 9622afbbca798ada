/** Behaviour of answers that come piece by piece, over a real Unix socket: their pieces, their ends, their failures. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { AdminClientError } from './admin-exchange.ts';
import { type AdminServer, startAdminServer } from './admin-server.ts';
import { ControlError } from './daemon-control.ts';
import { ListDaemon, OTHER_PEER, VLAN_ID } from './daemon-control-fixture.ts';
import type { CaptureRequest, PingRequest } from './inspection.ts';
import { InspectionClient } from './inspection-client.ts';
import { ListInspection } from './inspection-fixture.ts';

const PING: PingRequest = {
  vlan: VLAN_ID,
  target: OTHER_PEER,
  count: 2,
  intervalMs: 10,
  sizeBytes: 128,
  timeoutMs: 100,
  findMtu: false,
};
const CAPTURE: CaptureRequest = { vlan: VLAN_ID, count: 0, seconds: 0, snapBytes: 64 };
const REPLY = { sequence: 1, sizeBytes: 128, rttMs: 1.5, unsent: false };
const NEVER = new AbortController().signal;

const root = await mkdtemp(join(tmpdir(), 'peertap-inspection-'));
let path: string;
let count = 0;
let inspection: ListInspection;
let logged: object[];
let server: AdminServer;
let client: InspectionClient;

beforeEach(async () => {
  path = join(root, `${count++}.sock`);
  inspection = new ListInspection();
  logged = [];
  const log = { error: (details: object) => logged.push(details) };
  server = await startAdminServer({ path, daemon: new ListDaemon(), inspection, log });
  client = new InspectionClient(path);
});
afterEach(() => server.close());
after(() => rm(root, { recursive: true }));

async function all<Piece>(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const got: Piece[] = [];
  for await (const piece of pieces) got.push(piece);
  return got;
}

test('a ping is a line for each reply, and one for how it ended', async () => {
  inspection.replies = [REPLY, { ...REPLY, sequence: 2, rttMs: null }];
  const lines = await all(client.ping(PING, NEVER));
  assert.deepEqual(
    lines.slice(0, 2),
    inspection.replies.map((reply) => ({ reply })),
  );
  assert.deepEqual(lines[2], { done: await inspection.ping(PING, () => undefined, NEVER) });
  assert.deepEqual(inspection.asked[0], PING);
});

test('what is refused before the first piece is refused as any request', async () => {
  inspection.failure = new ControlError('no-member', 'Nobody of that name is in this VLAN.');
  await assert.rejects(all(client.ping(PING, NEVER)), (error) => {
    assert.ok(error instanceof AdminClientError);
    assert.deepEqual([error.code, error.reason], ['refused', 'no-member']);
    return true;
  });
  await assert.rejects(all(client.capture(CAPTURE, 'x', NEVER)), /Nobody of that name/);
});

test('what fails later says so in its last line, and a bug only to the log', async () => {
  inspection.replies = [REPLY];
  inspection.failure = new ControlError('stopping', 'The daemon stops.');
  const seen: unknown[] = [];
  const read = async (): Promise<void> => {
    for await (const line of client.ping(PING, NEVER)) seen.push(line);
  };
  await assert.rejects(read(), /^AdminClientError: The daemon stops\.$/);
  assert.deepEqual(seen, [{ reply: REPLY }]);
  assert.equal(logged.length, 0);
  inspection.failure = new TypeError('secret detail');
  await assert.rejects(read(), /unexpected error; its log has the details/);
  assert.equal(logged.length, 1);
});

test('a client that goes ends what it asked for', async () => {
  inspection.replies = [REPLY];
  inspection.endless = true;
  const gone = new AbortController();
  for await (const line of client.ping(PING, gone.signal)) {
    assert.deepEqual(line, { reply: REPLY });
    gone.abort();
  }
  while (inspection.stopped === 0) await new Promise(setImmediate);
  assert.deepEqual(
    await all(client.trace({ vlan: VLAN_ID, target: OTHER_PEER, timeoutMs: 100 }, gone.signal)),
    [],
  );
});

test('a capture is stopped by its name and brought to its end', async () => {
  inspection.pieces = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  inspection.endless = true;
  const got: number[] = [];
  for await (const piece of client.capture(CAPTURE, 'mine', NEVER)) {
    got.push(...piece);
    if (got.length === 2) {
      await assert.rejects(all(client.capture(CAPTURE, 'mine', NEVER)), /name: mine is taken/);
      await assert.rejects(client.stopCapture('other'), { reason: 'not-found' });
      await client.stopCapture('mine');
    }
  }
  assert.deepEqual(got, [1, 2, 3]);
  await assert.rejects(client.stopCapture('mine'), { reason: 'not-found' });
});

test('a client that does not read makes nobody keep what it does not take', async () => {
  const piece = new Uint8Array(1_000_000);
  inspection.pieces = Array.from({ length: 64 }, () => piece);
  let written = 0;
  const capture = inspection.capture.bind(inspection);
  inspection.capture = (wanted, sink, signal) => {
    const write = (bytes: Uint8Array): boolean => {
      written += bytes.length;
      return sink.write(bytes);
    };
    return capture(wanted, { write, drained: () => sink.drained() }, signal);
  };
  const outgoing = request({ socketPath: path, method: 'POST', path: '/v1/capture', agent: false });
  outgoing.end(JSON.stringify(CAPTURE));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.pause();
  for (let turns = 0, before = -1; turns < 500; turns = before === written ? turns + 1 : 0) {
    before = written;
    await new Promise(setImmediate);
  }
  assert.ok(written < 16_000_000, `${written} bytes were written for nobody`);
  let received = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
  assert.equal(received, 64_000_000);
});

test('there is a limit to what runs at once', async () => {
  inspection.replies = [REPLY];
  inspection.endless = true;
  const ends = new AbortController();
  const running = Array.from({ length: 16 }, () => client.ping(PING, ends.signal)[Symbol.asyncIterator]());
  for (const each of running) await each.next();
  await assert.rejects(all(client.ping(PING, NEVER)), { reason: 'busy' });
  ends.abort();
  for (const each of running) assert.equal((await each.next()).done, true);
});

test('the server closes in order while something runs', async () => {
  inspection.replies = [REPLY];
  inspection.endless = true;
  const pieces = client.ping(PING, NEVER)[Symbol.asyncIterator]();
  await pieces.next();
  await server.close();
  assert.equal(inspection.stopped, 1);
});

test('bad requests are answered in sentences', async () => {
  const bad: readonly [changes: object, message: RegExp][] = [
    [{ target: 'x' }, /^target: expected a PeerId of 52 characters \(12D3KooW…\) or a MAC address/],
    [{ target: '02:00:00:00:00:0G' }, /^target: expected/],
    [{ count: -1 }, /^count: expected 0\.\.604800, got -1$/],
    [{ intervalMs: 1 }, /^intervalMs: expected 10\.\.3600000, got 1$/],
    [{ sizeBytes: 20_000 }, /^sizeBytes: expected 112\.\.9216, got 20000$/],
    [{ timeout: 5 }, /^timeout: unknown key; did you mean timeoutMs\?$/],
  ];
  for (const [changes, message] of bad) {
    await assert.rejects(all(client.ping({ ...PING, ...changes }, NEVER)), (error) => {
      assert.match((error as Error).message, message);
      return true;
    });
  }
  await assert.rejects(
    all(client.capture({ ...CAPTURE, snapBytes: 4 }, 'x', NEVER)),
    /snapBytes: expected 16/,
  );
  await assert.rejects(all(client.capture(CAPTURE, 'a name', NEVER)), /name: expected 1\.\.64 letters/);
  await assert.rejects(
    client.setDebug({ trunk: 'loud' } as object),
    /levels\.trunk: expected one of trace, debug/,
  );
  await assert.rejects(client.setDebug({ trunks: 'info' } as object), /unknown key; did you mean trunk\?/);
  assert.deepEqual(inspection.asked, []);
});

test('levels are set, shown, and given back', async () => {
  const set = await client.setDebug({ trunk: 'debug', tree: 'trace' });
  assert.deepEqual(
    set.levels.filter(({ own }) => own),
    [
      { subsystem: 'trunk', level: 'debug', own: true },
      { subsystem: 'tree', level: 'trace', own: true },
    ],
  );
  await client.setDebug({ trunk: 'default' });
  assert.deepEqual((await client.debugLevels()).levels.filter(({ own }) => own).length, 1);
  assert.deepEqual(await client.relay(), inspection.relay);
  assert.deepEqual(await client.topology(), inspection.topologyReport);
});
