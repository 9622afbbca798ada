/**
 * Multicast of one VLAN: which groups this node wants, and where the frames that its hosts send to groups go.
 *
 *   snooped frames ─▶ VlanSnooping ─▶ tokens, queries          groups sent to ─▶ VlanGroups ─▶ station table
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Multicast"
 */
import type { MulticastMode } from '../multicast/multicast-mode.ts';
import type { EpochTokens } from './epoch-tokens.ts';
import type { Injector } from './injector.ts';
import type { TableWriters } from './table-writers.ts';
import type { VlanFlood } from './vlan-flood.ts';
import { type GroupEpoch, VlanGroups } from './vlan-groups.ts';
import { VlanSnooping } from './vlan-snooping.ts';

/** What it is made of. */
export interface VlanMulticastParts {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly writers: Pick<TableWriters, 'sets' | 'stations' | 'vlans'>;
  readonly injector: Pick<Injector, 'tapFrame'>;
  readonly tokens: Pick<EpochTokens, 'setGroups'>;
  readonly flood: Pick<VlanFlood, 'groupWays'>;
  /** Undefined: nothing is sealed. */
  sending(): GroupEpoch | undefined;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
}

/** What is known of groups, for people. */
export interface MulticastStatus {
  /** Groups that the hosts here listen to. */
  readonly wanted: number;
  /** A multicast router is here, or more is wanted than can be followed. */
  readonly wantsAll: boolean;
  /** Groups that hosts here send to. */
  readonly sentTo: number;
  /** IGMP, MLD and PIM messages from the interface, by what became of them; empty where nobody listens. */
  readonly messages: Readonly<Record<string, number>>;
}

/** See the file's head. */
export class VlanMulticast {
  readonly groups: VlanGroups;
  readonly snooping: VlanSnooping;

  constructor(parts: VlanMulticastParts) {
    const { vlan, writers, injector, tokens, flood } = parts;
    const nowMs = (): number => parts.nowMs();
    this.snooping = new VlanSnooping({ vlan, tokens, injector, nowMs });
    this.groups = new VlanGroups({
      vlan,
      table: writers.stations,
      sets: writers.sets,
      sending: () => parts.sending(),
      waysOf: (token) => flood.groupWays(token),
      nowMs,
      soon: setImmediate,
    });
    // Who floods keeps to it, too: what his hosts report must not keep others' hosts from reporting the same.
    writers.vlans.setSnooping(vlan, true);
  }

  /** There is an interface, or it does something else with multicast from now. */
  attach(interfaceMac: Uint8Array, mode: MulticastMode): void {
    this.groups.setPruning(mode === 'snoop');
    this.snooping.attach(interfaceMac, mode);
  }

  status(): MulticastStatus {
    const { wanted, wantsAll, counters } = this.snooping;
    return { wanted, wantsAll, sentTo: this.groups.count, messages: { ...counters } };
  }

  /** Time has passed. */
  poll(): void {
    this.snooping.poll();
    this.groups.poll();
  }
}
