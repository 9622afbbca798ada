/**
 * A daemon's life: what it makes, what it leaves, what it says when it cannot start.
 *
 *   a ──ptap0, ptap1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ ptap0, ptap1── b
 */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';

import { undoAtExit } from '../lab/cleanup.ts';
import { runSync } from '../lab/command.ts';
import { LabDaemon } from '../lab/daemon.ts';
import { parseStatus, randomVlanId } from '../lab/daemon-config.ts';
import { waitFor } from '../lab/deadline.ts';
import { nativeEngineProblem } from '../lab/engines.ts';
import { ping } from '../lab/ping.ts';
import { Segment, TAP, withSegment } from '../lab/segment.ts';
import { makePair } from '../lab/topology.ts';
import { describeEngines, describeOnce } from './matrix.ts';

const SECOND_TAP = 'ptap1';
const SOON = { timeoutMs: 15_000 };
/** For a daemon beside one of the segment's. */
const OTHER_PORTS = {
  libp2p: ['/ip4/0.0.0.0/tcp/17946'],
  datagram: { address: '0.0.0.0', port: 17_947 },
};

describeEngines('a daemon told to stop', (engine) => {
  it('leaves no interface, no socket file and no process, and exits with 0', async () => {
    await withSegment({ engine }, async (segment) => {
      await segment.start();
      const { namespace } = segment.a.machine;
      assert.equal(namespace.hasInterface(TAP), true);
      assert.equal(existsSync(segment.a.config.controlSocket), true);
      const status = await segment.a.stop('SIGTERM');
      assert.equal(status, 0, segment.a.logTail());
      assert.equal(namespace.hasInterface(TAP), false);
      assert.equal(existsSync(segment.a.config.controlSocket), false);
      assert.equal(runSync('ip', ['netns', 'pids', namespace.name]).stdout.trim(), '');
    });
  });
});

describeEngines('a daemon told to read its config again', (engine) => {
  let segment: Segment;
  const secondId = randomVlanId();

  before(async () => {
    segment = new Segment({ engine });
    await segment.start();
    await segment.waitForCarrier();
  });

  after(async () => {
    await segment.remove();
  });

  it('adds a VLAN without a break in the others', async () => {
    const pinging = ping(a(), segment.addressOfB, { count: 100, intervalSeconds: 0.03 });
    for (const [daemon, address] of [
      [segment.a, '10.9.0.1/24'],
      [segment.b, '10.9.0.2/24'],
    ] as const) {
      const vlans = [...daemon.config.vlans, { id: secondId, interface: SECOND_TAP, addresses: [address] }];
      daemon.writeConfig({ vlans });
      daemon.signal('SIGHUP');
    }
    const explain = (): string => segment.a.logTail() + segment.b.logTail();
    const reached = async () =>
      (await ping(a(), '10.9.0.2', { count: 1, waitSeconds: 0.3 })).receivedCount === 1;
    await waitFor('a ping through the second VLAN', reached, { ...SOON, explain });
    const { sentCount, receivedCount, output } = await pinging;
    assert.equal(receivedCount, sentCount, output);
  });

  it('removes a VLAN that left the config, and its interface', async () => {
    for (const daemon of [segment.a, segment.b]) {
      daemon.writeConfig({ vlans: daemon.config.vlans.filter(({ id }) => id !== secondId) });
      daemon.signal('SIGHUP');
    }
    const explain = (): string => segment.a.logTail();
    await waitFor('the second interface to go', () => !a().hasInterface(SECOND_TAP), { ...SOON, explain });
    const { receivedCount, output } = await ping(a(), segment.addressOfB, {
      count: 5,
      intervalSeconds: 0.02,
    });
    assert.equal(receivedCount, 5, output);
  });

  it('goes on as it was when the new config is wrong, and says where', async () => {
    segment.a.writeConfig({ listen: { libp2p: [], datagram: { address: '0.0.0.0', port: 70_000 } } });
    segment.a.signal('SIGHUP');
    await waitFor('the complaint', () => segment.a.log().includes('listen.datagram.port'), SOON);
    const { receivedCount, output } = await ping(a(), segment.addressOfB, {
      count: 5,
      intervalSeconds: 0.02,
    });
    assert.equal(receivedCount, 5, output);
  });

  function a() {
    return segment.pair.a.namespace;
  }
});

describeOnce('VLANs made by hand', (engine) => {
  let segment: Segment;

  before(async () => {
    segment = new Segment({ engine });
    await segment.start();
  });

  after(async () => {
    await segment.remove();
  });

  it('are created, joined, listed, kept over a restart and left', async () => {
    const { a, b } = segment;
    const created = await a.command('vlan', 'create', 'workshop');
    assert.equal(created.status, 0, created.stderr);
    assert.match(created.stdout, /^[a-z2-7]{26}\n$/);
    const id = created.stdout.trim();
    for (const [daemon, address] of [
      [a, '10.9.0.1/24'],
      [b, '10.9.0.2/24'],
    ] as const) {
      const joined = await daemon.command(
        'vlan',
        'join',
        id,
        '--interface',
        SECOND_TAP,
        '--address',
        address,
      );
      assert.equal(joined.status, 0, joined.stderr);
    }
    await assertReached();
    const listed = await b.command('vlan', 'list', '--json');
    assert.ok(listed.stdout.includes(id), listed.stdout);
    await b.stop();
    await b.start();
    await assertReached();
    const left = await b.command('vlan', 'leave', id);
    assert.equal(left.status, 0, left.stderr);
    assert.equal(b.machine.namespace.hasInterface(SECOND_TAP), false);
  });

  it('are refused with a reason when their id is none', async () => {
    for (const id of ['short', 'A'.repeat(26), `${'a'.repeat(25)}b`]) {
      const result = await segment.a.command('vlan', 'join', id, '--interface', SECOND_TAP);
      assert.notEqual(result.status, 0, id);
      assert.notEqual(result.stderr.trim(), '');
    }
  });

  it('show in the status that scripts read', async () => {
    const result = await segment.a.command('status', '--json');
    assert.equal(result.status, 0, result.stderr);
    const status = parseStatus(result.stdout);
    assert.equal(status.peerId, segment.a.peerId);
    assert.equal(status.trunks[0]?.peer, segment.b.peerId);
    assert.ok(status.vlans.some(({ id }) => id === segment.vlanId));
  });

  async function assertReached(): Promise<void> {
    const { namespace } = segment.a.machine;
    const explain = (): string => segment.a.logTail() + segment.b.logTail();
    const reached = async () =>
      (await ping(namespace, '10.9.0.2', { count: 1, waitSeconds: 0.3 })).receivedCount === 1;
    await waitFor('a ping through the VLAN', reached, { ...SOON, explain });
  }
});

describeOnce('a daemon that may choose its engine', () => {
  it('takes the native one where it loads, and says why where it does not', async () => {
    const pair = makePair('gso');
    const daemon = new LabDaemon(pair.a, { engine: 'auto' });
    const { engine } = await daemon.start();
    assert.equal(engine, nativeEngineProblem() === undefined ? 'native' : 'typescript');
    await daemon.stop();
    pair.remove();
  });
});

describeOnce('a daemon that cannot start', (engine) => {
  let segment: Segment;

  before(async () => {
    segment = new Segment({ engine });
    await segment.start();
  });

  after(async () => {
    await segment.remove();
  });

  it('names the port that is in use', async () => {
    const other = new LabDaemon(segment.pair.a, { engine });
    other.writeConfig({ listen: { ...other.config.listen, libp2p: OTHER_PORTS.libp2p } });
    await assertFails(other, /7947/);
  });

  it('names the interface that is in use', async () => {
    const vlan = { id: randomVlanId(), interface: TAP, addresses: [] };
    const other = new LabDaemon(segment.pair.a, { engine, vlans: [vlan] });
    other.writeConfig({ listen: OTHER_PORTS });
    await assertFails(other, /ptap0/);
  });

  it('names the state directory that another daemon holds', async () => {
    const other = new LabDaemon(segment.pair.a, { engine });
    other.writeConfig({ listen: OTHER_PORTS, stateDirectory: segment.a.config.stateDirectory });
    await assertFails(other, new RegExp(segment.a.config.stateDirectory));
    assert.ok(segment.a.isRunning);
  });

  it('names the capability that it lacks', async () => {
    const vlan = { id: randomVlanId(), interface: SECOND_TAP, addresses: [] };
    const other = new LabDaemon(segment.pair.b, { engine, vlans: [vlan] });
    other.writeConfig({ listen: OTHER_PORTS });
    const daemonCommand = [process.execPath, other.mainFile, 'daemon', '--config', other.configFile];
    const noCapabilities = ['--bounding-set=-all', '--inh-caps=-all', '--', ...daemonCommand];
    const result = await segment.pair.b.namespace.run('setpriv', noCapabilities, {
      allowFailure: true,
      timeoutMs: 20_000,
    });
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stderr + result.stdout, /CAP_NET_ADMIN/);
  });

  it('leaves nothing behind', () => {
    const left = readdirSync('/sys/class/net').filter((name) => name.startsWith('ptap'));
    assert.deepEqual(left, []);
  });

  async function assertFails(daemon: LabDaemon, message: RegExp): Promise<void> {
    daemon.spawn();
    const status = await daemon.waitForExit();
    assert.equal(status, 1, daemon.logTail());
    assert.match(daemon.log(), message);
    assert.equal(existsSync(daemon.config.controlSocket), false);
  }
});

describeOnce('a daemon whose disk is full', (engine) => {
  it('says so when it has something to keep, and goes on', async () => {
    const pair = makePair('gso');
    const daemon = new LabDaemon(pair.a, { engine });
    const disk = mountSmallDisk(join(daemon.directory, 'small'));
    daemon.writeConfig({ stateDirectory: disk.path });
    daemon.spawn();
    const explain = (): string => daemon.logTail();
    await waitFor('the daemon to answer', () => daemon.status(), { ...SOON, explain });
    disk.fill();
    const result = await daemon.command('vlan', 'create', 'one-too-many');
    assert.equal(result.status, 1, result.stdout);
    assert.match(result.stderr, /ENOSPC|space|full/i);
    assert.equal((await daemon.status()).vlans.length, 0);
    await daemon.stop();
    disk.unmount();
    pair.remove();
  });
});

describeOnce('the doctor', (engine) => {
  it('looks at the machine without a daemon, and says what it found', async () => {
    const pair = makePair('gso');
    const result = await new LabDaemon(pair.a, { engine }).command('doctor');
    pair.remove();
    for (const subject of [/kernel/i, /\/dev\/net\/tun/, /GSO/, /engine/i, /clock/i])
      assert.match(result.stdout, subject);
  });
});

describeOnce('a VLAN that nobody else is on', (engine) => {
  it('says after 10 s that no member was found', async () => {
    await withSegment({ engine }, async ({ a }) => {
      a.writeConfig({ vlans: [{ id: randomVlanId(), interface: TAP, addresses: ['10.7.0.1/24'] }] });
      await a.start();
      const said = (): boolean => /no (other )?member/i.test(a.log());
      await waitFor('the warning', said, { timeoutMs: 20_000, explain: () => a.logTail() });
    });
  });
});

/** A disk of a few pages, which goes with the process. */
function mountSmallDisk(path: string): { path: string; fill: () => void; unmount: () => void } {
  mkdirSync(path);
  runSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path]);
  const unmount = undoAtExit(() => runSync('umount', ['--lazy', path]));
  const fill = (): void => {
    assert.throws(() => {
      writeFileSync(join(path, 'filler'), Buffer.alloc(128 * 1024));
    }, /ENOSPC/);
  };
  return { path, fill, unmount };
}
