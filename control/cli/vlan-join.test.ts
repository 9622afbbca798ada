/** Behaviour of `vlan join`: what it asks for, what it waits for, and what it says meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VlanReport } from '../admin/daemon-control.ts';
import { INVITE, type ListDaemon, OWN_PEER, VLAN_ID, vlanReport } from '../admin/daemon-control-fixture.ts';
import { type CommandBench, withDaemon } from './command-fixture.ts';

const JOIN = ['vlan', 'join', VLAN_ID, '--interface', 'ptap0'] as const;

/** Gives the VLANs of a daemon new values as the clock passes given times. */
function changeAt(
  { clock, daemon }: CommandBench,
  changes: Readonly<Record<number, Partial<VlanReport>>>,
): void {
  const pending = Object.entries(changes);
  clock.onTick = (timeMs) => {
    for (const [atMs, change] of pending) if (timeMs >= Number(atMs)) changeAll(daemon, change);
  };
}

function changeAll(daemon: ListDaemon, change: Partial<VlanReport>): void {
  daemon.vlanList = daemon.vlanList.map((vlan) => ({ ...vlan, ...change }));
}

/** A daemon that has to ask others before it lets a join through. */
function refuseAtFirst(daemon: ListDaemon, state: VlanReport['state']): void {
  const join = daemon.joinVlan.bind(daemon);
  daemon.joinVlan = async (request) => {
    await join(request);
    changeAll(daemon, { kind: 'private', state });
    const [vlan] = daemon.vlanList;
    assert.ok(vlan);
    return vlan;
  };
}

test('a join waits for the first member', async () => {
  await withDaemon(async (bench) => {
    changeAt(bench, { 3_000: { members: 2 } });
    const result = await bench.run(...JOIN, '--address', '10.7.0.1/24');
    assert.equal(result.code, 0, result.err);
    assert.match(result.out, /^joined a{26} on ptap0 \(10\.7\.0\.1\/24, MTU 1500\)\nfound 2 other members$/);
    assert.equal(bench.clock.timeMs, 3_000);
  });
});

test('a join that finds nobody says so after ten seconds and is no failure', async () => {
  await withDaemon(async ({ run, clock }) => {
    const result = await run(...JOIN);
    assert.equal(result.code, 0);
    assert.match(result.err, /no other member was found within 10 s/);
    assert.equal(clock.timeMs, 10_000);
  });
});

test('a join does not wait when told so', async () => {
  await withDaemon(async ({ run, clock, daemon }) => {
    await run(...JOIN, '--no-wait');
    assert.equal(clock.timeMs, 0);
    const asked = {
      id: VLAN_ID,
      interface: 'ptap0',
      addresses: [],
      mtuBytes: 1500,
      multicast: 'snoop',
      paths: 'failover',
      treeRank: 128,
    };
    assert.deepEqual(daemon.asked, [asked]);
  });
});

test('an invite is handed on as it is, and a cut one is told before any daemon is asked', async () => {
  await withDaemon(async ({ run, daemon }) => {
    const joined = await run('vlan', 'join', INVITE, '--interface', 'ptap0', '--no-wait');
    assert.equal(joined.code, 0, joined.err);
    const asked = {
      invite: INVITE,
      interface: 'ptap0',
      addresses: [],
      mtuBytes: 1500,
      multicast: 'snoop',
      paths: 'failover',
      treeRank: 128,
    };
    assert.deepEqual(daemon.asked, [asked]);
    const cut = await run('vlan', 'join', INVITE.slice(0, -4), '--interface', 'ptap1');
    assert.equal(cut.code, 2);
    assert.match(
      cut.err,
      /^peertap: the invite was cut: \d+ of \d+ characters are there; copy the whole line$/,
    );
    assert.equal(daemon.asked.length, 1);
    daemon.expiredInvites.add(INVITE);
    const expired = await run('vlan', 'join', INVITE, '--interface', 'ptap1');
    assert.deepEqual(
      [expired.code, expired.err],
      [1, 'peertap: This invite has expired; ask for a new one.'],
    );
  });
});

test('a join that needs an approval says by which command, and goes on when it is given', async () => {
  await withDaemon(async (bench) => {
    refuseAtFirst(bench.daemon, 'joining');
    changeAt(bench, {
      2_000: { state: 'waiting-for-approval' },
      30_000: { state: 'joining' },
      40_000: { state: 'active', members: 4 },
    });
    const { code, out, err } = await bench.run(...JOIN);
    assert.equal(code, 0);
    assert.equal(
      err.match(/waits for an admin's approval; the request stays when this command is ended/g)?.length,
      1,
    );
    assert.match(err, /^approved; the keys are on their way$/m);
    assert.ok(err.includes(`  peertap vlan approve aaaaaaaa ${OWN_PEER}`), err);
    assert.match(out, /^joined a{26} on ptap0 \(no address, MTU 1500\)\nfound 4 other members$/);
    assert.ok(bench.clock.timeMs >= 40_000);
  });
});

test('a VLAN that turns out to be private while a member is looked for is waited for', async () => {
  await withDaemon(async (bench) => {
    changeAt(bench, {
      1_000: { kind: 'private', state: 'joining' },
      2_000: { state: 'waiting-for-approval' },
      60_000: { state: 'active', members: 1, name: 'lab' },
    });
    const { code, out, err } = await bench.run(...JOIN);
    assert.equal(code, 0);
    assert.match(err, /^this node waits for an admin's approval/);
    assert.match(out, /^joined a{26} on ptap0 \(no address, MTU 1500\)\nfound 1 other member$/);
  });
});

test('a join of a private VLAN that nobody answers says so once, and waits on', async () => {
  await withDaemon(async (bench) => {
    refuseAtFirst(bench.daemon, 'joining');
    changeAt(bench, { 60_000: { state: 'active', members: 1 } });
    const { code, err } = await bench.run(...JOIN);
    assert.equal(code, 0);
    assert.equal(err.match(/no member has answered yet, and the request stays/g)?.length, 1);
  });
});

test('a join by an invite that no admin answers says whom it leads to', async () => {
  await withDaemon(async (bench) => {
    refuseAtFirst(bench.daemon, 'joining');
    changeAt(bench, { 60_000: { state: 'active', members: 1 } });
    const { code, err } = await bench.run('vlan', 'join', INVITE, '--interface', 'ptap0');
    assert.equal(code, 0);
    assert.match(err, /no admin has answered yet\. The request stays/);
    assert.match(err, /the invite leads to:\n {2}12D3KooW\w{44}$/m);
    assert.doesNotMatch(err, /join by an invite/);
  });
});

test('a join waits while the interface is made anew, and not for ever', async () => {
  await withDaemon(async (bench) => {
    refuseAtFirst(bench.daemon, 'no-interface');
    changeAt(bench, { 1_000: { state: 'active', members: 1 } });
    const { out, err } = await bench.run(...JOIN);
    assert.match(out, /^joined a{26} on ptap0/);
    assert.deepEqual([err, bench.clock.timeMs], ['', 1_000]);
    changeAt(bench, {});
    assert.equal((await bench.run(...JOIN)).code, 0);
  });
});

test('a join that does not wait does not promise what is not known yet', async () => {
  await withDaemon(async ({ run, daemon }) => {
    daemon.vlanList = [];
    const { code, err } = await run(...JOIN, '--no-wait');
    assert.equal(code, 0);
    assert.match(err, /no other node has told what it knows of this VLAN yet/);
  });
});

test('a join that does not wait says what it is waiting for', async () => {
  await withDaemon(async ({ run, daemon }) => {
    refuseAtFirst(daemon, 'waiting-for-approval');
    const { code, out, err } = await run(...JOIN, '--no-wait');
    assert.equal(code, 0);
    assert.equal(out, '');
    assert.match(err, /peertap vlan approve aaaaaaaa/);
  });
});

test('an owner waits for the keys of its own VLAN even when it does not wait for others', async () => {
  await withDaemon(async (bench) => {
    bench.daemon.vlanList = [vlanReport({ name: 'lab', kind: 'private', owned: true })];
    refuseAtFirst(bench.daemon, 'joining');
    changeAt(bench, { 600: { state: 'active' } });
    const { out, err } = await bench.run(...JOIN, '--no-wait');
    assert.match(out, /^joined a{26} on ptap0/);
    assert.equal(err, '');
    assert.equal(bench.clock.timeMs, 600);
  });
});

test('a refusal ends the wait with its reason', async () => {
  await withDaemon(async (bench) => {
    refuseAtFirst(bench.daemon, 'joining');
    changeAt(bench, { 1_000: { state: 'refused', reason: 'the invite has been used; ask for a new one' } });
    const { code, err } = await bench.run(...JOIN);
    assert.equal(code, 1);
    assert.match(err, /^peertap: the invite has been used; ask for a new one; then join anew$/);
  });
});

test('a node that was removed is told how to come back, and a request that was withdrawn ends the wait', async () => {
  await withDaemon(async (bench) => {
    refuseAtFirst(bench.daemon, 'waiting-for-approval');
    changeAt(bench, { 1_000: { state: 'expelled' } });
    const expelled = await bench.run(...JOIN);
    assert.equal(expelled.code, 1);
    assert.match(expelled.err, /an admin has removed this node from ptap0\. Ask one of them for an invite/);
    bench.clock.onTick = () => {
      bench.daemon.vlanList = [];
    };
    const withdrawn = await bench.run(...JOIN);
    assert.equal(withdrawn.code, 1);
    assert.match(withdrawn.err, /was left meanwhile; `peertap vlan join` asks again/);
  });
});

test('a join without an address says which subnet the VLAN has and how to be in it', async () => {
  await withDaemon(async ({ run, daemon }) => {
    daemon.vlanList = [vlanReport({ subnet: '10.7.0.0/24', members: 1 })];
    const { err } = await run(...JOIN);
    assert.match(err, /the VLAN's subnet is 10\.7\.0\.0\/24, and ptap0 has no address in it/);
    assert.match(err, /^ {2}ip address add 10\.7\.0\.17\/24 dev ptap0$/m);
    daemon.vlanList = [vlanReport({ subnet: 'fd07::/64', members: 1 })];
    assert.match((await run(...JOIN)).err, /ip address add fd07::11\/64 dev ptap0/);
    const addressed = await run(...JOIN, '--address', 'fd07::1/64');
    assert.equal(addressed.err, '');
  });
});

test('a VLAN that this node owns is attached by its name', async () => {
  await withDaemon(async ({ run, daemon }) => {
    daemon.vlanList = [vlanReport({ name: 'home', owned: true, source: 'owned' })];
    const { code, out } = await run('vlan', 'join', 'home', '--interface', 'ptap0', '--no-wait');
    assert.equal(code, 0);
    assert.match(out, /^joined a{26} on ptap0/);
    const other = await run('vlan', 'join', 'hone', '--interface', 'ptap0');
    assert.equal(other.code, 1);
    assert.match(other.err, /no VLAN here goes by 'hone'\. Did you mean home\?/);
  });
});

test('for scripts a join prints the VLAN as it is in the end, and nothing else', async () => {
  await withDaemon(async (bench) => {
    changeAt(bench, { 400: { members: 1 } });
    const { out } = await bench.run(...JOIN, '--json');
    assert.deepEqual(JSON.parse(out), bench.daemon.vlanList[0]);
  });
});
