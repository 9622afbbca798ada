/** Behaviour of `vlan join` and of the tables against a daemon in this process: the wait for a first member. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startAdminServer } from '../admin/admin-server.ts';
import type {
  DaemonControl,
  DaemonStatus,
  JoinRequest,
  PeerReport,
  VlanReport,
} from '../admin/daemon-control.ts';
import { runCommandLine } from './program.ts';

const ID = 'a'.repeat(26);

/** Members appear when the virtual clock reaches `memberAtMs`. */
class VirtualDaemon implements DaemonControl {
  timeMs = 0;
  memberAtMs = Number.POSITIVE_INFINITY;
  joined: JoinRequest | undefined;

  status(): DaemonStatus {
    return {
      peerId: '12D3KooWTest',
      version: '1.2.3',
      engine: 'typescript',
      engineReason: 'no addon for this machine',
      workers: 1,
      uptimeSeconds: 3725,
      residentBytes: 150_000_000,
      eventLoopDelay: { maxMs: 0, p99Ms: 0 },
      clockOffsetMs: 45_200,
      listen: { libp2p: ['/ip4/0.0.0.0/tcp/7946'], datagram: ['0.0.0.0:7947'] },
      trunks: this.peers(),
      vlans: this.vlans(),
      counters: { framesSealed: 12, framesOpened: 0 },
      drops: { 'token-unknown': 3, 'link-replay': 0 },
    };
  }

  peers(): readonly PeerReport[] {
    const peer: PeerReport = {
      peer: '12D3KooWOther',
      state: 'down',
      carrier: null,
      rttMs: null,
      datagramMtuBytes: null,
      lossRatio: null,
      address: null,
      lanes: 0,
      bytesSent: 0,
      bytesReceived: 1536,
      lastError: 'refused\u001b[31m',
      configured: true,
      addresses: ['/ip4/192.0.2.1/tcp/7946'],
      sharedVlans: [],
    };
    return [peer];
  }

  vlans(): readonly VlanReport[] {
    if (this.joined === undefined) return [];
    const members = this.timeMs >= this.memberAtMs ? 2 : 0;
    return [{ ...this.joined, name: null, source: 'joined', owned: false, members, stations: 4 }];
  }

  createVlan(name: string): Promise<VlanReport> {
    const shape = { addresses: [], mtuBytes: 1500, members: 0, stations: 0, interface: null };
    return Promise.resolve({ id: ID, name, source: 'owned', owned: true, ...shape });
  }

  joinVlan(request: JoinRequest): Promise<VlanReport> {
    this.joined = request;
    const [vlan] = this.vlans();
    return vlan === undefined ? Promise.reject(new Error('not joined')) : Promise.resolve(vlan);
  }

  leaveVlan(): Promise<void> {
    this.joined = undefined;
    return Promise.resolve();
  }

  error(): void {
    assert.fail('a handler met a bug');
  }
}

const root = await mkdtemp(join(tmpdir(), 'peertap-join-'));
after(() => rm(root, { recursive: true }));
let count = 0;

async function withDaemon(act: (daemon: VirtualDaemon, run: Run) => Promise<void>): Promise<void> {
  const daemon = new VirtualDaemon();
  const path = join(root, `${count++}.sock`);
  const server = await startAdminServer({ path, daemon, log: daemon });
  const run: Run = async (...args) => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runCommandLine([...args, '--socket', path], {
      out: (line) => out.push(line),
      err: (line) => err.push(line),
      nowMs: () => daemon.timeMs,
      sleep: (durationMs) => {
        daemon.timeMs += durationMs;
        return Promise.resolve();
      },
    });
    return { code, out: out.join('\n'), err: err.join('\n') };
  };
  try {
    await act(daemon, run);
  } finally {
    await server.close();
  }
}

type Run = (...args: string[]) => Promise<{ code: number; out: string; err: string }>;

test('a join waits for the first member', async () => {
  await withDaemon(async (daemon, run) => {
    daemon.memberAtMs = 3_000;
    const result = await run('vlan', 'join', ID, '--interface', 'ptap0', '--address', '10.7.0.1/24');
    assert.equal(result.code, 0, result.err);
    assert.match(result.out, /^joined a{26} on ptap0 \(10\.7\.0\.1\/24, MTU 1500\)\nfound 2 other members$/);
    assert.equal(daemon.timeMs, 3_000);
  });
});

test('a join that finds nobody says so after ten seconds and is no failure', async () => {
  await withDaemon(async (daemon, run) => {
    const result = await run('vlan', 'join', ID, '--interface', 'ptap0');
    assert.equal(result.code, 0);
    assert.match(result.err, /no other member was found within 10 s/);
    assert.equal(daemon.timeMs, 10_000);
  });
});

test('a join does not wait when told so', async () => {
  await withDaemon(async (daemon, run) => {
    await run('vlan', 'join', ID, '--interface', 'ptap0', '--no-wait');
    assert.equal(daemon.timeMs, 0);
    assert.deepEqual(daemon.joined, { id: ID, interface: 'ptap0', addresses: [], mtuBytes: 1500 });
  });
});

test('creating prints the id alone on stdout', async () => {
  await withDaemon(async (_daemon, run) => {
    const { out, err } = await run('vlan', 'create', 'home');
    assert.equal(out, ID);
    assert.match(err, /peertap vlan join a{26}/);
  });
});

test('status is for people, or JSON with every documented key', async () => {
  await withDaemon(async (daemon, run) => {
    await run('vlan', 'join', ID, '--interface', 'ptap0', '--no-wait');
    const { out } = await run('status');
    assert.match(out, /up 1 h 2 min, 143 MiB resident/);
    assert.match(out, /typescript \(no addon for this machine\), 1 worker$/m);
    assert.match(out, /token-unknown {2}3/);
    assert.match(out, /^clock {6}45\.2 s behind the peers': find out/m);
    assert.ok(!out.includes('link-replay'));
    const json = JSON.parse((await run('status', '--json')).out) as DaemonStatus;
    assert.deepEqual(json, daemon.status());
  });
});

test('what a peer sent cannot steer the terminal', async () => {
  await withDaemon(async (_daemon, run) => {
    const { out } = await run('peers');
    assert.match(out, /12D3KooWOther {2}down/);
    assert.ok(!out.includes('\u001b'));
  });
});

test('VLANs are listed and left', async () => {
  await withDaemon(async (_daemon, run) => {
    assert.match((await run('vlan', 'list')).out, /no VLANs; `peertap vlan create NAME`/);
    await run('vlan', 'join', ID, '--interface', 'ptap0', '--no-wait');
    assert.match((await run('vlan', 'list')).out, /a{26} {2}- +ptap0/);
    assert.equal((await run('vlan', 'leave', ID)).out, `left ${ID}`);
    assert.deepEqual(JSON.parse((await run('vlan', 'list', '--json')).out), { vlans: [] });
  });
});
