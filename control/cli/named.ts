/**
 * From what a person typed to the VLAN or the peer that is meant: a whole id, the beginning of one, or a name.
 *
 * Pure. Must never choose between several: a name may come from a stranger's record, and be that of another on purpose.
 */
import type { VlanReport } from '../admin/daemon-control.ts';
import { nearestName } from '../config/nearest-name.ts';
import { parseVlanId } from '../vlan/vlan-id.ts';
import { CommandError } from './command-error.ts';
import { printable } from './table.ts';

/** Fewer would name by accident. */
const LEAST_PREFIX_CHARACTERS = 4;
/** All PeerIds of Ed25519 keys begin so. */
const PEER_ID_HEAD = '12D3KooW';
const SHORT_ID_CHARACTERS = 8;

/** What a VLAN can be named by. */
type NamedVlan = Pick<VlanReport, 'id' | 'name' | 'interface'>;

/**
 * Finds the VLAN that a text names.
 *
 * @param vlans - those that this node is in
 * @returns undefined when the text is a whole id of none of them
 * @throws CommandError when it names none, or more than one
 */
export function findVlan<Vlan extends NamedVlan>(text: string, vlans: readonly Vlan[]): Vlan | undefined {
  const exact = vlans.find((vlan) => vlan.id === text);
  if (exact !== undefined || parseVlanId(text).ok) return exact;
  const found = vlans.filter((vlan) => isNamedBy(vlan, text));
  const [first] = found;
  if (found.length === 1) return first;
  if (first === undefined) throw noSuchVlan(text, vlans);
  const lines = found.map((vlan) => `\n  ${vlan.id}  ${nameOf(vlan)}`);
  throw new CommandError(
    `'${printable(text)}' may be any of these; name one by its id, or more of it:${lines.join('')}`,
  );
}

/**
 * The id of the VLAN that a text names; a whole id of a VLAN that this node is not in is left to the daemon to refuse.
 *
 * @throws CommandError when it names none, or more than one
 */
export function vlanIdOf(text: string, vlans: readonly NamedVlan[]): string {
  return findVlan(text, vlans)?.id ?? text;
}

/**
 * The PeerId that a text names.
 *
 * @param text - a whole PeerId, or its beginning, with or without the `12D3KooW` that all of them begin with
 * @param known - PeerIds that may be meant
 * @param advice - what to do when it is none of them
 * @throws CommandError when it names none, or more than one
 */
export function peerIdOf(text: string, known: readonly string[], advice: string): string {
  if (text.length === PEER_ID_HEAD.length + 44) return text;
  const found = [...new Set(known)].filter(
    (peer) => peer.startsWith(text) || peer.startsWith(PEER_ID_HEAD + text),
  );
  const [first] = found;
  if (first === undefined) throw new CommandError(`no peer begins with '${text}'; ${advice}`);
  if (found.length === 1) return first;
  const lines = found.map((peer) => `\n  ${peer}`);
  throw new CommandError(`'${text}' may be any of these; name one by more of it:${lines.join('')}`);
}

/** Enough of an id to be found again, in advice of what to type next. */
export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_CHARACTERS);
}

/** What a VLAN is called where it is talked about. */
export function nameOf(vlan: NamedVlan): string {
  return vlan.name === null ? (vlan.interface ?? `${shortId(vlan.id)}…`) : printable(vlan.name);
}

function isNamedBy(vlan: NamedVlan, text: string): boolean {
  const isPrefix = text.length >= LEAST_PREFIX_CHARACTERS && vlan.id.startsWith(text);
  return isPrefix || vlan.name === text || vlan.interface === text;
}

function noSuchVlan(text: string, vlans: readonly NamedVlan[]): CommandError {
  const names = vlans.flatMap((vlan) => [vlan.name ?? [], vlan.interface ?? []].flat());
  const near = nearestName(text, names);
  const guess = near === undefined ? '' : ` Did you mean ${printable(near)}?`;
  const ways = 'the beginning of an id (4 characters or more), a name or an interface';
  return new CommandError(
    `no VLAN here goes by '${printable(text)}'.${guess} \`peertap vlan list\` shows them; ${ways} will do`,
  );
}
