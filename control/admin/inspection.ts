/**
 * What a running node tells of its insides: relaying, topology, ping, trace, capture and levels of the log; the shapes
 * that scripts and the command read, and the daemon's side of it.
 *
 *   peertap (cli) ──HTTP, Unix socket──▶ admin server ──InspectionControl──▶ daemon
 *
 * Main thread; types only. Names here are a promise to scripts: add, never rename. A value that is not known is `null`,
 * so that a key is always there. A foreign segment has no name but its id: what it carries is not known here.
 */

// ── Relaying ───────────────────────────────────────────────────────────────────────────────────────────

/** Datagrams carried for others, since the start and lately. */
export interface CarriedTraffic {
  readonly datagrams: number;
  readonly bytes: number;
  /** Over the last seconds. */
  readonly datagramsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** A foreign segment that this node carries. */
export interface RelayedSegment extends CarriedTraffic {
  /** 32 hexadecimal digits, as `relay.allow` takes them. */
  readonly segment: string;
  /** What the root of its tree calls itself, in hexadecimal; null before there is one. */
  readonly root: string | null;
  /** Trunks on which it is forwarded now. */
  readonly ports: number;
  readonly tokens: number;
}

/** A neighbour for which this node carries segments. */
export interface RelayedPeer extends CarriedTraffic {
  readonly peer: string;
  readonly segments: number;
  readonly tokens: number;
  /** Datagrams of it that were over its quota, or over its share while there was too much to send. */
  readonly refusedDatagrams: number;
}

/** What `peertap relay status` prints: never a VLAN id or a MAC address. */
export interface RelayReport {
  readonly enabled: boolean;
  readonly segments: readonly RelayedSegment[];
  readonly peers: readonly RelayedPeer[];
  readonly total: CarriedTraffic & { readonly refusedDatagrams: number };
  /** What was asked for and not granted, by reason; all reasons, zeros included. */
  readonly refusals: Readonly<Record<string, number>>;
}

// ── Topology ───────────────────────────────────────────────────────────────────────────────────────────

/** A trunk, as the tree sees it. */
export interface TopologyTrunk {
  readonly peer: string;
  /** As in the status. */
  readonly state: string;
  /** `circuit`: a stream through a libp2p relay. */
  readonly carrier: 'udp' | 'stream' | 'circuit' | null;
  readonly address: string | null;
  readonly rttMs: number | null;
  /** Of the last probes, 0 to 1. */
  readonly lossRatio: number | null;
  /** Largest link datagram that is known to arrive whole. */
  readonly datagramMtuBytes: number | null;
  /** What the tree counts it for; null without a carrier. */
  readonly cost: number | null;
  /** What the peer says it does: `relay`. */
  readonly roles: readonly string[];
}

/** One trunk in a segment's tree. */
export interface TopologyPort {
  readonly peer: string;
  /**
   * `root`: towards the root; `designated`: away from it; `alternate`: takes over from the root port; `blocked`: closed
   * by the loop guard, or for want of a carrier.
   */
  readonly role: 'root' | 'designated' | 'alternate' | 'blocked' | 'none';
  readonly forwarding: boolean;
  readonly cost: number | null;
  /** How many members announced themselves through it. */
  readonly membersBehind: number;
  /** Who they are; null in a foreign segment, and for those whom this node does not know. */
  readonly peersBehind: readonly string[] | null;
}

/** One segment that this node carries. */
export interface TopologySegment {
  /** What the VLAN is called here; `segment 1a2b3c4d` for a foreign one. */
  readonly name: string;
  /** 32 hexadecimal digits. */
  readonly segment: string;
  /** Whether this node is a member. */
  readonly own: boolean;
  /** Number of the VLAN's epoch; null for a foreign segment. */
  readonly epoch: number | null;
  /** `self`, or what the root calls itself, shortened; null before there is one. */
  readonly root: string | null;
  /** The sum of the costs to the root; null while there is no way. */
  readonly distance: number | null;
  readonly ports: readonly TopologyPort[];
}

/** What `peertap topology` draws: what this node sees, which is its own trunks and no others'. */
export interface TopologyReport {
  readonly peer: string;
  readonly roles: readonly string[];
  readonly trunks: readonly TopologyTrunk[];
  readonly segments: readonly TopologySegment[];
}

// ── Ping ───────────────────────────────────────────────────────────────────────────────────────────────

/** Asks a station for answers, without any IP address. */
export interface PingRequest {
  readonly vlan: string;
  /** A member's PeerId, or a MAC address behind one as `02:00:00:00:00:01`. */
  readonly target: string;
  /** 0: until whoever asked goes. */
  readonly count: number;
  readonly intervalMs: number;
  /** Of the link datagram: comparable with `datagramMtuBytes`. */
  readonly sizeBytes: number;
  readonly timeoutMs: number;
  /** Look for the largest size that arrives, in place of `count` pings of one size. */
  readonly findMtu: boolean;
}

/** One ping, answered or not. */
export interface PingReply {
  readonly sequence: number;
  readonly sizeBytes: number;
  /** null: no answer in time. */
  readonly rttMs: number | null;
  /** The trunk by which it left could not take it: nothing was sent. */
  readonly unsent: boolean;
}

/** What a ping comes to. */
export interface PingSummary {
  /** Who answered, or should have. */
  readonly peer: string;
  readonly mac: string;
  readonly sent: number;
  readonly received: number;
  /** null when nothing came back. */
  readonly minMs: number | null;
  readonly avgMs: number | null;
  readonly maxMs: number | null;
  /** The largest link datagram that arrived; null unless it was looked for, or when none arrived. */
  readonly pathMtuBytes: number | null;
}

// ── Trace ──────────────────────────────────────────────────────────────────────────────────────────────

/** Asks each node on the way to a station for itself. */
export interface TraceRequest {
  readonly vlan: string;
  /** As in {@link PingRequest}. */
  readonly target: string;
  readonly timeoutMs: number;
}

/** The trunk from one hop to the next. */
export interface TraceLink {
  readonly carrier: 'udp' | 'stream' | 'circuit' | null;
  readonly rttMs: number | null;
  readonly datagramMtuBytes: number | null;
}

/** One node on the way. */
export interface TraceHop {
  /** 0 is this node. */
  readonly hop: number;
  /** null: it does not say. */
  readonly peer: string | null;
  /** From the asking to its answer; null for this node. */
  readonly elapsedMs: number | null;
  /** The trunk by which it passed the question on; null at the end. */
  readonly next: TraceLink | null;
}

/** What a trace comes to. */
export interface TraceSummary {
  /** Whose station it is. */
  readonly peer: string;
  readonly mac: string;
  /** `silent`: the last hop passed it on and nobody answered; `no-route`: the last hop knows no way; `hop-limit`. */
  readonly outcome: 'reached' | 'silent' | 'no-route' | 'hop-limit';
  /** The least size of the trunks on the way; null unless it was reached. */
  readonly pathMtuBytes: number | null;
}

// ── Capture ────────────────────────────────────────────────────────────────────────────────────────────

/** Records what passes the interface of a VLAN. */
export interface CaptureRequest {
  readonly vlan: string;
  /** Frames after which it ends; 0: no limit. */
  readonly count: number;
  /** Seconds after which it ends; 0: no limit. */
  readonly seconds: number;
  /** Bytes kept of each frame. */
  readonly snapBytes: number;
}

/** What a capture comes to. */
export interface CaptureSummary {
  readonly frames: number;
  /** Frames that passed, and were not recorded: nobody took what was there fast enough. */
  readonly dropped: number;
}

/** Where the bytes of a capture go. */
export interface CaptureSink {
  /** @returns false: enough for now, ask again when {@link CaptureSink.drained} resolves */
  write(bytes: Uint8Array): boolean;
  drained(): Promise<void>;
}

// ── Levels of the log ──────────────────────────────────────────────────────────────────────────────────

/** From the most talkative on. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Parts of the daemon whose level can be set apart. */
export const SUBSYSTEMS = [
  'node',
  'network',
  'discovery',
  'trunk',
  'tree',
  'tokens',
  'relay',
  'vlan',
  'membership',
  'group',
  'multicast',
  'dataplane',
  'inspection',
] as const;

/** One of {@link SUBSYSTEMS}. */
export type Subsystem = (typeof SUBSYSTEMS)[number];

/** What is logged. */
export interface DebugReport {
  /** `log.level` of the config, for all that have none of their own. */
  readonly default: LogLevel;
  readonly levels: readonly {
    readonly subsystem: Subsystem;
    readonly level: LogLevel;
    /** It was set apart, by a command. */
    readonly own: boolean;
  }[];
}

/** Levels to set; `default` gives a subsystem the config's again. */
export type DebugChanges = Readonly<Partial<Record<Subsystem, LogLevel | 'default'>>>;

// ── The daemon's side ──────────────────────────────────────────────────────────────────────────────────

/**
 * The insides of the daemon as the admin server sees them. What runs for long ends early, and in order, when its signal
 * is aborted. Every method may throw or reject with an error that has a lower-case `code` and a sentence that says what
 * to do: `not-a-member`, `no-member`, `no-interface`, `not-permitted`, `busy`.
 */
export interface InspectionControl {
  relayStatus(): RelayReport;
  topology(): TopologyReport;
  ping(request: PingRequest, onReply: (reply: PingReply) => void, signal: AbortSignal): Promise<PingSummary>;
  trace(request: TraceRequest, onHop: (hop: TraceHop) => void, signal: AbortSignal): Promise<TraceSummary>;
  /** The sink gets a whole pcapng file, piece by piece. */
  capture(request: CaptureRequest, sink: CaptureSink, signal: AbortSignal): Promise<CaptureSummary>;
  debugLevels(): DebugReport;
  /** Holds until the daemon ends. */
  setDebug(changes: DebugChanges): DebugReport;
}
