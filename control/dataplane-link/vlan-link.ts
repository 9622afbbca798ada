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
import { INITIAL_HOPS, KIND_CONTROL, NONE } from '../../dataplane/shm/layout.ts';
import { controlWord } from '../../dataplane/wire/link-datagram.ts';
import type { Epoch, EpochId } from '../membership/epoch.ts';
import type {
  AddEpoch,
  MemberId,
  MembershipEffect,
  MovingHosts,
  OpenSender,
  SaltId,
  SendControl,
  UseSalt,
  VlanKind,
} from '../membership/membership-port.ts';
import { utcDay } from '../vlan/open-epoch.ts';
import { EpochTokens } from './epoch-tokens.ts';
import { FloodSet } from './flood-set.ts';
import type { Injector } from './injector.ts';
import type { RouteOutlet } from './route-link.ts';
import type { TokenDeriver } from './station-tokens.ts';
import type { TableWriters } from './table-writers.ts';
import { GROUP, TxKeys } from './tx-keys.ts';
import { VlanRoutes } from './vlan-routes.ts';
import { VlanSalts } from './vlan-salts.ts';
import { VlanSenders } from './vlan-senders.ts';
import { type StationRoute, VlanStations } from './vlan-stations.ts';
import { sendingPeriod } from './vlan-tokens.ts';

const TWO_31 = 2 ** 31;

interface EpochEntry {
  readonly slot: number;
  readonly secrets: Epoch;
}

/** What a VLAN's link works on. */
export interface VlanLinkParts {
  readonly kind: VlanKind;
  readonly writers: TableWriters;
  readonly injector: Injector;
  readonly workerCount: number;
  readonly cipher: number;
  readonly tokenPeriodSeconds: number;
  readonly movingHosts: MovingHosts;
  readonly deriveTokens: TokenDeriver | undefined;
  /** Where neighbours are told what is received. */
  readonly routes: RouteOutlet;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  /** The trunk slot of a peer, if there is a trunk. */
  trunkOf(peer: string): number | undefined;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  unixMs(): number;
  /** A worker that runs, to seal on its lanes. */
  anyWorker(): number;
}

/** See the file's head. */
export class VlanLink {
  /** The VLAN's slot. */
  readonly slot: number;
  /** What neighbours are told of it. */
  readonly routes: VlanRoutes;
  readonly #parts: VlanLinkParts;
  readonly #tokens: EpochTokens;
  readonly #txKeys: TxKeys;
  readonly #epochs = new Map<EpochId, EpochEntry>();
  /** Members that what goes to them alone is sealed for under a later epoch than the rest. */
  readonly #ahead = new Map<MemberId, EpochId>();
  readonly #salts: VlanSalts;
  readonly #senders: VlanSenders;
  readonly #stations: VlanStations;
  readonly #floodSet: FloodSet;
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
    const { kind, writers } = parts;
    this.#floodSet = new FloodSet({ vlan: slot, kind, writers, trunkOf: (peer) => parts.trunkOf(peer) });
    this.#tokens = new EpochTokens(parts.writers.tokens, parts.tokenPeriodSeconds, parts.deriveTokens);
    this.routes = new VlanRoutes(parts.routes, this.#tokens, this.#floodSet);
    this.#txKeys = new TxKeys(parts.writers.frameKeys, parts.cipher);
    this.#salts = new VlanSalts(parts.writers.salts);
    this.#senders = new VlanSenders(parts.writers.senders, parts.writers.frameKeys, parts.cipher);
    this.#stations = new VlanStations({
      vlan: slot,
      table: parts.writers.stations,
      tokens: this.#tokens,
      nowMs: () => parts.nowMs(),
      routeTo: (peer, member) => this.#routeTo(peer, member),
      full: () => {
        this.#drop('station-limit');
      },
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
    this.#floodSet.setNeighbours(peers);
    this.#stations.routeAll();
  }

  /** A peer's trunk came or went. */
  trunksChanged(): void {
    this.#floodSet.update();
    this.#stations.routeAll();
  }

  /** Time has passed: another token period may have begun, or pending work goes on. */
  roll(): void {
    this.#stations.step();
    const unixMs = this.#parts.unixMs();
    const period = this.#periodIn(this.#epochs.get(this.#sealing)?.secrets, unixMs);
    if (period !== this.#sendingPeriod && this.#epochs.size > 0) {
      this.#sendingPeriod = period;
      this.#rollTokens(unixMs);
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
        return this.#floodSet.setRoster(effect.peers);
      case 'add-salt':
        return this.#salts.add(effect);
      case 'use-salt':
        return this.#useSalt(effect);
      case 'remove-salt':
        return this.#removeSalt(effect.salt);
      case 'add-pair-keys':
        return this.#addPairKeys(effect.member, effect.keys);
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
        return this.#stations.addMember(effect.member, effect.peer);
      case 'member-down':
        this.#ahead.delete(effect.member);
        return this.#stations.removeMember(effect.member);
      case 'notice':
        return;
    }
  }

  /** Takes back what the machine's leaving has left. */
  close(): void {
    this.setNeighbours([]);
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
      if (ahead <= id) {
        this.#ahead.delete(member);
      }
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
    }
    this.#epochs.delete(id);
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

  #useSalt(effect: UseSalt): void {
    const salt = this.#salts.find(effect.salt);
    const epoch = salt === undefined ? undefined : this.#epochs.get(salt.epoch);
    if (salt === undefined || epoch === undefined) {
      return;
    }
    const keyed = (key: Uint8Array): Map<number, { key: Uint8Array; salt: number }> =>
      new Map([[salt.worker, { key, salt: salt.slot }]]);
    for (const { member, key } of effect.pairKeys) {
      this.#putPairKeys(member, salt.epoch, keyed(key));
    }
    const first = this.#txKeys.put(GROUP, salt.epoch, keyed(effect.groupKey));
    for (let worker = 0; worker < this.#parts.workerCount; worker++) {
      this.#parts.writers.epochs.setGroupKey(epoch.slot, worker, first === undefined ? NONE : first + worker);
    }
  }

  #removeSalt(id: SaltId): void {
    const salt = this.#salts.find(id);
    // No key that a worker can reach may name a salt whose slot another one is going to take.
    if (salt !== undefined && salt.epoch !== this.#sealing) {
      this.#stations.finish();
    }
    this.#salts.remove(id);
  }

  #addPairKeys(member: MemberId, keys: readonly { readonly salt: SaltId; readonly key: Uint8Array }[]): void {
    const byEpoch = new Map<EpochId, Map<number, { key: Uint8Array; salt: number }>>();
    for (const { salt: id, key } of keys) {
      const salt = this.#salts.find(id);
      if (salt !== undefined) {
        const workers = byEpoch.get(salt.epoch) ?? new Map<number, { key: Uint8Array; salt: number }>();
        workers.set(salt.worker, { key, salt: salt.slot });
        byEpoch.set(salt.epoch, workers);
      }
    }
    for (const [epoch, workers] of byEpoch) {
      this.#putPairKeys(member, epoch, workers);
    }
  }

  #putPairKeys(
    member: MemberId,
    epoch: EpochId,
    keys: ReadonlyMap<number, { readonly key: Uint8Array; readonly salt: number }>,
  ): void {
    this.#txKeys.put(member, epoch, keys);
    if (epoch === this.#epochTo(member)) {
      this.#stations.routeMember(member);
    }
  }

  #openSender(effect: OpenSender): void {
    const epoch = this.#epochs.get(effect.epoch);
    if (epoch === undefined || !this.#senders.open(effect, epoch.slot)) {
      this.#drop('sender-limit');
    }
  }

  /** How frames reach a member's stations now; undefined while no epoch is sealed under. */
  #routeTo(peer: string, member: MemberId): StationRoute | undefined {
    const id = this.#epochTo(member);
    const epoch = this.#epochs.get(id);
    if (epoch === undefined) {
      return undefined;
    }
    return {
      trunk: this.#parts.trunkOf(peer) ?? NONE,
      pairKeys: this.#txKeys.find(member, id) ?? NONE,
      epoch: epoch.slot,
    };
  }

  // ── Control ──────────────────────────────────────────────────────────────────────────────────────────

  #sendControl({ payload, class: frameClass }: SendControl): void {
    if (this.#floodSet.slot !== NONE) {
      const control = controlWord(KIND_CONTROL, 0, INITIAL_HOPS, frameClass);
      this.#parts.injector.sealed(this.#parts.anyWorker(), { set: this.#floodSet.slot }, control, payload);
    }
  }

  #drop(name: DropName): void {
    const code = DROP[name];
    this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + 1;
  }
}
