/**
 * What the admin server asks of the daemon, and the JSON shapes that scripts and the command read.
 *
 *   peertap (cli) ──HTTP, Unix socket──▶ admin server ──DaemonControl──▶ daemon
 *
 * Main thread; the shapes are also the command's. Names here are a promise to scripts: add, never rename.
 * A value that is not known yet is `null`, so that a key is always there.
 */
import type { EventLoopDelay } from '../event-loop-watch.ts';

/** An adjacency with another node. */
export interface TrunkReport {
  /** PeerId of the other end. */
  readonly peer: string;
  /** `connecting`, `handshaking`, `up`, `degraded` (keys live, no carrier gets through) or `down`. */
  readonly state: string;
  readonly carrier: 'udp' | 'stream' | null;
  readonly rttMs: number | null;
  /** Largest link datagram that is known to arrive whole. */
  readonly datagramMtuBytes: number | null;
  /** Of the last probes, 0 to 1. */
  readonly lossRatio: number | null;
  /** Where its datagrams go, as `ip:port`. */
  readonly address: string | null;
  readonly lanes: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Why it is not up, in words. */
  readonly lastError: string | null;
}

/** A peer that the daemon knows, with or without a trunk. */
export interface PeerReport extends TrunkReport {
  /** It stands in `bootstrap` of the config. */
  readonly configured: boolean;
  /** libp2p addresses by which it can be dialled. */
  readonly addresses: readonly string[];
  /** VLANs that both are in. */
  readonly sharedVlans: readonly string[];
}

/** A VLAN that this node is in. */
export interface VlanReport {
  readonly id: string;
  /** Known to its owner only. */
  readonly name: string | null;
  /** `config`: from the config file; `joined`: joined at run time; `owned`: created here, no interface yet. */
  readonly source: 'config' | 'joined' | 'owned';
  readonly owned: boolean;
  /** null for an owner that has not attached one. */
  readonly interface: string | null;
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  /** Live members, without this node. */
  readonly members: number;
  /** MAC addresses known on it, here and there. */
  readonly stations: number;
}

/** Everything that `peertap status --json` prints. */
export interface DaemonStatus {
  readonly peerId: string;
  readonly version: string;
  readonly engine: 'native' | 'typescript';
  /** Why not the native engine, when `auto` chose the other. */
  readonly engineReason: string | null;
  readonly workers: number;
  readonly uptimeSeconds: number;
  readonly residentBytes: number;
  /** How late the main thread's event loop was, over the last 10 to 20 s. */
  readonly eventLoopDelay: EventLoopDelay;
  readonly listen: { readonly libp2p: readonly string[]; readonly datagram: readonly string[] };
  /** The median of the trunk peers' clocks, less this machine's; null without peers. */
  readonly clockOffsetMs: number | null;
  readonly trunks: readonly TrunkReport[];
  readonly vlans: readonly VlanReport[];
  /** Totals over all workers, by the names of dataplane/base/counter.ts and the daemon's own. */
  readonly counters: Readonly<Record<string, number>>;
  /** Frames and datagrams that went no further, by drop code; all codes, zeros included. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Joins a VLAN, or attaches an interface to one that this node owns. */
export interface JoinRequest {
  readonly id: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
}

/** The daemon as the admin server sees it; implemented in control/daemon.ts. */
export interface DaemonControl {
  status(): DaemonStatus;
  peers(): readonly PeerReport[];
  vlans(): readonly VlanReport[];
  /** Makes a VLAN whose owner and first member this node is, without an interface. */
  createVlan(name: string): Promise<VlanReport>;
  /** @throws an error with a `code`, see {@link ControlError} */
  joinVlan(request: JoinRequest): Promise<VlanReport>;
  /** @throws an error with a `code`; `not-a-member` when there is nothing to leave */
  leaveVlan(id: string): Promise<void>;
}

/** Why a request failed; other operating errors of control (VlanError, say) pass their own codes through. */
export type ControlErrorCode =
  | 'bad-request'
  | 'not-found'
  | 'method-not-allowed'
  | 'body-too-large'
  | 'interface-taken'
  | 'interface-failed'
  | 'not-permitted'
  | 'stopping'
  | 'internal';

/** An error with a sentence for the person at the command. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly code: ControlErrorCode;

  constructor(code: ControlErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
