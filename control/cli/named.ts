/**
 * From what a person typed to the VLAN or the peer that is meant: a whole id, the beginning of one, or a name.
 *
 * Pure. Must never choose between several: a name may come from a stranger's record, and be that of another on purpose.
 */
import type { VlanReport } from '../admin/daemon-control.ts';
import { nearestName } from '../config/nearest-name.ts';
import { INVITE_PREFIX } from '../vlan/invite.ts';
import { parseVlanId, VLAN_ID_CHARACTERS } from '../vlan/vlan-id.ts';
import { CommandError } from './command-error.ts';
import { printable } from './table.ts';

/** Fewer would name by accident. */
const LEAST_PREFIX_CHARACTERS = 4;
/** All PeerIds of Ed25519 keys begin so. */
const PEER_ID_HEAD = '12D3KooW';
const PEER_ID_CHARACTERS = PEER_ID_HEAD.length + 44;
const SHORT_ID_CHARACTERS = 8;
/** Longer than the words that people call a VLAN by. */
const LEAST_CUT_CHARACTERS = 16;

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

/** Whether a text may be a PeerId or a part of one. */
export function isPeerPart(text: string): boolean {
  return /^[1-9A-HJ-NP-Za-km-z]{4,52}$/.test(text);
}

/** Whether a text may be a MAC address or its beginning, of two bytes or more; `-` does for `:`. */
export function isMacPart(text: string): boolean {
  return /^[0-9a-f]{2}([:-][0-9a-f]{2}){1,5}[:-]?$/i.test(text);
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
  if (text.length === PEER_ID_CHARACTERS) return text;
  // The head alone names everybody, and so whoever happens to be the only one.
  const own = text.startsWith(PEER_ID_HEAD) ? text.slice(PEER_ID_HEAD.length) : text;
  if (PEER_ID_HEAD.startsWith(text) || own.length < LEAST_PREFIX_CHARACTERS) {
    throw new CommandError(
      `'${text}' is too short to name a peer: give ${LEAST_PREFIX_CHARACTERS} or more characters after ${PEER_ID_HEAD}; ${advice}`,
    );
  }
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
    `no VLAN here goes by '${printable(text)}'.${guess}${cutText(text)} \`peertap vlan list\` shows them; ${ways} will do`,
  );
}

/** What looks like an id or an invite that lost a part on its way was meant for `vlan join`. */
function cutText(text: string): string {
  if (text.length < LEAST_CUT_CHARACTERS || !/^[a-z2-7]+$/.test(text)) return '';
  const lengths = `a whole id has ${VLAN_ID_CHARACTERS} characters, an invite begins with ${INVITE_PREFIX}`;
  return ` Was it cut? It has ${text.length} characters; ${lengths}.`;
}
