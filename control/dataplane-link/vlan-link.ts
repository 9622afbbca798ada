/**
 * Carries out what the membership machine of one VLAN wants of the shared tables.
 *
 *   epochs, salts, keys      what workers seal under
 *   senders, tokens          what workers open and accept
 *   stations, flood set      where workers send
 *
 * Main thread only. An effect that finds no room in a table is counted as a drop code and otherwise ignored:
 * the traffic that it stands for is dropped and counted by the workers.
 *
 * @see docs/protocol.md, "Shared tables"
 */
import { DROP, type DropName } from '../../dataplane/base/drop-code.ts';
import { KIND_CONTROL, NONE } from '../../dataplane/shm/layout.ts';
import { controlWord } from '../../dataplane/wire/link-datagram.ts';
import type { Epoch, EpochId } from '../membership/epoch.ts';
import type {
  AddEpoch,
  MemberId,
  MembershipEffect,
  OpenSender,
  SaltId,
  SendControl,
} from '../membership/membership-port.ts';
import { broadcastToken, TOKEN_BYTES } from '../token/token.ts';
import { utcDay } from '../vlan/open-epoch.ts';
import type { PathPolicy } from '../vlan/path-policy.ts';
import { EpochTokens } from './epoch-tokens.ts';
import { TxKeys } from './tx-keys.ts';
import { VlanFlood } from './vlan-flood.ts';
import { VlanInside } from './vlan-inside.ts';
import { VlanKeys } from './vlan-keys.ts';
import type { VlanLinkParts } from './vlan-link-parts.ts';
import { VlanMulticast } from './vlan-multicast.ts';
import { VlanRoutes } from './vlan-routes.ts';
import { VlanSalts } from './vlan-salts.ts';
import { VlanSenders } from './vlan-senders.ts';
import { type StationRoute, VlanStations } from './vlan-stations.ts';
import { sendingPeriod } from './vlan-tokens.ts';
import { VlanWays } from './vlan-ways.ts';

const TWO_31 = 2 ** 31;

interface EpochEntry {
  readonly slot: number;
  readonly secrets: Epoch;
}

/** See the file's head. */
export class VlanLink {
  /** The VLAN's slot. */
  readonly slot: number;
  /** What neighbours are told of it. */
  readonly routes: VlanRoutes;
  /** For whoever looks into it. */
  readonly inside: VlanInside;
  readonly multicast: VlanMulticast;
  readonly #parts: VlanLinkParts;
  readonly #tokens: EpochTokens;
  readonly #txKeys: TxKeys;
  readonly #epochs = new Map<EpochId, EpochEntry>();
  /** Members that what goes to them alone is sealed for under a later epoch than the rest. */
  readonly #ahead = new Map<MemberId, EpochId>();
  readonly #salts: VlanSalts;
  readonly #keys: VlanKeys;
  readonly #senders: VlanSenders;
  readonly #stations: VlanStations;
  readonly #flood: VlanFlood;
  readonly #ways: VlanWays;
  #sealing: EpochId = -1;
  #sendingPeriod = -1;

  /** @returns undefined when there is no slot for another VLAN */
  static open(parts: VlanLinkParts, mtuBytes: number): VlanLink | undefined {
    const { vlans } = parts.writers;
    const slot = vlans.add(mtuBytes);
    if (slot === undefined) {
      return undefined;
    }
    vlans.setHostsMove(slot, parts.movingHosts === 'allow');
    return new VlanLink(parts, slot);
  }

  private constructor(parts: VlanLinkParts, slot: number) {
    this.slot = slot;
    this.#parts = parts;
    const { writers, fabric } = parts;
    this.#flood = new VlanFlood({ ...parts, vlan: slot });
    this.#ways = new VlanWays(parts);
    this.#tokens = new EpochTokens(parts.writers.tokens, parts.tokenPeriodSeconds, parts.deriveTokens);
    this.routes = new VlanRoutes(fabric, this.#tokens, this.#flood);
    this.multicast = new VlanMulticast({
      vlan: slot,
      writers,
      injector: parts.injector,
      tokens: this.#tokens,
      flood: this.#flood,
      sending: () => this.#sending(),
      nowMs: () => parts.nowMs(),
    });
    this.#txKeys = new TxKeys(parts.writers.frameKeys, parts.cipher);
    this.#salts = new VlanSalts(parts.writers.salts);
    this.#keys = new VlanKeys({
      txKeys: this.#txKeys,
      salts: this.#salts,
      workerCount: parts.workerCount,
      epochs: writers.epochs,
      slotOf: (epoch) => this.#epochs.get(epoch)?.slot,
      pairsChanged: (member, epoch) => {
        if (epoch === this.#epochTo(member)) {
          this.#stations.routeMember(member);
        }
      },
    });
    this.#senders = new VlanSenders(parts.writers.senders, parts.writers.frameKeys, parts.cipher);
    this.#stations = new VlanStations({
      vlan: slot,
      table: parts.writers.stations,
      ways: this.#ways,
      tokens: this.#tokens,
      nowMs: () => parts.nowMs(),
      routeTo: (member) => this.#routeTo(member),
      full: () => {
        this.#drop('station-limit');
      },
    });
    this.inside = new VlanInside({
      ...parts,
      stations: this.#stations,
      ways: this.#ways,
      epochs: () => [...this.#epochs.values()].map(({ secrets }) => secrets),
      sendingTo: (member) => this.#sending(this.#epochTo(member)),
    });
  }

  /** Stations here and behind members. */
  get stations(): number {
    return this.#stations.count;
  }

  /** The epoch of a slot; undefined when the slot is another VLAN's. */
  epochOf(epochSlot: number): EpochId | undefined {
    for (const [id, epoch] of this.#epochs) {
      if (epoch.slot === epochSlot) {
        return id;
      }
    }
    return undefined;
  }

  setMtu(mtuBytes: number): void {
    this.#parts.writers.vlans.setMtu(this.slot, mtuBytes);
  }

  /** The peers that share this VLAN. Call it too when a trunk of theirs came or went. */
  setNeighbours(peers: readonly string[]): void {
    this.#flood.setSharing(peers);
    this.waysChanged();
  }

  /** Trunks came, went or changed their carrier, or the fabric has other ways. */
  waysChanged(): void {
    this.#refreshFlood();
    this.#stations.routeAll();
  }

  /** What is made of several paths to a member. */
  setPaths(policy: PathPolicy): void {
    if (this.#ways.setPolicy(policy)) this.#stations.routeAll();
  }

  /** Time has passed: another token period may have begun, or pending work goes on. */
  roll(): void {
    this.#stations.step();
    this.multicast.poll();
    const unixMs = this.#parts.unixMs();
    const period = this.#periodIn(this.#epochs.get(this.#sealing)?.secrets, unixMs);
    if (period !== this.#sendingPeriod && this.#epochs.size > 0) {
      this.#sendingPeriod = period;
      this.#rollTokens(unixMs);
      this.#refreshFlood();
    }
  }

  /** Salts whose successor should be issued; each is named once. */
  lowSalts(): readonly SaltId[] {
    return this.#salts.low();
  }

  /** The next frame's counter under a salt. */
  saltCounter(id: SaltId): number {
    return this.#salts.counter(id);
  }

  /** When a frame of an own station last came, in `nowMs` time. */
  stationLastSeenMs(mac: Uint8Array): number | undefined {
    const seen = this.#parts.writers.stations.lastSeenMs(this.slot, mac);
    if (seen === undefined) {
      return undefined;
    }
    const nowMs = this.#parts.nowMs();
    const ageMs = (Math.floor(nowMs) - seen) >>> 0;
    return ageMs >= TWO_31 ? nowMs : nowMs - ageMs;
  }

  perform(effect: MembershipEffect): void {
    switch (effect.kind) {
      case 'add-epoch':
        return this.#addEpoch(effect);
      case 'use-epoch':
        return this.#useEpoch(effect.epoch);
      case 'use-epoch-to':
        return this.#useEpochTo(effect.member, effect.epoch);
      case 'remove-epoch':
        return this.#removeEpoch(effect.epoch);
      case 'set-roster':
        this.#flood.setRoster(effect.peers);
        return this.waysChanged();
      case 'add-salt':
        return this.#salts.add(effect);
      case 'use-salt':
        return this.#keys.useSalt(effect);
      case 'remove-salt':
        return this.#removeSalt(effect.salt);
      case 'add-pair-keys':
        return this.#keys.addPairs(effect.member, effect.keys);
      case 'remove-pair-keys':
        this.#txKeys.removeMember(effect.member);
        return;
      case 'open-sender':
        return this.#openSender(effect);
      case 'close-sender':
        return this.#senders.close(effect.sender);
      case 'add-station':
        return this.#stations.addRemote(effect.mac, effect.member);
      case 'add-own-station':
        return this.#stations.addOwn(effect.mac, effect.enforced);
      case 'remove-station':
        return this.#stations.remove(effect.mac);
      case 'send-control':
        return this.#sendControl(effect);
      case 'member-up':
        this.#ways.add(effect);
        this.#stations.addMember(effect.member);
        return this.#refreshFlood();
      case 'member-down':
        this.#ahead.delete(effect.member);
        this.#ways.remove(effect.member);
        this.#stations.removeMember(effect.member);
        return this.#refreshFlood();
      case 'notice':
        return;
    }
  }

  /** Takes back what the machine's leaving has left. */
  close(): void {
    this.multicast.groups.close();
    this.#flood.close();
    this.#tokens.clear();
    this.routes.tell();
    this.#txKeys.clear();
    this.#parts.writers.vlans.remove(this.slot);
  }

  // ── Epochs, salts, keys ──────────────────────────────────────────────────────────────────────────────

  #addEpoch({ epoch }: AddEpoch): void {
    const period = this.#periodIn(epoch, this.#parts.unixMs());
    const slot = this.#parts.writers.epochs.add({
      vlan: this.slot,
      cipher: this.#parts.cipher,
      segment: epoch.segment.id,
      tokenKey: epoch.tokenKey,
      maskKey: epoch.maskKey,
      period,
    });
    if (slot !== undefined) {
      this.#epochs.set(epoch.id, { slot, secrets: epoch });
      this.#tokens.add(epoch.id, { slot, secrets: epoch, day: epoch.day }, this.#parts.unixMs());
    }
  }

  #useEpoch(id: EpochId): void {
    this.#sealing = id;
    this.#sendingPeriod = -1;
    for (const [member, ahead] of [...this.#ahead]) {
      if (ahead <= id) this.#ahead.delete(member);
    }
    this.roll();
    this.#parts.writers.vlans.setTxEpoch(this.slot, this.#epochs.get(id)?.slot ?? NONE);
    // When the stations point to the new epoch's keys, those of the ones before go.
    this.#stations.routeAllSoon(() => {
      this.#txKeys.keepFrom(this.#sealing);
    });
  }

  #useEpochTo(member: MemberId, id: EpochId): void {
    this.#ahead.set(member, id);
    this.#stations.routeMember(member);
  }

  #removeEpoch(id: EpochId): void {
    const epoch = this.#epochs.get(id);
    if (epoch === undefined) {
      return;
    }
    if (id === this.#sealing) {
      this.#sealing = -1;
      this.#parts.writers.vlans.setTxEpoch(this.slot, NONE);
      this.#flood.update(undefined);
    }
    this.#epochs.delete(id);
    this.#ways.forget(id);
    this.#tokens.remove(id);
    this.#parts.writers.epochs.remove(epoch.slot);
  }

  /** Receives the live periods' tokens, and sends under the present one's. */
  #rollTokens(unixMs: number): void {
    this.#tokens.roll(unixMs);
    for (const { slot, secrets } of this.#epochs.values()) {
      this.#parts.writers.epochs.setPeriod(slot, this.#periodIn(secrets, unixMs));
    }
  }

  /** The period to send in under an epoch now. */
  #periodIn(epoch: Epoch | undefined, unixMs: number): number {
    return sendingPeriod(epoch?.day ?? utcDay(unixMs), unixMs, this.#parts.tokenPeriodSeconds);
  }

  /** The epoch under which a member's stations are reached. */
  #epochTo(member: MemberId): EpochId {
    return this.#ahead.get(member) ?? this.#sealing;
  }

  #removeSalt(id: SaltId): void {
    const salt = this.#salts.find(id);
    // No key that a worker can reach may name a salt whose slot another one is going to take.
    if (salt !== undefined && salt.epoch !== this.#sealing) {
      this.#stations.finish();
    }
    this.#salts.remove(id);
  }

  #openSender(effect: OpenSender): void {
    const epoch = this.#epochs.get(effect.epoch);
    if (epoch === undefined || !this.#senders.open(effect, epoch.slot)) {
      this.#drop('sender-limit');
    }
  }

  /** How frames reach a member's stations now; undefined while no epoch is sealed under. */
  #routeTo(member: MemberId): StationRoute | undefined {
    const id = this.#epochTo(member);
    const epoch = this.#epochs.get(id);
    if (epoch === undefined) {
      return undefined;
    }
    return {
      ...this.#ways.to(member, epoch.secrets),
      pairKeys: this.#txKeys.find(member, id) ?? NONE,
      epoch: epoch.slot,
    };
  }

  /** What is sealed under now. */
  #sending(id = this.#sealing): { readonly secrets: Epoch; readonly period: number } | undefined {
    const secrets = this.#epochs.get(id)?.secrets;
    return secrets && { secrets, period: this.#periodIn(secrets, this.#parts.unixMs()) };
  }

  #refreshFlood(): void {
    const now = this.#sending();
    this.#flood.update(
      now && {
        segmentId: now.secrets.segment.id,
        broadcastToken: broadcastToken(now.secrets, now.period),
        members: this.#ways.announcers(now.secrets),
      },
    );
    this.multicast.groups.changed();
  }

  // ── Control ──────────────────────────────────────────────────────────────────────────────────────────

  #sendControl({ payload, class: frameClass }: SendControl): void {
    const ways = this.#flood.controlWays(payload.subarray(0, TOKEN_BYTES));
    if (ways !== undefined) {
      const control = controlWord(KIND_CONTROL, 0, ways.hops, frameClass);
      this.#parts.injector.sealed(this.#parts.anyWorker(), { set: ways.set }, control, payload);
    }
  }

  #drop(name: DropName): void {
    const code = DROP[name];
    this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + 1;
  }
}
