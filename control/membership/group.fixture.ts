/**
 * Private VLANs of simulated members, for tests: the states that a group would have settled on, and members that go
 * over to them when the test says so.
 *
 * Tests only.
 */
import { formatPeerId } from '../identity/peer-id.ts';
import { epochTag } from '../vlan/epoch-keys.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import type { GroupState } from './group/group-port.ts';
import { SeededRandom, SimVlan } from './membership-fixture.ts';
import type { SimMember } from './sim-member.fixture.ts';

/** One state of the group, as all members share it: who has which leaf. */
export interface SimState {
  readonly epoch: number;
  readonly secret: Uint8Array;
  readonly leaves: ReadonlyMap<string, number>;
}

/** A private VLAN and its group. */
export class SimGroup {
  readonly vlan: SimVlan;
  readonly states: SimState[] = [];
  readonly #seed: string;

  constructor(seed: string) {
    this.#seed = seed;
    this.vlan = new SimVlan(seed);
  }

  /** The last state; the group has one when its first members are there. */
  get last(): SimState {
    const state = this.states.at(-1);
    if (state === undefined) {
      throw new Error('the group has no state yet');
    }
    return state;
  }

  /** Settles on another state; members that stay keep their leaves unless others are named. */
  settle(names: readonly string[], leaves: Readonly<Record<string, number>> = {}): SimState {
    const before = this.states.at(-1)?.leaves ?? new Map<string, number>();
    const kept = new Map(names.flatMap((name) => (before.has(name) ? [[name, before.get(name) ?? 0]] : [])));
    let free = 0;
    const next = new Map<string, number>();
    for (const name of names) {
      while ([...kept.values()].includes(free) || [...next.values()].includes(free)) {
        free++;
      }
      next.set(name, leaves[name] ?? kept.get(name) ?? free);
    }
    const epoch = this.states.length;
    const secret = new SeededRandom(`${this.#seed} secret ${epoch}`).bytes(32);
    const state = { epoch, secret, leaves: next };
    this.states.push(state);
    return state;
  }

  /** A member starts, without a state. */
  start(name: string, options: Parameters<SimVlan['add']>[1] = {}): SimMember {
    const member = this.vlan.add(name, { ...options, machine: { kind: 'private', ...options.machine } });
    this.vlan.input(member, { kind: 'start' });
    return member;
  }

  /** A member goes over to a state. */
  adopt(member: SimMember, state: SimState = this.last, removedAtOnce = false): void {
    this.vlan.input(member, { kind: 'group-epoch', epoch: groupState(state, member.name), removedAtOnce });
  }

  /** Starts members and gives all of them the first state. */
  found(names: readonly string[]): readonly SimMember[] {
    const state = this.settle(names);
    return names.map((name) => {
      const member = this.start(name);
      this.adopt(member, state);
      return member;
    });
  }
}

const peers = new Map<string, string>();

/** The PeerId that a name has in a {@link SimVlan}. */
export function peerOf(name: string): string {
  let peer = peers.get(name);
  if (peer === undefined) {
    const seed = new SeededRandom(`node ${name}`).bytes(32);
    peer = formatPeerId(rawPublicKey(privateKeyFromRaw('ed25519', seed)));
    peers.set(name, peer);
  }
  return peer;
}

/** A state as one member's group gives it. */
export function groupState(state: SimState, name: string): GroupState {
  const members = [...state.leaves].map(([each, leaf]) => ({ leaf, peer: peerOf(each) }));
  return {
    id: Buffer.from(epochTag(state.secret)).toString('hex'),
    epoch: state.epoch,
    secret: state.secret,
    tag: epochTag(state.secret),
    ownLeaf: state.leaves.get(name) ?? 0,
    members: members.sort((a, b) => a.leaf - b.leaf),
    policy: new Uint8Array(0),
  };
}
