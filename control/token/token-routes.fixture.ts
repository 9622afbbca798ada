/** Nodes that announce tokens to each other over a network that a test holds in its hands. */
import assert from 'node:assert/strict';
import { deriveEpochKeys, type EpochKeys } from '../vlan/epoch-keys.ts';
import { keyedHash } from '../vlan/hash.ts';
import { createRoutePorts } from './node-ports.ts';
import type { RouteNow } from './route-announcer.ts';
import {
  encodeAnnounce,
  keyOf,
  NONCE_BYTES,
  type RouteHead,
  type RouteSet,
  withHead,
} from './route-message.ts';
import type { RouteEffect, RouteInput } from './route-port.ts';
import { forwardingToken, routeNonce } from './token.ts';
import { TokenRoutes } from './token-routes.ts';

const UNIX_OFFSET_MS = 1_778_400_000_000;
const ports = createRoutePorts();

export function epochOf(seed: number): EpochKeys {
  return deriveEpochKeys(new Uint8Array(32).fill(seed));
}

/** The epoch that tests use when they say nothing else. */
export const EPOCH = epochOf(1);

/** Route number `index`, of 16 bytes. */
export function routeOf(index: number): Uint8Array {
  const route = new Uint8Array(16);
  new DataView(route.buffer).setUint32(0, index);
  return route;
}

/** Routes from `first` on. */
export function routesFrom(first: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => routeOf(first + index));
}

export function tokenOf(index: number, epoch: EpochKeys = EPOCH): Uint8Array {
  return forwardingToken(epoch.segment.id, routeOf(index));
}

export function nonceOf(name: string, epoch: EpochKeys = EPOCH): Uint8Array {
  return routeNonce(epoch.controlKey, keyedHash(new Uint8Array(32), new TextEncoder().encode(name)));
}

/** A message of some announcer, as a hostile neighbour makes it. */
export function forge(
  change: Partial<RouteSet>,
  options: { readonly seed?: Uint8Array; readonly head?: RouteHead } = {},
): Uint8Array {
  const set: RouteSet = {
    segmentKey: EPOCH.segment.publicKey,
    nonce: new Uint8Array(NONCE_BYTES).fill(0xee),
    sequence: 1,
    base: 0,
    expiresAtUnixMs: UNIX_OFFSET_MS + 600_000,
    added: [routeOf(9)],
    withdrawn: [],
    ...change,
  };
  const bytes = encodeAnnounce(set, (signed) => ports.sign(options.seed ?? EPOCH.segment.seed, signed));
  return options.head === undefined ? bytes : withHead(bytes, options.head);
}

export class Clock {
  nowMs = 1_000;
  now(): RouteNow {
    return { nowMs: this.nowMs, unixMs: this.nowMs + UNIX_OFFSET_MS };
  }
}

/** One node; what it says waits in `sent`. */
export class Node {
  readonly name: string;
  readonly machine = new TokenRoutes(ports);
  readonly sent: { readonly peer: string; readonly bytes: Uint8Array }[] = [];
  /** Tokens told to have changed. */
  readonly changed = new Set<string>();
  announcersChanged = 0;
  readonly #clock: Clock;

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#clock = clock;
  }

  handle(input: RouteInput): void {
    for (const effect of this.machine.handle(input, this.#clock.now())) {
      this.#perform(effect);
    }
  }

  #perform(effect: RouteEffect): void {
    if (effect.kind === 'send') {
      this.sent.push(effect);
    } else if (effect.kind === 'tokens-changed') {
      for (const token of effect.tokens) {
        this.changed.add(token);
      }
    } else {
      this.announcersChanged++;
    }
  }

  want(epoch: EpochKeys, routes: readonly Uint8Array[]): void {
    this.handle({ kind: 'want', segment: epoch.segment, nonce: nonceOf(this.name, epoch), routes });
  }

  carry(epoch: EpochKeys = EPOCH): void {
    this.handle({ kind: 'carry', segmentKey: epoch.segment.publicKey });
  }

  partners(epoch: EpochKeys, ...peers: readonly Node[]): void {
    this.handle({ kind: 'partners', segmentId: epoch.segment.id, peers: peers.map(({ name }) => name) });
  }

  ports(epoch: EpochKeys, ...peers: readonly Node[]): void {
    this.handle({ kind: 'ports', segmentId: epoch.segment.id, peers: peers.map(({ name }) => name) });
  }

  hear(from: string, bytes: Uint8Array): void {
    this.handle({ kind: 'message', peer: from, bytes });
  }

  /** Names of the forwarding ports that lead to a token, in order. */
  leadsTo(token: Uint8Array): readonly string[] {
    return this.machine
      .routesOf(token)
      .map(({ peer }) => peer)
      .toSorted();
  }

  hasChanged(token: Uint8Array): boolean {
    return this.changed.has(keyOf(token));
  }
}

/** Nodes whose messages arrive in order, when the test lets them. */
export class Net {
  readonly clock = new Clock();
  readonly nodes = new Map<string, Node>();
  bytes = 0;
  messages = 0;

  node(name: string): Node {
    const node = this.nodes.get(name) ?? new Node(name, this.clock);
    this.nodes.set(name, node);
    return node;
  }

  /** Carries what was sent, until nobody says anything more. @param keep - false loses a message */
  settle(keep: (bytes: Uint8Array) => boolean = () => true): void {
    const isQuiet = (): boolean => [...this.nodes.values()].every(({ sent }) => sent.length === 0);
    for (let rounds = 0; !isQuiet(); rounds++) {
      assert.ok(rounds < 300, 'they talk for ever');
      for (const from of this.nodes.values()) {
        for (const { peer, bytes } of from.sent.splice(0)) {
          this.bytes += bytes.length;
          this.messages++;
          if (keep(bytes)) {
            this.nodes.get(peer)?.hear(from.name, bytes);
          }
        }
      }
    }
  }

  run(forMs: number, keep?: (bytes: Uint8Array) => boolean): void {
    const endMs = this.clock.nowMs + forMs;
    for (;;) {
      const dues = [...this.nodes.values()].map(({ machine }) => machine.nextTimeoutMs(this.clock.now()));
      const dueMs = Math.min(...dues);
      if (dueMs > endMs) {
        break;
      }
      this.clock.nowMs = Math.max(this.clock.nowMs, dueMs);
      for (const node of this.nodes.values()) {
        node.handle({ kind: 'tick' });
      }
      this.settle(keep);
    }
    this.clock.nowMs = endMs;
  }
}
