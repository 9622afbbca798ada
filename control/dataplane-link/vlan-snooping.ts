/**
 * The multicast groups that one VLAN's interface here wants: gives the snooping machine the frames that workers copy, and
 * carries out what it says.
 *
 *   IGMP, MLD, PIM from the TAP ─▶ MulticastSnooper ─▶ tokens that are received and announced
 *                                               └────▶ queries, written to the TAP
 *
 * Main thread only.
 */
import { ALL_GROUPS_MAC } from '../multicast/group-address.ts';
import type { MulticastMode } from '../multicast/multicast-mode.ts';
import { MulticastSnooper, type SnoopCounters, type SnoopInput } from '../multicast/multicast-snooper.ts';
import type { EpochTokens } from './epoch-tokens.ts';
import type { Injector } from './injector.ts';

/** What snooping needs of its VLAN. */
export interface SnoopingHost {
  /** The VLAN's slot. */
  readonly vlan: number;
  readonly tokens: Pick<EpochTokens, 'setGroups'>;
  readonly injector: Pick<Injector, 'tapFrame'>;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
}

/** See the file's head. */
export class VlanSnooping {
  readonly #host: SnoopingHost;
  #machine: MulticastSnooper | undefined;
  #wanted = 0;
  #wantsAll = false;

  constructor(host: SnoopingHost) {
    this.#host = host;
  }

  /** What was heard and refused on the present interface; undefined: it is not listened to. */
  get counters(): Readonly<SnoopCounters> | undefined {
    return this.#machine?.counters;
  }

  /** Groups that are wanted by name. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Whether all groups are wanted, named or not. */
  get wantsAll(): boolean {
    return this.#wantsAll;
  }

  /** There is an interface. Whoever takes all of multicast asks nobody what he wants. */
  attach(interfaceMac: Uint8Array, mode: MulticastMode): void {
    this.#machine = mode === 'snoop' ? new MulticastSnooper(interfaceMac, this.#host.nowMs()) : undefined;
    this.#want([], mode === 'flood');
    this.poll();
  }

  /** The interface is gone. */
  detach(): void {
    this.#machine = undefined;
    this.#want([], false);
  }

  /** A frame that a host sent. */
  snooped(frame: Uint8Array): void {
    this.#handle({ kind: 'frame', frame });
  }

  /** Time has passed. */
  poll(): void {
    if (this.#machine !== undefined && this.#machine.nextTimeoutMs() <= this.#host.nowMs()) {
      this.#handle({ kind: 'tick' });
    }
  }

  #handle(input: SnoopInput): void {
    for (const effect of this.#machine?.handle(input, this.#host.nowMs()) ?? []) {
      if (effect.kind === 'query') {
        this.#host.injector.tapFrame(this.#host.vlan, effect.frame);
      } else {
        this.#want(effect.macs, effect.allGroups);
      }
    }
  }

  /** The groups stay beside the mark for all: what is under way under their tokens is still taken. */
  #want(macs: readonly Uint8Array[], allGroups: boolean): void {
    this.#wanted = macs.length;
    this.#wantsAll = allGroups;
    this.#host.tokens.setGroups(allGroups ? [ALL_GROUPS_MAC, ...macs] : macs);
  }
}
