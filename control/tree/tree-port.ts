/**
 * What the spanning tree machine takes, gives and needs (protocol section 6): the words between it and its driver.
 *
 * Main thread; types and no behaviour.
 */

/** Now, on both clocks. */
export interface TreeNow {
  /** Monotonic. */
  readonly nowMs: number;
  readonly unixMs: number;
}

/** What makes a node a member of the segment: it may be the root. */
export interface TreeMember {
  /** The segment's Ed25519 seed. */
  readonly seed: Uint8Array;
  /** 16 bytes that nobody can choose; the lower one wins among equal ranks. */
  readonly priority: Uint8Array;
  /** 0‥255 by policy; the lowest wins. */
  readonly rank: number;
}

/** One segment, which is one epoch of a VLAN. */
export interface TreeOptions {
  /** The segment's Ed25519 public key, 32 bytes; its hash is the segment's id. */
  readonly segmentKey: Uint8Array;
  /** Left out: a relay, which is never root. */
  readonly member?: TreeMember;
}

/** What the machine cannot compute from its inputs. */
export interface TreePorts {
  /** Signs by an Ed25519 seed. */
  sign(seed: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** Whether an Ed25519 signature holds; false for a key that is none. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** A neighbour that may carry the segment is there, or its trunk's cost is another one. */
export interface TreePeerInput {
  readonly kind: 'peer';
  readonly peer: string;
  /** 1‥65,535; the last: nothing goes through now. */
  readonly cost: number;
}
/** A neighbour is none any more: its trunk is down, or it has nothing to do with the segment now. */
export interface TreePeerGoneInput {
  readonly kind: 'peer-gone';
  readonly peer: string;
}
/** Bytes that a neighbour sent in the segment. */
export interface TreeMessageInput {
  readonly kind: 'message';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** A neighbour's control stream is another one: what was on its way may be lost. */
export interface TreeAgainInput {
  readonly kind: 'again';
  readonly peer: string;
}
/** The loop guard saw copies from there: nothing is forwarded to and from it until then. */
export interface TreeBlockInput {
  readonly kind: 'block';
  readonly peer: string;
  /** Monotonic. */
  readonly untilMs: number;
}
/** Time has passed; due at `nextTimeoutMs()`. */
export interface TreeTickInput {
  readonly kind: 'tick';
}

export type TreeInput =
  | TreePeerInput
  | TreePeerGoneInput
  | TreeMessageInput
  | TreeAgainInput
  | TreeBlockInput
  | TreeTickInput;

/** A message for a neighbour. */
export interface TreeSend {
  readonly kind: 'send';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** The neighbours that frames are passed on to and taken from, whole; at each change. */
export interface TreePortsChanged {
  readonly kind: 'ports';
  readonly ports: readonly string[];
}

export type TreeEffect = TreeSend | TreePortsChanged;

/**
 * A port's part in the tree, in RSTP's words: `root` leads to the root, `designated` has children behind it, `alternate`
 * could take over for the root port at once, `blocked` is closed by the loop guard or for want of a carrier, and `none` is
 * none of these.
 *
 * @see IEEE 802.1D-2004 §17.3.1
 */
export type TreeRole = 'root' | 'designated' | 'alternate' | 'blocked' | 'none';

/** One neighbour, as shown to the user. */
export interface TreePortStatus {
  readonly peer: string;
  readonly role: TreeRole;
  readonly isForwarding: boolean;
  readonly cost: number;
  /** The neighbour's own, to the root that it follows. */
  readonly distance: number | undefined;
  readonly hops: number | undefined;
}

/** The root that a node follows. */
export interface TreeRootStatus {
  /** In hexadecimal. */
  readonly priority: string;
  readonly rank: number;
  readonly sequence: number;
  readonly isSelf: boolean;
}

/** A segment's tree as this node sees it. */
export interface TreeStatus {
  /** Segment id, in hexadecimal. */
  readonly segment: string;
  readonly isMember: boolean;
  readonly root: TreeRootStatus | undefined;
  /** To the root: 0 at the root itself, undefined without one. */
  readonly distance: number | undefined;
  readonly hops: number | undefined;
  readonly parent: string | undefined;
  readonly ports: readonly TreePortStatus[];
}

/** Totals since the start. */
export interface TreeCounters {
  messagesSent: number;
  bytesSent: number;
  messagesHeard: number;
  malformed: number;
  /** Of another segment, or of a node that is no neighbour here. */
  foreign: number;
  forged: number;
  expired: number;
  /** Claims from further ahead than clocks are apart. */
  fromFuture: number;
  /** Claims that were referred to and are not known; asked for. */
  unknownClaims: number;
  overBudget: number;
  /** Neighbours beyond the limit. */
  peersRefused: number;
  rootChanges: number;
  parentChanges: number;
  /** Neighbours that did not accept this node in time. */
  joinTimeouts: number;
  requestsSent: number;
  requestsForwarded: number;
  /** Own claims signed. */
  claimsSigned: number;
}

export function emptyTreeCounters(): TreeCounters {
  return {
    messagesSent: 0,
    bytesSent: 0,
    messagesHeard: 0,
    malformed: 0,
    foreign: 0,
    forged: 0,
    expired: 0,
    fromFuture: 0,
    unknownClaims: 0,
    overBudget: 0,
    peersRefused: 0,
    rootChanges: 0,
    parentChanges: 0,
    joinTimeouts: 0,
    requestsSent: 0,
    requestsForwarded: 0,
    claimsSigned: 0,
  };
}
