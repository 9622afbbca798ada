/**
 * Carries the fabric machine: what trunks and VLANs say goes in, and what comes out goes to neighbours and into the
 * tables by which workers forward.
 *
 *   segment  → slot with the set of its forwarding ports
 *   token    → segment, and the set of trunks that it leads to; equal sets share a slot
 *
 * A change of the tree may concern very many tokens: they are written a piece at a time. What a token had until then is
 * still loop-free, since what came by a port that no longer forwards goes no further.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens" and "Tree"
 */
import { DROP } from '../../dataplane/base/drop-code.ts';
import { NONE } from '../../dataplane/shm/layout.ts';
import { FabricMachine } from '../fabric/fabric-machine.ts';
import type {
  FabricChannel,
  FabricEffect,
  FabricInput,
  FabricOptions,
  FabricOwn,
  FabricPorts,
  FabricSegmentStatus,
} from '../fabric/fabric-port.ts';
import { MachineTimer } from '../machine-timer.ts';
import type { RouteNow } from '../token/route-announcer.ts';
import { keyOf } from '../token/route-message.ts';
import type { TableWriters } from './table-writers.ts';

/** Tokens that are written in one go: about 2 ms. */
const TOKENS_A_STEP = 256;
/** Timers closer than this run together; what is due at once is done when others had their turn. */
const TICK_LEAST_MS = 5;
const TICK_MOST_MS = 60_000;

/** What the link works on. */
export interface FabricLinkParts {
  readonly options: FabricOptions;
  readonly ports: FabricPorts;
  readonly writers: Pick<TableWriters, 'tokens' | 'sets' | 'segments'>;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  /** Unix time minus that. */
  unixOffsetMs(): number;
  /** Says something to a neighbour on its trunk's control stream. */
  send(peer: string, channel: FabricChannel, body: Uint8Array): void;
  /** The trunk slot of a peer, if there is a trunk. */
  trunkOf(peer: string): number | undefined;
  /** What the machine does, for the log at its most talkative. */
  debug(subsystem: 'tree' | 'tokens', effect: FabricEffect): void;
  /** Ways in a segment have changed: ports, tokens or announcers. */
  changed(segment: string): void;
}

/** A trunk by which a token's frames go, and the largest link datagram that reaches all behind it. */
export interface TokenWay {
  /** Trunk slot. */
  readonly trunk: number;
  readonly pathMtuBytes: number;
}

/** What a VLAN needs of the fabric. */
export interface FabricOutlet {
  /** An epoch of a VLAN, whole, at each change. */
  announce(own: Omit<FabricOwn, 'kind'>): void;
  /** An epoch is gone. */
  forget(segmentId: Uint8Array): void;
  /** By which trunks a token's frames go from here. */
  waysOf(token: Uint8Array): readonly TokenWay[];
  /** Who has announced a token, by whatever neighbour: nonces in hexadecimal. */
  wantedBy(token: Uint8Array): readonly string[];
  /** By which trunk one announcer of a segment is reached. @param nonce - 16 bytes */
  pathTo(segmentId: Uint8Array, nonce: Uint8Array): TokenWay | undefined;
  /** Who else announces in a segment: nonces in hexadecimal. */
  announcers(segmentId: Uint8Array): readonly string[];
}

interface TableSegment {
  readonly slot: number;
  isForeign: boolean;
  /** Slot of the set of its ports, or NONE. */
  ports: number;
}

interface ForwardedToken {
  readonly token: Uint8Array;
  readonly set: number;
}

/** See the file's head. */
export class FabricLink implements FabricOutlet {
  readonly #parts: FabricLinkParts;
  readonly #machine: FabricMachine;
  /** Slot and set of ports, by segment. */
  readonly #segments = new Map<string, TableSegment>();
  readonly #forwarded = new Map<string, ForwardedToken>();
  /** Segments of tokens that are to be written anew. */
  readonly #pending = new Map<string, string>();
  /** Segments whose slot goes when nothing is pending. */
  readonly #gone = new Set<string>();
  #step: NodeJS.Immediate | undefined;
  #closing: NodeJS.Immediate | undefined;
  readonly #timer: MachineTimer;
  #counted = 0;
  /** Segments and tokens that found no room in the tables. */
  refused = 0;

  constructor(parts: FabricLinkParts) {
    this.#parts = parts;
    this.#machine = new FabricMachine(parts.options, parts.ports);
    this.#timer = new MachineTimer({
      nowMs: () => parts.nowMs(),
      tick: () => {
        this.input({ kind: 'tick' });
      },
      leastMs: TICK_LEAST_MS,
      mostMs: TICK_MOST_MS,
    });
  }

  /** The machine, for status. */
  get machine(): Pick<FabricMachine, 'counters' | 'routes'> {
    return this.#machine;
  }

  segments(): readonly FabricSegmentStatus[] {
    return this.#machine.status();
  }

  /** Neighbours by whose trunks something is forwarded. */
  forwardingPeers(): ReadonlySet<string> {
    return this.#machine.forwardingPeers();
  }

  /** Segments that are carried for others, with their slots; for totals. */
  foreignSlots(): readonly (readonly [segment: string, slot: number])[] {
    return [...this.#segments].flatMap(([segment, { slot, isForeign }]) =>
      isForeign ? [[segment, slot] as const] : [],
    );
  }

  announce(own: Omit<FabricOwn, 'kind'>): void {
    this.input({ kind: 'own', ...own });
  }

  forget(segmentId: Uint8Array): void {
    this.input({ kind: 'forget', segmentId });
  }

  waysOf(token: Uint8Array): readonly TokenWay[] {
    return this.#machine.routes.routesOf(token).flatMap(({ peer, pathMtuBytes }) => {
      const trunk = this.#parts.trunkOf(peer);
      return trunk === undefined ? [] : { trunk, pathMtuBytes };
    });
  }

  wantedBy(token: Uint8Array): readonly string[] {
    return this.#machine.routes.wantedBy(token);
  }

  pathTo(segmentId: Uint8Array, nonce: Uint8Array): TokenWay | undefined {
    const path = this.#machine.routes.pathOf(segmentId, nonce);
    const trunk = path === undefined ? undefined : this.#parts.trunkOf(path.peer);
    return path === undefined || trunk === undefined ? undefined : { trunk, pathMtuBytes: path.pathMtuBytes };
  }

  announcers(segmentId: Uint8Array): readonly string[] {
    return this.#machine.routes.announcers(segmentId).map(({ nonce }) => nonce);
  }

  /**
   * Where a token leads for a frame of a neighbour.
   *
   * @returns undefined when the segment is not carried, or not spoken of with that neighbour
   */
  wayOf(
    segmentId: Uint8Array,
    token: Uint8Array,
    from: string,
  ): { readonly isLocal: boolean; readonly next: string | undefined } | undefined {
    if (!this.#machine.isPartner(keyOf(segmentId), from)) return undefined;
    const next = this.#machine.routes.routesOf(token).find(({ peer }) => peer !== from)?.peer;
    return { isLocal: this.#parts.writers.tokens.isLocal(token), next };
  }

  /** Takes what trunks, neighbours and policy say. */
  input(input: FabricInput): void {
    for (const effect of this.#machine.handle(input, this.#now())) this.#perform(effect);
    // Looking at all segments once a turn is enough.
    this.#closing ??= setImmediate(() => {
      this.#closing = undefined;
      this.#countRefusals();
      this.#schedule();
    });
  }

  /** Ends its timers; the tables are about to go. */
  stop(): void {
    this.#timer.stop();
    clearImmediate(this.#step);
    clearImmediate(this.#closing);
  }

  // ── Effects ──────────────────────────────────────────────────────────────────────────────────────────

  #perform(effect: FabricEffect): void {
    this.#parts.debug(subsystemOf(effect), effect);
    switch (effect.kind) {
      case 'send':
        return this.#parts.send(effect.peer, effect.channel, effect.body);
      case 'segment':
        this.#setSegment(effect.segment, effect.isForeign, effect.ports);
        return this.#parts.changed(effect.segment);
      case 'segment-gone':
        this.#gone.add(effect.segment);
        return this.#workSoon();
      case 'tokens':
        for (const token of effect.tokens) this.#pending.set(token, effect.segment);
        this.#workSoon();
        return this.#parts.changed(effect.segment);
      case 'announcers':
        return this.#parts.changed(effect.segment);
    }
  }

  #setSegment(segment: string, isForeign: boolean, peers: readonly string[]): void {
    const { segments, sets } = this.#parts.writers;
    this.#gone.delete(segment);
    const trunks = peers.flatMap((peer) => this.#parts.trunkOf(peer) ?? []);
    const ports = trunks.length === 0 ? NONE : (sets.intern(trunks) ?? NONE);
    const known = this.#segments.get(segment);
    if (known === undefined) {
      const slot = segments.add({ ports, foreign: isForeign });
      if (slot === undefined) {
        this.refused++;
        release(sets, ports);
      } else {
        this.#segments.set(segment, { slot, isForeign, ports });
      }
      return;
    }
    if (known.isForeign !== isForeign) segments.setForeign(known.slot, isForeign);
    known.isForeign = isForeign;
    segments.setPorts(known.slot, ports);
    release(sets, known.ports);
    known.ports = ports;
  }

  // ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────

  #workSoon(): void {
    this.#step ??= setImmediate(() => {
      this.#step = undefined;
      this.#work();
    });
  }

  #work(): void {
    let left = TOKENS_A_STEP;
    for (const [token, segment] of this.#pending) {
      if (left-- === 0) break;
      this.#pending.delete(token);
      this.#writeToken(token, segment);
    }
    if (this.#pending.size > 0) return this.#workSoon();
    for (const segment of this.#gone) this.#removeSegment(segment);
    this.#gone.clear();
  }

  #writeToken(key: string, segment: string): void {
    const { tokens, sets } = this.#parts.writers;
    const before = this.#forwarded.get(key);
    const token = before?.token ?? new Uint8Array(Buffer.from(key, 'hex'));
    const trunks = this.waysOf(token).map(({ trunk }) => trunk);
    const slot = this.#segments.get(segment)?.slot;
    const set = trunks.length === 0 || slot === undefined ? undefined : sets.intern(trunks);
    if (set === undefined || slot === undefined || !tokens.setForward(token, slot, set)) {
      if (trunks.length > 0) this.refused++;
      tokens.clearForward(token);
      this.#forwarded.delete(key);
      release(sets, set ?? NONE);
    } else {
      this.#forwarded.set(key, { token, set });
    }
    release(sets, before?.set ?? NONE);
  }

  #removeSegment(segment: string): void {
    const known = this.#segments.get(segment);
    if (known === undefined) return;
    this.#segments.delete(segment);
    this.#parts.writers.segments.remove(known.slot);
    release(this.#parts.writers.sets, known.ports);
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────

  #schedule(): void {
    const now = this.#now();
    const dueMs = this.#machine.nextTimeoutMs(now);
    this.#timer.plan(dueMs);
    if (dueMs <= now.nowMs) this.input({ kind: 'tick' });
  }

  #now(): RouteNow {
    const nowMs = this.#parts.nowMs();
    return { nowMs, unixMs: nowMs + this.#parts.unixOffsetMs() };
  }

  #countRefusals(): void {
    const { malformed, forged, overBudget, overQuota } = this.#machine.routes.counters;
    const refused = malformed + forged + overBudget + overQuota + this.#machine.treeRefusals();
    const code = DROP['announcement-invalid'];
    this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + refused - this.#counted;
    this.#counted = refused;
  }
}

function release(sets: TableWriters['sets'], slot: number): void {
  if (slot !== NONE) sets.release(slot);
}

function subsystemOf(effect: FabricEffect): 'tree' | 'tokens' {
  if (effect.kind === 'send') return effect.channel === 'tree' ? 'tree' : 'tokens';
  return effect.kind === 'segment' || effect.kind === 'segment-gone' ? 'tree' : 'tokens';
}
