/** Behaviour of the commands that show a running node, and of those of the private swarm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonStatus, PeerReport } from '../admin/daemon-control.ts';
import { OTHER_SWARM_KEY, SWARM_KEY, VLAN_ID } from '../admin/daemon-control-fixture.ts';
import { parseSwarmKey } from '../swarm/swarm-key.ts';
import { withDaemon } from './command-fixture.ts';

const PEER: PeerReport = {
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
  sources: ['config', 'mdns'],
  standing: 'warm',
  configured: true,
  addresses: ['/ip4/192.0.2.1/tcp/7946'],
  sharedVlans: [],
};

test('status is for people, or JSON with every documented key', async () => {
  await withDaemon(async ({ run, daemon }) => {
    daemon.statusChanges = {
      engineReason: 'no addon for this machine',
      workers: 1,
      uptimeSeconds: 3725,
      residentBytes: 150_000_000,
      clockOffsetMs: 45_200,
      drops: { 'token-unknown': 3, 'link-replay': 0 },
    };
    await run('vlan', 'join', VLAN_ID, '--interface', 'ptap0', '--no-wait');
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
  await withDaemon(async ({ run, daemon }) => {
    daemon.peerList = [PEER];
    const { out } = await run('peers');
    assert.match(out, /12D3KooWOther {2}down {3}warm .* config mdns /);
    assert.ok(!out.includes('\u001b'));
    assert.deepEqual(JSON.parse((await run('peers', '--json')).out), { peers: [PEER] });
  });
});

test('without peers it is said where they come from', async () => {
  await withDaemon(async ({ run }) => {
    assert.match((await run('peers')).out, /no peers known; name one in "bootstrap"/);
  });
});

test('a swarm key stands alone on stdout, and can come in by stdin', async () => {
  await withDaemon(async ({ run, runWithInput }) => {
    assert.match((await run('swarm', 'status')).out, /no private swarm: any node may connect/);
    const none = await run('swarm', 'exchange');
    assert.deepEqual([none.code, none.err], [1, 'peertap: There is no swarm to exchange.']);
    const made = await run('swarm', 'configure');
    assert.equal(made.out, SWARM_KEY);
    assert.match(made.err, /talks to nodes with this key alone[^]*peertap swarm join KEY/);
    assert.equal((await run('swarm', 'exchange')).out, SWARM_KEY);
    const twice = await run('swarm', 'configure');
    assert.deepEqual([twice.code, twice.out], [1, '']);
    const joined = await runWithInput(`${OTHER_SWARM_KEY}\n`, 'swarm', 'join', '-');
    const fingerprints = [OTHER_SWARM_KEY, SWARM_KEY].map((key) => parseSwarmKey(key).fingerprint);
    const [now = '', before = ''] = fingerprints;
    assert.ok(
      joined.out.includes(`key          ${now}\nkey before   ${before}, accepted until 2026`),
      joined.out,
    );
    assert.ok(!joined.out.includes(OTHER_SWARM_KEY));
    const finished = await run('swarm', 'rotate', '--finish');
    assert.ok(!finished.out.includes('key before'));
    assert.equal((await run('swarm', 'rotate', '--finish')).code, 1);
    const rotated = await run('swarm', 'rotate', '--json');
    assert.deepEqual(JSON.parse(rotated.out), { key: OTHER_SWARM_KEY, fingerprint: now });
    const status = await run('swarm', 'status', '--json');
    assert.equal((JSON.parse(status.out) as { fingerprint: string }).fingerprint, now);
    assert.match((await run('swarm', 'leave')).out, /no private swarm/);
  });
});

test('a swarm key that is none is wrong use, and is not repeated', async () => {
  await withDaemon(async ({ run, runWithInput }) => {
    const wrong = await run('swarm', 'join', SWARM_KEY.slice(0, -1));
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /This is no swarm key: it has \d+ characters instead of \d+\./);
    assert.ok(!wrong.err.includes(SWARM_KEY.slice(0, 20)));
    const empty = await runWithInput('\n', 'swarm', 'join', '-');
    assert.match(empty.err, /there was no key on stdin; `peertap swarm exchange` prints one/);
  });
});
