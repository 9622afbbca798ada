/**
 * The types by which the trunk machine meets everything around it: inputs, effects and ports.
 *
 * Main thread. The machine (trunk-machine.ts) is sans-I/O: `handle(input, nowMs)` returns effects, and
 * trunk-driver.ts carries them out: network effects by control/network, data plane effects by the
 * `TrunkDataplane` that control/dataplane-link implements. Nothing here holds state or code.
 *
 *   control/network ──NetworkInput──▶ ┌───────────────┐ ──NetworkEffect────▶ control/network
 *   data plane ──DataplaneInput────▶  │ trunk machine │ ──DataplaneEffect──▶ control/dataplane-link
 *   daemon ──LocalInput────────────▶  └───────────────┘ ──NoticeEffect─────▶ membership, status, log
 *
 * Clock: every `nowMs` and every `…Ms` instant is CLOCK_MONOTONIC in milliseconds
 * (`control/monotonic-clock.ts`), which the workers and Rust read as well.
 */

import type { NetworkEffect, NetworkInput } from './network-port.ts';

/** A libp2p PeerId in its text form (`12D3KooW…`). For Ed25519 ids, text order is byte order. */
export type PeerIdText = string;

/** One trunk's life with one peer's incarnation; small, positive, never used twice in a process. */
export type TrunkId = number;

/** Names one lane (both directions, one generation) between the machine and the data plane. */
export type LaneHandle = number;

export type Carrier = 'udp' | 'stream';

/** Who speaks on a trunk's control stream: token announcements, segments' trees, traces. */
export type TrunkChannel = 'routes' | 'tree' | 'trace';

/** Where a datagram goes or came from. `ip` has no zone, and IPv4 is never in its mapped form. */
export interface DatagramAddress {
  readonly ip: string;
  readonly port: number;
}

/** The five secrets of one direction of one lane (protocol.md section 3): k1‥k4, 32 bytes each; token 16. */
export interface LinkKeys {
  readonly k1: Uint8Array;
  readonly k2: Uint8Array;
  readonly k3: Uint8Array;
  readonly k4: Uint8Array;
  readonly linkToken: Uint8Array;
}

// ── Data plane ─────────────────────────────────────────────────────────────────────────────────────────

/** A trunk came into being; no lane yet. The peer's earlier trunk, if there was one, is removed before. */
export interface AddTrunk {
  readonly kind: 'add-trunk';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
}

/**
 * What the data plane should do with the trunk's frames.
 *
 * `carrier` undefined: none is usable now, drop frames. Else send on that carrier's lanes which `use-lane` named.
 * `datagramMtuBytes`: largest link datagram (the UDP payload, header and tag of section 3 included).
 */
export interface SetTrunk {
  readonly kind: 'set-trunk';
  readonly trunk: TrunkId;
  readonly carrier: Carrier | undefined;
  readonly datagramMtuBytes: number;
}

/** The trunk is gone. Every lane of it has had its `remove-lane` before. */
export interface RemoveTrunk {
  readonly kind: 'remove-trunk';
  readonly trunk: TrunkId;
}

/**
 * Makes an allocated lane live: it opens what comes in under `rx` at once, and sends probes.
 * It carries frames only after `use-lane`. It must neither seal nor open after `notAfterMs`.
 */
export interface InstallLane {
  readonly kind: 'install-lane';
  readonly trunk: TrunkId;
  readonly handle: LaneHandle;
  readonly carrier: Carrier;
  /** Lane number k of section 2, 0‥15. */
  readonly lane: number;
  readonly generation: number;
  /** The local worker that owns it: k mod (local workers). */
  readonly worker: number;
  /** What the peer writes into `receiver` of datagrams to us; what `allocateLane` gave out. */
  readonly localIndex: number;
  /** What we write into `receiver` of datagrams to the peer. */
  readonly peerIndex: number;
  readonly rx: LinkKeys;
  readonly tx: LinkKeys;
  /** Absent on `stream`, and on `udp` until an address is proven (`set-lane-address`). */
  readonly address: DatagramAddress | undefined;
  readonly notAfterMs: number;
}

/** Send frames on this lane from now; it stands in for the older lane of the same trunk, carrier and number. */
export interface UseLane {
  readonly kind: 'use-lane';
  readonly handle: LaneHandle;
}

/** Send no frames on this lane for now; it still opens what comes in and sends probes. */
export interface RestLane {
  readonly kind: 'rest-lane';
  readonly handle: LaneHandle;
}

/** The lane's frames go to this proven address from now. */
export interface SetLaneAddress {
  readonly kind: 'set-lane-address';
  readonly handle: LaneHandle;
  readonly address: DatagramAddress;
}

/** Frees a lane, installed or only allocated, with its receiver index and keys. */
export interface RemoveLane {
  readonly kind: 'remove-lane';
  readonly handle: LaneHandle;
}

/**
 * Seals and sends one kind-5 datagram on the lane, from the lane's own counter.
 *
 * `body` is the whole plaintext, padding included; the datagram is `body.length + 48` bytes.
 * `address` is absent on the `stream` carrier only. It may differ from the lane's address.
 */
export interface SendProbe {
  readonly kind: 'send-probe';
  readonly handle: LaneHandle;
  readonly address: DatagramAddress | undefined;
  readonly body: Uint8Array;
}

export type DataplaneEffect =
  | AddTrunk
  | SetTrunk
  | RemoveTrunk
  | InstallLane
  | UseLane
  | RestLane
  | SetLaneAddress
  | RemoveLane
  | SendProbe;

/** A kind-5 datagram opened under the lane's keys. Implies `lane-accepted`. `source` absent on `stream`. */
export interface ProbeInput {
  readonly kind: 'probe';
  readonly handle: LaneHandle;
  readonly source: DatagramAddress | undefined;
  readonly body: Uint8Array;
}

/** The first datagram of any kind was accepted under this lane's keys. */
export interface LaneAcceptedInput {
  readonly kind: 'lane-accepted';
  readonly handle: LaneHandle;
}

/** Totals since `install-lane`; lanes whose totals have not changed may be left out. */
export interface LaneStats {
  readonly handle: LaneHandle;
  /** All datagrams sent on the lane, probes included: the machine knows how many of them it has ordered. */
  readonly txDatagrams: number;
  /** Datagrams accepted that carried frames (kinds 1‥4), without the probes that were handed to the machine. */
  readonly rxDatagrams: number;
  /** Highest of the two directions' counters, probes included: it decides when 2^40 comes near. */
  readonly highestCounter: number;
}

export interface LaneStatsInput {
  readonly kind: 'lane-stats';
  readonly lanes: readonly LaneStats[];
}

/** A worker was restarted: its lanes' counters are lost, so none of its lanes may seal again. */
export interface WorkerRestartedInput {
  readonly kind: 'worker-restarted';
  readonly worker: number;
}

export type DataplaneInput = ProbeInput | LaneAcceptedInput | LaneStatsInput | WorkerRestartedInput;

export interface LaneAllocation {
  readonly handle: LaneHandle;
  /** u32, drawn so that an outsider cannot guess it. */
  readonly receiverIndex: number;
}

/** Gives out lanes before a handshake message names their receiver indexes; synchronous. */
export interface LaneAllocator {
  /** @returns `undefined` when the worker's lane table is full */
  allocateLane(worker: number): LaneAllocation | undefined;
}

/**
 * The data plane as the trunk driver sees it; implemented by control/dataplane-link.
 *
 * After `attach`, the implementation calls the host from the main thread only.
 */
export interface TrunkDataplane extends LaneAllocator {
  /** Data workers, 1‥16; fixed for the life of the daemon. */
  readonly workerCount: number;
  attach(host: TrunkDataplaneHost): void;
  perform(effect: DataplaneEffect): void;
  /** Totals of the lanes whose totals changed since the last call; called every 250 ms. */
  laneStats(): readonly LaneStats[];
  /**
   * One link datagram which arrived on the peer's carrier stream: `bytes[offset, offset + length)`.
   * Valid during the call only; it may be a Buffer, whose `slice` does not copy. Dropped and counted when a ring is full.
   */
  deliverStream(trunk: TrunkId, bytes: Uint8Array, offset: number, length: number): void;
}

export interface TrunkDataplaneHost {
  /** Takes probes, accepted lanes and worker restarts (not `lane-stats`, which is polled). */
  input(input: DataplaneInput): void;
  /**
   * Queues one sealed link datagram on the trunk's carrier stream; the bytes are copied before it returns.
   *
   * @returns false when there is no carrier stream or its queue is full: drop and count, never retry
   */
  sendStream(trunk: TrunkId, bytes: Uint8Array, offset: number, length: number): boolean;
  /** Says something to a neighbour on its trunk's control stream; see SendBodyInput. */
  sendBody(peer: PeerIdText, channel: TrunkChannel, body: Uint8Array): void;
}

// ── Local ──────────────────────────────────────────────────────────────────────────────────────────────

/** Time has passed; the driver sends it at `nextTimeoutMs()`. */
export interface TickInput {
  readonly kind: 'tick';
}
/** The peers to keep trunks with (configured, later discovered); those left out are not dialled again. */
export interface SetPeersInput {
  readonly kind: 'set-peers';
  /** Addresses without a PeerId: whoever answers there is taken as it is. */
  readonly unnamed?: readonly string[];
  readonly peers: readonly { readonly peer: PeerIdText; readonly addresses: readonly string[] }[];
}
/** The VLANs of this node: 16-byte ids. They are told to neighbours only as meet tags. */
export interface SetVlansInput {
  readonly kind: 'set-vlans';
  readonly vlans: readonly Uint8Array[];
}
/**
 * Where this node may be reached, for the Hellos to come: `datagramPort` is the bound port of worker 0 (0: none),
 * `datagram` full addresses beside the one that the libp2p connection shows, `listen` libp2p's multiaddrs.
 */
export interface SetAddressesInput {
  readonly kind: 'set-addresses';
  readonly datagramPort: number;
  readonly datagram: readonly DatagramAddress[];
  readonly listen: readonly string[];
  /** The addresses of our own VLANs' interfaces with their prefix length: no trunk goes through them. */
  readonly vlanNetworks?: readonly string[];
}
/**
 * Says something to a neighbour on the trunk's control stream. Without a trunk or a stream nothing is sent:
 * `trunk-up`, `vlans-shared` and `trunk-stream` say when to say it again.
 */
export interface SendBodyInput {
  readonly kind: 'send-body';
  readonly channel: TrunkChannel;
  readonly peer: PeerIdText;
  /** At most 65,000 bytes. */
  readonly body: Uint8Array;
}
/** Ends all trunks with a `Bye`; the machine opens none after. */
export interface StopInput {
  readonly kind: 'stop';
}

export type LocalInput =
  | TickInput
  | SetPeersInput
  | SetVlansInput
  | SetAddressesInput
  | SendBodyInput
  | StopInput;

/** The trunk has its first usable carrier. */
export interface TrunkUp {
  readonly kind: 'trunk-up';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
  /** What the peer says it does for others: `relay`. */
  readonly roles: readonly string[];
}
/**
 * What the trunk is worth as a way: after `trunk-up`, at each damped change, and at each change of its carrier.
 *
 * `cost` is 1‥65,534, lower is better: the round trip in tenths of a millisecond, more with loss, 2,000 more on a
 * stream and 20,000 on a circuit; 65,535 without a carrier.
 */
export interface TrunkCost {
  readonly kind: 'trunk-cost';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
  readonly cost: number;
  readonly carrier: Carrier | undefined;
  /** Its frames go through another node, on a libp2p circuit. */
  readonly isRelayed: boolean;
}
/**
 * A trunk that was up gets through again, in whole or on one more lane, after its path was bad: what was sent
 * meanwhile is lost, or waits in a connection that saw the same path.
 */
export interface TrunkBack {
  readonly kind: 'trunk-back';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
}
/** The trunk is gone, for good: a new one has another id. */
export interface TrunkDown {
  readonly kind: 'trunk-down';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
  readonly reason: TrunkErrorCode | 'stopped' | 'replaced' | 'dead';
}
/** The VLANs (16-byte ids of ours) that this neighbour shares, whole, at each change. After `trunk-up`. */
export interface VlansShared {
  readonly kind: 'vlans-shared';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
  readonly vlans: readonly Uint8Array[];
}
/** A trunk that stands has another control stream: what was on its way on the old one may be lost. */
export interface TrunkStream {
  readonly kind: 'trunk-stream';
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
}
/** A neighbour says something on a channel; whether it may is for that channel's part of the daemon to check. */
export interface BodyHeard {
  readonly kind: 'body';
  readonly channel: TrunkChannel;
  readonly trunk: TrunkId;
  readonly peer: PeerIdText;
  readonly body: Uint8Array;
}
/** A line for the log, already rate limited. */
export interface LogNotice {
  readonly kind: 'log';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly code: string;
  readonly message: string;
  readonly peer: PeerIdText | undefined;
}

export type NoticeEffect =
  | TrunkUp
  | TrunkCost
  | TrunkBack
  | TrunkDown
  | VlansShared
  | TrunkStream
  | BodyHeard
  | LogNotice;

export type TrunkInput = NetworkInput | DataplaneInput | LocalInput;
export type TrunkEffect = NetworkEffect | DataplaneEffect | NoticeEffect;

/** Why a trunk or a handshake ended; also what `Bye` carries. */
export type TrunkErrorCode =
  | 'going-away'
  | 'version-mismatch'
  | 'malformed-message'
  | 'unexpected-message'
  | 'handshake-timeout'
  | 'handshake-failed'
  | 'unknown-session'
  | 'too-many-trunks'
  | 'too-many-handshakes'
  | 'duplicate-stream'
  | 'not-authorised'
  | 'rejected';
