/** Behaviour of the admin API over a real Unix socket: answers, refusals, limits, and who may have the socket. */
import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { AdminClient } from './admin-client.ts';
import { AdminClientError } from './admin-exchange.ts';
import { type AdminServer, startAdminServer } from './admin-server.ts';
import { SocketError } from './control-socket.ts';
import type { CreateRequest, VlanReport } from './daemon-control.ts';
import {
  INVITE,
  ListDaemon,
  OTHER_PEER,
  OTHER_SWARM_KEY,
  SWARM_KEY,
  VLAN_ID,
  vlanReport,
} from './daemon-control-fixture.ts';
import { ListInspection } from './inspection-fixture.ts';

const ID = VLAN_ID;

/** A daemon that has a bug, which the log is told of. */
class LoggedDaemon extends ListDaemon {
  readonly logged: object[] = [];

  override createVlan(request: CreateRequest): Promise<VlanReport> {
    if (request.name === 'bug') throw new TypeError('secret detail');
    return super.createVlan(request);
  }

  error(details: object): void {
    this.logged.push(details);
  }
}

const root = await mkdtemp(join(tmpdir(), 'peertap-admin-'));
let path: string;
let count = 0;
let daemon: LoggedDaemon;
let server: AdminServer | undefined;

async function start(): Promise<AdminClient> {
  server = await startAdminServer({ path, daemon, inspection: new ListInspection(), log: daemon });
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
  daemon = new LoggedDaemon();
  server = undefined;
});
afterEach(() => server?.close());
after(() => rm(root, { recursive: true }));

test('the client reads what the daemon reports', async () => {
  const client = await start();
  assert.deepEqual(await client.status(), daemon.status());
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
  assert.equal((await client.createVlan({ name: 'home', private: false, subnet: null })).id, ID);
  const { status } = await send('POST', '/v1/vlans', JSON.stringify({ name: 'home' }));
  assert.equal(status, 201);
  assert.deepEqual(daemon.asked.at(-1), { name: 'home', private: false, subnet: null });
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

test('what is asked about private VLANs has its form', async () => {
  await start();
  const invite = { interface: 'ptap0', invite: INVITE };
  const cases: readonly [url: string, body: object, message: RegExp][] = [
    ['/v1/vlans/join', { interface: 'ptap0' }, /^expected either an id or an invite/],
    ['/v1/vlans/join', { ...invite, id: ID }, /^expected either an id or an invite/],
    ['/v1/vlans/join', { ...invite, invite: 'x' }, /^invite: an invite begins with peertap1/],
    [
      '/v1/vlans',
      { name: 'x', subnet: '10.7.0.1/24' },
      /^subnet: expected a subnet, as 10\.7\.0\.0\/24, got an address/,
    ],
    ['/v1/vlans/invite', { id: ID, uses: 0 }, /^uses: expected 1\.\.1000, got 0$/],
    ['/v1/vlans/invite', { id: ID, expiresSeconds: 5 }, /^expiresSeconds: expected 60\.\.31536000, got 5$/],
    ['/v1/vlans/approve', { id: ID }, /^peer: is missing$/],
    ['/v1/vlans/remove', { id: ID, peer: 'x' }, /^peer: expected a PeerId of 52 characters/],
    ['/v1/vlans/set', { id: ID, changes: {} }, /^changes: expected 1\.\.32 settings$/],
    ['/v1/vlans/set', { id: ID, changes: { name: 4 } }, /^changes\.name: expected a text$/],
    ['/v1/swarm/join', { key: 'two words' }, /^key: expected a swarm key, one word/],
    ['/v1/swarm/rotate', { key: 'x' }, /^key: unknown key/],
  ];
  for (const [url, body, message] of cases) {
    await assertRefused('POST', url, { body: JSON.stringify(body), status: 400, message });
  }
  for (const url of ['/v1/vlans/requests', '/v1/vlans/members?i=1', `/v1/vlans/members?id=${ID}&id2=4`]) {
    await assertRefused('GET', url, {
      body: '',
      status: 400,
      message: /^(id|i|id2): (is missing|unknown key)/,
    });
  }
});

test('members, requests and invites go through the API as they are', async () => {
  const client = await start();
  daemon.vlanList = [vlanReport({ kind: 'private', role: 'owner' })];
  const request = { peer: OTHER_PEER, askedAt: '2026-11-21T10:00:00.000Z', invited: false, note: null };
  daemon.requestList = [request];
  assert.deepEqual(await client.requests(ID), [request]);
  await client.approve(ID, OTHER_PEER);
  assert.deepEqual(await client.requests(ID), []);
  await assert.rejects(client.approve(ID, OTHER_PEER), { reason: 'no-request' });
  const wanted = { id: ID, uses: 3, expiresSeconds: 60, oneTimeSecret: true };
  assert.equal((await client.invite(wanted)).invite, INVITE);
  assert.deepEqual(daemon.asked, [wanted]);
  assert.equal((await client.setVlan(ID, { name: 'lab' })).name, 'lab');
  assert.deepEqual(await client.members(ID), []);
  assert.deepEqual(await client.browse(), []);
});

test('each refusal has its status', async () => {
  await start();
  daemon.vlanList = [vlanReport({})];
  await assertRefused('GET', `/v1/vlans/requests?id=${ID}`, { body: '', status: 409, message: /is open/ });
  await assertRefused('GET', `/v1/vlans/requests?id=${'c'.repeat(25)}a`, {
    body: '',
    status: 404,
    message: /not a member/,
  });
  await assertRefused('POST', '/v1/swarm/exchange', { body: '{}', status: 409, message: /no swarm/ });
  daemon.expiredInvites.add(INVITE);
  const invite = { invite: INVITE, interface: 'ptap0' };
  await assertRefused('POST', '/v1/vlans/join', {
    body: JSON.stringify(invite),
    status: 400,
    message: /has expired/,
  });
});

test('a swarm is made, joined and left', async () => {
  const client = await start();
  assert.equal((await client.swarmKey('configure')).key, SWARM_KEY);
  assert.equal((await client.swarm()).active, true);
  const first = (await client.swarm()).fingerprint;
  assert.equal((await client.joinSwarm(OTHER_SWARM_KEY)).previousFingerprint, first);
  assert.equal((await client.finishSwarmRotation()).previousFingerprint, null);
  await assert.rejects(client.joinSwarm(SWARM_KEY.slice(1)), { reason: 'invalid-swarm-key' });
  assert.equal((await client.leaveSwarm()).active, false);
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
  await assert.rejects(
    client.createVlan({ name: 'bug', private: false, subnet: null }),
    /unexpected error; its log has the details/,
  );
  assert.equal(daemon.logged.length, 1);
});

test('a daemon without a route is told to be of another version, and no query reaches the log', async () => {
  const client = await start();
  daemon.vlanList = [vlanReport({})];
  daemon.vlanMembers = () => {
    throw new TypeError('secret detail');
  };
  await assert.rejects(client.members(ID), /unexpected error/);
  assert.deepEqual(Object.keys(daemon.logged[0] ?? {}), ['err', 'path']);
  assert.ok(!JSON.stringify(daemon.logged).includes(ID));
  await server?.close();
  const old = createHttpServer((_request, response) => {
    response.writeHead(404).end(JSON.stringify({ error: { code: 'not-found', message: 'no such path' } }));
  });
  await new Promise<void>((resolve) => old.listen(path, resolve));
  try {
    await assert.rejects(client.swarm(), /does not know this command; restart it/);
  } finally {
    await new Promise((resolve) => old.close(resolve));
  }
});

test('half a request and garbage leave the server as it was', async () => {
  const client = await start();
  await new Promise<void>((resolve) => {
    const socket = connect(path, () => socket.end('\0\0garbage\r\n\r\n'));
    socket.resume().once('close', () => {
      resolve();
    });
  });
  assert.deepEqual(await client.status(), daemon.status());
});

test('metrics carry counters and drops, and no VLAN id', async () => {
  await start();
  await daemon.joinVlan({ id: ID, interface: 'ptap0', addresses: [], mtuBytes: 1500 });
  const group = { epoch: 4, requests: 2, membership: { commitsSettled: 9 } };
  const multicast = { wanted: 5, wantsAll: false, sentTo: 6, messages: { heard: 7 } };
  daemon.vlanList = daemon.vlanList.map((vlan) => ({ ...vlan, kind: 'private', ...group, multicast }));
  const { text } = await send('GET', '/metrics');
  assert.match(text, /^peertap_vlan_epoch\{interface="ptap0"\} 4$/m);
  assert.match(text, /^peertap_vlan_requests\{interface="ptap0"\} 2$/m);
  assert.match(text, /^peertap_vlan_membership_total\{interface="ptap0",event="commitsSettled"\} 9$/m);
  assert.match(text, /^peertap_vlan_groups\{interface="ptap0",hosts="want"\} 5$/m);
  assert.match(text, /^peertap_vlan_groups\{interface="ptap0",hosts="send"\} 6$/m);
  assert.match(text, /^peertap_vlan_group_messages_total\{interface="ptap0",outcome="heard"\} 7$/m);
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
  assert.deepEqual(await (await start()).status(), daemon.status());
});

test('a socket that a daemon answers on is left alone', async () => {
  const client = await start();
  await assert.rejects(
    startAdminServer({ path, daemon, inspection: new ListInspection(), log: daemon }),
    (error) => {
      assert.ok(error instanceof SocketError);
      assert.equal(error.code, 'running');
      return true;
    },
  );
  assert.deepEqual(await client.status(), daemon.status());
});

test('a file in the place of the socket is never removed', async () => {
  path = join(root, `${count}-file`);
  await writeFile(path, 'mine');
  await assert.rejects(
    startAdminServer({ path, daemon, inspection: new ListInspection(), log: daemon }),
    /is no socket; move it away/,
  );
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
