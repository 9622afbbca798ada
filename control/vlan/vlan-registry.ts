/**
 * The VLANs that this node takes part in, and from where it knows them.
 *
 * Three sources: the config file, joins at run time, and VLANs that this node owns. The last two live in
 * the state directory, as does what the node knows of each VLAN: its record, and its standing in a private one.
 *
 *   vlan-state.ts    vlans.json: owned keys, joins, memberships
 *   record-store.ts  directory/<id>.record
 *   vlan-entries.ts  what follows from all of them
 *
 * Main thread only. A change is on disk before it is in memory and before its caller acts on it.
 */
import { vlanNameProblem } from '../config/vlan-name.ts';
import { parseInvite, type ReadInvite } from './invite.ts';
import { changeRecord, firstRecord } from './record-change.ts';
import { RecordStore } from './record-store.ts';
import {
  attachmentAtRunTime,
  bareAttachment,
  difference,
  effectiveEntries,
  type VlanChanges,
  type VlanEntry,
  type WantedVlan,
  waiting,
} from './vlan-entries.ts';
import { VlanError } from './vlan-error.ts';
import { formatVlanId, vlanLabel } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';
import { isAheadOfTime, isNewer, type SignedRecord, signRecord, type VlanKind } from './vlan-record.ts';
import {
  loadVlanState,
  type OwnedVlan,
  storeVlanState,
  type VlanMembership,
  type VlanState,
} from './vlan-state.ts';

export type { VlanEntry } from './vlan-entries.ts';

/** VLANs of one node; the shared tables have as many slots. */
export const MAX_VLANS = 256;

/** What a new VLAN is, beside its name. */
export interface CreationFacts {
  readonly kind: VlanKind;
  /** In CIDR form with host bits zero, or null. */
  readonly subnet: string | null;
  /** PeerId of this node: its first admin. */
  readonly owner: string;
  readonly unixMs: number;
}

/**
 * What became of a record that somebody gave: `stored`; `not-newer` than the one that is here; `ahead-of-time` by more
 * than clocks may differ; `kind-differs` from what the VLAN is known to be; `not-ours`: of a VLAN that is not joined.
 */
export type RecordOutcome = 'stored' | 'not-newer' | 'ahead-of-time' | 'kind-differs' | 'not-ours';

/** The registry; see the file's head. */
export class VlanRegistry {
  readonly #stateDirectory: string;
  #state: VlanState;
  #configured: readonly WantedVlan[];
  readonly #records: RecordStore;
  /** VLANs of the config that were left at run time: left until the next start or reload. */
  readonly #leftConfigured = new Set<string>();
  /** The list as it was put together last; undefined when something has changed since. */
  #listed: readonly VlanEntry[] | undefined;

  private constructor(stateDirectory: string, state: VlanState, configured: readonly WantedVlan[]) {
    this.#stateDirectory = stateDirectory;
    this.#records = new RecordStore(stateDirectory);
    this.#state = state;
    this.#configured = configured;
  }

  /**
   * Reads the state directory and merges the config's VLANs.
   *
   * @throws VlanError when the state file cannot be read or is damaged, or when there are too many VLANs
   */
  static open(stateDirectory: string, configured: readonly WantedVlan[]): VlanRegistry {
    const registry = new VlanRegistry(stateDirectory, loadVlanState(stateDirectory), configured);
    requireRoom(registry.list().length);
    return registry;
  }

  /** All VLANs that this node is a member of, in the order config, joined, owned. */
  list(): readonly VlanEntry[] {
    this.#listed ??= this.#entriesOf(this.#configured, this.#leftConfigured);
    return this.#listed;
  }

  /** The entry of a VLAN, by the text form of its id. */
  find(id: string): VlanEntry | undefined {
    return this.list().find((entry) => entry.id === id);
  }

  /**
   * Makes a new VLAN: this node is its owner and first member, without an interface.
   *
   * @param name - 1 to 64 bytes of UTF-8, for people
   * @param seed - 32 fresh random bytes
   * @param facts - without them it is open, and gets its record from {@link VlanRegistry.signMissingRecords}
   * @throws VlanError `invalid-name`, `too-many-vlans` or `state-unwritable`
   */
  create(name: string, seed: Uint8Array, facts?: CreationFacts): VlanEntry {
    const problem = vlanNameProblem(name);
    if (problem !== undefined) throw new VlanError('invalid-name', `A VLAN's name: ${problem}.`);
    requireRoom(this.list().length + 1);
    const keys = vlanKeysFromSeed(seed);
    const kind = facts?.kind ?? 'open';
    const owned: OwnedVlan = { id: formatVlanId(keys.id), name, kind, seed: keys.seed, member: true };
    const membership: VlanMembership = { ...waiting(owned.id, null), state: 'member' };
    // The record first: without its VLAN it does no harm, a VLAN without its record could not be joined.
    if (facts !== undefined) this.#signFirst(owned, facts);
    this.#store({
      ...this.#state,
      owned: [...this.#state.owned, owned],
      memberships: [...this.#state.memberships, ...(kind === 'private' ? [membership] : [])],
    });
    return this.#required(owned.id);
  }

  /**
   * Joins a VLAN with an interface; for the owner of a VLAN this attaches the interface. A private VLAN is `waiting`
   * then, unless this node is a member already. Who waits, was refused or expelled may ask again on the same
   * interface, by another invite or by none.
   *
   * @throws VlanError `already-joined`, `interface-taken`, `invalid-invite`, `too-many-vlans` or `state-unwritable`
   */
  join(wanted: WantedVlan): VlanEntry {
    const present = this.find(wanted.id);
    if (present?.attachment !== undefined) {
      if (present.attachment.interface === wanted.interface && mayAskAgain(present)) {
        requiredInvite(wanted);
        return this.#askAgain(wanted);
      }
      throw new VlanError(
        'already-joined',
        `This node has joined ${wanted.id} on ${present.attachment.interface}; leave it first to move it.`,
        { details: { vlan: wanted.id, interface: present.attachment.interface } },
      );
    }
    this.#requireFreeInterface(wanted);
    requireRoom(this.list().length + (present === undefined ? 1 : 0));
    const others = this.#state.joined.filter((vlan) => vlan.id !== wanted.id);
    this.#store({
      owned: withMembership(this.#state.owned, wanted.id, true),
      joined: [...others, bareAttachment(wanted)],
      memberships: this.#membershipsAfterJoin(wanted, present),
    });
    return this.#required(wanted.id);
  }

  /** On the same interface, with what of it is wanted now; a config's word on that stays. */
  #askAgain(wanted: WantedVlan): VlanEntry {
    const { joined, memberships } = this.#state;
    const membership = waiting(wanted.id, wanted.invite ?? null);
    this.#store({
      ...this.#state,
      joined: joined.map((vlan) => (vlan.id === wanted.id ? bareAttachment(wanted) : vlan)),
      memberships: withStanding(memberships, wanted.id, membership),
    });
    return this.#required(wanted.id);
  }

  /**
   * Leaves a VLAN. A key of an owned VLAN stays on disk; a VLAN of the config comes back at the next
   * start or reload, unless it is taken out of the config too.
   *
   * @param wasLast - nobody holds the group any more: an owner that comes back begins a new one
   * @returns the entry as it was
   * @throws VlanError `not-a-member` or `state-unwritable`
   */
  leave(id: string, wasLast = false): VlanEntry {
    const entry = this.#member(id);
    this.#store({
      owned: withMembership(this.#state.owned, id, false),
      joined: this.#state.joined.filter((vlan) => vlan.id !== id),
      memberships: this.#state.memberships.filter((vlan) => vlan.id !== id || (entry.owned && wasLast)),
    });
    if (entry.source === 'config') {
      this.#leftConfigured.add(id);
    }
    if (!entry.owned) this.#records.drop(id);
    this.#listed = undefined;
    return entry;
  }

  /**
   * Takes a join back that could not be carried out.
   *
   * @param before - what `find` gave before the join: an owner who was a member without an interface stays one
   * @throws VlanError `state-unwritable`
   */
  undoJoin(id: string, before: VlanEntry | undefined): void {
    this.#store({
      owned: withMembership(this.#state.owned, id, before !== undefined),
      joined: [...this.#state.joined.filter((vlan) => vlan.id !== id), ...attachmentAtRunTime(before)],
      memberships: withStanding(this.#state.memberships, id, before?.membership),
    });
  }

  /**
   * Takes over the VLANs of a reloaded config. Run-time joins and owned VLANs stay.
   *
   * @throws VlanError `too-many-vlans`; then nothing has changed
   */
  reconfigure(configured: readonly WantedVlan[]): VlanChanges {
    const before = this.list();
    const after = this.#entriesOf(configured, new Set());
    requireRoom(after.length);
    this.#configured = configured;
    this.#leftConfigured.clear();
    this.#listed = undefined;
    return difference(before, after);
  }

  /**
   * Changes settings of a VLAN that this node owns; its next record is on disk then.
   *
   * @param changes - setting names and values as a person wrote them
   * @throws VlanError `not-a-member`, `not-owner`, `invalid-setting`, `state-corrupt` or `state-unwritable`
   */
  change(id: string, changes: Readonly<Record<string, string>>, unixMs: number): SignedRecord {
    const entry = this.#member(id);
    const owned = this.#state.owned.find((vlan) => vlan.id === id);
    if (owned === undefined) {
      throw new VlanError('not-owner', 'Only the owner of a VLAN, who created it, can change its settings.', {
        details: { vlan: id },
      });
    }
    if (entry.record === undefined) {
      const damage = this.#records.damage(id) ?? 'it has not been signed yet';
      throw new VlanError(
        'state-corrupt',
        `The record of this VLAN is missing: ${damage}. Another member gives it back when one is reached; ` +
          'or remove the file and restart, to begin with the defaults.',
        { details: { vlan: id } },
      );
    }
    const signed = signRecord(changeRecord(entry.record.record, changes, unixMs), owned.seed);
    this.#keep(signed);
    return signed;
  }

  /**
   * Takes a record that somebody gave, if it is one of this node's VLANs and newer than the one that is here. A VLAN
   * that was taken for open and is private is `waiting` from then on.
   *
   * @param unixMs - the corrected time
   * @throws VlanError `state-unwritable`; nothing has changed then
   */
  acceptRecord(signed: SignedRecord, unixMs: number): RecordOutcome {
    const entry = this.find(signed.id);
    if (entry === undefined) return 'not-ours';
    if (isAheadOfTime(signed.record, unixMs)) return 'ahead-of-time';
    if (!isNewer(signed, entry.record)) return 'not-newer';
    const isKnown = entry.record !== undefined || entry.kind === 'private';
    if (isKnown && entry.kind !== signed.record.kind) return 'kind-differs';
    if (signed.record.kind !== entry.kind) this.setMembership(waiting(entry.id, null));
    this.#keep(signed);
    return 'stored';
  }

  /**
   * Notes how this node stands in a private VLAN. The invite of one who is in has served, and its secret goes.
   *
   * @throws VlanError `not-a-member` or `state-unwritable`
   */
  setMembership(membership: VlanMembership): void {
    this.#member(membership.id);
    const noted = membership.state === 'member' ? { ...membership, invite: null } : membership;
    const memberships = withStanding(this.#state.memberships, membership.id, noted);
    this.#store({ ...this.#state, memberships });
  }

  /**
   * Signs a first record for each owned VLAN that never had one: those of an earlier release.
   *
   * @returns the new ones
   * @throws VlanError `state-unwritable`
   */
  signMissingRecords(owner: string, unixMs: number): readonly SignedRecord[] {
    const missing = this.list().filter(
      (entry) => entry.owned && entry.record === undefined && this.#records.damage(entry.id) === undefined,
    );
    const ids = new Set(missing.map((entry) => entry.id));
    return this.#state.owned
      .filter((vlan) => ids.has(vlan.id))
      .map((vlan) => this.#signFirst(vlan, { kind: vlan.kind, subnet: null, owner, unixMs }));
  }

  /** Records that could not be read, in words for the log. */
  damagedRecords(): readonly string[] {
    return this.list().flatMap((entry) => this.#records.damage(entry.id) ?? []);
  }

  #signFirst(owned: OwnedVlan, { kind, subnet, owner, unixMs }: CreationFacts): SignedRecord {
    const { publicKey } = vlanKeysFromSeed(owned.seed);
    const record = firstRecord({ name: owned.name, kind, subnet, owner }, publicKey, unixMs);
    const signed = signRecord(record, owned.seed);
    this.#keep(signed);
    return signed;
  }

  #membershipsAfterJoin(wanted: WantedVlan, present: VlanEntry | undefined): readonly VlanMembership[] {
    const invited = requiredInvite(wanted);
    const standing = this.#state.memberships.find((vlan) => vlan.id === wanted.id);
    const owned = this.#state.owned.find((vlan) => vlan.id === wanted.id);
    const kind = present?.kind ?? owned?.kind ?? invited?.kind;
    if (kind !== 'private' && wanted.private !== true) return this.#state.memberships;
    if (standing?.state === 'member') return this.#state.memberships;
    return withStanding(this.#state.memberships, wanted.id, waiting(wanted.id, wanted.invite ?? null));
  }

  #entriesOf(configured: readonly WantedVlan[], left: ReadonlySet<string>): readonly VlanEntry[] {
    return effectiveEntries({ state: this.#state, configured, left, records: this.#records });
  }

  #member(id: string): VlanEntry {
    const entry = this.find(id);
    if (entry === undefined) {
      throw new VlanError('not-a-member', `This node is not a member of ${id}.`, { details: { vlan: id } });
    }
    return entry;
  }

  #required(id: string): VlanEntry {
    const entry = this.find(id);
    if (entry === undefined) {
      throw new Error(`VLAN ${id} was stored and is not listed`);
    }
    return entry;
  }

  #requireFreeInterface(attachment: WantedVlan): void {
    const holder = this.list().find((entry) => entry.attachment?.interface === attachment.interface);
    if (holder !== undefined) {
      throw new VlanError(
        'interface-taken',
        `Interface ${attachment.interface} belongs to VLAN ${vlanLabel(holder.id, undefined)}; choose another name.`,
        { details: { interface: attachment.interface, vlan: holder.id } },
      );
    }
  }

  #keep(signed: SignedRecord): void {
    this.#records.put(signed);
    this.#listed = undefined;
  }

  #store(state: VlanState): void {
    storeVlanState(this.#stateDirectory, state);
    this.#state = state;
    this.#listed = undefined;
  }
}

function withMembership(owned: readonly OwnedVlan[], id: string, member: boolean): readonly OwnedVlan[] {
  return owned.map((vlan) => (vlan.id === id ? { ...vlan, member } : vlan));
}

function mayAskAgain({ membership }: VlanEntry): boolean {
  return membership !== undefined && membership.state !== 'member';
}

function withStanding(
  memberships: readonly VlanMembership[],
  id: string,
  standing: VlanMembership | undefined,
): readonly VlanMembership[] {
  const others = memberships.filter((membership) => membership.id !== id);
  return standing === undefined ? others : [...others, standing];
}

function requiredInvite({ id, invite }: WantedVlan): ReadInvite | undefined {
  if (invite === undefined) return undefined;
  const parsed = parseInvite(invite);
  if (parsed.ok && parsed.invite.id === id) return parsed.invite;
  const reason = parsed.ok ? 'the invite is to another VLAN' : parsed.reason;
  throw new VlanError('invalid-invite', `This VLAN cannot be joined: ${reason}.`, { details: { vlan: id } });
}

function requireRoom(count: number): void {
  if (count > MAX_VLANS) {
    throw new VlanError(
      'too-many-vlans',
      `A node takes part in at most ${MAX_VLANS} VLANs; leave one first.`,
      {
        details: { limit: MAX_VLANS },
      },
    );
  }
}
