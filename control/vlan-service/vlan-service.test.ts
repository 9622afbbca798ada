/** Behaviour of a node's VLANs together: who comes in, who goes, and who is left when something is cut short. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MemberReport } from '../admin/daemon-control.ts';
import { decodeHead } from '../membership/group/order/head.ts';
import { agree, attachment, createPrivate, invite, until, World } from './vlan-world.fixture.ts';

const NOT_A_MEMBER = /not a member|is not in/;

function peersOf(members: readonly MemberReport[]): readonly string[] {
  return members.map(({ peer }) => peer).sort();
}

test('who shows an invite is in, and both have the same secret', async () => {
  const world = new World();
  const [owner, guest] = [await world.add(), await world.add()];
  const id = await createPrivate(owner);
  await guest.service.join({ invite: await invite(owner, id), ...attachment('ptap0') });
  await until('both are in one epoch', () => agree([owner, guest], id));

  assert.deepEqual(guest.epoch(id)?.secret, owner.epoch(id)?.secret);
  assert.deepEqual(peersOf(owner.acts.members(id)), [owner.peerId, guest.peerId].sort());
  assert.deepEqual(peersOf(guest.acts.members(id)), [owner.peerId, guest.peerId].sort());
  assert.equal(guest.service.reports()[0]?.name, 'home');
});

test('who has only the id waits until an admin approves, through a restart too', async () => {
  const world = new World();
  const owner = await world.add();
  const id = await createPrivate(owner);
  let guest = await world.add();
  await guest.service.join({ id, ...attachment('ptap0') });
  const record = owner.service.factsOf(owner.service.required(id)).entry.record;
  assert.ok(record);
  guest.service.learnRecord(record); // as the directory would bring it
  await until('the request is there', () => owner.acts.requests(id).length === 1);
  assert.equal(guest.epoch(id), undefined);
  await until('it knows that it waits', () => guest.state(id) === 'waiting-for-approval');

  guest = await world.restart(guest);
  await owner.acts.approve(id, guest.peerId);
  await until('both are in one epoch', () => agree([owner, guest], id));
  assert.deepEqual(owner.acts.requests(id), []);
});

test('who is removed is out, knows it, and has no secret of what comes after', async () => {
  const world = new World();
  const [owner, stays, goes] = [await world.add(), await world.add(), await world.add()];
  const id = await createPrivate(owner);
  const text = await invite(owner, id, 2);
  for (const node of [stays, goes]) await node.service.join({ invite: text, ...attachment('ptap0') });
  await until('all are in one epoch', () => agree([owner, stays, goes], id));
  const before = goes.epoch(id)?.secret;

  await assert.rejects(stays.acts.remove(id, goes.peerId), { code: 'not-admin' });
  await owner.acts.remove(id, goes.peerId);
  await until('the others are in one epoch', () => agree([owner, stays], id));
  await until('it knows', () => goes.state(id) === 'expelled');

  assert.equal(owner.vlans.epochs.get(id)?.atOnce, true);
  assert.notDeepEqual(owner.epoch(id)?.secret, before);
  assert.equal(goes.vlans.find(id), undefined, 'its interface is gone');
  await until('its keys are gone', () => !existsSync(join(goes.directory, 'groups', id)));
  await assert.rejects(owner.acts.remove(id, goes.peerId), { code: 'no-member' });
});

test('a member that restarts goes on in its group', async () => {
  const world = new World();
  const owner = await world.add();
  let member = await world.add();
  const id = await createPrivate(owner);
  await member.service.join({ invite: await invite(owner, id), ...attachment('ptap0') });
  await until('both are in one epoch', () => agree([owner, member], id));

  member = await world.restart(member);
  await until('it is in its epoch again', () => agree([owner, member], id));
});

test('a member that leaves is out of the others’ epoch, and keeps nothing', async () => {
  const world = new World();
  const [owner, member] = [await world.add(), await world.add()];
  const id = await createPrivate(owner);
  await member.service.join({ invite: await invite(owner, id), ...attachment('ptap0') });
  await until('both are in one epoch', () => agree([owner, member], id));

  await member.service.leave(id);
  await until('the owner is alone', () => agree([owner], id));
  assert.deepEqual(member.service.reports(), []);
  assert.equal(existsSync(join(member.directory, 'groups', id)), false);
  await assert.rejects(member.service.leave(id), NOT_A_MEMBER);
});

test('a join that comes while the VLAN is being left begins when that has ended', async () => {
  const world = new World();
  const [owner, member] = [await world.add(), await world.add()];
  const id = await createPrivate(owner);
  const text = await invite(owner, id, 2);
  await member.service.join({ invite: text, ...attachment('ptap0') });
  await until('both are in one epoch', () => agree([owner, member], id));

  const other = await invite(owner, id);
  await Promise.all([
    member.service.leave(id),
    member.service.join({ invite: other, ...attachment('ptap1') }),
  ]);
  assert.equal(member.service.reports().length, 1);
  assert.equal(member.vlans.find(id)?.interfaceName, 'ptap1');
});

test('a leave that the end of the process cut short is finished after the next start', async () => {
  const world = new World();
  let owner = await world.add();
  const member = await world.add();
  const id = await createPrivate(owner);
  await member.service.join({ invite: await invite(owner, id), ...attachment('ptap0') });
  await until('both are in one epoch', () => agree([owner, member], id));

  await world.remove(owner);
  const left = member.service.leave(id);
  const head = join(member.directory, 'groups', id, 'head');
  await until('the wish is on disk', () => decodeHead(readFileSync(head))?.isLeaving === true);
  const crashed = { identity: member.identity, directory: `${member.directory}-crashed` };
  cpSync(member.directory, crashed.directory, { recursive: true });
  await left;
  await world.remove(member);

  owner = await world.add(owner);
  const again = await world.add(crashed);
  await until('it is out', () => again.service.reports().length === 0);
  await until('the owner is alone', () => agree([owner], id));
  assert.equal(existsSync(join(crashed.directory, 'groups', id)), false);
});

test('an owner that left as the last member begins a new group when it comes back', async () => {
  const world = new World();
  const owner = await world.add();
  const id = await createPrivate(owner);
  await owner.service.leave(id);
  assert.deepEqual(owner.service.reports(), []);

  await owner.service.join({ id, ...attachment('ptap0') });
  await until('it has a group again', () => agree([owner], id));
  const guest = await world.add();
  await guest.service.join({ invite: await invite(owner, id), ...attachment('ptap0') });
  await until('others come in', () => agree([owner, guest], id));
});

test('who is not in sees no members, and why it is not in', async () => {
  const world = new World();
  const [owner, guest] = [await world.add(), await world.add()];
  const id = await createPrivate(owner);
  const text = await invite(owner, id);
  await world.remove(owner);
  await guest.service.join({ invite: text, ...attachment('ptap0') });
  assert.deepEqual(guest.acts.members(id), []);
  assert.match(guest.service.reports()[0]?.reason ?? '', /no node that knows this VLAN/);
});

test('several who come at once all get in, be it by one commit', async () => {
  const world = new World();
  const nodes = [await world.add(), await world.add(), await world.add(), await world.add()];
  const [owner, ...guests] = nodes;
  assert.ok(owner);
  const id = await createPrivate(owner);
  const text = await invite(owner, id, 3);
  await Promise.all(guests.map((guest) => guest.service.join({ invite: text, ...attachment('ptap0') })));
  await until('all are in one epoch', () => agree(nodes, id));
});

test('an invite that is cut, used up or of nobody’s making lets nobody in', async () => {
  const world = new World();
  const [owner, first, second] = [await world.add(), await world.add(), await world.add()];
  const id = await createPrivate(owner);
  const text = await invite(owner, id);
  await assert.rejects(first.service.join({ invite: text.slice(0, -9), ...attachment('ptap0') }), {
    code: 'invalid-invite',
  });
  await first.service.join({ invite: text, ...attachment('ptap0') });
  await until('the first is in', () => agree([owner, first], id));

  await second.service.join({ invite: text, ...attachment('ptap0') });
  await until('the second is refused', () => second.state(id) === 'refused');
  assert.ok((second.service.reports()[0]?.reason ?? '').length > 10);
  assert.equal(second.epoch(id), undefined);

  const fresh = { invite: await invite(owner, id), ...attachment('ptap0'), addresses: ['10.7.0.9/24'] };
  await second.service.join(fresh);
  await until('a fresh one lets it in', () => agree([owner, first, second], id));
  assert.deepEqual(second.service.reports()[0]?.addresses, ['10.7.0.9/24']);
});

test('an open VLAN has no requests, no removals and no secret invites', async () => {
  const world = new World();
  const owner = await world.add();
  const { id } = await owner.service.create({ name: 'fair', private: false, subnet: null });
  assert.throws(() => owner.acts.requests(id), { code: 'not-private' });
  await assert.rejects(owner.acts.remove(id, owner.peerId), { code: 'not-private' });
  const report = await owner.acts.invite({ id, uses: 3, expiresSeconds: 60, oneTimeSecret: true });
  assert.deepEqual([report.expiresAt, report.uses], [null, 0]);
});
