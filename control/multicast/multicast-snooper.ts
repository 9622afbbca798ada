/**
 * Learns from IGMP and MLD which multicast groups the hosts behind one interface listen to, and asks them.
 *
 *   frames from the TAP ─▶ decode ─▶ the LAN of their tags and protocol ─▶ groups, whole, when they have changed
 *                                                                     └──▶ queries, for the TAP
 *
 * Whatever it cannot follow (too many groups, tags, messages) makes the interface want all groups until it can again:
 * a group that somebody wants is never left out for a limit's sake. So does a multicast router behind the interface.
 *
 * Main thread; no clock, timer or I/O of its own. The frames are hosts': they are refused and counted, nothing throws.
 *
 * @see RFC 4541
 */
import { TokenBucket } from '../limit/token-bucket.ts';
import { groupMac } from './group-address.ts';
import { keyOf } from './group-membership.ts';
import { decodeFrame, type Snooped } from './multicast-codec.ts';
import type { Family, Refusal } from './multicast-message.ts';
import { MULTICAST_LIMIT, MULTICAST_TIMING } from './multicast-timing.ts';
import { SnoopedLan } from './snooped-lan.ts';

const NO_TAGS = new Uint8Array(0);
/** The priority is the sender's matter; the VLAN is what is left of a tag's second half. */
const VLAN_HIGH_MASK = 0x0f;
/** An inner VLAN that nothing was heard of for so long is asked no more. */
const FORGET_LAN_MS = 2 * MULTICAST_TIMING.membershipMs;

/** What the machine is told. */
export type SnoopInput =
  /** A frame that a host sent; valid during the call only. */
  { readonly kind: 'frame'; readonly frame: Uint8Array } | { readonly kind: 'tick' };

/** What the interface wants from now, whole. */
export interface GroupsEffect {
  readonly kind: 'groups';
  /** 6 bytes each; without those that always flood. */
  readonly macs: readonly Uint8Array[];
  /** It wants every group, those in `macs` or not. */
  readonly allGroups: boolean;
}

/** A frame to write to the interface. */
export interface QueryEffect {
  readonly kind: 'query';
  readonly frame: Uint8Array;
}

export type SnoopEffect = GroupsEffect | QueryEffect;

/** What was heard and refused, since the start. */
export type SnoopCounters = Record<Refusal | 'heard' | 'overBudget' | 'overLimit', number>;

interface LanEntry {
  readonly lan: SnoopedLan;
  /** The interface's own LAN stays for ever. */
  readonly isTagged: boolean;
  heardMs: number;
}

/** See the file's head. */
export class MulticastSnooper {
  readonly counters: SnoopCounters = {
    heard: 0,
    overBudget: 0,
    overLimit: 0,
    other: 0,
    malformed: 0,
    checksum: 0,
    'hop-limit': 0,
    source: 0,
    'router-alert': 0,
  };
  readonly #interfaceMac: Uint8Array;
  readonly #lans = new Map<string, LanEntry>();
  readonly #budget: TokenBucket;
  /** Until when something may be wanted that is not known here. */
  #unknownUntilMs = Number.NEGATIVE_INFINITY;
  #told: { readonly key: string; readonly allGroups: boolean } = { key: '', allGroups: false };
  #toldChanges = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #goneChanges = 0;
  #nowMs: number;

  /** @param interfaceMac - 6 bytes */
  constructor(interfaceMac: Uint8Array, nowMs: number) {
    this.#interfaceMac = interfaceMac;
    this.#nowMs = nowMs;
    this.#budget = new TokenBucket(MULTICAST_LIMIT.messages, nowMs);
    this.#lanOf(4, NO_TAGS);
    this.#lanOf(6, NO_TAGS);
  }

  /** When `tick` has something to do. */
  nextTimeoutMs(): number {
    const tellMs = this.#isChanged() ? this.#tellDueMs() : Number.POSITIVE_INFINITY;
    const allUntilMs = this.#told.allGroups ? this.#allGroupsUntilMs() : Number.POSITIVE_INFINITY;
    let dueMs = Math.min(tellMs, allUntilMs);
    for (const { lan } of this.#lans.values()) {
      dueMs = Math.min(dueMs, lan.nextTimeoutMs());
    }
    return dueMs;
  }

  handle(input: SnoopInput, nowMs: number): SnoopEffect[] {
    this.#nowMs = nowMs;
    const frames = input.kind === 'frame' ? this.#hear(input.frame) : this.#tick();
    const queries = frames.map((frame): SnoopEffect => ({ kind: 'query', frame }));
    return [...queries, ...this.#tell()];
  }

  #hear(frame: Uint8Array): Uint8Array[] {
    if (!this.#budget.take(this.#nowMs)) {
      this.counters.overBudget++;
      this.#loseSight();
      return [];
    }
    const snooped = decodeFrame(frame);
    if (typeof snooped === 'string') {
      this.counters[snooped]++;
      return [];
    }
    this.counters.heard++;
    return this.#heard(snooped);
  }

  #heard({ packet, message }: Snooped): Uint8Array[] {
    const entry = this.#lanOf(packet.family, vlansOf(packet.tags));
    if (entry === undefined) {
      this.#refuse();
      return [];
    }
    entry.heardMs = this.#nowMs;
    return entry.lan.handle(message, packet.source, this.#nowMs);
  }

  #tick(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (const [key, { lan, isTagged, heardMs }] of this.#lans) {
      frames.push(...lan.tick(this.#nowMs));
      if (isTagged && lan.size === 0 && this.#nowMs - heardMs > FORGET_LAN_MS) {
        this.#goneChanges += lan.changes;
        this.#lans.delete(key);
      }
    }
    return frames;
  }

  #lanOf(family: Family, tags: Uint8Array): LanEntry | undefined {
    const key = `${family} ${keyOf(tags)}`;
    const present = this.#lans.get(key);
    if (present !== undefined || this.#lans.size >= MULTICAST_LIMIT.lans) return present;
    const origin = { family, interfaceMac: this.#interfaceMac, tags };
    const lan = new SnoopedLan(origin, { mayAdd: () => this.#mayAdd() }, this.#nowMs);
    const added = { lan, isTagged: tags.length > 0, heardMs: this.#nowMs };
    this.#lans.set(key, added);
    return added;
  }

  #mayAdd(): boolean {
    let groups = 0;
    for (const { lan } of this.#lans.values()) {
      groups += lan.size;
    }
    if (groups < MULTICAST_LIMIT.groups) return true;
    this.#refuse();
    return false;
  }

  #refuse(): void {
    this.counters.overLimit++;
    this.#loseSight();
  }

  /** What was missed is said again, in answer to a general query, before that time is over. */
  #loseSight(): void {
    this.#unknownUntilMs = this.#nowMs + MULTICAST_TIMING.membershipMs;
  }

  #allGroupsUntilMs(): number {
    let untilMs = this.#unknownUntilMs;
    for (const { lan } of this.#lans.values()) {
      untilMs = Math.max(untilMs, lan.routerUntilMs);
    }
    return untilMs;
  }

  #wantsAll(): boolean {
    return this.#allGroupsUntilMs() > this.#nowMs;
  }

  #changes(): number {
    let changes = this.#goneChanges;
    for (const { lan } of this.#lans.values()) {
      changes += lan.changes;
    }
    return changes;
  }

  #isChanged(): boolean {
    return this.#changes() !== this.#toldChanges || this.#wantsAll() !== this.#told.allGroups;
  }

  #tellDueMs(): number {
    return this.#toldMs + MULTICAST_TIMING.batchMs;
  }

  #tell(): SnoopEffect[] {
    if (!this.#isChanged() || this.#nowMs < this.#tellDueMs()) return [];
    const allGroups = this.#wantsAll();
    const macs = this.#macs();
    const key = [...macs.keys()].sort().join();
    this.#toldChanges = this.#changes();
    if (key === this.#told.key && allGroups === this.#told.allGroups) return [];
    this.#toldMs = this.#nowMs;
    this.#told = { key, allGroups };
    return [{ kind: 'groups', macs: [...macs.values()], allGroups }];
  }

  #macs(): Map<string, Uint8Array> {
    const macs = new Map<string, Uint8Array>();
    for (const { lan } of this.#lans.values()) {
      for (const { address } of lan.groups()) {
        const mac = groupMac(address);
        macs.set(keyOf(mac), mac);
      }
    }
    return macs;
  }
}

/** The tags' VLANs, without the priority of one frame. */
function vlansOf(tags: Uint8Array): Uint8Array {
  const vlans = tags.slice();
  for (let at = 2; at < vlans.length; at += 4) {
    vlans[at] = (vlans[at] ?? 0) & VLAN_HIGH_MASK;
  }
  return vlans;
}
