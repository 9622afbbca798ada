/** A tree machine alone, and neighbours that say what a test makes them say. */
import assert from 'node:assert/strict';
import { hash128 } from '../vlan/hash.ts';
import { rootName, signedPart } from './root-claim.ts';
import { TreeMachine } from './tree-machine.ts';
import {
  decodeTreeMessage,
  encodeTreeMessage,
  type PortWord,
  type TreeAnnounce,
  type TreeMessage,
} from './tree-message.ts';
import type { TreeCounters, TreeEffect, TreeInput, TreeNow } from './tree-port.ts';

const KEY = new Uint8Array(32).fill(5);
export const SEGMENT_ID = hash128(KEY);
export const UNIX_MS = 1_790_000_000_000;
export const LIFETIME_MS = 600_000;

/** A signature that only says over what it is. */
function fakeSign(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(hash128(key, bytes));
  return signature;
}

/** A root's name: the lower, the better. */
function rootOf(value: number): Uint8Array {
  const bytes = new Uint8Array(17).fill(value);
  bytes[0] = 128;
  return bytes;
}

/** One machine, and what neighbours are made to say to it. */
export class TreeBench {
  readonly machine: TreeMachine;
  nowMs = 1_000;
  ports: readonly string[] = [];
  /** What each neighbour was told last, and all that it was told. */
  readonly last = new Map<string, TreeAnnounce>();
  readonly told: { readonly peer: string; readonly message: TreeMessage }[] = [];
  verified = 0;
  #number = 0;

  /** @param own - the member's root; undefined: a relay */
  constructor(own?: number, previous?: TreeMachine) {
    const member = { seed: KEY, priority: rootOf(own ?? 0).subarray(1), rank: 128 };
    const options = own === undefined ? { segmentKey: KEY } : { segmentKey: KEY, member };
    const verify = (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean => {
      this.verified++;
      return Buffer.compare(fakeSign(key, bytes), signature) === 0;
    };
    this.machine = new TreeMachine(options, { sign: fakeSign, verify }, previous);
  }

  get now(): TreeNow {
    return { nowMs: this.nowMs, unixMs: UNIX_MS + this.nowMs };
  }

  get counters(): TreeCounters {
    return this.machine.counters;
  }

  input(input: TreeInput): readonly TreeEffect[] {
    const effects = this.machine.handle(input, this.now);
    this.perform(effects);
    return effects;
  }

  perform(effects: readonly TreeEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'ports') {
        this.ports = effect.ports;
        continue;
      }
      const message = decodeTreeMessage(effect.bytes);
      assert.ok(message !== undefined);
      this.told.push({ peer: effect.peer, message });
      if (message.kind === 'announce') this.last.set(effect.peer, message);
    }
  }

  peer(peer: string, cost = 100): void {
    this.input({ kind: 'peer', peer, cost });
  }

  /** Lets time pass with its ticks. */
  wait(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      const dueMs = this.machine.nextTimeoutMs();
      if (dueMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.input({ kind: 'tick' });
      assert.ok(this.machine.nextTimeoutMs() > this.nowMs, 'it ticks on the spot');
    }
    this.nowMs = endMs;
  }

  announce(peer: string, root: number | undefined, more: Said = {}): void {
    this.bytes(peer, this.encode(peer, root, more));
  }

  encode(peer: string, root: number | undefined, more: Said = {}): Uint8Array {
    const { distance = 0, hops = 0, sequence = UNIX_MS, port = 'nothing', isFresh = false } = more;
    const rootBytes = rootOf(root ?? 0);
    const expiresAtUnixMs = more.expiresAtUnixMs ?? UNIX_MS + LIFETIME_MS;
    const fields = { segmentKey: KEY, rootBytes, sequence, expiresAtUnixMs };
    const claim = { ...fields, signature: more.signature ?? fakeSign(KEY, signedPart(fields)) };
    const isWhole = more.isWhole ?? true;
    const told = { root: rootName(rootBytes), rootBytes, sequence, distance, hops };
    const last = this.last.get(peer);
    return encodeTreeMessage(SEGMENT_ID, {
      kind: 'announce',
      number: ++this.#number,
      heard: more.heard ?? last?.number ?? 0,
      port,
      joinNumber: more.joinNumber ?? (port === 'accept' ? (last?.joinNumber ?? 0) : port === 'join' ? 9 : 0),
      isFresh,
      told: root === undefined ? undefined : { ...told, claim: isWhole ? claim : undefined },
    });
  }

  bytes(peer: string, bytes: Uint8Array): void {
    this.input({ kind: 'message', peer, bytes });
  }

  request(peer: string, root: number, sequence: number): void {
    const rootBytes = rootOf(root);
    const message = { kind: 'request', root: rootName(rootBytes), rootBytes, sequence } as const;
    this.bytes(peer, encodeTreeMessage(SEGMENT_ID, message));
  }

  requests(): string[] {
    return this.told.flatMap(({ peer, message }) => (message.kind === 'request' ? peer : []));
  }

  /** `p` is parent under root 1. */
  follow(peer: string, more: Said = {}): void {
    this.announce(peer, 1, more);
    this.announce(peer, 1, { ...more, port: 'accept' });
  }
}

export interface Said {
  readonly distance?: number;
  readonly hops?: number;
  readonly sequence?: number;
  readonly port?: PortWord;
  readonly joinNumber?: number;
  readonly heard?: number;
  readonly isFresh?: boolean;
  readonly isWhole?: boolean;
  readonly expiresAtUnixMs?: number;
  readonly signature?: Uint8Array;
}
