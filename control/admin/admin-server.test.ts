/** Behaviour of the admin API over a real Unix socket: answers, refusals, limits, and who may have the socket. */
import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { VlanError } from '../vlan/vlan-error.ts';
import { AdminClient, AdminClientError } from './admin-client.ts';
import { type AdminServer, startAdminServer } from './admin-server.ts';
import { SocketError } from './control-socket.ts';
import type { DaemonControl, DaemonStatus, JoinRequest, VlanReport } from './daemon-control.ts';

const ID = 'a'.repeat(26);

const STATUS: DaemonStatus = {
  peerId: '12D3KooWTest',
  version: '1.2.3',
  engine: 'typescript',
  engineReason: null,
  workers: 2,
  uptimeSeconds: 5,
  residentBytes: 1000,
  eventLoopDelay: { maxMs: 12, p99Ms: 1.5 },
  clockOffsetMs: null,
  listen: { libp2p: [], datagram: [] },
  trunks: [],
  vlans: [],
  counters: { framesSealed: 7 },
  drops: { 'link-replay': 3 },
};

/** A daemon that keeps its VLANs in a list. */
class ListDaemon implements DaemonControl {
  readonly joined: VlanReport[] = [];
  readonly logged: object[] = [];

  status(): DaemonStatus {
    return { ...STATUS, vlans: this.joined };
  }

  peers() {
    return [];
  }

  vlans(): readonly VlanReport[] {
    return this.joined;
  }

  createVlan(name: string): Promise<VlanReport> {
    if (name === 'bug') throw new TypeError('secret detail');
    return Promise.resolve(report({ id: ID, name, source: 'owned', owned: true }));
  }

  joinVlan(join: JoinRequest): Promise<VlanReport> {
    const vlan = report({ ...join });
    this.joined.push(vlan);
    return Promise.resolve(vlan);
  }

  leaveVlan(id: string): Promise<void> {
    return Promise.reject(new VlanError('not-a-member', `This node is not a member of ${id}.`));
  }

  error(details: object): void {
    this.logged.push(details);
  }
}

function report(changes: Partial<VlanReport>): VlanReport {
  return {
    id: ID,
    name: null,
    source: 'joined',
    owned: false,
    interface: null,
    addresses: [],
    mtuBytes: 1500,
    members: 0,
    stations: 0,
    ...changes,
  };
}

const root = await mkdtemp(join(tmpdir(), 'peertap-admin-'));
let path: string;
let count = 0;
let daemon: ListDaemon;
let server: AdminServer | undefined;

async function start(): Promise<AdminClient> {
  server = await startAdminServer({ path, daemon, log: daemon });
  return new AdminClient(path);
}

/** One request as a script would send it, without the client's care. */
function send(method: string, url: string, body = ''): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: path, method, path: url, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, text });
      });
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function assertRefused(
  method: string,
  url: string,
  expected: { body: string; status: number; message: RegExp },
) {
  const { status, text } = await send(method, url, expected.body);
  assert.equal(status, expected.status, text);
  const { error } = JSON.parse(text) as { error: { code: string; message: string } };
  assert.match(error.message, expected.message);
}

beforeEach(() => {
  path = join(root, `${count++}`, 'peertap.sock');
  daemon = new ListDaemon();
  server = undefined;
});
afterEach(() => server?.close());
after(() => rm(root, { recursive: true }));

test('the client reads what the daemon reports', async () => {
  const client = await start();
  assert.deepEqual(await client.status(), STATUS);
  assert.deepEqual(await client.peers(), []);
  assert.deepEqual(await client.vlans(), []);
});

test('a join gets its defaults and is seen by the next list', async () => {
  const client = await start();
  const { status } = await send('POST', '/v1/vlans/join', JSON.stringify({ id: ID, interface: 'ptap0' }));
  assert.equal(status, 200);
  const [vlan] = await client.vlans();
  assert.equal(vlan?.interface, 'ptap0');
  assert.equal(vlan.mtuBytes, 1500);
});

test('creating a VLAN answers with its id', async () => {
  const client = await start();
  assert.equal((await client.createVlan('home')).id, ID);
});

test('bad bodies are answered with the same sentences as a bad config', async () => {
  await start();
  await assertRefused('POST', '/v1/vlans/join', {
    body: 'nonsense',
    status: 400,
    message: /expected a JSON object/,
  });
  await assertRefused('POST', '/v1/vlans/join', {
    body: '[]',
    status: 400,
    message: /expected an object, got a list/,
  });
  await assertRefused('POST', '/v1/vlans', {
    body: '{"nam":"x"}',
    status: 400,
    message: /did you mean name\?/,
  });
  await assertRefused('POST', '/v1/vlans/join', {
    body: JSON.stringify({ id: ID, interface: 'ptap0', mtuBytes: 40 }),
    status: 400,
    message: /^mtuBytes: expected 576\.\.9000, got 40$/,
  });
});

test('paths, methods and sizes have their limits', async () => {
  await start();
  await assertRefused('GET', '/', { body: '', status: 404, message: /no such path; there are \/v1\/status/ });
  await assertRefused('GET', '/v1/__proto__', { body: '', status: 404, message: /no such path/ });
  await assertRefused('POST', '/v1/status', { body: '{}', status: 405, message: /takes GET, not POST/ });
  await assertRefused('POST', '/v1/vlans', {
    body: 'x'.repeat(100_000),
    status: 413,
    message: /at most 16384 bytes/,
  });
  const flood = await send('POST', '/v1/vlans', 'x'.repeat(4_000_000)).catch(() => ({ status: 0 }));
  assert.notEqual(flood.status, 201);
  assert.equal((await send('GET', '/v1/status')).status, 200);
});

test('an operating error reaches the person, a bug only the log', async () => {
  const client = await start();
  await assert.rejects(client.leaveVlan(ID), (error) => {
    assert.ok(error instanceof AdminClientError);
    assert.equal(error.reason, 'not-a-member');
    assert.match(error.message, /not a member of aaaa/);
    return true;
  });
  await assert.rejects(client.createVlan('bug'), /unexpected error; its log has the details/);
  assert.equal(daemon.logged.length, 1);
});

test('half a request and garbage leave the server as it was', async () => {
  const client = await start();
  await new Promise<void>((resolve) => {
    const socket = connect(path, () => socket.end('\0\0garbage\r\n\r\n'));
    socket.resume().once('close', () => {
      resolve();
    });
  });
  assert.deepEqual(await client.status(), STATUS);
});

test('metrics carry counters and drops, and no VLAN id', async () => {
  await start();
  await daemon.joinVlan({ id: ID, interface: 'ptap0', addresses: [], mtuBytes: 1500 });
  const { text } = await send('GET', '/metrics');
  assert.match(text, /^peertap_frames_sealed_total 7$/m);
  assert.match(text, /^peertap_drops_total\{code="link-replay"\} 3$/m);
  assert.match(text, /^peertap_event_loop_delay_seconds\{quantile="1"\} 0.012$/m);
  assert.match(text, /^peertap_vlan_members\{interface="ptap0"\} 0$/m);
  assert.ok(!text.includes(ID));
});

test('the socket is for owner and group, and goes when the server goes', async () => {
  await start();
  assert.equal((await stat(path)).mode & 0o777, 0o660);
  await server?.close();
  server = undefined;
  await assert.rejects(stat(path), /ENOENT/);
});

test('a socket that a dead daemon left behind is replaced', async () => {
  await start();
  await server?.close();
  const abandoned = createServer();
  await new Promise<void>((resolve) => abandoned.listen(`${path}.bound`, resolve));
  // Closing removes the name that was bound, so the socket file survives under the other one.
  await rename(`${path}.bound`, path);
  await new Promise((resolve) => abandoned.close(resolve));
  await assert.rejects(new AdminClient(path).status(), /nobody answers on/);
  assert.deepEqual(await (await start()).status(), STATUS);
});

test('a socket that a daemon answers on is left alone', async () => {
  const client = await start();
  await assert.rejects(startAdminServer({ path, daemon, log: daemon }), (error) => {
    assert.ok(error instanceof SocketError);
    assert.equal(error.code, 'running');
    return true;
  });
  assert.deepEqual(await client.status(), STATUS);
});

test('a file in the place of the socket is never removed', async () => {
  path = join(root, `${count}-file`);
  await writeFile(path, 'mine');
  await assert.rejects(startAdminServer({ path, daemon, log: daemon }), /is no socket; move it away/);
  assert.equal((await stat(path)).size, 4);
});

test('without a daemon the client says what to do', async () => {
  await assert.rejects(new AdminClient(path).status(), /no daemon runs here.*`peertap daemon`/);
  path = join(root, `${count}-nothttp`);
  const other = createServer((socket) => socket.resume().end('hello\n'));
  await new Promise<void>((resolve) => other.listen(path, resolve));
  try {
    await assert.rejects(new AdminClient(path).status(), /cannot be asked/);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});
