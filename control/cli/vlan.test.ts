/** Behaviour of the VLAN commands but `join`: what they print for people and for scripts, and what they refuse. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MemberReport } from '../admin/daemon-control.ts';
import {
  INVITE,
  type ListDaemon,
  OTHER_PEER,
  OWN_PEER,
  THIRD_PEER,
  VLAN_ID,
  vlanReport,
} from '../admin/daemon-control-fixture.ts';
import { withDaemon } from './command-fixture.ts';

const OTHER_ID = `${'a'.repeat(25)}e`;
/** The two peers differ in their last character only. */
const COMMON_PREFIX = OTHER_PEER.slice(0, -1);

function privateVlan(daemon: ListDaemon): void {
  daemon.vlanList = [
    vlanReport({ name: 'lab', kind: 'private', interface: 'ptap0', role: 'owner', epoch: 3 }),
  ];
}

function member(changes: Partial<MemberReport>): MemberReport {
  const nothing = { stations: [], trunk: false, lastHeardSeconds: null, epoch: null };
  return { peer: OTHER_PEER, role: 'member', state: 'absent', ...nothing, ...changes };
}

test('creating prints the id alone on stdout, and says what to do next', async () => {
  await withDaemon(async ({ run, daemon }) => {
    const open = await run('vlan', 'create', 'home');
    assert.equal(open.out, VLAN_ID);
    assert.match(open.err, /whoever has this id is a member/);
    assert.match(open.err, /peertap vlan join aaaaaaaa --interface ptap0 --address 10\.7\.0\.1\/24/);
    const closed = await run('vlan', 'create', 'lab', '--private', '--subnet', '192.0.2.128/25');
    assert.equal(closed.out, VLAN_ID);
    assert.match(closed.err, /nobody is let in by the id alone/);
    assert.match(closed.err, /--address 192\.0\.2\.129\/25/);
    assert.match(closed.err, /peertap vlan invite aaaaaaaa/);
    assert.deepEqual(daemon.asked, [
      { name: 'home', private: false, subnet: null },
      { name: 'lab', private: true, subnet: '192.0.2.128/25' },
    ]);
    const json = await run('vlan', 'create', 'more', '--private', '--json');
    assert.deepEqual(JSON.parse(json.out), daemon.vlanList[2]);
  });
});

test('VLANs are listed and left', async () => {
  await withDaemon(async ({ run, daemon }) => {
    assert.match((await run('vlan', 'list')).out, /no VLANs; `peertap vlan create NAME`/);
    daemon.vlanList = [vlanReport({ interface: 'ptap0' }), vlanReport({ id: OTHER_ID, requests: 2 })];
    const list = await run('vlan', 'list');
    assert.match(list.out, /^a{26} {2}- +open {2}active +ptap0/m);
    assert.match(list.err, /^2 peers wait to be admitted to aaaaaaaa…: `peertap vlan requests aaaaaaaa`$/);
    assert.equal((await run('vlan', 'leave', VLAN_ID)).out, `left ${VLAN_ID}`);
    assert.deepEqual(JSON.parse((await run('vlan', 'leave', OTHER_ID, '--json')).out), { id: OTHER_ID });
    assert.deepEqual(JSON.parse((await run('vlan', 'list', '--json')).out), { vlans: [] });
    const again = await run('vlan', 'leave', VLAN_ID);
    assert.deepEqual([again.code, again.err], [1, `peertap: This node is not a member of ${VLAN_ID}.`]);
  });
});

test('the list says why a VLAN is not in use', async () => {
  await withDaemon(async ({ run, daemon }) => {
    const reason = 'the invite has been used; ask for a new one';
    daemon.vlanList = [vlanReport({ name: 'lab', kind: 'private', state: 'refused', reason })];
    assert.equal((await run('vlan', 'list')).err, `lab is refused: ${reason}`);
  });
});

test('leaving says what brings a VLAN back', async () => {
  await withDaemon(async ({ run, daemon }) => {
    daemon.vlanList = [vlanReport({ source: 'config' }), vlanReport({ id: OTHER_ID, kind: 'private' })];
    assert.match((await run('vlan', 'leave', VLAN_ID)).err, /stands in the config file and comes back/);
    assert.match((await run('vlan', 'leave', OTHER_ID)).err, /has to be admitted anew/);
    daemon.vlanList = [vlanReport({ kind: 'private', role: 'owner', epoch: 3 })];
    daemon.memberList = [member({ peer: OWN_PEER, state: 'self' })];
    assert.match((await run('vlan', 'leave', VLAN_ID)).err, /nobody left who could let anybody in/);
    daemon.vlanList = [vlanReport({ kind: 'private', role: 'owner', epoch: 3 })];
    daemon.memberList.push(member({}));
    assert.match((await run('vlan', 'leave', VLAN_ID)).err, /no admin is left in it/);
    daemon.vlanList = [vlanReport({ kind: 'private', role: 'owner', epoch: 3 })];
    daemon.memberList.push(member({ peer: THIRD_PEER, role: 'admin' }));
    assert.match((await run('vlan', 'leave', VLAN_ID)).err, /has to be admitted anew/);
  });
});

test('a VLAN goes by the beginning of its id, its name or its interface, and never by a guess', async () => {
  await withDaemon(async ({ run, daemon }) => {
    const lab = vlanReport({ id: `k${VLAN_ID.slice(1)}`, name: 'lab', interface: 'ptap7' });
    const fill = () => {
      daemon.vlanList = [lab, vlanReport({}), vlanReport({ id: OTHER_ID, name: 'ptap9' })];
    };
    for (const text of ['kaaa', 'lab', 'ptap7', lab.id]) {
      fill();
      assert.equal((await run('vlan', 'leave', text)).out, `left ${lab.id}`, text);
    }
    fill();
    const ambiguous = await run('vlan', 'leave', 'aaaa');
    assert.equal(ambiguous.code, 1);
    assert.match(ambiguous.err, /'aaaa' may be any of these; name one by its id, or more of it:/);
    assert.ok(ambiguous.err.includes(VLAN_ID) && ambiguous.err.includes(`${OTHER_ID}  ptap9`), ambiguous.err);
    const unknown = await run('vlan', 'leave', 'aaa');
    assert.match(
      unknown.err,
      /no VLAN here goes by 'aaa'.*`peertap vlan list` shows them; the beginning of an id/,
    );
    const cut = await run('vlan', 'join', 'k'.repeat(20), '--interface', 'ptap0');
    assert.equal(cut.code, 1);
    assert.match(cut.err, /Was it cut\? It has 20 characters; a whole id has 26 characters/);
    daemon.vlanList = [lab, vlanReport({ name: 'kaaaa' })];
    assert.match((await run('vlan', 'leave', 'kaaaa')).err, /may be any of these/);
  });
});

test('an invite stands alone on stdout', async () => {
  await withDaemon(async ({ run, daemon }) => {
    privateVlan(daemon);
    const once = await run('vlan', 'invite', 'lab');
    assert.equal(once.out, INVITE);
    assert.match(once.err, /admits the first node that has it until 2026-11-22T10:00:00\.000Z, by itself/);
    assert.match(once.err, /peertap vlan join INVITE --interface ptap0/);
    assert.deepEqual(daemon.asked, [{ id: VLAN_ID, uses: 1, expiresSeconds: 86_400, oneTimeSecret: true }]);
    const many = await run('vlan', 'invite', 'lab', '--uses', '5', '--expires', '7d');
    assert.match(many.err, /the first 5 nodes/);
    const open = await run('vlan', 'invite', 'lab', '--no-secret', '--expires', '30min', '--json');
    assert.match(open.err, /waits for `peertap vlan approve`/);
    assert.equal((JSON.parse(open.out) as { invite: string }).invite, INVITE);
    const [, second, third] = daemon.asked;
    assert.deepEqual(second, { id: VLAN_ID, uses: 5, expiresSeconds: 604_800, oneTimeSecret: true });
    assert.deepEqual(third, { id: VLAN_ID, uses: 1, expiresSeconds: 1800, oneTimeSecret: false });
  });
});

test('an invite to an open VLAN says that it admits for good', async () => {
  await withDaemon(async ({ run, daemon }) => {
    daemon.vlanList = [vlanReport({})];
    const { code, out, err } = await run('vlan', 'invite', VLAN_ID);
    assert.deepEqual([code, out], [0, INVITE]);
    assert.match(err, /the VLAN is open, so this admits whoever has it, for good/);
    const requests = await run('vlan', 'requests', VLAN_ID);
    const refusal = 'peertap: This VLAN is open: whoever has its id is a member.';
    assert.deepEqual([requests.code, requests.err], [1, refusal]);
  });
});

test('requests are listed and approved by the beginning of a PeerId', async () => {
  await withDaemon(async ({ run, daemon }) => {
    privateVlan(daemon);
    assert.equal((await run('vlan', 'requests', 'lab')).out, 'nobody waits to be admitted to lab');
    const request = {
      peer: OTHER_PEER,
      askedAt: '2026-11-21T10:00:00.000Z',
      invited: true,
      note: 'hi\u001b[2J',
    };
    daemon.requestList = [request];
    const listed = await run('vlan', 'requests', 'lab');
    assert.match(listed.out, new RegExp(`^${OTHER_PEER} {2}2026-11-21T10:00:00.000Z {2}yes +hi�\\[2J$`, 'm'));
    assert.match(listed.err, new RegExp(`peertap vlan approve aaaaaaaa ${OTHER_PEER}`));
    assert.deepEqual(JSON.parse((await run('vlan', 'requests', 'lab', '--json')).out), {
      requests: [request],
    });
    daemon.requestList.push({ ...request, peer: THIRD_PEER });
    const ambiguous = await run('vlan', 'approve', 'lab', COMMON_PREFIX.slice(0, 12));
    assert.equal(ambiguous.code, 1);
    assert.ok(ambiguous.err.includes(OTHER_PEER) && ambiguous.err.includes(THIRD_PEER));
    assert.equal((await run('vlan', 'approve', 'lab', OTHER_PEER)).out, `approved ${OTHER_PEER} for lab`);
    const rest = THIRD_PEER.slice('12D3KooW'.length, 14);
    const approved = await run('vlan', 'approve', 'lab', rest, '--json');
    assert.deepEqual(JSON.parse(approved.out), { id: VLAN_ID, peer: THIRD_PEER });
    assert.deepEqual(daemon.requestList, []);
    daemon.requestList = [request];
    for (const all of ['12D3', '12D3KooW', OTHER_PEER.slice(0, 11)]) {
      const tooShort = await run('vlan', 'approve', 'lab', all);
      assert.match(
        tooShort.err,
        /is too short to name a peer: give 4 or more characters after 12D3KooW/,
        all,
      );
    }
    assert.deepEqual(daemon.requestList, [request]);
    daemon.requestList = [];
    const nobody = await run('vlan', 'approve', 'lab', rest);
    assert.match(
      nobody.err,
      /no peer begins with '\w+'; `peertap vlan requests aaaaaaaa` shows who has asked/,
    );
  });
});

test('members are listed, and removed but for this node itself', async () => {
  await withDaemon(async ({ run, daemon }) => {
    privateVlan(daemon);
    const stations = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
    daemon.memberList = [
      member({ peer: OWN_PEER, role: 'owner', state: 'self', epoch: 3 }),
      member({ state: 'live', trunk: true, lastHeardSeconds: 3, epoch: 3, stations }),
      member({ peer: THIRD_PEER }),
    ];
    const { out } = await run('vlan', 'members', 'lab');
    assert.match(out, /^12D3KooWGRU\w+ {2}owner +self +- +- +3 +0$/m);
    assert.match(out, /^\w+n {2}member +live +up +3 s ago +3 +2$/m);
    assert.match(out, /^\w+v {2}member +absent +none +- +- +0$/m);
    assert.match(
      (await run('vlan', 'members', 'lab', '--long')).out,
      /02:00:00:00:00:01 02:00:00:00:00:02$/m,
    );
    assert.deepEqual(JSON.parse((await run('vlan', 'members', 'lab', '--json')).out), {
      members: daemon.memberList,
    });
    const self = await run('vlan', 'remove', 'lab', OWN_PEER);
    assert.match(self.err, /that is this node itself; `peertap vlan leave aaaaaaaa` leaves/);
    assert.equal((await run('vlan', 'remove', 'lab', COMMON_PREFIX)).code, 1);
    assert.equal(daemon.memberList.length, 3);
    assert.equal((await run('vlan', 'remove', 'lab', THIRD_PEER)).out, `removed ${THIRD_PEER} from lab`);
    assert.equal(daemon.memberList.length, 2);
    assert.doesNotMatch((await run('vlan', 'members', 'lab')).err, /is not in/);
    daemon.vlanList = daemon.vlanList.map((vlan) => ({ ...vlan, state: 'waiting-for-approval' }));
    const outside = await run('vlan', 'members', 'lab');
    assert.equal(outside.err, 'this node is not in lab yet: it is waiting-for-approval');
    daemon.memberList = [];
    daemon.requestList = [{ peer: THIRD_PEER, askedAt: '', invited: false, note: null }];
    assert.equal((await run('vlan', 'remove', 'lab', THIRD_PEER)).out, `refused ${THIRD_PEER} for lab`);
    const elsewhere = await run('vlan', 'remove', OTHER_ID, THIRD_PEER);
    assert.match(elsewhere.err, /this node is not in a{25}e; `peertap vlan list` shows where it is/);
  });
});

test('the directory is browsed, and strangers cannot steer the terminal', async () => {
  await withDaemon(async ({ run, daemon }) => {
    assert.match((await run('vlan', 'browse')).out, /no VLANs to browse: only public ones/);
    const facts = { kind: 'private', subnet: null, owner: 'fp-1', sequence: 4, joined: false } as const;
    daemon.browsedList = [{ id: VLAN_ID, name: 'caf\u202eé', description: 'tea\u0007', ...facts }];
    const { out } = await run('vlan', 'browse');
    assert.match(out, /^a{26} {2}caf�é {2}private {2}- +fp-1 {3}no +tea�$/m);
    assert.deepEqual(JSON.parse((await run('vlan', 'browse', '--json')).out), { vlans: daemon.browsedList });
  });
});

test('settings are checked before the daemon is asked, and all are listed when none is given', async () => {
  await withDaemon(async ({ run, daemon }) => {
    privateVlan(daemon);
    const { out, err } = await run('vlan', 'set', 'lab', 'name=den', 'description=a=b');
    assert.equal(err, '');
    assert.equal(out, 'changed name, description of den');
    assert.deepEqual(daemon.asked, [{ name: 'den', description: 'a=b' }]);
    const remade = await run('vlan', 'set', 'den', 'movingHosts=allow');
    assert.match(remade.err, /makes its interface anew .*: addresses and bridges that were set by hand/);
    daemon.asked.length = 1;
    const cases: readonly [typed: string[], message: RegExp][] = [
      [['rekeyIntervalSeconds=1'], /rekeyIntervalSeconds: expected 10\.\.2592000, got '1'/],
      [['nmae=x'], /unknown setting 'nmae'; did you mean name\?/],
      [['name'], /expected key=value, got 'name'/],
      [['name=a', 'name=b'], /name is given twice/],
      [[], /The settings:[^]*rekeyIntervalSeconds {2}members renew/],
    ];
    for (const [typed, message] of cases) {
      const refused = await run('vlan', 'set', 'den', ...typed);
      assert.equal(refused.code, 2, typed.join(' '));
      assert.match(refused.err, message);
    }
    assert.equal(daemon.asked.length, 1);
  });
});

test('admins are named by the beginning of their PeerIds, too', async () => {
  await withDaemon(async ({ run, daemon }) => {
    privateVlan(daemon);
    daemon.memberList = [member({ peer: OWN_PEER, state: 'self' }), member({})];
    const part = OTHER_PEER.slice('12D3KooW'.length, 16);
    const { code, err } = await run(
      'vlan',
      'set',
      'lab',
      `admins=+12D3KooW${part},-${OWN_PEER.slice(8, 14)}`,
    );
    assert.equal(code, 0, err);
    assert.equal((await run('vlan', 'set', 'lab', `admins=${THIRD_PEER}`)).code, 0);
    assert.deepEqual(daemon.asked, [{ admins: `+${OTHER_PEER},-${OWN_PEER}` }, { admins: THIRD_PEER }]);
    const nobody = await run('vlan', 'set', 'lab', 'admins=+zzzz');
    assert.match(
      nobody.err,
      /no peer begins with 'zzzz'; `peertap vlan members aaaaaaaa` shows who is in it/,
    );
    assert.equal((await run('vlan', 'set', 'lab', 'admins=+')).code, 2);
  });
});

test('an icon may be a file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peertap-icon-'));
  await withDaemon(async ({ run, daemon }) => {
    privateVlan(daemon);
    const path = join(directory, 'logo.png');
    await writeFile(path, Buffer.from('89504e470d0a1a0a00', 'hex'));
    assert.equal((await run('vlan', 'set', 'lab', `icon=@${path}`)).code, 0);
    assert.deepEqual(daemon.asked, [{ icon: 'data:image/png;base64,iVBORw0KGgoA' }]);
    const missing = await run('vlan', 'set', 'lab', `icon=@${directory}/none.png`);
    assert.match(missing.err, /the icon .*none\.png cannot be read: ENOENT/);
    await writeFile(path, Buffer.alloc(8193));
    assert.match(
      (await run('vlan', 'set', 'lab', `icon=@${path}`)).err,
      /has 8193 bytes, and at most 8192 fit/,
    );
  }).finally(() => rm(directory, { recursive: true }));
});
