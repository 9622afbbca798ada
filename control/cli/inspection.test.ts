/** Behaviour of the commands that look inside a running node: what they print, and what they say when it is not so. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ControlError } from '../admin/daemon-control.ts';
import { OTHER_PEER, OWN_PEER, THIRD_PEER, VLAN_ID, vlanReport } from '../admin/daemon-control-fixture.ts';
import type { TopologyReport } from '../admin/inspection.ts';
import { pcapngHead, pcapngPacket, pcapngStatistics } from '../capture/pcapng.ts';
import { withDaemon } from './command-fixture.ts';
import { parseDot } from './dot.fixture.ts';

const FAR_PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';
const FRAME = { bytes: new Uint8Array(60), originalBytes: 60, seconds: 1, nanoseconds: 2, isOutgoing: true };
const root = await mkdtemp(join(tmpdir(), 'peertap-inspection-'));
after(() => rm(root, { recursive: true }));

const TOPOLOGY: TopologyReport = {
  peer: OWN_PEER,
  roles: ['relay'],
  trunks: [
    {
      peer: OTHER_PEER,
      state: 'up',
      carrier: 'udp',
      address: '192.0.2.1:7947',
      rttMs: 0.424,
      lossRatio: 0.015,
      datagramMtuBytes: 1472,
      cost: 4,
      roles: ['relay'],
    },
    {
      peer: THIRD_PEER,
      state: 'connecting',
      carrier: null,
      address: null,
      rttMs: null,
      lossRatio: null,
      datagramMtuBytes: null,
      cost: null,
      roles: [],
    },
  ],
  segments: [
    {
      name: 'ho"me\\\u001b[31m',
      segment: '1'.repeat(32),
      own: true,
      epoch: 4,
      root: FAR_PEER,
      distance: 12,
      ports: [
        {
          peer: OTHER_PEER,
          role: 'root',
          forwarding: true,
          cost: 4,
          membersBehind: 2,
          peersBehind: [OTHER_PEER, FAR_PEER],
        },
        {
          peer: THIRD_PEER,
          role: 'alternate',
          forwarding: false,
          cost: null,
          membersBehind: 0,
          peersBehind: [],
        },
      ],
    },
    {
      name: 'segment 1a2b3c4d',
      segment: '1a2b3c4d'.repeat(4),
      own: false,
      epoch: null,
      root: null,
      distance: null,
      ports: [],
    },
  ],
};

test('the topology is drawn as trees', async () => {
  await withDaemon(async ({ run, inspection }) => {
    inspection.topologyReport = TOPOLOGY;
    assert.deepEqual((await run('topology')).out.split('\n'), [
      `${OWN_PEER} [this node, relay]`,
      `├─ ${OTHER_PEER}  up, udp 192.0.2.1:7947, 0.42 ms, 1.5 % lost, 1472 B, cost 4 [relay]`,
      `└─ ${THIRD_PEER}  connecting`,
      '',
      `ho"me\\\ufffd[31m: epoch 4, root ${FAR_PEER}, distance 12`,
      `├─ ${OTHER_PEER}  root, forwarding, cost 4, 2 members behind it: ${FAR_PEER}`,
      `└─ ${THIRD_PEER}  alternate, blocked, 0 members behind it`,
      '',
      'segment 1a2b3c4d: carried for others, no root yet',
      '└─ no trunk leads anywhere in it',
    ]);
    assert.deepEqual(JSON.parse((await run('topology', '--json')).out), TOPOLOGY);
    inspection.topologyReport = { ...TOPOLOGY, trunks: [], segments: [] };
    assert.match((await run('topology')).out, /└─ no trunks\n\nno segments: this node is in no VLAN/);
  });
});

test('the topology is a graph that Graphviz reads, whatever a VLAN is called', async () => {
  await withDaemon(async ({ run, inspection }) => {
    inspection.topologyReport = TOPOLOGY;
    const { out } = await run('topology', '--dot');
    const statements = parseDot(out);
    const edges = statements.filter(({ ids }) => ids.length === 2).map(({ ids }) => ids);
    assert.deepEqual(edges, [
      [OWN_PEER, OTHER_PEER],
      [OWN_PEER, THIRD_PEER],
      [OWN_PEER, OTHER_PEER],
      [OTHER_PEER, FAR_PEER],
      [OWN_PEER, THIRD_PEER],
    ]);
    const nodes = statements.filter(({ ids }) => ids[0]?.startsWith('12D3') === true && ids.length === 1);
    assert.deepEqual(
      new Set(nodes.flatMap(({ ids }) => ids)),
      new Set([OWN_PEER, OTHER_PEER, THIRD_PEER, FAR_PEER]),
    );
    assert.equal(statements.find(({ attributes }) => attributes['style'] === 'dashed')?.ids[1], THIRD_PEER);
    assert.ok(!out.includes('\u001b'));
    const dot = spawnSync('dot', ['-Tplain'], { input: out, encoding: 'utf8' });
    if (dot.error === undefined) assert.equal(dot.status, 0, dot.stderr);
  });
});

function captureFile(frames: number, dropped: number): Uint8Array[] {
  const whole = Buffer.concat([
    pcapngHead({ application: 'x', interfaceName: 'ptap0', snapBytes: 100 }),
    ...Array.from({ length: frames }, () => pcapngPacket(FRAME)),
    pcapngStatistics({ unixMs: 1, received: frames + dropped, dropped }),
  ]);
  // In pieces that care for no block.
  return Array.from({ length: Math.ceil(whole.length / 37) }, (_, index) =>
    whole.subarray(index * 37, (index + 1) * 37),
  );
}

test('a capture goes into a file for its owner alone, or into a pipe, and is counted', async () => {
  await withDaemon(async ({ run, runIn, daemon, inspection }) => {
    daemon.vlanList = [vlanReport({ name: 'home', interface: 'ptap0' })];
    inspection.pieces = captureFile(5, 2);
    const whole = Buffer.concat(inspection.pieces);
    const file = join(root, 'home.pcapng');
    const args = ['capture', '--vlan', 'home', '--count', '5', '--seconds', '9', '--snap', '100'];
    const written = await run(...args, '--write', file);
    assert.deepEqual([written.code, written.out, written.err], [0, '', '5 frames, 2 dropped']);
    assert.deepEqual(await readFile(file), whole);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(inspection.asked, [{ vlan: VLAN_ID, count: 5, seconds: 9, snapBytes: 100 }]);
    const piped = await run(...args, '--write', '-');
    assert.deepEqual([piped.code, piped.out], [0, '']);
    assert.deepEqual(Buffer.from(piped.bytes), whole);
    const json = await run(...args, '--write', file, '--json');
    assert.deepEqual(JSON.parse(json.out), { file, frames: 5, dropped: 2 });
    const terminal = await runIn({ isTerminal: true }, ...args, '--write', '-');
    assert.equal(terminal.code, 2);
    assert.match(terminal.err, /stdout is a terminal.*\| tcpdump -r -/);
    assert.match((await run(...args, '--write', '-', '--json')).err, /--json needs a file/);
  });
});

test('Ctrl-C brings a capture to its end', async () => {
  await withDaemon(async ({ runIn, daemon, inspection }) => {
    daemon.vlanList = [vlanReport({ name: 'home', interface: 'ptap0' })];
    inspection.pieces = captureFile(3, 0);
    inspection.endless = true;
    const onWatch = (interrupt: () => void): void => {
      const capture = inspection.capture.bind(inspection);
      inspection.capture = (request, sink, signal) => {
        setTimeout(interrupt, 20);
        return capture(request, sink, signal);
      };
    };
    const { code, err, bytes } = await runIn({ onWatch }, 'capture', '--vlan', 'home', '--write', '-');
    assert.deepEqual([code, err], [0, '3 frames, 0 dropped']);
    assert.deepEqual(Buffer.from(bytes), Buffer.concat(inspection.pieces));
  });
});

test('a capture that is refused, cut off or cannot be written says so', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    daemon.vlanList = [vlanReport({ name: 'home', interface: 'ptap0' })];
    const file = join(root, 'never.pcapng');
    const args = ['capture', '--vlan', 'home', '--write'];
    inspection.failure = new ControlError('no-interface', 'There is no interface.');
    assert.match((await run(...args, file)).err, /There is no interface/);
    await assert.rejects(stat(file), /ENOENT/);
    inspection.failure = undefined;
    inspection.pieces = captureFile(3, 0).slice(0, -2);
    const cut = await run(...args, file);
    assert.equal(cut.code, 1);
    assert.match(cut.err, /the daemon went away after 3 frames; what is in the file can be read/);
    assert.match((await run(...args, join(root, 'no', 'x'))).err, /cannot write .*ENOENT/);
    assert.match(
      (await run('capture', '--vlan', 'nobody', '--write', file)).err,
      /no VLAN here goes by 'nobody'/,
    );
  });
});

test('levels of the log are shown, set and given back', async () => {
  await withDaemon(async ({ run }) => {
    assert.match((await run('debug')).out, /^trunk +info +by the config$/m);
    const set = await run('debug', 'trunk=debug', 'tree=trace');
    assert.match(set.out, /^trunk +debug +by peertap debug$/m);
    assert.match(set.out, /^tree +trace +by peertap debug$/m);
    await run('debug', 'all=default');
    const report = JSON.parse((await run('debug', '--json')).out) as { levels: { own: boolean }[] };
    assert.ok(report.levels.every(({ own }) => !own));
  });
});

test('the relay says what it carries, and for whom, by segments alone', async () => {
  await withDaemon(async ({ run, inspection }) => {
    const off = await run('relay', 'status');
    assert.match(off.out, /relays for nobody; "relay": \{"enabled": true/);
    assert.match(off.out, /^segments: none$/m);
    const traffic = { datagrams: 1000, bytes: 1_500_000, datagramsPerSecond: 10.4, bytesPerSecond: 15_000 };
    inspection.relay = {
      enabled: true,
      segments: [{ segment: '1a'.repeat(16), root: '5e6f7081', ports: 2, tokens: 12, ...traffic }],
      peers: [{ peer: OTHER_PEER, segments: 1, tokens: 6, refusedDatagrams: 4, ...traffic }],
      total: { ...traffic, refusedDatagrams: 4 },
      refusals: { denied: 3, 'no-rule': 0 },
    };
    const { out } = await run('relay', 'status');
    assert.match(out, /^carried {4}1000 datagrams, 1\.4 MiB; 10\/s, 14\.6 KiB\/s now; 4 refused by quota$/m);
    assert.match(out, /^not given {2}denied 3$/m);
    assert.match(out, /^ {2}(1a){16} +5e6f7081 +2 +12 /m);
    assert.match(out, new RegExp(`^ {2}${OTHER_PEER} +1 +6 `, 'm'));
    assert.deepEqual(JSON.parse((await run('relay', 'status', '--json')).out), inspection.relay);
  });
});
