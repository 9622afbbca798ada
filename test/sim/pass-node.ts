/**
 * A node of the simulation of announcements that are passed on: a member or a relay, its machine, and what it knows of its
 * neighbours at the moment.
 */
import { createHash } from 'node:crypto';
import type { RouteNow } from '../../control/token/route-announcer.ts';
import type { RouteInput } from '../../control/token/route-port.ts';
import { TokenRoutes } from '../../control/token/token-routes.ts';
import { deriveEpochKeys } from '../../control/vlan/epoch-keys.ts';
import type { Simulation } from './simulation.ts';

const UNIX_MS = 1_778_400_000_000;
/** The segment of all. */
export const { segment: SEGMENT } = deriveEpochKeys(new Uint8Array(32).fill(3));

/** What a node lives in. */
export interface PassWorld {
  readonly simulation: Simulation;
  send(from: PassNode, peer: string, bytes: Uint8Array): void;
}

export function routeOf(value: number): Uint8Array {
  return new Uint8Array(16).fill(value);
}

function signature(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createHash('sha512').update(key).update(bytes).digest();
}

/** Signatures of the right size that cost little: whether they hold is all that counts here. */
const PORTS = {
  sign: (_seed: Uint8Array, bytes: Uint8Array): Uint8Array => signature(SEGMENT.publicKey, bytes),
  verify: (key: Uint8Array, bytes: Uint8Array, given: Uint8Array): boolean =>
    Buffer.compare(signature(key, bytes), given) === 0,
};

/** See the file's head. */
export class PassNode {
  readonly name: string;
  readonly isMember: boolean;
  readonly #world: PassWorld;
  machine = new TokenRoutes(PORTS);
  nonce: Uint8Array = new Uint8Array(16);
  wanted: number[] = [];
  /** Neighbours and ports, as this node knows them at the moment. */
  readonly partners = new Set<string>();
  ports: readonly string[] = [];
  #timer = Number.POSITIVE_INFINITY;

  constructor(world: PassWorld, name: string, isMember: boolean) {
    this.#world = world;
    this.name = name;
    this.isMember = isMember;
  }

  now(): RouteNow {
    const { nowMs } = this.#world.simulation;
    return { nowMs, unixMs: nowMs + UNIX_MS };
  }

  handle(input: RouteInput): void {
    for (const effect of this.machine.handle(input, this.now())) {
      if (effect.kind === 'send') {
        this.#world.send(this, effect.peer, effect.bytes);
      }
    }
    const dueMs = this.machine.nextTimeoutMs(this.now());
    if (dueMs < this.#timer) {
      this.#timer = dueMs;
      this.#world.simulation.after(dueMs - this.now().nowMs, () => {
        this.#timer = Number.POSITIVE_INFINITY;
        this.handle({ kind: 'tick' });
      });
    }
  }

  start(): void {
    this.machine = new TokenRoutes(PORTS);
    this.nonce = this.#world.simulation.bytes(16);
    if (this.isMember) {
      this.want([0, ...this.wanted]);
    } else {
      this.handle({ kind: 'carry', segmentKey: SEGMENT.publicKey });
    }
  }

  want(values: readonly number[]): void {
    this.wanted = [...new Set(values)].filter((value) => value > 0);
    const routes = [0, ...this.wanted].map(routeOf);
    this.handle({ kind: 'want', segment: SEGMENT, nonce: this.nonce, routes });
  }

  tellPartners(): void {
    this.handle({ kind: 'partners', segmentId: SEGMENT.id, peers: [...this.partners] });
  }

  tellPorts(ports: readonly string[]): void {
    this.ports = ports;
    this.handle({ kind: 'ports', segmentId: SEGMENT.id, peers: ports });
  }
}
