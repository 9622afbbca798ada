/**
 * How the fabric machine of a node meets the world: its inputs, its effects, and its ports.
 *
 *   trunks ──────────▶ ┌───────────────┐ ──send──────────────────────────▶ neighbours' trunk streams
 *   VLANs (own) ─────▶ │ FabricMachine │ ──segment, tokens, announcers───▶ shared tables, VLANs
 *   neighbours ──────▶ └───────────────┘
 *
 * Main thread and simulation. Types only.
 */
import type { RoutePorts } from '../token/route-port.ts';
import type { TreeStatus } from '../tree/tree-port.ts';
import type { SegmentKeys } from '../vlan/epoch-keys.ts';

/** By which of a trunk's channels the fabric speaks to a neighbour. */
export type FabricChannel = 'routes' | 'tree';

/** What the machine cannot compute from its inputs. */
export interface FabricPorts extends RoutePorts {
  /**
   * Whether a neighbour may have a segment carried that is not ours; from then on it has, until it is released.
   * A refusal is counted by whoever answers. @param segment - id in hexadecimal
   */
  mayCarry(peer: string, segment: string): boolean;
  /** The segment is carried no more for this neighbour. */
  release(peer: string, segment: string): void;
}

/** What a machine is made for. */
export interface FabricOptions {
  /** Segments of others are carried for those whom the ports' `mayCarry` allows. */
  readonly isRelay: boolean;
  /** Segments of others, at most. */
  readonly foreignSegmentsMax: number;
}

// ── Inputs ─────────────────────────────────────────────────────────────────────────────────────────────

/** A trunk is up. */
export interface FabricTrunkUp {
  readonly kind: 'trunk-up';
  readonly peer: string;
  /** As its Hello says. */
  readonly roles: readonly string[];
}
/** What a trunk costs now; 65,535: nothing gets through. */
export interface FabricTrunkCost {
  readonly kind: 'trunk-cost';
  readonly peer: string;
  readonly cost: number;
}
/** The largest link datagram that a trunk takes now. */
export interface FabricTrunkSize {
  readonly kind: 'trunk-size';
  readonly peer: string;
  readonly datagramMtuBytes: number;
}
/** A trunk that stands has another control stream: what was on its way on the old one may be lost. */
export interface FabricTrunkAgain {
  readonly kind: 'trunk-again';
  readonly peer: string;
}
/** A trunk is gone. */
export interface FabricTrunkDown {
  readonly kind: 'trunk-down';
  readonly peer: string;
}
/** A neighbour says something on one of the fabric's channels. */
export interface FabricHeard {
  readonly kind: 'heard';
  readonly peer: string;
  readonly channel: FabricChannel;
  readonly body: Uint8Array;
}
/** An epoch of one of our VLANs, whole; again at each change. */
export interface FabricOwn {
  readonly kind: 'own';
  readonly segment: SegmentKeys;
  /** The segment of the epoch before, whose edges the new one's tree begins with. */
  readonly previous: Uint8Array | undefined;
  /** Names this node's announcements in the segment; 16 bytes. */
  readonly nonce: Uint8Array;
  /** This node's place in the choice of a root; 16 bytes, lower wins. */
  readonly priority: Uint8Array;
  /** 0 … 255, before the priority; lower wins. */
  readonly rank: number;
  /** r of 16 bytes each, of what this node receives. */
  readonly routes: readonly Uint8Array[];
  /** Neighbours that are in the VLAN. */
  readonly members: readonly string[];
}
/** An epoch of ours is gone. */
export interface FabricForget {
  readonly kind: 'forget';
  readonly segmentId: Uint8Array;
}
/** A neighbour sends too many copies: nothing that has several ways goes by it until then. */
export interface FabricBlock {
  readonly kind: 'block';
  readonly peer: string;
  readonly untilMs: number;
}
/** The relay policy is another one: what it no longer allows is dropped. */
export interface FabricPolicyChanged {
  readonly kind: 'policy-changed';
}
/** Time has passed; due at `nextTimeoutMs()`. */
export interface FabricTick {
  readonly kind: 'tick';
}

export type FabricInput =
  | FabricTrunkUp
  | FabricTrunkCost
  | FabricTrunkSize
  | FabricTrunkAgain
  | FabricTrunkDown
  | FabricHeard
  | FabricOwn
  | FabricForget
  | FabricBlock
  | FabricPolicyChanged
  | FabricTick;

// ── Effects ────────────────────────────────────────────────────────────────────────────────────────────

/** Say something to a neighbour. */
export interface FabricSend {
  readonly kind: 'send';
  readonly peer: string;
  readonly channel: FabricChannel;
  readonly body: Uint8Array;
}
/** A segment is carried, with these forwarding ports; whole, at each change. */
export interface FabricSegment {
  readonly kind: 'segment';
  /** Its id in hexadecimal. */
  readonly segment: string;
  /** It is none of our VLANs'. */
  readonly isForeign: boolean;
  readonly ports: readonly string[];
}
/** A segment is carried no more; its tokens were withdrawn before. */
export interface FabricSegmentGone {
  readonly kind: 'segment-gone';
  readonly segment: string;
}
/** The ways of these tokens are others now: `routesOf` tells them. */
export interface FabricTokens {
  readonly kind: 'tokens';
  readonly segment: string;
  /** In hexadecimal. */
  readonly tokens: readonly string[];
}
/** Who announces in a segment, or by which way, is another now: `pathOf` and `announcers` tell it. */
export interface FabricAnnouncers {
  readonly kind: 'announcers';
  readonly segment: string;
}

export type FabricEffect = FabricSend | FabricSegment | FabricSegmentGone | FabricTokens | FabricAnnouncers;

// ── Status ─────────────────────────────────────────────────────────────────────────────────────────────

/** A segment as this node carries it: its tree as seen from here, and how many tokens lead elsewhere. */
export interface FabricSegmentStatus extends TreeStatus {
  readonly isForeign: boolean;
  readonly tokens: number;
}
