/**
 * The admins that a node may ask to be admitted, and how far it is with each.
 *
 * An admin is who the VLAN's record names, or, as long as there is none, who the invite names. Main thread; pure.
 */
import { Backoff } from '../trunk/backoff.ts';
import type { ReadInvite } from '../vlan/invite.ts';
import type { VlanRecord } from '../vlan/vlan-record.ts';
import type { Referred } from './admission-message.ts';

/** As many as a record and an invite may name together. */
const MAX_CANDIDATES = 40;
/** Addresses of one admin, from the invite and from referrals; the latest are the likeliest. */
const MAX_ADDRESSES = 8;

/** One admin. */
export interface Candidate {
  readonly peer: string;
  addresses: readonly string[];
  isUp: boolean;
  /** `idle`: to be asked; `asked`: an answer is due; `waiting`: it has the request. */
  step: 'idle' | 'asked' | 'waiting';
  /** When something is to be done next; infinite while it only waits for this node's key package. */
  dueAtMs: number;
  readonly backoff: Backoff;
}

/** See the file's head. */
export class Candidates {
  readonly #self: string;
  readonly #candidates = new Map<string, Candidate>();
  #isByRecord = false;

  constructor(self: string) {
    this.#self = self;
  }

  find(peer: string): Candidate | undefined {
    return this.#candidates.get(peer);
  }

  all(): readonly Candidate[] {
    return [...this.#candidates.values()];
  }

  /** PeerIds that may sign an admission, as far as is known. */
  peers(): ReadonlySet<string> {
    return new Set(this.#candidates.keys());
  }

  /** Takes the admins of an invite, until a record is known. */
  learnInvite(invite: ReadInvite, nowMs: number): void {
    for (const { peer, addresses } of invite.admins) {
      if (!this.#isByRecord || this.#candidates.has(peer)) this.#learn(peer, addresses, nowMs);
    }
  }

  /** Takes the admins of a record; whoever is none by it is one no longer. */
  learnRecord({ admins }: Pick<VlanRecord, 'admins'>, nowMs: number): void {
    this.#isByRecord = true;
    for (const peer of this.#candidates.keys()) {
      if (!admins.includes(peer)) this.#candidates.delete(peer);
    }
    for (const peer of admins) this.#learn(peer, [], nowMs);
  }

  /** Takes addresses that a neighbour knows of admins; it names none. */
  learnAddresses(referred: readonly Referred[], nowMs: number): void {
    for (const { peer, addresses } of referred) {
      if (this.#candidates.has(peer)) this.#learn(peer, addresses, nowMs);
    }
  }

  #learn(peer: string, addresses: readonly string[], nowMs: number): void {
    if (peer === this.#self) return;
    const present = this.#candidates.get(peer);
    if (present === undefined) {
      if (this.#candidates.size >= MAX_CANDIDATES) return;
      const fresh = { peer, addresses, isUp: false, step: 'idle', dueAtMs: nowMs } as const;
      this.#candidates.set(peer, { ...fresh, backoff: new Backoff() });
      return;
    }
    const known = new Set([...addresses, ...present.addresses]);
    const hasNew = known.size > present.addresses.length;
    present.addresses = [...known].slice(0, MAX_ADDRESSES);
    // A new address is worth a new attempt, at once the first time.
    if (hasNew && !present.isUp) present.dueAtMs = Math.min(present.dueAtMs, nowMs);
  }
}
