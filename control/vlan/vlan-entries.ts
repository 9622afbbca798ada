/**
 * The VLANs of a node, put together from where it knows them, and what differs between two such lists.
 *
 * What holds for a VLAN is the config's word, else the run-time join, else bare membership of the owner without an
 * interface. A VLAN is private when its record says so, or the owner, the invite, the config; once private it never
 * counts as open again.
 *
 * Main thread only; pure functions.
 */
import { parseInvite } from './invite.ts';
import type { RecordStore } from './record-store.ts';
import { parseVlanId } from './vlan-id.ts';
import type { SignedRecord, VlanKind } from './vlan-record.ts';
import type { OwnedVlan, VlanAttachment, VlanMembership, VlanState } from './vlan-state.ts';

/** A VLAN as the config or a request names it: its interface, and how to get into it when it is private. */
export interface WantedVlan extends VlanAttachment {
  /** An invite to this very VLAN; what it says of kind and name counts until there is a record. */
  readonly invite?: string | undefined;
  /** It is private, and nothing is to be sent in it as if it were open, although no record says so yet. */
  readonly private?: boolean | undefined;
}

/** A VLAN that this node is a member of, or asks to be. */
export interface VlanEntry {
  /** Text form of the id. */
  readonly id: string;
  readonly idBytes: Uint8Array;
  /** From the record, else from its owner's registry, else from the invite. */
  readonly name?: string;
  readonly owned: boolean;
  readonly source: 'config' | 'joined' | 'owned';
  readonly kind: VlanKind;
  /** What the owner signed; absent as long as nobody has given it to this node. */
  readonly record?: SignedRecord;
  /** There for every private VLAN, and for no open one. */
  readonly membership?: VlanMembership;
  /** Absent for an owner that has not attached an interface. */
  readonly attachment?: VlanAttachment;
}

/** What a reload of the config changed. */
export interface VlanChanges {
  readonly added: readonly VlanEntry[];
  readonly removed: readonly VlanEntry[];
  /** Joined before and after, but with another interface, other addresses or another MTU. */
  readonly changed: readonly { readonly before: VlanEntry; readonly after: VlanEntry }[];
}

/** What the list is made from. */
export interface EntrySources {
  readonly state: VlanState;
  readonly configured: readonly WantedVlan[];
  /** VLANs of the config that were left at run time. */
  readonly left: ReadonlySet<string>;
  readonly records: RecordStore;
}

/** All VLANs of a node, in the order config, joined, owned. */
export function effectiveEntries({ state, configured, left, records }: EntrySources): readonly VlanEntry[] {
  const entries = new Map<string, VlanEntry>();
  const owned = new Map(state.owned.map((vlan) => [vlan.id, vlan]));
  const memberships = new Map(state.memberships.map((membership) => [membership.id, membership]));
  const add = (id: string, source: VlanEntry['source'], wanted?: WantedVlan): void => {
    if (entries.has(id)) return;
    const facts = { source, wanted, owned: owned.get(id), membership: memberships.get(id) };
    entries.set(id, entryOf(id, facts, records));
  };
  for (const vlan of configured) {
    if (!left.has(vlan.id)) add(vlan.id, 'config', vlan);
  }
  for (const vlan of state.joined) add(vlan.id, 'joined', vlan);
  for (const vlan of state.owned) {
    if (vlan.member) add(vlan.id, 'owned');
  }
  return [...entries.values()];
}

/** What came, went, and got another attachment. */
export function difference(before: readonly VlanEntry[], after: readonly VlanEntry[]): VlanChanges {
  const old = new Map(before.map((entry) => [entry.id, entry]));
  const now = new Map(after.map((entry) => [entry.id, entry]));
  const changed: { before: VlanEntry; after: VlanEntry }[] = [];
  for (const entry of after) {
    const previous = old.get(entry.id);
    if (previous !== undefined && !sameAttachment(previous.attachment, entry.attachment)) {
      changed.push({ before: previous, after: entry });
    }
  }
  return {
    added: after.filter((entry) => !old.has(entry.id)),
    removed: before.filter((entry) => !now.has(entry.id)),
    changed,
  };
}

interface EntryFacts {
  readonly source: VlanEntry['source'];
  readonly wanted: WantedVlan | undefined;
  readonly owned: OwnedVlan | undefined;
  readonly membership: VlanMembership | undefined;
}

function entryOf(id: string, facts: EntryFacts, records: RecordStore): VlanEntry {
  const parsed = parseVlanId(id);
  if (!parsed.ok) throw new RangeError(`not a VLAN id: ${id} (${parsed.reason})`);
  const record = records.get(id, parsed.id);
  const invited = invitedBy(id, facts.membership?.invite ?? facts.wanted?.invite);
  const isPrivate =
    facts.membership !== undefined ||
    facts.wanted?.private === true ||
    (record?.record.kind ?? facts.owned?.kind ?? invited?.kind) === 'private';
  const name = record?.record.name ?? facts.owned?.name ?? invited?.name;
  return {
    id,
    idBytes: parsed.id,
    owned: facts.owned !== undefined,
    source: facts.source,
    kind: isPrivate ? 'private' : 'open',
    ...(name === undefined ? {} : { name }),
    ...(record === undefined ? {} : { record }),
    ...(isPrivate ? { membership: membershipOf(id, facts) } : {}),
    ...(facts.wanted === undefined ? {} : { attachment: bareAttachment(facts.wanted) }),
  };
}

/** What stands in the state; a new invite in the config opens a closed door again. */
function membershipOf(id: string, { membership, wanted }: EntryFacts): VlanMembership {
  const invite = wanted?.invite ?? null;
  if (membership === undefined) return waiting(id, invite);
  const isShut = membership.state === 'refused' || membership.state === 'expelled';
  return isShut && invite !== null && invite !== membership.invite ? waiting(id, invite) : membership;
}

/** The standing of a node that asks to be admitted. */
export function waiting(id: string, invite: string | null): VlanMembership {
  return { id, state: 'waiting', invite, reason: null, admission: null };
}

/** An attachment without what only counts when the VLAN is joined. */
export function bareAttachment(wanted: WantedVlan): VlanAttachment {
  return {
    id: wanted.id,
    interface: wanted.interface,
    addresses: wanted.addresses,
    mtuBytes: wanted.mtuBytes,
    multicast: wanted.multicast,
    paths: wanted.paths,
    treeRank: wanted.treeRank,
  };
}

/** What a VLAN was joined with at run time, if it was. */
export function attachmentAtRunTime(entry: VlanEntry | undefined): readonly VlanAttachment[] {
  return entry?.source === 'joined' && entry.attachment !== undefined ? [entry.attachment] : [];
}

function invitedBy(id: string, invite: string | null | undefined) {
  if (invite === undefined || invite === null) return undefined;
  const parsed = parseInvite(invite);
  return parsed.ok && parsed.invite.id === id ? parsed.invite : undefined;
}

function sameAttachment(a: VlanAttachment | undefined, b: VlanAttachment | undefined): boolean {
  if (a === undefined || b === undefined) {
    return a === b;
  }
  return (
    a.interface === b.interface &&
    a.mtuBytes === b.mtuBytes &&
    a.multicast === b.multicast &&
    a.paths === b.paths &&
    a.treeRank === b.treeRank &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, index) => address === b.addresses[index])
  );
}
