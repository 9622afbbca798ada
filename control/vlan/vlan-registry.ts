/**
 * The VLANs that this node takes part in, and from where it knows them.
 *
 * Three sources: the config file, joins at run time, and VLANs that this node owns. The last two live in
 * the state directory. What holds for a VLAN is the config's word, else the run-time join, else bare
 * membership of the owner without an interface.
 *
 * Main thread only. A change is on disk before it is in memory and before its caller acts on it.
 */
import { VlanError } from './vlan-error.ts';
import { formatVlanId, parseVlanId, vlanLabel } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';
import {
  loadVlanState,
  type OwnedVlan,
  storeVlanState,
  type VlanAttachment,
  type VlanState,
} from './vlan-state.ts';

/** VLANs of one node; the shared tables have as many slots. */
export const MAX_VLANS = 256;

const MAX_NAME_BYTES = 64;

/** A VLAN that this node is a member of. */
export interface VlanEntry {
  /** Text form of the id. */
  readonly id: string;
  readonly idBytes: Uint8Array;
  /** The name that its owner gave it; known to the owner only. */
  readonly name?: string;
  readonly owned: boolean;
  readonly source: 'config' | 'joined' | 'owned';
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

/** The registry; see the file's head. */
export class VlanRegistry {
  readonly #stateDirectory: string;
  #state: VlanState;
  #configured: readonly VlanAttachment[];
  /** VLANs of the config that were left at run time: left until the next start or reload. */
  readonly #leftConfigured = new Set<string>();

  private constructor(stateDirectory: string, state: VlanState, configured: readonly VlanAttachment[]) {
    this.#stateDirectory = stateDirectory;
    this.#state = state;
    this.#configured = configured;
  }

  /**
   * Reads the state directory and merges the config's VLANs.
   *
   * @throws VlanError when the state file cannot be read or is damaged, or when there are too many VLANs
   */
  static open(stateDirectory: string, configured: readonly VlanAttachment[]): VlanRegistry {
    const registry = new VlanRegistry(stateDirectory, loadVlanState(stateDirectory), configured);
    requireRoom(registry.list().length);
    return registry;
  }

  /** All VLANs that this node is a member of, in the order config, joined, owned. */
  list(): readonly VlanEntry[] {
    return effectiveEntries(this.#state, this.#configured, this.#leftConfigured);
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
   * @throws VlanError `invalid-name`, `too-many-vlans` or `state-unwritable`
   */
  create(name: string, seed: Uint8Array): VlanEntry {
    const nameBytes = new TextEncoder().encode(name).length;
    if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES || /\p{Cc}/u.test(name)) {
      throw new VlanError(
        'invalid-name',
        `A VLAN's name has 1 to ${MAX_NAME_BYTES} bytes and no control characters.`,
      );
    }
    requireRoom(this.list().length + 1);
    const keys = vlanKeysFromSeed(seed);
    const owned: OwnedVlan = { id: formatVlanId(keys.id), name, seed: keys.seed, member: true };
    this.#store({ ...this.#state, owned: [...this.#state.owned, owned] });
    return this.#required(owned.id);
  }

  /**
   * Joins a VLAN with an interface; for the owner of a VLAN this attaches the interface.
   *
   * @throws VlanError `already-joined`, `interface-taken`, `too-many-vlans` or `state-unwritable`
   */
  join(attachment: VlanAttachment): VlanEntry {
    const present = this.find(attachment.id);
    if (present?.attachment !== undefined) {
      throw new VlanError(
        'already-joined',
        `This node has joined ${attachment.id} on ${present.attachment.interface}; leave it first to move it.`,
        { details: { vlan: attachment.id, interface: present.attachment.interface } },
      );
    }
    this.#requireFreeInterface(attachment);
    requireRoom(this.list().length + (present === undefined ? 1 : 0));
    const others = this.#state.joined.filter((vlan) => vlan.id !== attachment.id);
    this.#store({
      owned: withMembership(this.#state.owned, attachment.id, true),
      joined: [...others, attachment],
    });
    return this.#required(attachment.id);
  }

  /**
   * Leaves a VLAN. A key of an owned VLAN stays on disk; a VLAN of the config comes back at the next
   * start or reload, unless it is taken out of the config too.
   *
   * @returns the entry as it was
   * @throws VlanError `not-a-member` or `state-unwritable`
   */
  leave(id: string): VlanEntry {
    const entry = this.find(id);
    if (entry === undefined) {
      throw new VlanError('not-a-member', `This node is not a member of ${id}.`, { details: { vlan: id } });
    }
    this.#store({
      owned: withMembership(this.#state.owned, id, false),
      joined: this.#state.joined.filter((vlan) => vlan.id !== id),
    });
    if (entry.source === 'config') {
      this.#leftConfigured.add(id);
    }
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
      joined: this.#state.joined.filter((vlan) => vlan.id !== id),
    });
  }

  /**
   * Takes over the VLANs of a reloaded config. Run-time joins and owned VLANs stay.
   *
   * @throws VlanError `too-many-vlans`; then nothing has changed
   */
  reconfigure(configured: readonly VlanAttachment[]): VlanChanges {
    const before = this.list();
    const after = effectiveEntries(this.#state, configured, new Set());
    requireRoom(after.length);
    this.#configured = configured;
    this.#leftConfigured.clear();
    return difference(before, after);
  }

  #required(id: string): VlanEntry {
    const entry = this.find(id);
    if (entry === undefined) {
      throw new Error(`VLAN ${id} was stored and is not listed`);
    }
    return entry;
  }

  #requireFreeInterface(attachment: VlanAttachment): void {
    const holder = this.list().find((entry) => entry.attachment?.interface === attachment.interface);
    if (holder !== undefined) {
      throw new VlanError(
        'interface-taken',
        `Interface ${attachment.interface} belongs to VLAN ${vlanLabel(holder.id, undefined)}; choose another name.`,
        { details: { interface: attachment.interface, vlan: holder.id } },
      );
    }
  }

  #store(state: VlanState): void {
    storeVlanState(this.#stateDirectory, state);
    this.#state = state;
  }
}

function effectiveEntries(
  state: VlanState,
  configured: readonly VlanAttachment[],
  left: ReadonlySet<string>,
): readonly VlanEntry[] {
  const entries = new Map<string, VlanEntry>();
  const owned = new Map(state.owned.map((vlan) => [vlan.id, vlan]));
  const add = (id: string, source: VlanEntry['source'], attachment?: VlanAttachment): void => {
    if (!entries.has(id)) {
      entries.set(id, entryOf(id, { source, owned: owned.get(id), attachment }));
    }
  };
  for (const vlan of configured) {
    if (!left.has(vlan.id)) {
      add(vlan.id, 'config', vlan);
    }
  }
  for (const vlan of state.joined) {
    add(vlan.id, 'joined', vlan);
  }
  for (const vlan of state.owned) {
    if (vlan.member) {
      add(vlan.id, 'owned');
    }
  }
  return [...entries.values()];
}

function entryOf(
  id: string,
  facts: {
    source: VlanEntry['source'];
    owned: OwnedVlan | undefined;
    attachment: VlanAttachment | undefined;
  },
): VlanEntry {
  const parsed = parseVlanId(id);
  if (!parsed.ok) {
    throw new RangeError(`not a VLAN id: ${id} (${parsed.reason})`);
  }
  return {
    id,
    idBytes: parsed.id,
    owned: facts.owned !== undefined,
    source: facts.source,
    ...(facts.owned === undefined ? {} : { name: facts.owned.name }),
    ...(facts.attachment === undefined ? {} : { attachment: facts.attachment }),
  };
}

function withMembership(owned: readonly OwnedVlan[], id: string, member: boolean): readonly OwnedVlan[] {
  return owned.map((vlan) => (vlan.id === id ? { ...vlan, member } : vlan));
}

function difference(before: readonly VlanEntry[], after: readonly VlanEntry[]): VlanChanges {
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

function sameAttachment(a: VlanAttachment | undefined, b: VlanAttachment | undefined): boolean {
  if (a === undefined || b === undefined) {
    return a === b;
  }
  return (
    a.interface === b.interface &&
    a.mtuBytes === b.mtuBytes &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, index) => address === b.addresses[index])
  );
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
