/**
 * What this node holds of the other members: their senders, their stations, the keys to them; and its own
 * stations, since an address is either ours or theirs.
 *
 * Everything that follows from a member's coming, changing or going is decided here and handed on as effects.
 *
 * Main thread; no clock of its own, no I/O.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { type Epoch, type EpochId, isInEpoch } from './epoch.ts';
import { LocalStations } from './local-stations.ts';
import type { MemberKeys } from './member-keys.ts';
import { type Announce, type AnnouncedLane, MESSAGE_LIMIT } from './member-message.ts';
import type {
  MemberDown,
  MembershipCounters,
  MembershipEffect,
  MembershipPorts,
  MovingHosts,
  NoticeCode,
  SenderId,
} from './membership-port.ts';
import type { OwnSalts } from './own-salts.ts';
import { type BoundSender, hasAllParts, keyText, type Member } from './roster.ts';
import { encodeSenderName, MAIN_LANE, type SenderName } from './sender-field.ts';
import { type HolderChange, isStationMac, macNumber, OWN_CLAIM, StationClaims } from './station-claims.ts';
import { MEMBERSHIP_LIMIT } from './timing.ts';

/** What the book needs of the machine that keeps it. */
export interface BookHost {
  readonly movingHosts: MovingHosts;
  readonly ports: MembershipPorts;
  readonly keys: MemberKeys;
  readonly salts: OwnSalts;
  readonly counters: MembershipCounters;
  emit(effect: MembershipEffect): void;
  notice(code: NoticeCode, message: string): void;
  epochOf(id: EpochId): Epoch | undefined;
  nextSenderId(): SenderId;
}

/** The book of one VLAN; see the file's head. */
export class MemberBook {
  readonly local = new LocalStations();
  readonly #host: BookHost;
  readonly #claims = new StationClaims();
  /** Who is bound to a sender's name, by epoch and name. */
  readonly #bound = new Map<string, Member>();

  constructor(host: BookHost) {
    this.#host = host;
  }

  /** A member has proven itself: keys to it under all our salts in use, of its epochs. */
  welcome(member: Member): void {
    const keys = this.#host.salts.active().flatMap((salt) => {
      const epoch = this.#host.epochOf(salt.epoch);
      return epoch === undefined || !isInEpoch(epoch, member.key)
        ? []
        : [{ salt: salt.id, key: this.#host.keys.pairKeyTo(epoch, member, salt) }];
    });
    const { id, peer, agreementKey } = member;
    this.#host.emit({ kind: 'member-up', member: id, peer, agreementKey });
    this.#host.emit({ kind: 'add-pair-keys', member: member.id, keys });
  }

  /** A member is gone, with all that was its. */
  dismiss(member: Member, reason: MemberDown['reason']): void {
    for (const { mac } of member.macs.values()) {
      this.#change(this.#claims.remove(mac, member.id));
    }
    member.macs.clear();
    for (const key of [...member.senders.keys()]) {
      this.#close(member, key);
    }
    this.#host.emit({ kind: 'remove-pair-keys', member: member.id });
    this.#host.emit({ kind: 'member-down', member: member.id, peer: member.peer, reason });
  }

  /**
   * Opens the senders that a proven member's announcement names, and closes those that it names no more.
   *
   * @param fresh - the announcement signs our present challenge: only then is a sender opened
   * @returns whether senders remain that were not opened
   */
  syncSenders(member: Member, epoch: Epoch, announce: Announce, fresh: boolean): boolean {
    const named = new Set<string>();
    let unopened = false;
    for (const lane of announce.lanes) {
      const name = { leaf: announce.leaf, lane: lane.lane, salt: lane.salt };
      const key = senderKey(epoch.id, name);
      named.add(key);
      if (lane.lane === MAIN_LANE || member.senders.has(key)) {
        continue;
      }
      if (fresh) {
        this.#open(member, epoch, { name, key, lane });
      } else {
        unopened = true;
      }
    }
    for (const [key, sender] of [...member.senders]) {
      if (sender.epoch === epoch.id && !named.has(key)) {
        this.#close(member, key);
      }
    }
    return unopened;
  }

  /** Whether all senders that an announcement names are open here. */
  hasOpened(member: Member, epoch: Epoch, announce: Announce): boolean {
    return announce.lanes.every(({ lane, salt }) => {
      const key = senderKey(epoch.id, { leaf: announce.leaf, lane, salt });
      return lane === MAIN_LANE || member.senders.has(key);
    });
  }

  /** Closes all senders of an epoch that is over. */
  closeEpoch(members: readonly Member[], epoch: EpochId): void {
    for (const member of members) {
      for (const [key, sender] of [...member.senders]) {
        if (sender.epoch === epoch) {
          this.#close(member, key);
        }
      }
    }
  }

  /**
   * Takes over the addresses that a proven member claims.
   *
   * @returns whether one of our own stations was given up: it has moved to that member
   */
  syncStations(member: Member, announce: Announce, facts: { epoch: EpochId; nowMs: number }): boolean {
    const takesOver = this.#host.movingHosts === 'allow';
    let yielded = false;
    for (const mac of announce.macs) {
      const claim = member.macs.get(macNumber(mac));
      const moves = takesOver && claim === undefined;
      if (claim !== undefined) {
        claim.sequence = announce.sequence;
      } else if (!isStationMac(mac) || member.macs.size >= MEMBERSHIP_LIMIT.macsPerMember) {
        this.#host.counters.claimsRefused++;
      } else {
        member.macs.set(macNumber(mac), { mac, sequence: announce.sequence });
        this.#change(this.#claims.add(mac, member.id, { takesOver }));
      }
      yielded = this.#yieldOwn(mac, { moves, nowMs: facts.nowMs }) || yielded;
    }
    if (hasAllParts(member, facts.epoch, announce.parts)) {
      this.#dropUnnamed(member);
    }
    return yielded;
  }

  /** A station behind our TAP. @returns whether it is newly claimed */
  claimOwn(mac: Uint8Array, options: { readonly learned: boolean; readonly nowMs: number }): boolean {
    if (!isStationMac(mac) || this.local.has(mac)) {
      return false;
    }
    if (!this.local.add(mac, options)) {
      this.#host.counters.claimsRefused++;
      this.#host.notice(
        'own-address-limit',
        `More than ${MEMBERSHIP_LIMIT.macsPerMember} addresses stand behind this node's interface; the rest get no traffic.`,
      );
      return false;
    }
    this.#claims.addOwn(mac);
    this.#host.emit({ kind: 'add-own-station', mac, enforced: !options.learned });
    return true;
  }

  /** A station of ours is gone. */
  releaseOwn(mac: Uint8Array): void {
    if (this.local.remove(mac)) {
      this.#change(this.#claims.remove(mac, OWN_CLAIM));
    }
  }

  #open(
    member: Member,
    epoch: Epoch,
    input: { readonly name: SenderName; readonly key: string; readonly lane: AnnouncedLane },
  ): void {
    const { name, key, lane } = input;
    const taken = this.#bound.get(key) !== undefined || this.#host.salts.isOwn(epoch.id, name);
    if (taken || member.senders.size >= MESSAGE_LIMIT.lanes) {
      this.#host.counters.sendersRefused++;
      if (taken) {
        this.#host.notice(
          'sender-name-taken',
          `Member ${member.peer} announced a sender that is another's; refused.`,
        );
      }
      return;
    }
    const sender: BoundSender = {
      id: this.#host.nextSenderId(),
      epoch: epoch.id,
      lane: lane.lane,
      salt: lane.salt,
    };
    member.senders.set(key, sender);
    this.#bound.set(key, member);
    this.#host.emit({
      kind: 'open-sender',
      sender: sender.id,
      epoch: epoch.id,
      member: member.id,
      ...name,
      firstCounter: lane.counter,
      groupKey: this.#host.keys.groupKeyOf(epoch, member, name),
      pairKey: this.#host.keys.pairKeyFrom(epoch, member, name),
    });
  }

  #close(member: Member, key: string): void {
    const sender = member.senders.get(key);
    if (sender !== undefined) {
      member.senders.delete(key);
      this.#bound.delete(key);
      this.#host.emit({ kind: 'close-sender', sender: sender.id });
    }
  }

  /** An announcement whose parts have all come names every address: what it does not name has ended. */
  #dropUnnamed(member: Member): void {
    for (const [key, claim] of [...member.macs]) {
      if (claim.sequence !== member.sequence) {
        member.macs.delete(key);
        this.#change(this.#claims.remove(claim.mac, member.id));
      }
    }
  }

  /** @param facts - moves: the claim is a new one, and a new claim takes over what was learned here */
  #yieldOwn(mac: Uint8Array, facts: { readonly moves: boolean; readonly nowMs: number }): boolean {
    if (!this.local.has(mac)) {
      return false;
    }
    const held = this.local.holds(mac, facts.nowMs, (station) => this.#host.ports.stationLastSeenMs(station));
    if (held && !(facts.moves && this.local.isLearned(mac))) {
      this.#host.counters.addressConflicts++;
      const text = Buffer.from(mac)
        .toString('hex')
        .replace(/..(?=.)/g, '$&:');
      this.#host.notice('address-conflict', `${text} is used here and behind another member; it stays here.`);
      return false;
    }
    this.releaseOwn(mac);
    return true;
  }

  #change(change: HolderChange | undefined): void {
    if (change === undefined || change.holder === OWN_CLAIM) {
      return;
    }
    if (change.holder === undefined) {
      this.#host.emit({ kind: 'remove-station', mac: change.mac });
    } else {
      this.#host.emit({ kind: 'add-station', mac: change.mac, member: change.holder });
    }
  }
}

function senderKey(epoch: EpochId, name: SenderName): string {
  return `${epoch}:${keyText(encodeSenderName(name))}`;
}
