/**
 * Members of one VLAN on virtual time, for tests: seeded random numbers, a network that floods control
 * datagrams with delay, loss and reordering, and what each member's effects add up to.
 *
 * Tests only. One seed, one history: nothing here reads a clock or a random source.
 */

import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { formatPeerId } from '../identity/peer-id.ts';
import { controlToken } from '../token/token.ts';
import { livePeriods } from '../token/token-period.ts';
import { keyedHash } from '../vlan/hash.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import type { Epoch, EpochId } from './epoch.ts';
import { CIPHER_AES_256_GCM } from './frame-keys.ts';
import { MembershipMachine } from './membership-machine.ts';
import type { MembershipInput, MembershipOptions, MembershipPorts } from './membership-port.ts';
import { createKeyAgreement, verifySignature } from './node-ports.ts';
import { SimMember } from './sim-member.fixture.ts';
import { macNumber } from './station-claims.ts';

/** 21 November 2026, noon UTC. */
export const NOON_UNIX_MS = Date.UTC(2026, 10, 21, 12);

/** What control datagrams meet on their way. */
export interface Wire {
  readonly lossRatio: number;
  readonly leastDelayMs: number;
  readonly mostDelayMs: number;
}

const GOOD_WIRE: Wire = { lossRatio: 0, leastDelayMs: 1, mostDelayMs: 2 };
const MAIN_PAYLOAD_CLASS = 7;
const TOKEN_PERIOD_SECONDS = 3_600;
const TOKEN_BYTES = 16;

/** A VLAN whose record says nothing special. */
export const OPEN_OPTIONS = {
  kind: 'open',
  cipher: CIPHER_AES_256_GCM,
  tokenPeriodSeconds: TOKEN_PERIOD_SECONDS,
  movingHosts: 'refuse',
  membersMax: 1_024,
} as const;

/** A repeatable stream of random bytes and numbers. */
export class SeededRandom {
  readonly #key: Uint8Array;
  #counter = 0;

  constructor(seed: string) {
    this.#key = keyedHash(new Uint8Array(32), new TextEncoder().encode(seed));
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let offset = 0; offset < count; offset += 32) {
      const block = keyedHash(this.#key, new TextEncoder().encode(String(this.#counter++)));
      out.set(block.subarray(0, Math.min(32, count - offset)), offset);
    }
    return out;
  }

  /** 0 ≤ x < 1. */
  unit(): number {
    return new DataView(this.bytes(4).buffer).getUint32(0) / 2 ** 32;
  }
}

/** A control datagram as it lay on the wire. */
export interface Recorded {
  readonly from: string;
  /** Where the receiver is to take its token for that of another epoch than it is. */
  readonly epoch?: EpochId;
  readonly payload: Uint8Array;
}

/** A VLAN of simulated members. */
export class SimVlan {
  readonly recorded: Recorded[] = [];
  readonly members = new Map<string, SimMember>();
  readonly vlanId: Uint8Array;
  wire: Wire = GOOD_WIRE;
  /** Looks at a member whenever its tables have changed. */
  afterChange: (member: SimMember) => void = () => undefined;
  nowMs = 1_000;
  unixOffsetMs: number;
  readonly #random: SeededRandom;
  readonly #names = new Map<string, string>();
  readonly #islands = new Map<string, number>();
  #queue: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(seed: string, startUnixMs = NOON_UNIX_MS) {
    this.#random = new SeededRandom(seed);
    this.vlanId = this.#random.bytes(16);
    this.unixOffsetMs = startUnixMs - this.nowMs;
  }

  /** Adds a member; `overrides` replaces some of its ports. */
  add(
    name: string,
    options: {
      workers?: number;
      ports?: Partial<MembershipPorts>;
      nodeKey?: string;
      machine?: Partial<MembershipOptions>;
    } = {},
  ): SimMember {
    const random = new SeededRandom(`${name}:${this.nowMs}:${this.#random.unit()}`);
    const nodeKey = privateKeyFromRaw(
      'ed25519',
      new SeededRandom(`node ${options.nodeKey ?? name}`).bytes(32),
    );
    const publicKey = rawPublicKey(nodeKey);
    const made: { member?: SimMember } = {};
    const machine = new MembershipMachine(
      {
        ...OPEN_OPTIONS,
        vlanId: this.vlanId,
        publicKey,
        workerCount: options.workers ?? 2,
        unixOffsetMs: this.unixOffsetMs,
        ...options.machine,
      },
      {
        randomBytes: (count) => random.bytes(count),
        sign: (bytes) => new Uint8Array(sign(null, bytes, nodeKey)),
        verify: verifySignature,
        createAgreement: () => createKeyAgreement(random.bytes(32)),
        saltCounter: (salt) => made.member?.counters.get(salt) ?? 0,
        stationLastSeenMs: (mac) => made.member?.lastSeenMs.get(macNumber(mac)),
        ...options.ports,
      },
      this.nowMs,
    );
    const member = new SimMember(name, machine);
    made.member = member;
    this.#names.set(formatPeerId(publicKey), options.nodeKey ?? name);
    this.members.set(name, member);
    return member;
  }

  /** Adds a member, starts it and lets the others meet it. */
  join(name: string, options: Parameters<SimVlan['add']>[1] = {}): SimMember {
    const member = this.add(name, options);
    this.input(member, { kind: 'start' });
    for (const each of this.members.values()) {
      this.input(each, { kind: 'neighbour' });
    }
    return member;
  }

  /** Takes a member away without a word, as by kill -9. */
  kill(member: SimMember): void {
    this.members.delete(member.name);
  }

  /** Members on different islands do not hear each other. */
  place(name: string, island: number): void {
    this.#islands.set(name, island);
  }

  input(member: SimMember, input: MembershipInput): void {
    let changed = false;
    for (const effect of member.machine.handle(input, this.nowMs)) {
      if (effect.kind === 'send-control') {
        this.#flood(member, effect.payload);
      }
      changed ||= effect.kind !== 'send-control' && effect.kind !== 'notice';
      member.record(effect);
    }
    if (changed) {
      this.afterChange(member);
    }
  }

  /** Lets time pass. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      const timerMs = Math.min(...[...this.members.values()].map((member) => member.machine.nextTimeoutMs()));
      const queueMs = Math.min(...this.#queue.map((entry) => entry.atMs));
      const nextMs = Math.min(timerMs, queueMs);
      if (nextMs > endMs) {
        break;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.#runDue();
    }
    this.nowMs = endMs;
  }

  /** Gives a recorded datagram to a member. */
  replay(member: SimMember, recorded: Recorded): void {
    this.#deliver(member, recorded);
  }

  /** Who a PeerId belongs to. */
  peerName(peer: string): string {
    return this.#names.get(peer) ?? peer;
  }

  /** Each member's view, by name: whom it knows. */
  views(): Readonly<Record<string, readonly string[]>> {
    const views: Record<string, readonly string[]> = {};
    for (const member of this.members.values()) {
      views[member.name] = member.peerNames((peer) => this.peerName(peer));
    }
    return views;
  }

  #flood(from: SimMember, payload: Uint8Array): void {
    const recorded = { from: from.name, payload };
    this.recorded.push(recorded);
    for (const to of this.members.values()) {
      const apart = (this.#islands.get(from.name) ?? 0) !== (this.#islands.get(to.name) ?? 0);
      if (to === from || apart || this.#random.unit() < this.wire.lossRatio) {
        continue;
      }
      const delayMs =
        this.wire.leastDelayMs + this.#random.unit() * (this.wire.mostDelayMs - this.wire.leastDelayMs);
      this.#queue.push({
        atMs: this.nowMs + delayMs,
        order: this.#order++,
        run: () => {
          this.#deliver(to, recorded);
        },
      });
    }
  }

  #deliver(to: SimMember, recorded: Recorded): void {
    const epoch = recorded.epoch ?? this.#epochOf(to, recorded.payload);
    if (this.members.get(to.name) === to && epoch !== undefined) {
      const control = { kind: 3, flags: 0, class: MAIN_PAYLOAD_CLASS };
      this.input(to, { kind: 'control', epoch, control, payload: recorded.payload });
    }
  }

  /** What the token table does: which epoch of the receiver's a token belongs to, if any. */
  #epochOf(to: SimMember, payload: Uint8Array): EpochId | undefined {
    const { previous, current, next } = livePeriods(this.nowMs + this.unixOffsetMs, TOKEN_PERIOD_SECONDS);
    for (const epoch of to.epochs.values()) {
      for (const { period, day } of [previous, current, next]) {
        const isLive = epoch.day === undefined || epoch.day === day;
        if (isLive && Buffer.compare(tokenOf(epoch, period), payload.subarray(0, TOKEN_BYTES)) === 0) {
          return epoch.id;
        }
      }
    }
    return undefined;
  }

  #runDue(): void {
    const due = this.#queue.filter((entry) => entry.atMs <= this.nowMs);
    this.#queue = this.#queue.filter((entry) => entry.atMs > this.nowMs);
    due.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    for (const entry of due) {
      entry.run();
    }
    for (const member of [...this.members.values()]) {
      if (member.machine.nextTimeoutMs() <= this.nowMs) {
        this.input(member, { kind: 'tick' });
      }
    }
  }
}

/** Two members that have met. */
export function pair(seed: string): { vlan: SimVlan; a: SimMember; b: SimMember } {
  const vlan = new SimVlan(seed);
  const a = vlan.join('a');
  const b = vlan.join('b');
  vlan.run(500);
  return { vlan, a, b };
}

export function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex');
}

/** For each salt that `from` seals under today: the keys that `to` opens it with. */
export function assertKeysMeet(from: SimMember, to: SimMember): void {
  const memberAtFrom = [...from.peers.keys()];
  for (const [id, salt] of from.salts) {
    if (salt.epoch !== from.sealing || !from.groupKeys.has(id)) continue;
    const opened = [...to.senders.values()].find((sender) => hex(sender.salt) === hex(salt.value));
    assert.ok(opened, `${to.name} does not open salt ${hex(salt.value)} of ${from.name}`);
    assert.equal(opened.lane, salt.worker);
    assert.equal(opened.leaf, salt.leaf);
    assert.equal(hex(opened.groupKey), hex(from.groupKeys.get(id)));
    const keys = memberAtFrom.map((member) => hex(from.pairKeys.get(`${id}/${member}`)));
    assert.ok(keys.includes(hex(opened.pairKey)), 'no pairwise key in common');
  }
}

const tokens = new WeakMap<Epoch, Map<number, Uint8Array>>();

function tokenOf(epoch: Epoch, period: number): Uint8Array {
  const known = tokens.get(epoch) ?? new Map<number, Uint8Array>();
  tokens.set(epoch, known);
  const token = known.get(period) ?? controlToken(epoch, period);
  known.set(period, token);
  return token;
}
