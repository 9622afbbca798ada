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
import type {
  AddEpoch,
  AddSalt,
  MemberId,
  MembershipEffect,
  OpenSender,
  SaltId,
  SendControl,
  UseSalt,
} from '../membership/membership-port.ts';
import type { OpenEpoch } from '../vlan/open-epoch.ts';
import type { Injector } from './injector.ts';
import type { TokenDeriver } from './station-tokens.ts';
import type { TableWriters } from './table-writers.ts';
import { GROUP, TxKeys } from './tx-keys.ts';
import { VlanSenders } from './vlan-senders.ts';
import { type StationRoute, VlanStations } from './vlan-stations.ts';
import { sendingPeriod, VlanTokens } from './vlan-tokens.ts';

/** Frames under one salt after which its successor is asked for; the hard stop is 2^32. */
const SALT_LOW = 3 * 2 ** 30;
const TWO_31 = 2 ** 31;

interface EpochEntry {
  readonly slot: number;
  readonly secrets: OpenEpoch;
}

interface SaltEntry {
  readonly slot: number;
  readonly day: number;
  readonly worker: number;
  reportedLow: boolean;
}

/** What a VLAN's link works on. */
export interface VlanLinkParts {
  readonly writers: TableWriters;
  readonly injector: Injector;
  readonly workerCount: number;
  readonly cipher: number;
  readonly tokenPeriodSeconds: number;
  readonly deriveTokens: TokenDeriver | undefined;
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
  readonly #parts: VlanLinkParts;
  readonly #tokens: VlanTokens;
  readonly #txKeys: TxKeys;
  readonly #epochs = new Map<number, EpochEntry>();
  readonly #salts = new Map<SaltId, SaltEntry>();
  readonly #senders: VlanSenders;
  readonly #stations: VlanStations;
  #neighbours: readonly string[] = [];
  #floodSet = NONE;
  #sealingDay = -1;
  #sendingPeriod = -1;

  /** @returns undefined when there is no slot for another VLAN */
  static open(parts: VlanLinkParts, mtuBytes: number): VlanLink | undefined {
    const slot = parts.writers.vlans.add(mtuBytes);
    return slot === undefined ? undefined : new VlanLink(parts, slot);
  }

  private constructor(parts: VlanLinkParts, slot: number) {
    this.slot = slot;
    this.#parts = parts;
    this.#tokens = new VlanTokens(parts.writers.tokens, parts.tokenPeriodSeconds, parts.deriveTokens);
    this.#txKeys = new TxKeys(parts.writers.frameKeys, parts.cipher);
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

  /** Tokens that found no room. */
  get tokensRefused(): number {
    return this.#tokens.refused;
  }

  /** Whether an epoch slot is one of this VLAN's. @returns its day */
  dayOf(epochSlot: number): number | undefined {
    for (const [day, epoch] of this.#epochs) {
      if (epoch.slot === epochSlot) {
        return day;
      }
    }
    return undefined;
  }

  setMtu(mtuBytes: number): void {
    this.#parts.writers.vlans.setMtu(this.slot, mtuBytes);
  }

  /** The peers to flood to: those that share this VLAN. Call it too when a trunk of theirs came or went. */
  setNeighbours(peers: readonly string[]): void {
    this.#neighbours = peers;
    this.trunksChanged();
  }

  /** A peer's trunk came or went. */
  trunksChanged(): void {
    const { sets, vlans } = this.#parts.writers;
    const trunks = this.#neighbours.flatMap((peer) => this.#parts.trunkOf(peer) ?? []);
    const old = this.#floodSet;
    this.#floodSet = trunks.length === 0 ? NONE : (sets.add(trunks) ?? NONE);
    vlans.setFloodSet(this.slot, this.#floodSet);
    if (old !== NONE) {
      sets.remove(old);
    }
    this.#stations.routeAll();
  }

  /** Time has passed: another token period may have begun, or pending work goes on. */
  roll(): void {
    this.#stations.step();
    const unixMs = this.#parts.unixMs();
    const period = sendingPeriod(this.#sealingDay, unixMs, this.#parts.tokenPeriodSeconds);
    if (period !== this.#sendingPeriod && this.#epochs.size > 0) {
      this.#sendingPeriod = period;
      this.#rollTokens(unixMs);
    }
  }

  /** Salts whose successor should be issued; each is named once. */
  lowSalts(): readonly SaltId[] {
    const low: SaltId[] = [];
    for (const [id, salt] of this.#salts) {
      if (!salt.reportedLow && this.#parts.writers.salts.counter(salt.slot) >= SALT_LOW) {
        salt.reportedLow = true;
        low.push(id);
      }
    }
    return low;
  }

  /** The next frame's counter under a salt. */
  saltCounter(id: SaltId): number {
    const salt = this.#salts.get(id);
    return salt === undefined ? 0 : this.#parts.writers.salts.counter(salt.slot);
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
        return this.#useEpoch(effect.day);
      case 'remove-epoch':
        return this.#removeEpoch(effect.day);
      case 'add-salt':
        return this.#addSalt(effect);
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
        return this.#stations.removeMember(effect.member);
      case 'notice':
        return;
    }
  }

  /** Takes back what the machine's leaving has left. */
  close(): void {
    this.setNeighbours([]);
    this.#tokens.clear();
    this.#txKeys.clear();
    this.#parts.writers.vlans.remove(this.slot);
  }

  // ── Epochs, salts, keys ──────────────────────────────────────────────────────────────────────────────

  #addEpoch({ epoch }: AddEpoch): void {
    const period = sendingPeriod(epoch.day, this.#parts.unixMs(), this.#parts.tokenPeriodSeconds);
    const slot = this.#parts.writers.epochs.add({
      vlan: this.slot,
      cipher: this.#parts.cipher,
      segment: epoch.segment.id,
      tokenKey: epoch.tokenKey,
      maskKey: epoch.maskKey,
      period,
    });
    if (slot !== undefined) {
      this.#epochs.set(epoch.day, { slot, secrets: epoch });
      this.#rollTokens(this.#parts.unixMs());
    }
  }

  #useEpoch(day: number): void {
    this.#sealingDay = day;
    this.#sendingPeriod = -1;
    this.roll();
    this.#parts.writers.vlans.setTxEpoch(this.slot, this.#epochs.get(day)?.slot ?? NONE);
    // When the stations point to the new day's keys, those of the day before go.
    this.#stations.routeAllSoon(() => {
      this.#txKeys.keepDays([this.#sealingDay, this.#sealingDay + 1]);
    });
  }

  #removeEpoch(day: number): void {
    const epoch = this.#epochs.get(day);
    if (epoch === undefined) {
      return;
    }
    if (day === this.#sealingDay) {
      this.#sealingDay = -1;
      this.#parts.writers.vlans.setTxEpoch(this.slot, NONE);
    }
    this.#epochs.delete(day);
    this.#rollTokens(this.#parts.unixMs());
    this.#parts.writers.epochs.remove(epoch.slot);
  }

  /** Receives the live periods' tokens, and sends under the present one's. */
  #rollTokens(unixMs: number): void {
    this.#tokens.roll(unixMs, (day) => this.#epochs.get(day));
    for (const [day, { slot }] of this.#epochs) {
      const period = sendingPeriod(day, unixMs, this.#parts.tokenPeriodSeconds);
      this.#parts.writers.epochs.setPeriod(slot, period);
    }
  }

  #addSalt({ salt, day, worker, leaf, value }: AddSalt): void {
    const slot = this.#parts.writers.salts.add({ worker, leaf, value });
    if (slot !== undefined) {
      this.#salts.set(salt, { slot, day, worker, reportedLow: false });
    }
  }

  #useSalt(effect: UseSalt): void {
    const salt = this.#salts.get(effect.salt);
    const epoch = salt === undefined ? undefined : this.#epochs.get(salt.day);
    if (salt === undefined || epoch === undefined) {
      return;
    }
    const keyed = (key: Uint8Array): Map<number, { key: Uint8Array; salt: number }> =>
      new Map([[salt.worker, { key, salt: salt.slot }]]);
    for (const { member, key } of effect.pairKeys) {
      this.#putPairKeys(member, salt.day, keyed(key));
    }
    const first = this.#txKeys.put(GROUP, salt.day, keyed(effect.groupKey));
    for (let worker = 0; worker < this.#parts.workerCount; worker++) {
      this.#parts.writers.epochs.setGroupKey(epoch.slot, worker, first === undefined ? NONE : first + worker);
    }
  }

  #removeSalt(id: SaltId): void {
    const salt = this.#salts.get(id);
    if (salt !== undefined) {
      // No key that a worker can reach may name a salt whose slot another one is going to take.
      if (salt.day !== this.#sealingDay) {
        this.#stations.finish();
      }
      this.#salts.delete(id);
      this.#parts.writers.salts.remove(salt.slot);
    }
  }

  #addPairKeys(member: MemberId, keys: readonly { readonly salt: SaltId; readonly key: Uint8Array }[]): void {
    const byDay = new Map<number, Map<number, { key: Uint8Array; salt: number }>>();
    for (const { salt: id, key } of keys) {
      const salt = this.#salts.get(id);
      if (salt !== undefined) {
        const day = byDay.get(salt.day) ?? new Map<number, { key: Uint8Array; salt: number }>();
        day.set(salt.worker, { key, salt: salt.slot });
        byDay.set(salt.day, day);
      }
    }
    for (const [day, workers] of byDay) {
      this.#putPairKeys(member, day, workers);
    }
  }

  #putPairKeys(
    member: MemberId,
    day: number,
    keys: ReadonlyMap<number, { readonly key: Uint8Array; readonly salt: number }>,
  ): void {
    this.#txKeys.put(member, day, keys);
    if (day === this.#sealingDay) {
      this.#stations.routeMember(member);
    }
  }

  #openSender(effect: OpenSender): void {
    const epoch = this.#epochs.get(effect.day);
    if (epoch === undefined || !this.#senders.open(effect, epoch.slot)) {
      this.#drop('sender-limit');
    }
  }

  /** How frames reach a member's stations now; undefined while no epoch is sealed under. */
  #routeTo(peer: string, member: MemberId): StationRoute | undefined {
    const epoch = this.#epochs.get(this.#sealingDay);
    if (epoch === undefined) {
      return undefined;
    }
    return {
      trunk: this.#parts.trunkOf(peer) ?? NONE,
      pairKeys: this.#txKeys.find(member, this.#sealingDay) ?? NONE,
      epoch: epoch.slot,
    };
  }

  // ── Control ──────────────────────────────────────────────────────────────────────────────────────────

  #sendControl({ payload, class: frameClass }: SendControl): void {
    if (this.#floodSet !== NONE) {
      const control = controlWord(KIND_CONTROL, 0, INITIAL_HOPS, frameClass);
      this.#parts.injector.sealed(this.#parts.anyWorker(), { set: this.#floodSet }, control, payload);
    }
  }

  #drop(name: DropName): void {
    const code = DROP[name];
    this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + 1;
  }
}
