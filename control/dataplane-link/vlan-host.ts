/**
 * One VLAN of this node at work: its membership machine, its link to the tables, its interface, its timer.
 *
 *   inputs ─▶ machine ─▶ effects ─▶ VlanLink (tables)
 *                              └──▶ observer (log, status)
 *
 * Main thread only.
 */
import { DROP } from '../../dataplane/base/drop-code.ts';
import { MachineTimer } from '../machine-timer.ts';
import type { SealHeader } from '../membership/control-seal.ts';
import type { EpochId } from '../membership/epoch.ts';
import type { GroupState } from '../membership/group/group-port.ts';
import { MembershipMachine } from '../membership/membership-machine.ts';
import type {
  MemberStatus,
  MembershipCounters,
  MembershipEffect,
  MembershipInput,
  MembershipOptions,
  MembershipPorts,
} from '../membership/membership-port.ts';
import { formatMac } from '../vlan/mac-text.ts';
import { Newcomers } from './newcomers.ts';
import type { TapInterface, TapLink, TapRequest } from './tap-link.ts';
import type { VlanInside } from './vlan-inside.ts';
import type { VlanLink } from './vlan-link.ts';
import type { MulticastStatus } from './vlan-multicast.ts';

/** What others want to know of a VLAN. */
export type VlanNotice = Extract<MembershipEffect, { readonly kind: 'member-up' | 'member-down' | 'notice' }>;

/** What hosts on the interface say of groups, for the log. */
interface GroupNews {
  readonly kind: 'snooped' | 'group-seen';
  /** MAC addresses as text. */
  readonly group: string;
  readonly from?: string;
}

/** What a host is made of. */
export interface VlanHostParts {
  /** This node's PeerId, text form. */
  readonly self: string;
  readonly link: VlanLink;
  readonly taps: TapLink;
  readonly options: MembershipOptions;
  readonly ports: MembershipPorts;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  nowMs(): number;
  notice(notice: VlanNotice): void;
  /** What the machine does, for the log at its most talkative. */
  debug(subsystem: 'membership' | 'multicast', effect: MembershipEffect | GroupNews): void;
}

/** See the file's head. */
export class VlanHost {
  readonly #parts: VlanHostParts;
  readonly #machine: MembershipMachine;
  readonly #timer: MachineTimer;
  #tap: { readonly device: TapInterface; readonly request: TapRequest } | undefined;
  readonly #newcomers: Newcomers;
  /** Live members by leaf, until they are others. */
  #leaves: ReadonlyMap<number, string> | undefined;
  #left = false;
  #counted = { 'control-invalid': 0, 'announcement-invalid': 0 };

  constructor(parts: VlanHostParts) {
    this.#parts = parts;
    this.#machine = new MembershipMachine(parts.options, parts.ports, parts.nowMs());
    this.#timer = new MachineTimer({
      nowMs: () => parts.nowMs(),
      tick: () => {
        this.input({ kind: 'tick' });
      },
    });
    parts.link.routes.identify({ peer: parts.self, agreementKey: this.#machine.agreementKey });
    const { routes } = parts.link;
    this.#newcomers = new Newcomers({
      announcers: () => routes.announcers(),
      hasStrangers: () => routes.hasStrangers(),
      greet: () => {
        this.input({ kind: 'neighbour' });
      },
      ask: () => {
        this.input({ kind: 'strangers' });
      },
    });
  }

  /** The VLAN's slot in the tables. */
  get slot(): number {
    return this.#parts.link.slot;
  }

  get vlanId(): Uint8Array {
    return this.#parts.options.vlanId;
  }

  /** Members that have proven themselves, without this node. */
  get members(): readonly MemberStatus[] {
    return this.#machine.members();
  }

  /** Stations here and behind members. */
  get stations(): number {
    return this.#parts.link.stations;
  }

  /** What is known of multicast groups. */
  get multicast(): MulticastStatus {
    return this.#parts.link.multicast.status();
  }

  get counters(): Readonly<MembershipCounters> {
    return this.#machine.counters;
  }

  get interfaceName(): string | undefined {
    return this.#tap?.device.name;
  }

  /** Its own address. */
  get interfaceMac(): Uint8Array | undefined {
    return this.#tap?.request.mac;
  }

  /** For whoever looks into it. */
  get inside(): VlanInside {
    return this.#parts.link.inside;
  }

  /** Opens a member's echo. @returns undefined when none of the live members sealed it so */
  openEcho(
    epoch: EpochId,
    header: SealHeader,
    payload: Uint8Array,
  ): { readonly peer: string; readonly body: Uint8Array } | undefined {
    const echo = this.inside.openEcho(epoch, header, payload);
    const peer = echo && (echo.peer ?? this.#peerOfLeaf(echo.leaf));
    return echo === undefined || peer === undefined ? undefined : { peer, body: echo.body };
  }

  /** The epoch of a slot; undefined when the slot is another VLAN's. */
  epochOf(epochSlot: number): EpochId | undefined {
    return this.#parts.link.epochOf(epochSlot);
  }

  /** Number of the present epoch: the UTC day, or the group's; undefined before a private VLAN's first. */
  get epoch(): number | undefined {
    return this.#machine.epoch?.number;
  }

  /**
   * Goes over to a state on which a private VLAN's group has settled; to the one that it has: nothing happens.
   *
   * @param removedAtOnce - it settles a Remove: nothing is sealed under the epochs before any more, and what is
   * sealed under them by others is opened for a second at most
   */
  setGroupEpoch(state: GroupState, removedAtOnce: boolean): void {
    this.input({ kind: 'group-epoch', epoch: state, removedAtOnce });
  }

  start(): void {
    this.input({ kind: 'start' });
  }

  /**
   * Makes the interface, and claims its address.
   *
   * @throws SystemError when the kernel refuses; the VLAN is then without an interface, as before
   */
  attach(request: TapRequest): TapInterface {
    this.#parts.link.setMtu(request.mtuBytes);
    this.#setPolicies(request);
    const device = this.#parts.taps.open(this.slot, request);
    this.#tap = { device, request };
    this.#parts.link.multicast.attach(request.mac, request.multicast);
    this.input({ kind: 'interface-mac', mac: request.mac });
    return device;
  }

  /** Changes addresses and MTU; another name means `detach` and `attach`. @throws SystemError */
  change(request: TapRequest): void {
    if (this.#tap !== undefined) {
      this.#parts.taps.change(this.#tap.request, request);
      this.#parts.link.setMtu(request.mtuBytes);
      this.#setPolicies(request);
      if (this.#tap.request.multicast !== request.multicast) {
        this.#parts.link.multicast.attach(request.mac, request.multicast);
      }
      this.#tap = { device: this.#tap.device, request };
    }
  }

  #setPolicies({ paths, treeRank }: TapRequest): void {
    this.#parts.link.setPaths(paths);
    this.#parts.link.routes.setRank(treeRank);
    this.#parts.link.routes.tell();
  }

  /** A host on our interface has said something of groups. @param frame - valid during the call only */
  snooped(frame: Uint8Array): void {
    this.#parts.debug('multicast', {
      kind: 'snooped',
      from: formatMac(frame.subarray(6, 12)),
      group: formatMac(frame.subarray(0, 6)),
    });
    this.#parts.link.multicast.snooping.snooped(frame);
    this.#parts.link.routes.tell();
  }

  /** A host on our interface has sent to a group of which workers know nothing. */
  groupSeen(mac: Uint8Array): void {
    this.#parts.debug('multicast', { kind: 'group-seen', group: formatMac(mac) });
    this.#parts.link.multicast.groups.seen(mac);
  }

  /** Removes the interface, if there is one; @returns when it is gone */
  async detach(): Promise<void> {
    const tap = this.#tap;
    if (tap !== undefined) {
      this.#tap = undefined;
      this.#parts.link.multicast.snooping.detach();
      if (!this.#left) {
        this.input({ kind: 'interface-mac', mac: undefined });
      }
      await this.#parts.taps.close(this.slot, tap.device);
    }
  }

  /** The peers that share this VLAN with us have changed. */
  setNeighbours(peers: readonly string[], grown: boolean): void {
    this.#parts.link.setNeighbours(peers);
    if (grown) {
      this.input({ kind: 'neighbour' });
    }
    this.#parts.link.routes.tell();
  }

  /** Trunks came, went or changed their carrier. */
  trunksChanged(): void {
    this.#parts.link.waysChanged();
    this.#parts.link.routes.tell();
  }

  /** A segment of ours has other ways. @returns false when it is none of ours */
  fabricChanged(segment: string): boolean {
    if (!this.#parts.link.routes.has(segment)) {
      return false;
    }
    this.#parts.link.waysChanged();
    this.#newcomers.changed(this.#parts.nowMs());
    return true;
  }

  /** Looks after what time does to the tables; call it a few times a second. */
  poll(): void {
    this.#parts.link.roll();
    this.#newcomers.poll(this.#parts.nowMs());
    for (const salt of this.#parts.link.lowSalts()) {
      this.input({ kind: 'salt-low', salt });
    }
    this.#parts.link.routes.tell();
  }

  input(input: MembershipInput): void {
    if (this.#left) {
      return;
    }
    for (const effect of this.#machine.handle(input, this.#parts.nowMs())) {
      this.#parts.link.perform(effect);
      this.#parts.debug('membership', effect);
      if (effect.kind === 'member-up' || effect.kind === 'member-down' || effect.kind === 'notice') {
        this.#leaves = undefined;
        this.#parts.notice(effect);
      }
    }
    this.#parts.link.routes.tell();
    this.#countDrops();
    this.#timer.plan(this.#machine.nextTimeoutMs());
  }

  /** Says goodbye to the members and takes everything out of the tables; @returns when the interface is gone */
  async leave(): Promise<void> {
    this.input({ kind: 'leave' });
    this.#left = true;
    this.#timer.stop();
    await this.detach();
    this.#parts.link.close();
  }

  #peerOfLeaf(leaf: number): string | undefined {
    this.#leaves ??= new Map(this.members.map((member) => [member.leaf, member.peer]));
    return this.#leaves.get(leaf);
  }

  /** What the machine refused, as drop codes. */
  #countDrops(): void {
    const { controlInvalid, announcementInvalid, verificationsRefused, membersRefused } =
      this.#machine.counters;
    const now = {
      'control-invalid': controlInvalid,
      'announcement-invalid': announcementInvalid + verificationsRefused + membersRefused,
    };
    for (const name of ['control-invalid', 'announcement-invalid'] as const) {
      const code = DROP[name];
      this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + now[name] - this.#counted[name];
    }
    this.#counted = now;
  }
}
