/**
 * A simulated member, for tests: its machine, and what the machine's effects add up to in its tables.
 *
 * Tests only.
 */
import assert from 'node:assert/strict';
import type { Epoch, EpochId } from './epoch.ts';
import type { MembershipMachine } from './membership-machine.ts';
import type { MembershipEffect, OpenSender, PairKey } from './membership-port.ts';
import { macNumber } from './station-claims.ts';

/** One member, and what its effects have made of the tables. */
export class SimMember {
  readonly name: string;
  readonly machine: MembershipMachine;
  readonly peers = new Map<number, string>();
  readonly senders = new Map<number, OpenSender>();
  readonly stations = new Map<number, number | 'own' | 'enforced'>();
  readonly salts = new Map<
    number,
    { readonly epoch: EpochId; readonly worker: number; readonly leaf: number; readonly value: Uint8Array }
  >();
  /** The salt that each worker seals under in each epoch. */
  readonly inUse = new Map<string, number>();
  readonly groupKeys = new Map<number, Uint8Array>();
  readonly pairKeys = new Map<string, Uint8Array>();
  readonly effects: MembershipEffect[] = [];
  readonly counters = new Map<number, number>();
  readonly lastSeenMs = new Map<number, number>();
  /** Epochs whose tokens are accepted. */
  readonly epochs = new Map<EpochId, Epoch>();
  /** Members that are sealed to under a later epoch than the rest. */
  readonly ahead = new Map<number, EpochId>();
  sealing: EpochId = -1;

  constructor(name: string, machine: MembershipMachine) {
    this.name = name;
    this.machine = machine;
  }

  /** Names of the members that have proven themselves, sorted. */
  peerNames(names: (peer: string) => string): readonly string[] {
    return [...this.peers.values()].map(names).sort();
  }

  record(effect: MembershipEffect): void {
    this.effects.push(effect);
    switch (effect.kind) {
      case 'member-up':
        this.peers.set(effect.member, effect.peer);
        return;
      case 'member-down':
        this.peers.delete(effect.member);
        this.ahead.delete(effect.member);
        return;
      case 'open-sender':
        this.senders.set(effect.sender, effect);
        return;
      case 'close-sender':
        this.senders.delete(effect.sender);
        return;
      case 'add-station':
        this.stations.set(macNumber(effect.mac), effect.member);
        return;
      case 'add-own-station':
        this.stations.set(macNumber(effect.mac), effect.enforced ? 'enforced' : 'own');
        return;
      case 'remove-station':
        this.stations.delete(macNumber(effect.mac));
        return;
      case 'add-salt':
        this.salts.set(effect.salt, effect);
        return;
      case 'use-salt':
        this.#use(effect.salt);
        this.groupKeys.set(effect.salt, effect.groupKey);
        this.#addPairKeys(effect.salt, effect.pairKeys);
        return;
      case 'add-pair-keys':
        for (const { salt, key } of effect.keys) {
          this.#addPairKeys(salt, [{ member: effect.member, key }]);
        }
        return;
      case 'remove-salt':
        this.salts.delete(effect.salt);
        this.groupKeys.delete(effect.salt);
        return;
      case 'use-epoch':
        this.sealing = effect.epoch;
        return;
      case 'use-epoch-to':
        this.ahead.set(effect.member, effect.epoch);
        return;
      case 'add-epoch':
        this.epochs.set(effect.epoch.id, effect.epoch);
        return;
      case 'remove-epoch':
        this.epochs.delete(effect.epoch);
        return;
      default:
        return;
    }
  }

  /** The leaf under which it seals. */
  get leaf(): number {
    const [salt] = [...this.salts.values()].slice(-1);
    return salt?.leaf ?? -1;
  }

  /** The epoch under which what goes to a member alone is sealed. */
  epochTo(member: number): EpochId {
    return Math.max(this.sealing, this.ahead.get(member) ?? -1);
  }

  #use(id: number): void {
    const salt = this.salts.get(id);
    assert.ok(salt, 'use-salt of a salt that was not added');
    this.inUse.set(`${salt.epoch}/${salt.worker}`, id);
  }

  #addPairKeys(salt: number, keys: readonly PairKey[]): void {
    for (const { member, key } of keys) {
      this.pairKeys.set(`${salt}/${member}`, key);
    }
  }
}
