/**
 * From what a person typed to the station that is meant: a member of a VLAN, or a MAC address behind one.
 *
 * Runs in the `peertap` command. Must never choose between several: each refusal says how to name one.
 */
import type { AdminClient } from '../admin/admin-client.ts';
import type { MemberReport, VlanReport } from '../admin/daemon-control.ts';
import { CommandError } from './command-error.ts';
import { findVlan, isMacPart, nameOf, peerIdOf, shortId } from './named.ts';

const ADVICE = '`peertap vlan members ID --long` shows who is in a VLAN, and which stations are behind whom';

/** The station that is meant. */
export interface StationTarget {
  readonly vlan: string;
  readonly vlanName: string;
  /** A whole PeerId or MAC address. */
  readonly target: string;
  readonly peer: string;
}

interface Seen {
  readonly vlan: VlanReport;
  readonly member: MemberReport;
}

/**
 * Finds a station.
 *
 * @param text - a PeerId, a MAC address, or the beginning of one
 * @param vlanText - what names the VLAN; undefined: whichever it is in
 * @throws CommandError when it is nowhere, or in more than one
 */
export async function findStation(
  client: AdminClient,
  text: string,
  vlanText: string | undefined,
): Promise<StationTarget> {
  const vlans = await vlansToSearch(client, vlanText);
  const seen = (
    await Promise.all(
      vlans.map(async (vlan) => (await client.members(vlan.id)).map((member) => ({ vlan, member }))),
    )
  ).flat();
  return isMacPart(text) ? byMac(text, seen) : byPeer(text, seen);
}

/** The VLANs in which this node has an interface, and so a station to which answers can come. */
async function vlansToSearch(
  client: AdminClient,
  vlanText: string | undefined,
): Promise<readonly VlanReport[]> {
  const all = await client.vlans();
  if (vlanText === undefined) {
    const active = all.filter(({ state }) => state === 'active');
    if (active.length > 0) return active;
    throw new CommandError('this node has an interface in no VLAN; `peertap vlan list` shows where it is');
  }
  const vlan = findVlan(vlanText, all);
  if (vlan === undefined) {
    throw new CommandError(`this node is not in ${vlanText}; \`peertap vlan list\` shows where it is`);
  }
  if (vlan.state === 'active') return [vlan];
  throw new CommandError(
    `this node has no interface in ${nameOf(vlan)}: it is ${vlan.state}; \`peertap vlan join ${shortId(vlan.id)} --interface NAME\` gives it one`,
  );
}

function byPeer(text: string, seen: readonly Seen[]): StationTarget {
  const peer = peerIdOf(
    text,
    seen.map(({ member }) => member.peer),
    ADVICE,
  );
  const found = seen.filter(({ member }) => member.peer === peer);
  const [first] = found;
  if (first === undefined) throw new CommandError(`${peer} is in no VLAN of this node; ${ADVICE}`);
  if (first.member.state === 'self') throw new CommandError(`${peer} is this node itself; name another one`);
  const reachable = found.filter(({ member }) => member.state === 'live' && member.stations.length > 0);
  if (reachable.length === 0) throw new CommandError(whyNot(first));
  return { ...onlyOne(peer, reachable), target: peer };
}

function byMac(text: string, seen: readonly Seen[]): StationTarget {
  const part = text.toLowerCase().replaceAll('-', ':');
  const found = seen.flatMap(({ vlan, member }) =>
    member.stations.filter((mac) => mac.startsWith(part)).map((mac) => ({ vlan, member, mac })),
  );
  const macs = [...new Set(found.map(({ mac }) => mac))];
  const [mac] = macs;
  if (mac === undefined) throw new CommandError(`no station here begins with ${part}; ${ADVICE}`);
  if (macs.length > 1) {
    const lines = macs.map((each) => `\n  ${each}`);
    throw new CommandError(`'${part}' may be any of these; name one by more of it:${lines.join('')}`);
  }
  return { ...onlyOne(mac, found), target: mac };
}

function onlyOne(what: string, found: readonly Seen[]): Omit<StationTarget, 'target'> {
  const [first] = found;
  if (first === undefined || found.length > 1) {
    const lines = found.map(({ vlan }) => `\n  --vlan ${shortId(vlan.id)}  ${nameOf(vlan)}`);
    throw new CommandError(`${what} is in more than one VLAN; name one:${lines.join('')}`);
  }
  return { vlan: first.vlan.id, vlanName: nameOf(first.vlan), peer: first.member.peer };
}

function whyNot({ vlan, member }: Seen): string {
  const where = `${member.peer} is in ${nameOf(vlan)}`;
  return member.state === 'live'
    ? `${where}, but has no interface there, and so no station that could answer`
    : `${where}, but was not heard lately; \`peertap peers\` shows whether there is a trunk to it`;
}
