/**
 * `peertap vlan requests ID`, `vlan approve ID PEER` and `vlan remove ID PEER`: who may be in a private VLAN.
 *
 * Must never act on a peer that was named by a beginning which fits another one as well.
 */
import { AdminClient } from '../admin/admin-client.ts';
import type { AdmissionRequestReport, VlanReport } from '../admin/daemon-control.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { findVlan, nameOf, peerIdOf, shortId } from './named.ts';
import { cell, formatTable, printable } from './table.ts';

/** Prints who waits to be admitted. */
export async function runVlanRequests(text: string, options: QueryOptions, io: CommandIo): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlan = await namedVlan(client, text);
  const requests = await client.requests(vlan.id);
  if (options.json === true) {
    io.out(JSON.stringify({ requests }, undefined, 2));
    return;
  }
  const [first] = requests;
  if (first === undefined) {
    io.out(`nobody waits to be admitted to ${nameOf(vlan)}`);
    return;
  }
  for (const line of formatTable(['PEER', 'ASKED', 'INVITED', 'NOTE'], requests.map(row))) io.out(line);
  io.err('compare the PeerId with what `peertap id` prints there, then:');
  io.err(`  peertap vlan approve ${shortId(vlan.id)} ${first.peer}`);
}

/** Admits a peer that has asked. */
export async function runVlanApprove(
  names: { readonly vlan: string; readonly peer: string },
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlan = await namedVlan(client, names.vlan);
  const known = (await client.requests(vlan.id)).map((request) => request.peer);
  const advice = `\`peertap vlan requests ${shortId(vlan.id)}\` shows who has asked`;
  const peer = peerIdOf(names.peer, known, advice);
  await client.approve(vlan.id, peer);
  io.out(
    options.json === true
      ? JSON.stringify({ id: vlan.id, peer }, undefined, 2)
      : `approved ${peer} for ${nameOf(vlan)}`,
  );
}

/** Removes a member, or refuses a peer that has asked. */
export async function runVlanRemove(
  names: { readonly vlan: string; readonly peer: string },
  options: QueryOptions,
  io: CommandIo,
): Promise<void> {
  const client = new AdminClient(options.socket);
  const vlan = await namedVlan(client, names.vlan);
  const [members, requests] = await Promise.all([client.members(vlan.id), client.requests(vlan.id)]);
  const known = [...members, ...requests].map((other) => other.peer);
  const advice = `\`peertap vlan members ${shortId(vlan.id)}\` shows who is in it`;
  const peer = peerIdOf(names.peer, known, advice);
  if (members.some((member) => member.state === 'self' && member.peer === peer)) {
    throw new CommandError(`that is this node itself; \`peertap vlan leave ${shortId(vlan.id)}\` leaves`);
  }
  await client.remove(vlan.id, peer);
  const isIn = members.some((member) => member.peer === peer);
  const done = isIn ? `removed ${peer} from ${nameOf(vlan)}` : `refused ${peer} for ${nameOf(vlan)}`;
  io.out(options.json === true ? JSON.stringify({ id: vlan.id, peer }, undefined, 2) : done);
}

/** @throws CommandError when this node is not in the VLAN */
async function namedVlan(client: AdminClient, text: string): Promise<VlanReport> {
  const vlan = findVlan(text, await client.vlans());
  if (vlan !== undefined) return vlan;
  throw new CommandError(`this node is not in ${text}; \`peertap vlan list\` shows where it is`);
}

function row(request: AdmissionRequestReport): string[] {
  return [
    request.peer,
    request.askedAt,
    request.invited ? 'yes' : 'no',
    cell(request.note === null ? null : printable(request.note)),
  ];
}
