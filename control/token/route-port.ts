/**
 * What goes into the machine of token announcements and what comes out of it. Main thread; types only.
 */
import type { SegmentKeys } from '../vlan/epoch-keys.ts';
import type { AnnouncerPorts, RouteSend } from './route-announcer.ts';

/** What the machine cannot compute from its inputs. */
export interface RoutePorts extends AnnouncerPorts {
  /** Whether an Ed25519 signature holds; false for a key that is none. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** An epoch of ours, and the routes that we want in it, whole; again at each change. */
export interface WantInput {
  readonly kind: 'want';
  readonly segment: SegmentKeys;
  /** `routeNonce`; the same for as long as the epoch lives. */
  readonly nonce: Uint8Array;
  /** r of 16 bytes each: broadcast, control, groups and own stations, of the previous, current and next period. */
  readonly routes: readonly Uint8Array[];
}
/** An epoch is gone: what we wanted in it is withdrawn. */
export interface ForgetInput {
  readonly kind: 'forget';
  readonly segmentId: Uint8Array;
}
/** A segment is carried for others, as a relay does. */
export interface CarryInput {
  readonly kind: 'carry';
  /** Ed25519, 32 bytes. */
  readonly segmentKey: Uint8Array;
}
/** It is carried no more. */
export interface UncarryInput {
  readonly kind: 'uncarry';
  readonly segmentId: Uint8Array;
}
/** Who may speak in a segment and is told our own set, whole; after its `want` or `carry`. */
export interface PartnersInput {
  readonly kind: 'partners';
  readonly segmentId: Uint8Array;
  readonly peers: readonly string[];
}
/** The forwarding ports of a segment's tree, whole. Only those that are partners count. */
export interface PortsInput {
  readonly kind: 'ports';
  readonly segmentId: Uint8Array;
  readonly peers: readonly string[];
}
/** How large a link datagram a trunk takes. */
export interface TrunkSizeInput {
  readonly kind: 'trunk-size';
  readonly peer: string;
  readonly datagramMtuBytes: number;
}
/** A neighbour's control stream is another one: what was on its way may be lost. */
export interface AgainInput {
  readonly kind: 'again';
  readonly peer: string;
}
/** A trunk is gone. */
export interface TrunkDownInput {
  readonly kind: 'trunk-down';
  readonly peer: string;
}
/** The bytes of a neighbour's `Routes`. */
export interface RouteMessageInput {
  readonly kind: 'message';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** Time has passed; due at `nextTimeoutMs()`. */
export interface RouteTickInput {
  readonly kind: 'tick';
}

export type RouteInput =
  | WantInput
  | ForgetInput
  | CarryInput
  | UncarryInput
  | PartnersInput
  | PortsInput
  | TrunkSizeInput
  | AgainInput
  | TrunkDownInput
  | RouteMessageInput
  | RouteTickInput;

/** `routesOf` may answer otherwise for these tokens now. */
export interface TokensChanged {
  readonly kind: 'tokens-changed';
  /** Segment id, in hexadecimal. */
  readonly segment: string;
  /** In hexadecimal. */
  readonly tokens: readonly string[];
}
/** `pathOf` and `announcers` may answer otherwise for this segment now. */
export interface AnnouncersChanged {
  readonly kind: 'announcers-changed';
  /** Segment id, in hexadecimal. */
  readonly segment: string;
}

export type RouteEffect = RouteSend | TokensChanged | AnnouncersChanged;

/** A trunk that leads to somebody who wants a token. */
export interface TokenRoute {
  readonly peer: string;
  /** What fits the trunk and the way beyond it. */
  readonly pathMtuBytes: number;
}

/** A trunk that leads to an announcer. */
export interface AnnouncerPath extends TokenRoute {
  /** Nodes between the trunk's other end and the announcer. */
  readonly hops: number;
}

/** Somebody who wants tokens in a segment. */
export interface AnnouncerReport extends AnnouncerPath {
  /** In hexadecimal. */
  readonly nonce: string;
  readonly tokens: number;
}

/** What is known in one segment. */
export interface SegmentStatus {
  /** Segment id, in hexadecimal. */
  readonly segment: string;
  /** We are a member of its VLAN. */
  readonly isOwn: boolean;
  readonly partners: readonly string[];
  readonly ports: readonly string[];
  readonly announcers: number;
  readonly tokens: number;
}

/** What one neighbour leads to. */
export interface NeighbourStatus {
  readonly peer: string;
  readonly announcers: number;
  readonly tokens: number;
}

export interface RouteStatus {
  readonly segments: readonly SegmentStatus[];
  readonly neighbours: readonly NeighbourStatus[];
}

/** Totals since the start. */
export interface RouteCounters {
  accepted: number;
  malformed: number;
  foreignSegment: number;
  /** Passed on to us by one through whom the tree does not lead. */
  notForwarding: number;
  /** Over more nodes than a datagram passes. */
  tooFar: number;
  stale: number;
  gaps: number;
  expired: number;
  overBudget: number;
  forged: number;
  overQuota: number;
  pullsSent: number;
  pullsAnswered: number;
  segmentsRefused: number;
}
