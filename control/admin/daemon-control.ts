/**
 * What the admin server asks of the daemon, and the JSON shapes that scripts and the command read.
 *
 *   peertap (cli) ──HTTP, Unix socket──▶ admin server ──DaemonControl──▶ daemon
 *
 * Main thread; the shapes are also the command's. Names here are a promise to scripts: add, never rename.
 * A value that is not known yet is `null`, so that a key is always there.
 */
import type { EventLoopDelay } from '../event-loop-watch.ts';
import type { MulticastMode } from '../multicast/multicast-mode.ts';
import type { PathPolicy } from '../vlan/path-policy.ts';

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

/** How a peer became known. */
export type PeerSource = 'config' | 'mdns' | 'dht' | 'presence' | 'fabric' | 'invite' | 'trunk';

/** A peer that the daemon knows, with or without a trunk. */
export interface PeerReport extends TrunkReport {
  /** How it became known; more than one may hold. */
  readonly sources: readonly PeerSource[];
  /** `full`: a trunk is kept; `warm`: a heartbeat now and then; `known`: neither, for now. */
  readonly standing: 'full' | 'warm' | 'known';
  /** It stands in `bootstrap` of the config. */
  readonly configured: boolean;
  /** libp2p addresses by which it can be dialled. */
  readonly addresses: readonly string[];
  /** VLANs that both are in. */
  readonly sharedVlans: readonly string[];
}

/** `open`: knowing the id admits. `private`: an admin admits, and a member can be removed. */
export type VlanKind = 'open' | 'private';

/** `owner`: has the key that signs the VLAN's settings; `admin`: admits and removes. */
export type MemberRole = 'owner' | 'admin' | 'member';

/**
 * `active`: it has keys and an interface; `no-interface`: keys alone; `waiting-for-approval`: an admin has to approve
 * this node; `joining`: no member was reached yet, or the Welcome is on its way; `refused`: an admin refused, or the
 * invite holds no more, see `reason`; `expelled`: an admin removed this node.
 */
export type VlanState =
  | 'active'
  | 'waiting-for-approval'
  | 'joining'
  | 'refused'
  | 'expelled'
  | 'no-interface';

/** What is known of a VLAN's multicast groups. */
export interface MulticastReport {
  /** Groups that the hosts on its interface listen to. */
  readonly wanted: number;
  /** The interface gets all groups: a multicast router is there, `flood` is set, or more is wanted than can be followed. */
  readonly wantsAll: boolean;
  /** Groups that the hosts on its interface send to. */
  readonly sentTo: number;
  /** IGMP, MLD and PIM messages of these hosts, by what became of them; empty where nobody listens. */
  readonly messages: Readonly<Record<string, number>>;
}

/** A VLAN that this node is in, or asks to be in. */
export interface VlanReport {
  readonly id: string;
  /** From its signed record, or from its owner's registry; null when neither is here. */
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
  readonly multicast: MulticastReport;
  readonly kind: VlanKind;
  readonly state: VlanState;
  /** Why it is refused, or why it is not in yet, in words of our own; null otherwise. */
  readonly reason: string | null;
  /** Number of the group's epoch; null in an open VLAN, and before the Welcome. */
  readonly epoch: number | null;
  /** From its signed record. */
  readonly description: string | null;
  /** In CIDR form with host bits zero, as `10.7.0.0/24`; from its signed record. */
  readonly subnet: string | null;
  /** Whether whoever browses sees it. */
  readonly public: boolean;
  /** Of this node; null in an open VLAN that it does not own, and before the Welcome. */
  readonly role: MemberRole | null;
  /** Peers that wait for an admin's approval; 0 where this node is no admin. */
  readonly requests: number;
  /** What its membership counted since the start (commits, forks healed, refused joins…), by name; empty if open. */
  readonly membership: Readonly<Record<string, number>>;
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

/** Makes a VLAN. */
export interface CreateRequest {
  readonly name: string;
  readonly private: boolean;
  /** In CIDR form with host bits zero, or null. */
  readonly subnet: string | null;
}

/**
 * Joins a VLAN, or attaches an interface to one that this node owns or has already asked to join. Exactly one of `id`
 * and `invite` is there.
 */
export interface JoinRequest {
  readonly id?: string;
  /** As `peertap vlan invite` prints it; names the VLAN, where its members are and, maybe, a one-time secret. */
  readonly invite?: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  /** Left out: `snoop`. */
  readonly multicast?: MulticastMode;
  /** Left out: `failover`. */
  readonly paths?: PathPolicy;
  /** Left out: 128. */
  readonly treeRank?: number;
}

/** Asks for an invite. */
export interface InviteRequest {
  readonly id: string;
  /** How many nodes the secret admits; no matter without one. */
  readonly uses: number;
  readonly expiresSeconds: number;
  /** Without it the invite only leads to the VLAN, and an admin approves. */
  readonly oneTimeSecret: boolean;
}

/** An invite to hand over. */
export interface InviteReport {
  readonly id: string;
  /** One word of printable ASCII without blanks. */
  readonly invite: string;
  /** ISO 8601; null when it never expires. */
  readonly expiresAt: string | null;
  /** 0 without a secret. */
  readonly uses: number;
}

/** A peer that asked to be admitted. */
export interface AdmissionRequestReport {
  readonly peer: string;
  /** ISO 8601. */
  readonly askedAt: string;
  /** It came with an invite, if one that does not admit by itself. */
  readonly invited: boolean;
  /** What it says of itself: bytes of a stranger, never to be printed as they are. */
  readonly note: string | null;
}

/** A member of a VLAN: of a private one each in the group, of an open one each that is live. */
export interface MemberReport {
  readonly peer: string;
  readonly role: MemberRole;
  /** `self`: this node; `live`: heard lately; `absent`: in the group, but silent. */
  readonly state: 'self' | 'live' | 'absent';
  /** MAC addresses behind it, as `02:00:00:00:00:01`. */
  readonly stations: readonly string[];
  /** Whether a trunk to it is up. */
  readonly trunk: boolean;
  /** null for this node, and for one that was never heard. */
  readonly lastHeardSeconds: number | null;
  /** The epoch that it announced last; null in an open VLAN, and when unknown. */
  readonly epoch: number | null;
}

/** A VLAN of the directory whose record can be read here. */
export interface BrowsedVlan {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly kind: VlanKind;
  readonly subnet: string | null;
  /** A short text by which two VLANs of one name can be told apart: the fingerprint of the owner's key. */
  readonly owner: string;
  readonly sequence: number;
  readonly joined: boolean;
}

/** Whether this node is in a private swarm. */
export interface SwarmReport {
  /** Without a swarm any node may connect; what it learns is in docs/threat-model.md. */
  readonly active: boolean;
  /** A short text that two nodes of one swarm share; no secret. null without a swarm. */
  readonly fingerprint: string | null;
  /** Of the key before, as long as it is still accepted. */
  readonly previousFingerprint: string | null;
  /** ISO 8601: when the key before stops being accepted. */
  readonly previousUntil: string | null;
  /** Connections closed since the start because the other end had no key of the swarm. */
  readonly refusedConnections: number;
}

/** A swarm's key, to be handed over as a secret. */
export interface SwarmKeyReport {
  /** One word of printable ASCII without blanks, which `peertap swarm join` takes. */
  readonly key: string;
  readonly fingerprint: string;
}

/**
 * The daemon as the admin server sees it; implemented in control/node.ts. Every method may throw or reject with an
 * error that has a lower-case `code` and a sentence that says what to do, see {@link ControlErrorCode}.
 */
export interface DaemonControl {
  status(): DaemonStatus;
  peers(): readonly PeerReport[];
  vlans(): readonly VlanReport[];
  /** Makes a VLAN whose owner, admin and first member this node is, without an interface. */
  createVlan(request: CreateRequest): Promise<VlanReport>;
  /** Resolves as soon as the wish is on disk; `state` says whether it waits for an admin. Asking again is no error. */
  joinVlan(request: JoinRequest): Promise<VlanReport>;
  /** Gives up a request to join, too. @throws an error with code `not-a-member` when there is nothing to leave */
  leaveVlan(id: string): Promise<void>;
  /** To an open VLAN, too: then it says where members are, and has no secret. @throws codes `not-admin`, `not-a-member` */
  inviteToVlan(request: InviteRequest): Promise<InviteReport>;
  /** Those that wait, longest first. @throws codes `not-private`, `not-admin`, `not-a-member` */
  vlanRequests(id: string): Promise<readonly AdmissionRequestReport[]>;
  /** Resolves when the admission is signed and on disk. @throws also code `no-request` */
  approveRequest(id: string, peer: string): Promise<void>;
  /** Resolves when the removal is signed and on disk; ends the peer's request, too. @throws also `no-member` */
  removeMember(id: string, peer: string): Promise<void>;
  /** This node first, then live ones, then absent ones. @throws code `not-a-member` */
  vlanMembers(id: string): Promise<readonly MemberReport[]>;
  browseVlans(): Promise<readonly BrowsedVlan[]>;
  /**
   * Changes settings in the VLAN's signed record.
   *
   * @param changes - each value as text; an empty one clears a setting that can be empty
   * @throws codes `not-owner`, `invalid-setting` (naming the settings that exist, or the range), `not-a-member`
   */
  setVlan(id: string, changes: Readonly<Record<string, string>>): Promise<VlanReport>;
  swarm(): SwarmReport;
  /** Makes a swarm with a fresh key. @throws code `in-swarm` when there is one */
  configureSwarm(): Promise<SwarmKeyReport>;
  /** The current key, for another node. @throws code `no-swarm` */
  exchangeSwarm(): Promise<SwarmKeyReport>;
  /** Takes another node's key over; one in use until then stays accepted. @throws code `invalid-swarm-key` */
  joinSwarm(key: string): Promise<SwarmReport>;
  /** @throws code `no-swarm` */
  leaveSwarm(): Promise<SwarmReport>;
  /** A fresh key; the one before stays accepted. @throws code `no-swarm` */
  rotateSwarm(): Promise<SwarmKeyReport>;
  /** Ends the acceptance of the key before. @throws codes `no-swarm`, `no-rotation` */
  finishSwarmRotation(): Promise<SwarmReport>;
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
  | 'not-admin'
  | 'not-owner'
  | 'not-private'
  | 'no-request'
  | 'no-member'
  | 'no-interface'
  | 'busy'
  | 'invalid-invite'
  | 'invalid-setting'
  | 'invalid-swarm-key'
  | 'in-swarm'
  | 'no-swarm'
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
