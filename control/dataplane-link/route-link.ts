/**
 * Tells neighbours which tokens this node receives, and hears which they do: carries the machine of control/token between
 * the VLANs and the trunks' control streams.
 *
 * Main thread only. Whom it is told to, and what a neighbour may tell, the VLANs say: those that share the VLAN and, in a
 * private one, are in its roster.
 *
 * @see docs/protocol.md, "Tokens"
 */
import { randomBytes } from 'node:crypto';
import { DROP } from '../../dataplane/base/drop-code.ts';
import type { RouteNow } from '../token/route-announcer.ts';
import { keyOf, NONCE_BYTES } from '../token/route-message.ts';
import type { RouteInput, RoutePorts } from '../token/route-port.ts';
import { TokenRoutes } from '../token/token-routes.ts';
import type { SegmentKeys } from '../vlan/epoch-keys.ts';

/** What the link works on. */
export interface RouteLinkParts {
  readonly ports: RoutePorts;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  /** Unix time minus that. */
  unixOffsetMs(): number;
  /** Says something to a neighbour on its trunk's control stream. */
  send(peer: string, body: Uint8Array): void;
}

/** Where a VLAN says what it receives. */
export interface RouteOutlet {
  /**
   * @param routes - what is received under an epoch, whole
   * @param peers - the neighbours that it concerns, whole
   */
  announce(segment: SegmentKeys, routes: readonly Uint8Array[], peers: readonly string[]): void;
  /** An epoch is gone. */
  forget(segmentId: Uint8Array): void;
}

/** See the file's head. */
export class RouteLink implements RouteOutlet {
  readonly #parts: RouteLinkParts;
  readonly #machine: TokenRoutes;
  /** Our name in each segment. */
  readonly #nonces = new Map<string, Uint8Array>();
  #counted = 0;

  constructor(parts: RouteLinkParts) {
    this.#parts = parts;
    this.#machine = new TokenRoutes(parts.ports);
  }

  /** Tokens that neighbours have said they want. */
  get live(): number {
    return this.#machine.live;
  }

  /** Whether a neighbour has said that it wants a token: what is sent to it under the token is not in vain. */
  isRouted(peer: string, token: Uint8Array): boolean {
    return this.#machine.isRouted(peer, token);
  }

  announce(segment: SegmentKeys, routes: readonly Uint8Array[], peers: readonly string[]): void {
    const nonce = this.#nonces.get(keyOf(segment.id)) ?? randomBytes(NONCE_BYTES);
    this.#nonces.set(keyOf(segment.id), nonce);
    this.#handle({ kind: 'want', segment, nonce, routes });
    this.#handle({ kind: 'partners', segmentId: segment.id, peers });
  }

  forget(segmentId: Uint8Array): void {
    this.#nonces.delete(keyOf(segmentId));
    this.#handle({ kind: 'forget', segmentId });
  }

  /** A neighbour has said which tokens it wants. */
  heard(peer: string, bytes: Uint8Array): void {
    this.#handle({ kind: 'message', peer, bytes });
    const { malformed, forged, overBudget, overQuota } = this.#machine.counters;
    const refused = malformed + forged + overBudget + overQuota;
    const code = DROP['announcement-invalid'];
    this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + refused - this.#counted;
    this.#counted = refused;
  }

  /** A neighbour has another control stream. */
  streamChanged(peer: string): void {
    this.#handle({ kind: 'again', peer });
  }

  trunkDown(peer: string): void {
    this.#handle({ kind: 'trunk-down', peer });
  }

  /** Looks after what is due; call it a few times a second. */
  poll(): void {
    const now = this.#now();
    if (this.#machine.nextTimeoutMs(now) <= now.nowMs) {
      this.#handle({ kind: 'tick' });
    }
  }

  #handle(input: RouteInput): void {
    for (const effect of this.#machine.handle(input, this.#now())) {
      if (effect.kind === 'send') {
        this.#parts.send(effect.peer, effect.bytes);
      }
    }
  }

  #now(): RouteNow {
    const nowMs = this.#parts.nowMs();
    return { nowMs, unixMs: nowMs + this.#parts.unixOffsetMs() };
  }
}
